"""The look of a session's card, as one value."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SessionLook:
    """A session's card: a title with a moment beside it, and two lines; `moved` takes the place of the second one.

    `can_be_removed` says whether the card can be taken away.
    """

    title: str
    lines: tuple[str, str]
    when: str = ""
    moved: str = ""
    tip: str = ""
    can_be_removed: bool = True
