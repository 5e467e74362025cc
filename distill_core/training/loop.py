"""The epoch loop of every training: the best weights so far, roll-back, and how it ended."""

from __future__ import annotations

import math
from collections.abc import Callable
from time import monotonic
from typing import Any, Protocol, TypeAlias

import torch
from torch import Tensor, nn

from distill_core.distributed import stop_together
from distill_core.errors import TrainingError
from distill_core.events import OnEvent, ShouldStop, Stopped
from distill_core.training.events import Ended, RolledBack

BAD_STEPS_IN_A_ROW = 3
MAX_ROLL_BACKS = 3


Weights: TypeAlias = dict[str, Tensor]


def copy_of(model: nn.Module) -> Weights:
    """Return a copy of a network's weights and buffers on the CPU."""
    return {key: value.detach().to("cpu", copy=True) for key, value in model.state_dict().items()}


class KeptWeights:
    """The weights of one epoch, with its number and its validation loss; epoch 0 before any is kept."""

    def __init__(self) -> None:
        self.loss, self.epoch = math.inf, 0
        self.state: Weights = {}

    def keep_if_better(self, state: Weights, val_loss: float, epoch: int) -> None:
        """Keep the weights if the loss is the lowest so far; NaN never is."""
        if val_loss < self.loss:
            self.keep(state, val_loss, epoch)

    def keep(self, state: Weights, val_loss: float, epoch: int) -> None:
        """Keep the weights of an epoch."""
        self.loss, self.epoch, self.state = val_loss, epoch, state


class Diverged(TrainingError):
    """The error of training that diverged; `reason` is the sign of it."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"Training diverged: {reason}. Your files are unchanged.", "Try a lower learning rate.")
        self.reason = reason


def diverged() -> Diverged:
    """Return the error of training whose loss is no longer a number."""
    return Diverged("the loss is no longer a number")


def refuse_wrong_weights(model: nn.Module) -> None:
    """Refuse a network that holds values that are no numbers: its loss need not show them.

    Raises:
        Diverged: it holds some.
    """
    floats = [value for value in model.state_dict().values() if value.is_floating_point() and value.numel()]
    # NaN is both the least and the greatest number. All are asked at once: each answer of a graphics card takes time.
    bounds = [torch.stack(torch.aminmax(value)).float() for value in floats]
    if bounds and not torch.stack(bounds).isfinite().all():
        raise Diverged("a weight is no longer a number")


class Run(Protocol):
    """The part of a training that `train_epochs` calls."""

    best: KeptWeights

    def train_epoch(self, epoch: int, on_event: OnEvent, should_stop: ShouldStop) -> object:
        """Train and validate one epoch, keep it if it is the best, and return its event."""

    def roll_back(self) -> bool:
        """Go back to the best weights after a failed epoch and return True; return False to end the training."""


EndOf: TypeAlias = Callable[[Any], Ended | None]


def goes_on(metrics: object) -> None:
    """Find no end of a training in an epoch."""


def train_epochs(
    run: Run,
    epochs: range,
    on_event: OnEvent,
    should_stop: ShouldStop,
    *,
    patience: int = 0,
    patient_from: int = 0,
    end_of: EndOf = goes_on,
) -> Ended:
    """Train until the last epoch, or `patience` epochs after the best, and return how it ended.

    Patience counts from the best epoch, or from the epoch `patient_from` if that is a later one. `end_of` finds the end
    that an epoch's event is of the whole training, None if it goes on.

    Raises:
        TrainingError: training diverged before any epoch was worth keeping.
    """
    try:
        for epoch in epochs:
            stop_together(should_stop)
            if 0 < patience < epoch - max(run.best.epoch, patient_from):
                return Ended.NO_BETTER
            try:
                metrics = run.train_epoch(epoch, on_event, should_stop)
                on_event(metrics)
                if (ended := end_of(metrics)) is not None:
                    return ended
            except Diverged as error:
                if not run.best.state:
                    raise
                if not run.roll_back():
                    return Ended.DIVERGED
                on_event(RolledBack(epoch, run.best.epoch, error.reason))
    except Stopped:
        return Ended.STOPPED
    if not run.best.state:
        raise diverged()
    return Ended.LAST_EPOCH


class TimeLimit:
    """The end of a training after some minutes (0: never), unless its caller stops it before."""

    def __init__(self, minutes: float, should_stop: ShouldStop) -> None:
        self._ends_at = monotonic() + 60 * minutes if minutes else math.inf
        self._asked_to_stop = should_stop

    def should_stop(self) -> bool:
        """Tell whether the time is up, or the caller wants an end."""
        return monotonic() >= self._ends_at or self._asked_to_stop()

    def ended_by(self, ended: Ended) -> Ended:
        """Return how a training ended: one that the caller did not stop was stopped by the limit."""
        is_by_time = ended is Ended.STOPPED and monotonic() >= self._ends_at and not self._asked_to_stop()
        return Ended.TIME_LIMIT if is_by_time else ended
