"""The events that every training sends: frozen, plain values, safe to hand to another thread."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class Ended(StrEnum):
    """How a training ended."""

    LAST_EPOCH = "last_epoch"
    NO_BETTER = "no_better"
    STOPPED = "stopped"
    DIVERGED = "diverged"
    TIME_LIMIT = "time_limit"
    MEMORIZING = "memorizing"


ENDED_WORDS = {
    Ended.LAST_EPOCH: "after its last epoch",
    Ended.NO_BETTER: "because it got no better",
    Ended.STOPPED: "because it was stopped",
    Ended.DIVERGED: "because it diverged again and again",
    Ended.TIME_LIMIT: "at its time limit",
    Ended.MEMORIZING: "because it began to memorize",
}


@dataclass(frozen=True, slots=True)
class StepMetrics:
    """One optimizer step of an epoch, counted from 1."""

    epoch: int
    step: int
    total_steps: int
    train_loss: float
    learning_rate: float
    step_time_s: float


class EpochMetrics(Protocol):
    """The figures that the epochs of every training have."""

    @property
    def epoch(self) -> int:
        """The number of the epoch, counted from 1."""

    @property
    def total_epochs(self) -> int:
        """The number of epochs that were asked for."""

    @property
    def val_loss(self) -> float:
        """The mean loss on held-out sounds."""

    @property
    def best_epoch(self) -> int:
        """The epoch with the lowest `val_loss` so far, whose weights are kept."""


@dataclass(frozen=True, slots=True)
class RolledBack:
    """The return to an earlier epoch after one that diverged; the learning rate is halved."""

    epoch: int
    to_epoch: int
    reason: str

    @property
    def sentence(self) -> str:
        """The event in words, for a person."""
        return (
            f"Epoch {self.epoch} diverged ({self.reason}): training goes on from epoch {self.to_epoch} with half the "
            "learning rate."
        )


@dataclass(frozen=True, slots=True)
class BatchHalved:
    """The lack of memory for a batch, which is taken in `parts` parts for the rest of the training."""

    parts: int

    @property
    def sentence(self) -> str:
        """The event in words, for a person."""
        return (
            f"There was too little memory for the whole batch, so it is learned in {self.parts} parts. Nothing else "
            "changes."
        )


@dataclass(frozen=True, slots=True)
class RunNotKept:
    """The warning that a training's epochs are not on disk until its result is saved; `reason` says why."""

    reason: str

    @property
    def sentence(self) -> str:
        """The warning in words, for a person."""
        return f"Not kept on disk until it is saved: {self.reason}"


@dataclass(frozen=True, slots=True)
class OlderStateTaken:
    """The use of a run's state before the newest, which is damaged or missing; `epoch` is that of the older one."""

    epoch: int
    is_missing: bool = False

    @property
    def sentence(self) -> str:
        """The event in words, for a person."""
        what = "missing" if self.is_missing else "damaged"
        return f"The newest state of the unfinished training is {what}; the one of epoch {self.epoch} is taken."
