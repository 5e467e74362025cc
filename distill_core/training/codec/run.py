"""A codec's training in epochs: an epoch, the best so far, and the way back after one that diverged."""

from __future__ import annotations

import math
from dataclasses import astuple, dataclass, field
from time import perf_counter
from typing import Any
from uuid import uuid4

import torch

from distill_core.distributed import ALONE, Ranks, stop_together
from distill_core.events import OnEvent, ShouldStop
from distill_core.training.codec.descent import Descent
from distill_core.training.codec.events import CodecEpochMetrics
from distill_core.training.codec.learner import CodecLearner, Validation
from distill_core.training.codec.sums import CodecSums
from distill_core.training.data.chunks import VariantBatches
from distill_core.training.events import StepMetrics
from distill_core.training.loop import MAX_ROLL_BACKS, KeptWeights, Weights, copy_of, diverged, refuse_wrong_weights
from distill_core.training.stop_points import stopping_inside
from distill_core.training.under_way import EpochUnderWay


@dataclass
class CodecRun:
    """The training under way: how the codec learns, the order of the data, the best so far and the history.

    An epoch that is `under_way` goes on from there.
    """

    learner: CodecLearner[Any, Any]
    best: KeptWeights = field(default_factory=KeptWeights)
    history: list[CodecEpochMetrics] = field(default_factory=list)
    roll_backs: int = 0
    under_way: EpochUnderWay[CodecSums] | None = None
    run_id: str = field(default_factory=lambda: uuid4().hex)
    ranks: Ranks = ALONE

    def __post_init__(self) -> None:
        config, chunks_NT = self.learner.config, self.learner.sounds.train_NT
        self.descent = Descent(self.learner, self.ranks)
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
        is_fit = epoch == 1 and self.learner.fits_alone
        done = (self._fit if is_fit else self._descend)(epoch, on_event, should_stop)
        train_loss, commit_loss = done.sums.means
        validation = Validation(*self.ranks.from_first(lambda: astuple(self._validate(should_stop))))
        if not math.isfinite(validation.loss):
            raise diverged()
        refuse_wrong_weights(self.learner.codec)
        self.best.keep_if_better(copy_of(self.learner.codec), validation.loss, epoch)
        metrics = CodecEpochMetrics(
            epoch=epoch,
            total_epochs=self.learner.config.max_epochs,
            train_loss=train_loss,
            commit_loss=commit_loss,
            val_loss=validation.loss,
            best_val_loss=self.best.loss,
            val_l1=validation.l1,
            codebook_use=validation.codebook_use,
            epoch_time_s=perf_counter() - done.started,
            learning_rate=done.learning_rate,
            best_epoch=self.best.epoch,
        )
        self.history.append(metrics)
        if not is_fit:
            self.descent.end_epoch()
        self.under_way = None
        return metrics

    def _began(self, epoch: int, rate: float) -> EpochUnderWay[CodecSums]:
        order = self.generator.get_state()
        return EpochUnderWay(epoch, self.batches.count, rate, order, CodecSums(order))

    def _fit(self, epoch: int, on_event: OnEvent, should_stop: ShouldStop) -> EpochUnderWay[CodecSums]:
        """Fit the weights; no part of that is kept, so nobody hears of it."""
        fitted = self._began(epoch, rate=0.0)
        codec = self.learner.codec

        def fit() -> tuple[float, Weights]:
            return self.learner.fit(self.batches, on_event, should_stop), copy_of(codec)

        loss, weights = self.ranks.from_first(fit)
        codec.load_state_dict(weights)
        stop_together(should_stop)
        if not math.isfinite(loss):
            raise diverged()
        fitted.sums.add((loss, 0.0), fitted.order)
        return fitted

    def _descend(self, epoch: int, on_event: OnEvent, should_stop: ShouldStop) -> EpochUnderWay[CodecSums]:
        if self.under_way is None:
            if epoch == 1:
                self.learner.initialise(self.batches, should_stop)  # not shared work: the ranks' codebooks meet in it
            self.under_way = self._began(epoch, self.descent.rate)
        self._take_steps(self.under_way, on_event, should_stop)
        return self.under_way

    def _take_steps(self, under_way: EpochUnderWay[CodecSums], on_event: OnEvent, should_stop: ShouldStop) -> None:
        self.learner.codec.train()
        sums, rate = under_way.sums, self.descent.rate
        batches = self.batches.epoch(should_stop, skip=sums.step)
        if sums.step:
            self.generator.set_state(sums.drawn)
        for waveforms_BT in batches:
            started = perf_counter()
            stop_together(should_stop)
            taken = self.descent.step(waveforms_BT, should_stop, on_event)
            sums.add(taken, self.generator.get_state())
            loss = taken[0] if taken else math.nan
            seconds = perf_counter() - started
            on_event(StepMetrics(under_way.epoch, sums.step, under_way.steps, loss, rate, seconds))
        stop_together(should_stop)

    @torch.no_grad()
    def _validate(self, should_stop: ShouldStop) -> Validation:
        self.learner.codec.eval()
        with stopping_inside(self.learner.codec, should_stop):
            return self.learner.validate(should_stop)

    def roll_back(self) -> bool:
        """Go back to the best weights with half the learning rate; return False where that was done too often."""
        self.roll_backs += 1
        self.under_way = None
        self.learner.codec.load_state_dict(self.best.state)
        self.descent.halve()
        return self.roll_backs <= MAX_ROLL_BACKS
