"""A codec's training in epochs: an epoch, the best so far, and the way back after one that diverged."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any, TypeAlias
from uuid import uuid4

import torch

from distill_core.events import OnEvent, ShouldStop, stop_point, unless_stopped
from distill_core.training.codec.descent import Descent
from distill_core.training.codec.events import CodecEpochMetrics
from distill_core.training.codec.learner import CodecLearner, Validation
from distill_core.training.data.chunks import VariantBatches
from distill_core.training.events import StepMetrics
from distill_core.training.loop import (
    BAD_STEPS_IN_A_ROW,
    MAX_ROLL_BACKS,
    KeptWeights,
    copy_of,
    diverged,
    refuse_wrong_weights,
)
from distill_core.training.stop_points import stopping_inside

_Losses: TypeAlias = list[tuple[float, float]]  # with the commitment loss, and that alone


@dataclass
class CodecRun:
    """The training under way: how the codec learns, the order of the data, the best so far and the history."""

    learner: CodecLearner[Any, Any]
    best: KeptWeights = field(default_factory=KeptWeights)
    history: list[CodecEpochMetrics] = field(default_factory=list)
    roll_backs: int = 0
    is_inside_an_epoch: bool = False
    run_id: str = field(default_factory=lambda: uuid4().hex)

    def __post_init__(self) -> None:
        config, chunks_NT = self.learner.config, self.learner.sounds.train_NT
        self.descent = Descent(self.learner)
        self.generator = torch.Generator().manual_seed(config.seed)
        self.batches = VariantBatches(chunks_NT, config.augmentation, config.batch_size, self.generator)

    @property
    def best_metrics(self) -> CodecEpochMetrics:
        """The metrics of the epoch whose weights are kept."""
        return next(metrics for metrics in self.history if metrics.epoch == self.best.epoch)

    def train_epoch(self, epoch: int, on_event: OnEvent, should_stop: ShouldStop) -> CodecEpochMetrics:
        """Train and validate one epoch, keep its weights if they are the best, and return its figures.

        Raises:
            TrainingError: three optimizer steps in a row, or all of them, were not finite, or a fit was not.
            Stopped: `should_stop()` turned true; the epoch is not validated.
        """
        self.is_inside_an_epoch = True
        started, is_fit = perf_counter(), epoch == 1 and self.learner.fits_alone
        rate = 0.0 if is_fit else self.descent.rate
        losses = (self._fit if is_fit else self._descend)(epoch, on_event, should_stop)
        validation = self._validate(should_stop)
        if not math.isfinite(validation.loss):
            raise diverged()
        refuse_wrong_weights(self.learner.codec)
        self.best.keep_if_better(copy_of(self.learner.codec), validation.loss, epoch)
        metrics = CodecEpochMetrics(
            epoch=epoch,
            total_epochs=self.learner.config.max_epochs,
            train_loss=math.fsum(loss for loss, _ in losses) / len(losses),
            commit_loss=math.fsum(commit for _, commit in losses) / len(losses),
            val_loss=validation.loss,
            best_val_loss=self.best.loss,
            val_l1=validation.l1,
            codebook_use=validation.codebook_use,
            epoch_time_s=perf_counter() - started,
            learning_rate=rate,
            best_epoch=self.best.epoch,
        )
        self.history.append(metrics)
        if not is_fit:
            self.descent.end_epoch()
        self.is_inside_an_epoch = False
        return metrics

    def _fit(self, epoch: int, on_event: OnEvent, should_stop: ShouldStop) -> _Losses:
        loss = self.learner.fit(self.batches, on_event, should_stop)
        stop_point(should_stop)
        if not math.isfinite(loss):
            raise diverged()
        return [(loss, 0.0)]

    def _descend(self, epoch: int, on_event: OnEvent, should_stop: ShouldStop) -> _Losses:
        if epoch == 1:
            self.learner.initialise(self.batches, should_stop)
        losses = list(self._steps(epoch, on_event, should_stop))
        if not losses:
            raise diverged()
        return losses

    def _steps(self, epoch: int, on_event: OnEvent, should_stop: ShouldStop) -> Iterator[tuple[float, float]]:
        self.learner.codec.train()
        bad_in_a_row, rate = 0, self.descent.rate
        for step, waveforms_BT in enumerate(unless_stopped(self.batches.epoch(should_stop), should_stop), start=1):
            started = perf_counter()
            taken = self.descent.step(waveforms_BT, should_stop)
            bad_in_a_row = 0 if taken else bad_in_a_row + 1
            if bad_in_a_row == BAD_STEPS_IN_A_ROW:
                raise diverged()
            loss, commit_loss = taken or (math.nan, math.nan)
            on_event(StepMetrics(epoch, step, self.batches.count, loss, rate, perf_counter() - started))
            if taken:
                yield loss, commit_loss
        stop_point(should_stop)

    @torch.no_grad()
    def _validate(self, should_stop: ShouldStop) -> Validation:
        self.learner.codec.eval()
        with stopping_inside(self.learner.codec, should_stop):
            return self.learner.validate(should_stop)

    def roll_back(self) -> bool:
        """Go back to the best weights with half the learning rate and return True; False without any, or too often."""
        self.roll_backs += 1
        if not self.best.state or self.roll_backs > MAX_ROLL_BACKS:
            return False
        self.learner.codec.load_state_dict(self.best.state)
        self.descent.halve()
        return True
