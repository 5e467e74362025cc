"""The look of the window: icons, and colours that can be read on a light and on a dark ground."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from PySide6.QtCore import QByteArray, QRectF, Qt
from PySide6.QtGui import QColor, QGuiApplication, QIcon, QPainter, QPalette, QPixmap
from PySide6.QtSvg import QSvgRenderer
from PySide6.QtWidgets import QApplication, QPushButton

import distill_core

BannerKind = Literal["warning", "error", "info"]

_ICON_SIZES = (16, 20, 24, 32, 48, 64)
_PRIMARY_GROUND = "#00477d"  # Fusion draws it lighter, just dark enough for white words
_BANNER_PAIRS: dict[tuple[BannerKind, bool], tuple[str, str]] = {  # (kind, dark): text on ground, 9:1 and more
    ("warning", False): ("#5c3a00", "#fff4ce"),
    ("warning", True): ("#ffe3a3", "#3d2f00"),
    ("error", False): ("#6b0f14", "#fde7e9"),
    ("error", True): ("#ffd0d0", "#4a1216"),
    ("info", False): ("#083a66", "#e2f0fd"),
    ("info", True): ("#d0e7ff", "#12314d"),
}


@dataclass(frozen=True, slots=True)
class PlotColors:
    """The colours of the perplexity plot; `band` is translucent."""

    validation: QColor
    training: QColor
    threshold: QColor
    best: QColor
    foreground: QColor
    band: QColor


@dataclass(frozen=True, slots=True)
class BannerColors:
    """A text colour and the ground that it stands on."""

    text: QColor
    ground: QColor


def resource_path(*parts: str) -> Path:
    """Return the path of a bundled resource: in a checkout, in an installed wheel and in a frozen app."""
    frozen_into: str | None = getattr(sys, "_MEIPASS", None)
    root = Path(frozen_into) if frozen_into else Path(distill_core.__file__).parents[1]
    return root.joinpath("resources", *parts)


def is_dark(palette: QPalette) -> bool:
    """Return whether text is lighter than its ground."""
    return (
        palette.color(QPalette.ColorRole.WindowText).lightness() > palette.color(QPalette.ColorRole.Window).lightness()
    )


def plot_colors(palette: QPalette) -> PlotColors:
    """Return the plot's colours for a palette; those of text have a contrast of at least 4.5:1."""
    foreground = palette.color(QPalette.ColorRole.WindowText)
    band = QColor(foreground)
    band.setAlpha(28)
    if is_dark(palette):
        names = ("#56B4E9", "#E69F00", "#FF8C42", "#2BC79A")
    else:
        names = ("#0072B2", "#8A5A00", "#A85400", "#00785A")
    validation, training, threshold, best = (QColor(name) for name in names)
    return PlotColors(validation, training, threshold, best, foreground, band)


def banner_colors(palette: QPalette, kind: BannerKind) -> BannerColors:
    """Return a banner's text and ground."""
    text, ground = _BANNER_PAIRS[kind, is_dark(palette)]
    return BannerColors(QColor(text), QColor(ground))


def error_color(palette: QPalette) -> QColor:
    """Return the colour of a refusal written on the window's own ground."""
    return QColor("#ff9c9c" if is_dark(palette) else "#a1000e")


def dim_color(palette: QPalette) -> QColor:
    """Return the colour of text that is not the first to be read; it has a contrast of at least 4.5:1."""
    return QColor("#a9aeb6" if is_dark(palette) else "#565b63")


def link_color(palette: QPalette) -> QColor:
    """Return the colour of text that can be clicked; Qt's own is too dark on a dark ground."""
    return QColor("#7cc4f0" if is_dark(palette) else "#005f96")


def set_primary(button: QPushButton, is_primary: bool) -> None:
    """Colour a button as the one to press next (white on blue), unless it is disabled, or as any other."""
    palette = QPalette()
    if is_primary:
        for group in (QPalette.ColorGroup.Active, QPalette.ColorGroup.Inactive):
            palette.setColor(group, QPalette.ColorRole.Button, QColor(_PRIMARY_GROUND))
            palette.setColor(group, QPalette.ColorRole.ButtonText, QColor("#ffffff"))
    button.setPalette(palette)


def _drawn(renderer: QSvgRenderer, size: int, ratio: float) -> QPixmap:
    pixmap = QPixmap(round(size * ratio), round(size * ratio))
    pixmap.setDevicePixelRatio(ratio)
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    renderer.render(painter, QRectF(0, 0, size, size))
    painter.end()
    return pixmap


def icon(name: str, color: QColor | None = None) -> QIcon:
    """Return `resources/icons/NAME.svg` in a colour, by default that of the application's text.

    It does not follow a later change of the palette: its owner asks for it again then.
    """
    color = color or QGuiApplication.palette().color(QPalette.ColorRole.WindowText)
    source = resource_path("icons", f"{name}.svg").read_text(encoding="utf-8")
    renderer = QSvgRenderer(QByteArray(source.replace("currentColor", color.name()).encode()))
    drawn = QIcon()
    for size in _ICON_SIZES:
        for ratio in (1.0, 2.0):
            for mode in (QIcon.Mode.Normal, QIcon.Mode.Selected):  # Qt's own look of a chosen one is faint
                drawn.addPixmap(_drawn(renderer, size, ratio), mode)
    return drawn


def apply_style(app: QApplication) -> None:
    """Use Fusion, the one style that follows the system's light and dark everywhere."""
    app.setStyle("Fusion")
