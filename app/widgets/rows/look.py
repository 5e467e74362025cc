"""What rows and columns look like, as values."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

Kind: TypeAlias = Literal["text", "play", "wave", "star"]

_DIGITS = re.compile(r"(\d+)")


def natural(text: str) -> list[tuple[int, int, str]]:
    """Return a key that sorts texts as people do: "take 2" before "Take 10"."""
    parts = (part for part in _DIGITS.split(text.casefold()) if part)
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts]


@dataclass(frozen=True, slots=True)
class Row:
    """A row: `key` tells it from others, `name` is read out and found by typing its beginning."""

    key: Hashable
    name: str
    can_play: bool = True
    is_dim: bool = False
    is_starred: bool = False


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its title, and what it says of a row, asked for only when that is seen.

    `order` returns what rows are sorted by, numbers or texts alike; without it a click on the title does nothing.
    `width` is in pixels, or as wide as a text; what is left over is shared by `stretch`. A text that has no room loses
    its middle, or its end where that is what can be missed. `name` stands for the title where that is a sign or none.
    """

    title: str
    width: int | str
    kind: Kind = "text"
    text: Callable[[Any], str] = lambda row: ""
    order: Callable[[Any], Any] | None = None
    tip: Callable[[Any], str] | None = None
    stretch: int = 0
    is_number: bool = False
    is_typed: bool = False
    loses_end: bool = False
    name: str = ""


PLAY, WAVE = Column("", 36, "play", name="Play"), Column("", 80, "wave", name="Waveform")
STAR = Column("★", 36, "star", order=lambda row: not row.is_starred, name="Star")
