"""The descent of a codec's weights along gradients: optimizer steps, and the learning rate's cosine."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, TypeAlias

import torch
from torch import Tensor
from torch.nn.utils import clip_grad_norm_
from torch.optim import AdamW, Optimizer
from torch.optim.lr_scheduler import LambdaLR

from distill_core.events import ShouldStop, never, stop_point
from distill_core.training.codec.learner import CodecLearner
from distill_core.training.optimizer_state import check_optimizers, check_schedule
from distill_core.training.run_folder.checks import require
from distill_core.training.snapshot import on_cpu
from distill_core.training.stop_points import all_or_nothing, stopping_inside

Learner: TypeAlias = CodecLearner[Any, Any]


def _move_weights(
    learner: Learner, waveforms_BT: Tensor, optimizer: Optimizer, should_stop: ShouldStop
) -> tuple[float, float] | None:
    loss, commit_loss = learner.loss(waveforms_BT, should_stop)
    optimizer.zero_grad(set_to_none=True)
    if math.isfinite(loss.item()):
        loss.backward()
        longest = learner.config.gradient_clip_norm
        # Clipping turns one infinite gradient into NaN in every weight, so the norm is checked before the weights move.
        if math.isfinite(clip_grad_norm_(learner.codec.parameters(), longest).item()):
            stop_point(should_stop)
            optimizer.step()
            return loss.item(), commit_loss.item()
    return None


def take_step(
    learner: Learner, waveforms_BT: Tensor, optimizer: Optimizer, should_stop: ShouldStop = never
) -> tuple[float, float] | None:
    """Take an optimizer step and return (loss, commitment loss); None if one is not finite, and nothing has changed.

    A forward pass in train mode changes codebooks and BatchNorm's statistics, so these are put back too.

    Raises:
        Stopped: `should_stop()` turned true; nothing has changed.
    """
    before = [buffer.clone() for buffer in learner.codec.buffers()]
    taken = None
    try:
        with all_or_nothing(optimizer, learner.device), stopping_inside(learner.codec, should_stop):
            taken = _move_weights(learner, waveforms_BT, optimizer, should_stop)
    finally:
        if taken is None:
            with torch.no_grad():
                for buffer, value in zip(learner.codec.buffers(), before, strict=True):
                    buffer.copy_(value)
    return taken


def _cosine(optimizer: Optimizer, epochs: int) -> LambdaLR:
    return LambdaLR(optimizer, lambda epoch: 0.5 * (1 + math.cos(math.pi * epoch / epochs)))


class Descent:
    """AdamW, and a cosine over the epochs with optimizer steps; a codec without parameters has neither."""

    def __init__(self, learner: Learner) -> None:
        self._learner, config = learner, learner.config
        weights, epochs = [*learner.codec.parameters()], max(1, config.max_epochs - learner.fits_alone)
        self._optimizers = [AdamW(weights, config.learning_rate, weight_decay=config.weight_decay)] if weights else []
        self._schedules = [_cosine(optimizer, epochs) for optimizer in self._optimizers]

    @property
    def rate(self) -> float:
        """The learning rate of the next optimizer step."""
        return float(self._optimizers[0].param_groups[0]["lr"])

    def step(self, waveforms_BT: Tensor, should_stop: ShouldStop) -> tuple[float, float] | None:
        """Take an optimizer step as `take_step` does."""
        return take_step(self._learner, waveforms_BT, self._optimizers[0], should_stop)

    def end_epoch(self) -> None:
        """Lower the learning rate for the next epoch."""
        for schedule in self._schedules:
            schedule.step()

    def halve(self) -> None:
        """Go on with half the learning rate, and without the moments: they may come from a divergence."""
        for optimizer, schedule in zip(self._optimizers, self._schedules, strict=True):
            optimizer.state.clear()
            optimizer.zero_grad(set_to_none=True)
            optimizer.step()  # moves nothing; a schedule warns of an optimizer that has taken no step yet
            schedule.base_lrs = [rate / 2 for rate in schedule.base_lrs]
            schedule.step()

    def state(self, should_stop: ShouldStop) -> dict[str, Any]:
        """Return the state as a run holds it, empty without parameters.

        Raises:
            Stopped: `should_stop()` turned true.
        """
        schedules = [on_cpu(schedule.state_dict(), should_stop) for schedule in self._schedules]
        return {
            "optimizer_states": [on_cpu(optimizer.state_dict(), should_stop) for optimizer in self._optimizers],
            "schedule": schedules[0] if schedules else {},
        }

    def restore(self, values: Mapping[str, Any]) -> None:
        """Set the optimizer and the schedule to the state in a run's values.

        Raises:
            ModelFileError: the state does not fit.
        """
        check_optimizers(self._optimizers, values["optimizer_states"])
        require(bool(values["schedule"]) == bool(self._schedules))
        for schedule in self._schedules:
            check_schedule(schedule, values["schedule"])
            schedule.load_state_dict(values["schedule"])
        for optimizer, state in zip(self._optimizers, values["optimizer_states"], strict=True):
            optimizer.load_state_dict(state)
            optimizer.step()  # moves nothing; a schedule warns of an optimizer that has taken no step yet
