"""The facts of runs: plain values, for a list in the window or the terminal."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

NO_BEST = "The unfinished training has no whole epoch yet: there is no best to save."
NO_BEST_HINT = "Go on with it (Continue, --resume), or discard it."


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of training as a list names it.

    `measure` names the number that tells how good an epoch is, shown with `digits` behind the point. A kind that
    `makes_a_model` writes a new file; any other saves into the model that it was trained for.
    """

    name: str
    measure: str
    digits: int
    makes_a_model: bool

    def measured(self, value: float) -> str:
        """Return a value of the measure in words: "perplexity 7.42"."""
        return f"{self.measure} {value:,.{self.digits}f}"


@dataclass(frozen=True, slots=True)
class UnfinishedRun:
    """The facts of a run whose result is in no model; `has_ended`: only the saving is missing.

    `model` is the file that it is to be saved into, `best` the measure of its best epoch, None before the first has
    ended. `epoch` is the last whole one; of the epoch `under_way`, 0 between two, a `share` is done. A run of an older
    Distill (`is_older`) has a perplexity that counts padding; one that `is_best_only` has the best weights alone.
    `written` is the time of its last state, in seconds since 1970, 0 if unknown; `codec_digest` is "" if unknown.
    `left_out` are the names of those of its sounds that it does without; `launch` names the launch of several
    processes that it is of, "" for one process by itself.
    """

    run_id: str
    model: Path
    sounds: tuple[Path, ...]
    epoch: int
    total_epochs: int
    best_epoch: int
    best: float | None
    has_ended: bool
    kind: Kind
    is_older: bool = False
    is_best_only: bool = False
    codec_digest: str = ""
    written: float = 0.0
    left_out: frozenset[str] = frozenset()
    launch: str = ""
    under_way: int = 0
    share: float = 0.0

    @property
    def has_best(self) -> bool:
        """Whether an epoch is finished, so that there is a best one to take."""
        return self.best is not None

    @property
    def latest(self) -> int:
        """The epoch that it came to, whole or not."""
        return self.under_way or self.epoch

    @property
    def reached(self) -> str:
        """How far it came, in words: "epoch 14 of 50", "epoch 15 of 50, 40% in"."""
        reached = f"epoch {self.latest} of {self.total_epochs}"
        return f"{reached}, {math.floor(100 * self.share)}% in" if self.under_way else reached

    @property
    def can_go_on(self) -> bool:
        """Whether training can go on from the last state."""
        return not (self.has_ended or self.is_older or self.is_best_only)

    @property
    def best_words(self) -> str:
        """The measure of the best epoch in words: "perplexity 7.42", "none yet"."""
        return "none yet" if self.best is None else self.kind.measured(self.best)


class RunState(StrEnum):
    """The state of a run in a list, from which follows what can be done about it."""

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
    """A run as a list shows it: `facts` is None if it cannot be read; `written` in seconds since 1970."""

    id: str
    facts: UnfinishedRun | None
    state: RunState
    size_bytes: int
    written: float

    @property
    def is_recoverable(self) -> bool:
        """Whether the window offers to go on with it, or to save its best: with its model, or alone if it makes one."""
        return self.facts is not None and self.state not in (RunState.IN_USE, RunState.MODEL_GONE)


def recoverable(listed: Sequence[ListedRun]) -> tuple[UnfinishedRun, ...]:
    """Return the facts of the runs that the window offers, in the order of a list."""
    return tuple(run.facts for run in listed if run.is_recoverable and run.facts is not None)
