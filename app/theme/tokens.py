"""The tokens of the look: the only place where colours, spaces, radii and heights are numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

BannerKind = Literal["warning", "error", "info"]

# Spaces between things, radii of their corners and their least heights, in px.
TIGHT: Final = 4
SPACE: Final = 8
ROOMY: Final = 12
WIDE: Final = 16
RADIUS: Final = 6
SMALL_RADIUS: Final = 4
TARGET: Final = 28  # the least height of what can be clicked
ROW: Final = 32
BUTTON: Final = 36
CHIP: Final = 48
NOTICE: Final = 34


@dataclass(frozen=True, slots=True)
class Pair:
    """A text colour and the ground that it stands on."""

    text: str
    ground: str


@dataclass(frozen=True, slots=True)
class Tokens:
    """The colours of one appearance, as "#rrggbb".

    `ground` is the window's, `raised` that of chips, cards and buttons, `field` that of what can be typed into or
    scrolled; `hover` and `pressed` are a button's. `dim` is text beside the text that counts, `disabled` what cannot be
    pressed now and still has to be read. `accent` draws lines and words; `primary` fills the button to press next, with
    `on_primary` on it. `lines` are those of the plot: validation, training, threshold, best, another model's curve.
    """

    ground: str
    raised: str
    field: str
    hover: str
    pressed: str
    border: str
    text: str
    dim: str
    disabled: str
    accent: str
    primary: str
    primary_hover: str
    primary_pressed: str
    on_primary: str
    link: str
    error: str
    warning: str
    lines: tuple[str, str, str, str, str]
    banners: dict[BannerKind, Pair]

    @property
    def text_pairs(self) -> dict[str, Pair]:
        """Every pair of a text and a ground that the window writes with, by name."""
        grounds = {"ground": self.ground, "raised": self.raised, "field": self.field}
        inks = {"text": self.text, "dim": self.dim, "disabled": self.disabled, "accent": self.accent}
        inks |= {"link": self.link, "error": self.error, "warning": self.warning}
        inks |= dict(zip(("validation", "training", "threshold", "best", "beside"), self.lines, strict=True))
        pairs = {f"{ink} on {on}": Pair(inks[ink], grounds[on]) for ink in inks for on in grounds}
        buttons = {"hover": self.hover, "pressed": self.pressed}
        pairs |= {f"text on {state}": Pair(self.text, color) for state, color in buttons.items()}
        fills = {"primary": self.primary, "hover": self.primary_hover, "pressed": self.primary_pressed}
        pairs |= {f"on primary, {state}": Pair(self.on_primary, color) for state, color in fills.items()}
        return pairs | {f"banner, {kind}": pair for kind, pair in self.banners.items()}


LIGHT: Final = Tokens(
    ground="#f3f4f6",
    raised="#ffffff",
    field="#ffffff",
    hover="#e9edf2",
    pressed="#dde2e8",
    border="#b9bec6",
    text="#1b1d20",
    dim="#555a62",
    disabled="#636870",
    accent="#0067ad",
    primary="#0062a3",
    primary_hover="#0070b8",
    primary_pressed="#004f85",
    on_primary="#ffffff",
    link="#005f96",
    error="#a1000e",
    warning="#7a4d00",
    lines=("#0072b2", "#8a5a00", "#a85400", "#00785a", "#8b3a8f"),
    banners={
        "warning": Pair("#5c3a00", "#fff4ce"),
        "error": Pair("#6b0f14", "#fde7e9"),
        "info": Pair("#083a66", "#e2f0fd"),
    },
)
DARK: Final = Tokens(
    ground="#1f2124",
    raised="#2b2d31",
    field="#2b2d31",
    hover="#36393e",
    pressed="#222428",
    border="#50545c",
    text="#f1f2f4",
    dim="#b0b4bb",
    disabled="#9a9fa7",
    accent="#5ab6ea",
    primary="#0062a3",
    primary_hover="#0070b8",
    primary_pressed="#004f85",
    on_primary="#ffffff",
    link="#7cc4f0",
    error="#ff9c9c",
    warning="#ffce6b",
    lines=("#56b4e9", "#e69f00", "#ff8c42", "#2bc79a", "#d79be0"),
    banners={
        "warning": Pair("#ffe3a3", "#3d2f00"),
        "error": Pair("#ffd0d0", "#4a1216"),
        "info": Pair("#d0e7ff", "#12314d"),
    },
)


def _channel(value: int) -> float:
    share = value / 255
    return share / 12.92 if share <= 0.03928 else float(((share + 0.055) / 1.055) ** 2.4)


def _luminance(color: str) -> float:
    red, green, blue = (_channel(int(color[at : at + 2], 16)) for at in (1, 3, 5))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours after WCAG 2, from 1 to 21."""
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)
