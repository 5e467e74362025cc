"""One epoch of a prior's training."""

from __future__ import annotations

from itertools import islice
from time import perf_counter

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from distill_core.distributed import ALONE, Ranks, stop_together
from distill_core.events import OnEvent, ShouldStop, Stopped, ignore, never
from distill_core.models.prior import Prior
from distill_core.training.averaging import Averaging
from distill_core.training.batch_parts import BatchParts
from distill_core.training.data.windows import CodeWindows, windows_of
from distill_core.training.events import StepMetrics
from distill_core.training.prior.config import PriorConfig
from distill_core.training.prior.step import take_step
from distill_core.training.prior.sums import PriorSums
from distill_core.training.stop_points import stopping_inside


def train_prior_epoch(
    prior: Prior,
    codes: Tensor | CodeWindows,
    optimizer: Optimizer,
    *,
    config: PriorConfig,
    epoch: int = 1,
    generator: torch.Generator | None = None,
    scheduler: LRScheduler | None = None,
    on_event: OnEvent = ignore,
    should_stop: ShouldStop = never,
    batch_parts: BatchParts | None = None,
    sums: PriorSums | None = None,
    ranks: Ranks = ALONE,
) -> float:
    """Train one epoch over codes `[N, S, Q]`, or `[N, T]` in the prior's order, and return the mean loss in nats.

    The codes are whole steps of all bands. They come in random order and, if longer than the context, in random cuts;
    the scheduler moves once with each optimizer step. A step changes nothing if its loss or gradient is not finite, or
    if `should_stop()` turns true within it; then the mean over the steps before it is returned, NaN without any. An
    epoch goes on behind the steps in its `sums`, if the generator is as it was when it began; each step is counted
    there before its event. Batches that are too large for the memory are learned in parts; `batch_parts` remembers in
    how many.

    Raises:
        TrainingError: three optimizer steps in a row were not finite.
        ValueError: the codes are none, or no whole steps.
    """
    prior.train()
    windows, parts = windows_of(prior, codes, config.batch_size), batch_parts or BatchParts()
    sums, averaging = PriorSums() if sums is None else sums, Averaging(prior, prior.loss, ranks)
    with stopping_inside(prior, should_stop):
        for batch in islice(windows.random(generator), sums.step, None):
            started = perf_counter()
            try:
                stop_together(should_stop)
                loss, has_moved = take_step(
                    prior, batch.windows, optimizer, config, should_stop, parts, averaging, on_event
                )
            except Stopped:
                break
            sums.add(loss, batch.windows.count, has_moved=has_moved)
            learning_rate = optimizer.param_groups[0]["lr"]
            if scheduler is not None:
                scheduler.step()
            on_event(StepMetrics(epoch, sums.step, len(windows), loss, learning_rate, perf_counter() - started))
    return sums.mean
