"""The look of a card, as one value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Link = tuple[str, str]  # id, text


@dataclass(frozen=True, slots=True)
class CardLook:
    """A card's contents; `text` is the invitation of an empty one, the sentence of a busy one, a filled one's title.

    `minor` is the one of its lines that a compact card leaves out.
    """

    kind: Literal["empty", "busy", "filled"]
    text: str
    lines: tuple[str, ...] = ()
    link: Link | None = None
    button: str = "Change…"
    minor: str = ""
