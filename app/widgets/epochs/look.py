"""The look of the kept epochs side by side, as one value."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class EpochLook:
    """The contents of an epoch's card.

    `titles` say which epoch it is, the longest first: the first that has room is shown. `line` says below it what is
    known of its take, and `tip` all of that in sentences. `keep` are the words on the button that chooses it, pressed
    if `is_kept`, `short` fewer of them, `keep_tip` what that does. `name` is the epoch's in the names of both buttons.
    """

    id: Hashable
    titles: tuple[str, ...]
    name: str
    line: str
    tip: str = ""
    is_copy: bool = False
    keep: str = ""
    short: str = ""
    keep_tip: str = ""
    is_kept: bool = False
    can_keep: bool = False


@dataclass(frozen=True, slots=True)
class EpochsLook:
    """The contents of the row: a card for each epoch, looser ones first, and the button that makes all their takes."""

    cards: tuple[EpochLook, ...] = ()
    button: str = ""
    tip: str = ""
