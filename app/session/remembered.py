"""What the window had open together, as the start page offers it again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.words import knows_line

if TYPE_CHECKING:
    from app.session.state import OpenFiles

SHOWN = 4
_KEPT = 2 * SHOWN  # a session that is replaced by a fuller one must not have pushed the last one out


@dataclass(frozen=True, slots=True)
class RememberedSession:
    """A model and sounds that were open together, or one of both; `left_out` are names of sounds not learned from.

    `when` is the moment in ISO format. The rest is shown without a look into the files: the number of the `sounds`,
    without those left out, and how well the model knows them, in a sentence (`reached`).
    """

    model: Path | None = None
    sources: tuple[Path, ...] = ()
    left_out: tuple[str, ...] = ()
    when: str = ""
    sounds: int = 0
    reached: str = ""

    @property
    def files(self) -> tuple[Path, ...]:
        """All its files and folders."""
        return (*([self.model] if self.model is not None else []), *self.sources)

    def is_part_of(self, other: RememberedSession) -> bool:
        """Tell whether another session has all that this one has, or more."""
        return self.model in (None, other.model) and self.sources in ((), other.sources)


def remembered(opened: OpenFiles, when: str) -> RememberedSession | None:
    """Return the session of open files; None while nothing is open, or something is still being opened."""
    if opened.is_pending or (opened.model is None and opened.dataset is None):
        return None
    model, dataset = opened.model, opened.dataset
    return RememberedSession(
        model=opened.real_path if model is not None else None,
        sources=() if dataset is None else opened.sources,
        left_out=tuple(sorted(opened.left_out)),
        when=when,
        sounds=0 if dataset is None else len(dataset.files),
        reached="" if model is None else knows_line(model),
    )


def with_session(before: Sequence[RememberedSession], new: RememberedSession) -> tuple[RememberedSession, ...]:
    """Return the sessions with a new one first, in place of the same one and of those that were a part of it."""
    return (new, *(each for each in before if not each.is_part_of(new)))[:_KEPT]


def to_text(sessions: Sequence[RememberedSession]) -> str:
    """Return sessions as text for the settings."""
    return json.dumps([_to_values(session) for session in sessions])


def _to_values(session: RememberedSession) -> dict[str, Any]:
    return {
        "model": None if session.model is None else str(session.model),
        "sources": [str(source) for source in session.sources],
        "left_out": [*session.left_out],
        "when": session.when,
        "sounds": session.sounds,
        "reached": session.reached,
    }


def from_text(text: str) -> tuple[RememberedSession, ...]:
    """Return the sessions of a text; those that cannot be read are passed over."""
    try:
        values = json.loads(text)
    except ValueError:
        return ()
    read = [_from_values(value) for value in values] if isinstance(values, list) else []
    return tuple(session for session in read if session is not None and session.files)


def _from_values(values: Any) -> RememberedSession | None:
    try:
        model = values["model"]
        return RememberedSession(
            model=None if model is None else Path(model),
            sources=tuple(Path(source) for source in values["sources"]),
            left_out=tuple(map(str, values["left_out"])),
            when=str(values["when"]),
            sounds=int(values["sounds"]),
            reached=str(values["reached"]),
        )
    except (KeyError, TypeError, ValueError, OverflowError):
        return None
