"""What the window had open together, as the start page offers it again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from distill_core.training.prior.knowledge import Knowledge, Measured, measured_in

if TYPE_CHECKING:
    from app.session.state import OpenFiles
    from distill_core.models.summary import ModelSummary

SHOWN = 4
_KEPT = 2 * SHOWN  # a session that is replaced by a fuller one must not have pushed the last one out
MOST_SOURCES, MOST_LEFT_OUT = 200, 1000  # beyond them the settings would grow by hundreds of kB


@dataclass(frozen=True, slots=True)
class RememberedPrior:
    """What a model's prior has reached; `measured` is None for one that only a newer Distill can read.

    `codes` is the number of codes of a level.
    """

    measured: Measured | None
    codes: int


@dataclass(frozen=True, slots=True)
class RememberedSession:
    """A model and sounds that were open together, or one of both; `left_out` are names of sounds not learned from.

    `when` is the moment in ISO format. The rest is shown without a look into the files: the number of the `sounds`,
    without those left out, and what the model's prior has reached, None if it has none.
    """

    model: Path | None = None
    sources: tuple[Path, ...] = ()
    left_out: tuple[str, ...] = ()
    when: str = ""
    sounds: int = 0
    prior: RememberedPrior | None = None

    @property
    def files(self) -> tuple[Path, ...]:
        """All its files and folders."""
        return (*([self.model] if self.model is not None else []), *self.sources)

    def is_part_of(self, other: RememberedSession) -> bool:
        """Tell whether another session has all that this one has, or more."""
        return self.model in (None, other.model) and self.sources in ((), other.sources)


def remembered(opened: OpenFiles, when: str) -> RememberedSession | None:
    """Return the session of open files; None while nothing is open, or something is still being opened.

    Sounds that would be too many names are left away: their folders may have others too, which nobody chose.
    """
    if opened.is_pending or (opened.model is None and opened.dataset is None):
        return None
    model, dataset = opened.model, opened.dataset
    has_sounds = dataset is not None and len(opened.sources) <= MOST_SOURCES and len(opened.left_out) <= MOST_LEFT_OUT
    session = RememberedSession(
        model=opened.real_path if model is not None else None,
        sources=opened.sources if has_sounds else (),
        left_out=tuple(sorted(opened.left_out)) if has_sounds else (),
        when=when,
        sounds=len(dataset.files) if dataset is not None and has_sounds else 0,
        prior=None if model is None else _prior_of(model),
    )
    return session if session.files else None


def _prior_of(model: ModelSummary) -> RememberedPrior | None:
    if not model.has_prior:
        return None
    measured = measured_in(model.prior_metadata or {}) if model.prior_is_readable else None
    return RememberedPrior(measured, model.codebook_size)


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
        "prior": None if session.prior is None else _to_facts(session.prior),
    }


def _to_facts(prior: RememberedPrior) -> dict[str, Any]:
    measured = prior.measured
    return {"codes": prior.codes, "measured": None if measured is None else asdict(measured)}


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
            prior=None if values["prior"] is None else _from_facts(values["prior"]),
        )
    except (KeyError, TypeError, ValueError, OverflowError):
        return None


def _from_facts(facts: Any) -> RememberedPrior:
    measured = facts["measured"]
    return RememberedPrior(None if measured is None else _measured(measured), int(facts["codes"]))


def _measured(facts: Any) -> Measured:
    perplexity = facts["perplexity"]
    return Measured(
        None if perplexity is None else float(perplexity), Knowledge(facts["level"]), facts["counts_padding"] is True
    )
