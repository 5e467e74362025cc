"""The descent of a codec's weights along gradients: optimizer steps, and the learning rate's cosine."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any, TypeAlias

import torch
from torch import Tensor
from torch.nn.utils import clip_grad_norm_
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from distill_core.distributed import ALONE, Ranks
from distill_core.events import OnEvent, ShouldStop, ignore, never, stop_point
from distill_core.training.averaging import Averaging
from distill_core.training.batch_parts import BATCH_PARTS, BatchParts
from distill_core.training.codec.learner import CodecLearner
from distill_core.training.optimizer_state import adam_w, check_optimizers, check_schedule, load_state, portable_state
from distill_core.training.run_folder.checks import require
from distill_core.training.snapshot import on_cpu
from distill_core.training.stop_points import all_or_nothing, stopping_inside

Learner: TypeAlias = CodecLearner[Any, Any]


def _share_of(waveforms_BT: Tensor, averaging: Averaging) -> tuple[Tensor, float]:
    """Return this rank's share of a batch, with its weight in the mean over all; an empty one takes a first one."""
    own_BT = waveforms_BT[averaging.rows]
    return own_BT if len(own_BT) else waveforms_BT[:1], len(own_BT) * averaging.ranks.size / len(waveforms_BT)


def _gradients(
    share: tuple[Tensor, float],
    learner: Learner,
    optimizer: Optimizer,
    should_stop: ShouldStop,
    averaging: Averaging,
    parts: list[slice],
) -> Tensor:
    """Compute the gradients of a batch part by part, and return the loss and the commitment loss `[2]`.

    They are those of the whole batch up to rounding, except where a network looks at its batch: BatchNorm and codebooks
    that follow the sounds see each part, and each rank's share, by itself.
    """
    own_BT, weight = share
    optimizer.zero_grad(set_to_none=True)
    losses = torch.zeros(2, device=learner.device)
    for part in parts:
        of_all = weight * (part.stop - part.start) / len(own_BT)
        with averaging.part(is_last=part is parts[-1]):
            loss, commit_loss = averaging.loss(own_BT[part], should_stop)
            (loss * of_all).backward()
        losses += of_all * torch.stack([loss.detach(), commit_loss.detach().to(loss.device)])
    return losses


def _move_if_finite(
    learner: Learner, losses: Tensor, optimizer: Optimizer, should_stop: ShouldStop, averaging: Averaging
) -> tuple[float, float] | None:
    norm = clip_grad_norm_(learner.codec.parameters(), learner.config.gradient_clip_norm)
    # The numbers are read at once: each reading waits for a graphics card.
    *own, length = torch.cat([losses, norm.detach()[None].to(losses)]).tolist()
    loss, commit_loss = averaging.means(*own)
    # Clipping turns one infinite gradient into NaN in every weight, so the norm is checked before the weights move.
    if not (math.isfinite(loss) and math.isfinite(length)):
        return None
    stop_point(should_stop)
    optimizer.step()
    return loss, commit_loss


def _put_back(buffers: Iterable[Tensor], values: Iterable[Tensor]) -> None:
    with torch.no_grad():
        for buffer, value in zip(buffers, values, strict=True):
            buffer.copy_(value)


def take_step(
    learner: Learner,
    waveforms_BT: Tensor,
    optimizer: Optimizer,
    should_stop: ShouldStop = never,
    batch_parts: BatchParts | None = None,
    averaging: Averaging | None = None,
    on_event: OnEvent = ignore,
) -> tuple[float, float] | None:
    """Take an optimizer step and return (loss, commitment loss); None if one is not finite, and nothing has changed.

    A forward pass in train mode changes codebooks and BatchNorm's statistics, so these are put back too. A batch that
    is too large for the memory is learned in parts, see `BatchParts`; of several ranks each learns a share.

    Raises:
        Stopped: `should_stop()` turned true; nothing has changed.
    """
    averaging = averaging or Averaging(learner.codec, learner.loss, ALONE)
    share = _share_of(waveforms_BT, averaging)
    before = [buffer.clone() for buffer in learner.codec.buffers()]
    taken = None
    try:
        with all_or_nothing(optimizer, learner.device) as undo, stopping_inside(learner.codec, should_stop):

            def undo_all() -> None:
                undo()
                _put_back(learner.codec.buffers(), before)

            take = partial(_gradients, share, learner, optimizer, should_stop, averaging)
            losses = (batch_parts or BatchParts()).until_it_fits(len(share[0]), take, undo_all, on_event)
            taken = _move_if_finite(learner, losses, optimizer, should_stop, averaging)
    finally:
        if taken is None:
            _put_back(learner.codec.buffers(), before)
    return taken


def _cosine(optimizer: Optimizer, epochs: int) -> LambdaLR:
    return LambdaLR(optimizer, lambda epoch: 0.5 * (1 + math.cos(math.pi * epoch / epochs)))


class Descent:
    """AdamW, and a cosine over the epochs with optimizer steps; a codec without parameters has neither."""

    def __init__(self, learner: Learner, ranks: Ranks = ALONE) -> None:
        self._learner, config = learner, learner.config
        weights, epochs = [*learner.codec.parameters()], max(1, config.max_epochs - learner.fits_alone)
        self._optimizers = [adam_w(weights, config.learning_rate, config.weight_decay)] if weights else []
        self._averaging = Averaging(learner.codec, learner.loss, ranks if weights else ALONE)
        self.batch_parts = BatchParts(can_halve=ranks.is_alone)
        self._schedules = [_cosine(optimizer, epochs) for optimizer in self._optimizers]

    @property
    def rate(self) -> float:
        """The learning rate of the next optimizer step."""
        return float(self._optimizers[0].param_groups[0]["lr"])

    def step(
        self, waveforms_BT: Tensor, should_stop: ShouldStop, on_event: OnEvent = ignore
    ) -> tuple[float, float] | None:
        """Take an optimizer step as `take_step` does."""
        optimizer, ways = self._optimizers[0], (self.batch_parts, self._averaging)
        return take_step(self._learner, waveforms_BT, optimizer, should_stop, *ways, on_event)

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
            "optimizer_states": [on_cpu(portable_state(optimizer), should_stop) for optimizer in self._optimizers],
            "schedule": schedules[0] if schedules else {},
            BATCH_PARTS: self.batch_parts.count,
        }

    def restore(self, values: Mapping[str, Any]) -> None:
        """Set the optimizer and the schedule to the state in a run's values.

        Raises:
            ModelFileError: the state does not fit.
        """
        self.batch_parts.restore(values)
        check_optimizers(self._optimizers, values["optimizer_states"])
        require(bool(values["schedule"]) == bool(self._schedules))
        for schedule in self._schedules:
            check_schedule(schedule, values["schedule"])
            schedule.load_state_dict(values["schedule"])
        for optimizer, state in zip(self._optimizers, values["optimizer_states"], strict=True):
            load_state(optimizer, state)
            optimizer.step()  # moves nothing; a schedule warns of an optimizer that has taken no step yet
