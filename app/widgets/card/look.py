"""The look of a chip, as one value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Link = tuple[str, str]  # id, text


@dataclass(frozen=True, slots=True)
class CardLook:
    """The contents of a chip: a title, facts below it in one line, a link, and a button for another file.

    `text` is the invitation of an empty one, the sentence of a busy one, and the title of a filled one; `short` takes
    the place of facts of which not even the first has room.
    """

    kind: Literal["empty", "busy", "filled"]
    text: str
    lines: tuple[str, ...] = ()
    link: Link | None = None
    button: str = ""
    short: str = ""
