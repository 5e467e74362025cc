"""What a prior's training changes, and the facts that it leaves behind."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

import torch
from torch import Tensor

from distill_core.audio.dataset import AudioDataset
from distill_core.device import describe_device, training_threads
from distill_core.events import OnEvent, ShouldStop, stop_point
from distill_core.models.architectures import Prior
from distill_core.models.persistence import now_utc
from distill_core.training.codes import SplitCodes, unigram_perplexity
from distill_core.training.memorization import check_memorization, memorization_limit
from distill_core.training.metrics import (
    PriorEpochMetrics,
    PriorTrainingCompleteEvent,
    PriorTrainingStartEvent,
    perplexity,
)
from distill_core.training.optimizers import build_optimizer, warm_up_and_cosine
from distill_core.training.prior_config import PriorConfig
from distill_core.training.prior_epoch import as_sequences, train_prior_epoch, validate_prior_epoch
from distill_core.training.safeguards import MAX_ROLL_BACKS, BestWeights, diverged

_MIN_EPOCH_STEPS = 4


def _enough_for_an_epoch(codes_NT: Tensor, batch_size: int) -> Tensor:
    """Return the codes as often as an epoch needs to have some steps: one step on a handful of sounds is too little.

    With 15 drum sounds 50 epochs of one step each ended at perplexity 14.0, of five steps at 8.3.
    """
    return codes_NT.repeat(max(1, math.ceil(_MIN_EPOCH_STEPS * batch_size / len(codes_NT))), 1)


@dataclass
class PriorRun:
    """What training changes: weights, optimizer, schedule, order of the data, the best so far and the history."""

    prior: Prior
    config: PriorConfig
    codes: SplitCodes
    file_count: int
    best: BestWeights = field(default_factory=BestWeights)
    history: list[PriorEpochMetrics] = field(default_factory=list)
    roll_backs: int = 0

    def __post_init__(self) -> None:
        config = self.config
        self.train_NT = _enough_for_an_epoch(as_sequences(self.prior, self.codes.train_NSQ), config.batch_size)
        self.val_NT = as_sequences(self.prior, self.codes.val_NSQ)
        self.optimizer = build_optimizer(self.prior, config)
        steps_per_epoch = math.ceil(len(self.train_NT) / config.batch_size)
        self.scheduler = warm_up_and_cosine(self.optimizer, steps_per_epoch * config.max_epochs)
        self.generator = torch.Generator().manual_seed(config.seed)

    def train_epoch(self, epoch: int, on_event: OnEvent, should_stop: ShouldStop) -> PriorEpochMetrics:
        """Train and validate one epoch, keep it if it is the best, and return its event.

        Raises:
            Stopped: `should_stop()` turned true; the epoch is not validated.
            TrainingError: the epoch diverged.
        """
        started, learning_rate = perf_counter(), self.optimizer.param_groups[0]["lr"]
        train_loss = train_prior_epoch(
            self.prior,
            self.train_NT,
            self.optimizer,
            config=self.config,
            epoch=epoch,
            generator=self.generator,
            scheduler=self.scheduler,
            on_event=on_event,
            should_stop=should_stop,
        )
        stop_point(should_stop)
        val_loss = validate_prior_epoch(self.prior, self.val_NT, config=self.config, should_stop=should_stop)
        if not math.isfinite(val_loss):
            raise diverged()
        self.best.keep_if_better(self.prior, val_loss, epoch)
        return self._record(epoch, train_loss, val_loss, perf_counter() - started, learning_rate)

    def _record(
        self, epoch: int, train_loss: float, val_loss: float, seconds: float, learning_rate: float
    ) -> PriorEpochMetrics:
        val_perplexity = perplexity(val_loss)
        is_memorizing, message = check_memorization(val_perplexity, self.prior.codebook_size, self.file_count)
        metrics = PriorEpochMetrics(
            epoch=epoch,
            total_epochs=self.config.max_epochs,
            train_loss=train_loss,
            val_loss=val_loss,
            val_perplexity=val_perplexity,
            best_perplexity=perplexity(self.best.loss),
            is_memorizing=is_memorizing,
            memorization_message=message,
            epoch_time_s=seconds,
            learning_rate=learning_rate,
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
    return PriorTrainingStartEvent(
        train_files=len(codes.train_files),
        validation_files=len(codes.val_files),
        chunks=len(codes.train_NSQ) + len(codes.val_NSQ),
        unigram_perplexity=unigram_perplexity(codes.train_NSQ, codes.val_NSQ, run.prior.codebook_size),
        memorization_limit=memorization_limit(run.file_count),
        seed=run.config.seed,
        threads=training_threads(),
        total_epochs=run.config.max_epochs,
    )


def prior_metadata(run: PriorRun, dataset: AudioDataset, unigram: float, device: torch.device) -> dict[str, Any]:
    """Return the best epoch's facts as the file holds them."""
    metadata: dict[str, Any] = {
        "epochs_trained": len(run.history),
        "final_perplexity": perplexity(run.best.loss),
        "best_perplexity": perplexity(run.best.loss),
        "training_date": now_utc(),
        "best_epoch": run.best.epoch,
        "seed": run.config.seed,
        "threads": training_threads(),
        "device": describe_device(device),
        "history": {
            "train_losses": [metrics.train_loss for metrics in run.history],
            "val_losses": [metrics.val_loss for metrics in run.history],
        },
        "unigram_perplexity": unigram,
        "was_memorizing": any(metrics.is_memorizing for metrics in run.history),
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
        was_memorizing=any(metrics.is_memorizing for metrics in run.history),
    )
