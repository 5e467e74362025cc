"""The events that every training sends: frozen, plain values, safe to hand to another thread."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Ended(StrEnum):
    """How a training ended."""

    LAST_EPOCH = "last_epoch"
    NO_BETTER = "no_better"
    STOPPED = "stopped"
    DIVERGED = "diverged"
    TIME_LIMIT = "time_limit"


ENDED_WORDS = {
    Ended.LAST_EPOCH: "after its last epoch",
    Ended.NO_BETTER: "because it got no better",
    Ended.STOPPED: "because it was stopped",
    Ended.DIVERGED: "because it diverged again and again",
    Ended.TIME_LIMIT: "at its time limit",
}


@dataclass(frozen=True, slots=True)
class RolledBack:
    """An epoch diverged; training goes on from an earlier one, with half the learning rate."""

    epoch: int
    to_epoch: int
    reason: str

    @property
    def sentence(self) -> str:
        """What to tell a person."""
        return (
            f"Epoch {self.epoch} diverged ({self.reason}): training goes on from epoch {self.to_epoch} with half the "
            "learning rate."
        )


@dataclass(frozen=True, slots=True)
class RunNotKept:
    """The training goes on, but what it reaches is not on disk until it is saved; `reason` says why."""

    reason: str

    @property
    def sentence(self) -> str:
        """What to tell a person."""
        return f"Not kept on disk until it is saved: {self.reason}"


@dataclass(frozen=True, slots=True)
class OlderStateTaken:
    """The newest state of an unfinished training is damaged, or missing; the one before it, of `epoch`, is taken."""

    epoch: int
    is_missing: bool = False

    @property
    def sentence(self) -> str:
        """What to tell a person."""
        what = "missing" if self.is_missing else "damaged"
        return f"The newest state of the unfinished training is {what}; the one of epoch {self.epoch} is taken."
