"""What is known of the trainings on disk: plain values, for a list in the window or the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


class Kind(StrEnum):
    """What is trained."""

    PRIOR = "prior"
    CODEC = "codec"


@dataclass(frozen=True, slots=True)
class UnfinishedRun:
    """What is known of a training whose result is in no model; `has_ended` when only the saving is missing.

    `model` is the file that it is to be saved into, `best` the perplexity of a prior, the error of a codec. One that an
    older Distill left (`is_older`) cannot be gone on with, and its perplexity counts padding. `written` is the moment
    of its last state, in seconds since 1970, 0 where that is not known; `codec_digest` is "" where it is not known.
    """

    run_id: str
    model: Path
    sounds: tuple[Path, ...]
    epoch: int
    total_epochs: int
    best_epoch: int
    best: float
    has_ended: bool
    is_older: bool = False
    kind: Kind = Kind.PRIOR
    codec_digest: str = ""
    written: float = 0.0

    @property
    def can_go_on(self) -> bool:
        """Whether training can go on where it was."""
        return self.kind is Kind.PRIOR and not self.has_ended and not self.is_older


class RunState(StrEnum):
    """What can be done about a run."""

    UNFINISHED = "unfinished"
    BEST_ONLY = "best_only"
    NOT_SAVED = "not_saved"
    IN_USE = "in_use"
    MODEL_GONE = "model_gone"
    NEWER = "newer"
    UNREADABLE = "unreadable"


STATE_WORDS = {
    RunState.UNFINISHED: "unfinished, can go on",
    RunState.BEST_ONLY: "unfinished, its best can be saved",
    RunState.NOT_SAVED: "finished, not saved",
    RunState.IN_USE: "a training is at it",
    RunState.MODEL_GONE: "its model is gone",
    RunState.NEWER: "made by a newer Distill; please update",
    RunState.UNREADABLE: "cannot be read",
}


@dataclass(frozen=True, slots=True)
class ListedRun:
    """A run as a list shows it: `facts` None where it cannot be read; `written` in seconds since 1970."""

    id: str
    facts: UnfinishedRun | None
    state: RunState
    size_bytes: int
    written: float

    @property
    def is_recoverable(self) -> bool:
        """Whether opening its model offers it."""
        kind = None if self.facts is None else self.facts.kind
        return kind is Kind.PRIOR and self.state not in (RunState.IN_USE, RunState.MODEL_GONE)


def recoverable(listed: Sequence[ListedRun]) -> tuple[UnfinishedRun, ...]:
    """Return the trainings that opening their models offers, in the order of a list."""
    return tuple(run.facts for run in listed if run.is_recoverable and run.facts is not None)
