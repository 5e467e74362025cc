"""What keeps hours of training safe: the best weights so far, limits for steps that failed, and memory in words."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

import torch
from torch import Tensor, nn

from distill_core.errors import TrainingError
from distill_core.events import OnEvent, ShouldStop, Stopped, stop_point

BAD_STEPS_IN_A_ROW = 3
MAX_ROLL_BACKS = 3


class BestWeights:
    """A copy on the CPU of the weights with the lowest validation loss."""

    def __init__(self) -> None:
        self.loss, self.epoch = math.inf, 0
        self.state: dict[str, Tensor] = {}

    def keep_if_better(self, model: nn.Module, val_loss: float, epoch: int) -> None:
        """Copy the weights and buffers when the loss is the lowest yet; NaN never is."""
        if val_loss < self.loss:
            self.loss, self.epoch = val_loss, epoch
            self.state = {key: value.detach().to("cpu", copy=True) for key, value in model.state_dict().items()}


def diverged() -> TrainingError:
    """Return the error of training whose loss is no longer a number."""
    return TrainingError(
        "Training diverged: the loss is no longer a number. Your files are unchanged.",
        "Try a lower learning rate.",
    )


class Run(Protocol):
    """What `train_epochs` needs of a training."""

    best: BestWeights

    def train_epoch(self, epoch: int, on_event: OnEvent, should_stop: ShouldStop) -> object:
        """Train and validate one epoch, keep it if it is the best, and return its event."""

    def roll_back(self) -> bool:
        """Go back to the best weights after a failed epoch; False when that is no use."""


def train_epochs(run: Run, epochs: range, on_event: OnEvent, should_stop: ShouldStop, *, patience: int = 0) -> bool:
    """Train until the last epoch, or `patience` epochs after the best, and return False; True when stopped.

    Raises:
        TrainingError: training diverged before any epoch was worth keeping.
    """
    try:
        for epoch in epochs:
            stop_point(should_stop)
            if 0 < patience < epoch - run.best.epoch:
                return False
            try:
                on_event(run.train_epoch(epoch, on_event, should_stop))
            except TrainingError:
                if run.roll_back():
                    continue
                if not run.best.state:
                    raise
                return True
    except Stopped:
        return True
    if not run.best.state:
        raise diverged()
    return False


@contextmanager
def out_of_memory_in_words(hint: str) -> Iterator[None]:
    """Turn running out of memory into a sentence.

    Raises:
        TrainingError: with `hint` as what to do next.
    """
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and "memory" not in str(error):
            raise
        raise TrainingError(
            "There is not enough memory to train with these settings. Your files are unchanged.", hint
        ) from error
