"""What a prior's training changes, and the facts that it leaves behind."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any
from uuid import uuid4

import torch

from distill_core.audio.dataset import AudioDataset
from distill_core.device import describe_device, training_threads
from distill_core.events import OnEvent, ShouldStop, stop_point
from distill_core.models import frames
from distill_core.models.architectures import Prior
from distill_core.models.persistence import now_utc
from distill_core.training.baselines import in_seconds, sibling_agreement, unigram_perplexities
from distill_core.training.codes import SplitCodes
from distill_core.training.memorization import check_gap, check_memorization, memorization_limit
from distill_core.training.metrics import (
    PriorEpochMetrics,
    PriorTrainingCompleteEvent,
    PriorTrainingStartEvent,
    perplexity,
)
from distill_core.training.optimizers import build_optimizer, warm_up_and_cosine
from distill_core.training.prior_config import PriorConfig
from distill_core.training.prior_epoch import ValidationLoss, as_windows, train_prior_epoch, validate
from distill_core.training.safeguards import MAX_ROLL_BACKS, BestWeights, diverged
from distill_core.training.windows import CodeWindows

_MIN_EPOCH_STEPS = 4


def _enough_for_an_epoch(windows: CodeWindows) -> CodeWindows:
    """Return the codes as often as an epoch needs to have some steps: one step on a handful of sounds is too little.

    With 15 drum sounds 50 epochs of one step each ended at perplexity 14.0, of five steps at 8.3.
    """
    return windows.repeated(math.ceil(_MIN_EPOCH_STEPS / len(windows)))


@dataclass
class PriorRun:
    """What training changes: weights, optimizer, schedule, order of the data, the best so far and the history.

    `grid` is a second's (bands, steps).
    """

    prior: Prior
    config: PriorConfig
    codes: SplitCodes
    file_count: int
    grid: tuple[int, int]
    vqvae_config: Mapping[str, Any]
    codec_digest: str
    best: BestWeights = field(default_factory=BestWeights)
    history: list[PriorEpochMetrics] = field(default_factory=list)
    roll_backs: int = 0
    run_id: str = field(default_factory=lambda: uuid4().hex)

    def __post_init__(self) -> None:
        config = self.config
        codes_per_batch = config.batch_size * self.codes_a_second
        self.train_windows = _enough_for_an_epoch(as_windows(self.prior, self.codes.versions, codes_per_batch))
        self.val_windows = as_windows(self.prior, [[codes] for codes in self.codes.val], codes_per_batch)
        self.optimizer = build_optimizer(self.prior, config)
        self.scheduler = warm_up_and_cosine(self.optimizer, len(self.train_windows) * config.max_epochs)
        self.generator = torch.Generator().manual_seed(config.seed)

    @property
    def codes_a_second(self) -> int:
        """How many codes a second of sound has."""
        return math.prod(self.grid) * self.prior.num_quantizers

    def train_epoch(self, epoch: int, on_event: OnEvent, should_stop: ShouldStop) -> PriorEpochMetrics:
        """Train and validate one epoch, keep it if it is the best, and return its event.

        Raises:
            Stopped: `should_stop()` turned true; the epoch is not validated.
            TrainingError: the epoch diverged.
        """
        started, learning_rate = perf_counter(), self.optimizer.param_groups[0]["lr"]
        train_loss = train_prior_epoch(
            self.prior,
            self.train_windows,
            self.optimizer,
            config=self.config,
            epoch=epoch,
            generator=self.generator,
            scheduler=self.scheduler,
            on_event=on_event,
            should_stop=should_stop,
        )
        stop_point(should_stop)
        validation = validate(self.prior, self.val_windows, should_stop)
        if not math.isfinite(validation.mean):
            raise diverged()
        self.best.keep_if_better(self.prior, validation.mean, epoch)
        return self._record(epoch, train_loss, validation, perf_counter() - started, learning_rate)

    def _record(
        self, epoch: int, train_loss: float, validation: ValidationLoss, seconds: float, learning_rate: float
    ) -> PriorEpochMetrics:
        val_perplexity = perplexity(validation.mean)
        is_memorizing, message = check_memorization(val_perplexity, self.prior.codebook_size, self.file_count)
        if self.prior.architecture == frames.ARCHITECTURE:
            message = check_gap(val_perplexity, perplexity(train_loss), self.file_count)
        metrics = PriorEpochMetrics(
            epoch=epoch,
            total_epochs=self.config.max_epochs,
            train_loss=train_loss,
            val_loss=validation.mean,
            val_perplexity=val_perplexity,
            best_perplexity=perplexity(self.best.loss),
            is_memorizing=is_memorizing,
            memorization_message=message,
            epoch_time_s=seconds,
            learning_rate=learning_rate,
            level_perplexities=tuple(map(perplexity, validation.by_level)),
        )
        self.history.append(metrics)
        return metrics

    def roll_back(self) -> bool:
        """Go back to the best weights with half the learning rate; False when there are none or it was too often."""
        self.roll_backs += 1
        if not self.best.state or self.roll_backs > MAX_ROLL_BACKS:
            return False
        self.prior.load_state_dict(self.best.state)
        self.optimizer.forget()  # the moments may hold what led astray
        self.scheduler.base_lrs = [rate / 2 for rate in self.scheduler.base_lrs]
        for group in self.optimizer.param_groups:  # the schedule sets it only after the next step
            group["lr"] /= 2
        return True


def start_event(run: PriorRun) -> PriorTrainingStartEvent:
    """Return what training works on."""
    codes = run.codes
    unigram, unigram_by_level = unigram_perplexities(codes.train, codes.val, run.prior.codebook_size)
    return PriorTrainingStartEvent(
        train_files=len(codes.train_files),
        validation_files=len(codes.val_files),
        chunks=sum(math.ceil(file.duration_s) for file in {*codes.train_files, *codes.val_files}),
        unigram_perplexity=unigram,
        memorization_limit=memorization_limit(run.file_count),
        seed=run.config.seed,
        threads=training_threads(),
        total_epochs=run.config.max_epochs,
        code_count=codes.count,
        unigram_by_level=unigram_by_level,
        sibling_agreement=sibling_agreement(in_seconds(codes.train, run.grid), in_seconds(codes.val, run.grid)),
        config=run.config,
        history=tuple(run.history),
    )


def prior_metadata(run: PriorRun, dataset: AudioDataset, start: PriorTrainingStartEvent) -> dict[str, Any]:
    """Return the best epoch's facts as the file holds them."""
    best = next(metrics for metrics in run.history if metrics.epoch == run.best.epoch)
    metadata: dict[str, Any] = {
        "epochs_trained": len(run.history),
        "final_perplexity": perplexity(run.best.loss),
        "best_perplexity": perplexity(run.best.loss),
        "training_date": now_utc(),
        "best_epoch": run.best.epoch,
        "seed": run.config.seed,
        "threads": training_threads(),
        "device": describe_device(next(run.prior.parameters()).device),
        "history": {
            "train_losses": [metrics.train_loss for metrics in run.history],
            "val_losses": [metrics.val_loss for metrics in run.history],
        },
        "codec_digest": run.codec_digest,
        "unigram_perplexity": start.unigram_perplexity,
        "unigram_by_level": list(start.unigram_by_level),
        "level_perplexities": list(best.level_perplexities),
        "sibling_agreement": start.sibling_agreement,
        "was_memorizing": any(bool(metrics.memorization_message) for metrics in run.history),
        "dataset_file_count": len(dataset.files),
        "dataset_total_duration_s": dataset.total_duration_s,
    }
    if not run.config.anonymous:
        metadata["dataset_name"] = dataset.name
        metadata["validation_files"] = [file.name for file in run.codes.val_files]
    return metadata


def complete_event(run: PriorRun) -> PriorTrainingCompleteEvent:
    """Return what the last epoch and the best came to."""
    last = run.history[-1]
    return PriorTrainingCompleteEvent(
        final_train_loss=last.train_loss,
        final_val_loss=last.val_loss,
        final_perplexity=last.val_perplexity,
        best_perplexity=last.best_perplexity,
        epochs_trained=len(run.history),
        was_memorizing=any(bool(metrics.memorization_message) for metrics in run.history),
    )
