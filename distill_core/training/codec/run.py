"""A codec's training in epochs: an optimizer step, an epoch, and a pass over the held-out sounds."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from time import perf_counter
from uuid import uuid4

import torch
from torch import Tensor
from torch.nn import functional
from torch.nn.utils import clip_grad_norm_
from torch.optim import AdamW, Optimizer
from torch.optim.lr_scheduler import LambdaLR

from distill_core.audio.spectrogram import AudioSpectrogram
from distill_core.events import OnEvent, ShouldStop, never, stop_point, unless_stopped
from distill_core.models.vqvae import ConvVQVAE
from distill_core.training.codec.config import VQVAEConfig
from distill_core.training.codec.events import VQVAEEpochMetrics
from distill_core.training.codec.quality import mean_frame_l1, reconstruction_loss
from distill_core.training.data.chunks import SplitSounds, VariantBatches
from distill_core.training.events import StepMetrics
from distill_core.training.loop import BAD_STEPS_IN_A_ROW, MAX_ROLL_BACKS, KeptWeights, copy_of, diverged
from distill_core.training.stop_points import all_or_nothing, stopping_inside

_VECTORS_PER_CODE = 4  # for k-means
_MOST_CHUNKS_FOR_K_MEANS = 128
_CHUNKS_AT_ONCE = 8  # log-mels between two stop points, some 10 ms


def _move_weights(
    model: ConvVQVAE, mels: Tensor, optimizer: Optimizer, clip_norm: float, should_stop: ShouldStop
) -> tuple[float, float] | None:
    recon, _, commit_loss = model(mels)
    loss = reconstruction_loss(recon, mels) + commit_loss
    optimizer.zero_grad(set_to_none=True)
    if math.isfinite(loss.item()):
        loss.backward()
        # Clipping turns one infinite gradient into NaN in every weight, so the norm is checked before the weights move.
        if math.isfinite(clip_grad_norm_(model.parameters(), clip_norm).item()):
            stop_point(should_stop)
            optimizer.step()
            return loss.item(), commit_loss.item()
    return None


def take_step(
    model: ConvVQVAE, mels: Tensor, optimizer: Optimizer, clip_norm: float, should_stop: ShouldStop = never
) -> tuple[float, float] | None:
    """Take an optimizer step and return (loss, commitment loss); None if one is not finite, and nothing has changed.

    A forward pass in train mode changes codebooks and BatchNorm's statistics, so these are put back too.

    Raises:
        Stopped: `should_stop()` turned true; nothing has changed.
    """
    before = [buffer.clone() for buffer in model.buffers()]
    taken = None
    try:
        with all_or_nothing(optimizer, mels.device), stopping_inside(model, should_stop):
            taken = _move_weights(model, mels, optimizer, clip_norm, should_stop)
    finally:
        if taken is None:
            with torch.no_grad():
                for buffer, value in zip(model.buffers(), before, strict=True):
                    buffer.copy_(value)
    return taken


def _cosine(optimizer: Optimizer, epochs: int) -> LambdaLR:
    return LambdaLR(optimizer, lambda epoch: 0.5 * (1 + math.cos(math.pi * epoch / epochs)))


@dataclass(frozen=True, slots=True)
class _Validation:
    """The figures of one pass over the held-out sounds."""

    loss: float
    l1: float
    codebook_use: float


@dataclass
class VQVAERun:
    """The training under way: weights, optimizer, schedule, order of the data, the best so far and the history."""

    model: ConvVQVAE
    spectrogram: AudioSpectrogram
    config: VQVAEConfig
    sounds: SplitSounds
    device: torch.device
    best: KeptWeights = field(default_factory=KeptWeights)
    history: list[VQVAEEpochMetrics] = field(default_factory=list)
    roll_backs: int = 0
    is_inside_an_epoch: bool = False
    run_id: str = field(default_factory=lambda: uuid4().hex)

    def __post_init__(self) -> None:
        config = self.config
        self.optimizer = AdamW(self.model.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
        self.scheduler = _cosine(self.optimizer, config.max_epochs)
        self.generator = torch.Generator().manual_seed(config.seed)
        self.batches = VariantBatches(self.sounds.train_NT, config.augmentation, config.batch_size, self.generator)
        self.val_mels, self.mean_frame_l1 = torch.empty(0), math.nan

    @property
    def best_metrics(self) -> VQVAEEpochMetrics:
        """The metrics of the epoch whose weights are kept."""
        return next(metrics for metrics in self.history if metrics.epoch == self.best.epoch)

    def _mels(self, waveforms_BT: Tensor, should_stop: ShouldStop) -> Tensor:
        pieces = unless_stopped(waveforms_BT.split(_CHUNKS_AT_ONCE), should_stop)
        return torch.cat([self.spectrogram.log_mel(piece_BT.to(self.device)) for piece_BT in pieces])

    def prepare(self, should_stop: ShouldStop, *, sets_codebooks: bool = True) -> None:
        """Compute the held-out log-mels and, with `sets_codebooks`, initialise the codebooks.

        Raises:
            Stopped: `should_stop()` turned true.
        """
        batches = self.sounds.val_NT.split(self.config.batch_size)
        found = [self._mels(waveforms_BT, should_stop).cpu() for waveforms_BT in batches]
        self.val_mels = torch.cat(found)
        stop_point(should_stop)
        self.mean_frame_l1 = mean_frame_l1(self.val_mels)
        if sets_codebooks:
            with stopping_inside(self.model, should_stop):
                self._initialise_codebooks(should_stop)

    @torch.no_grad()
    def _initialise_codebooks(self, should_stop: ShouldStop) -> None:
        """Initialise the codebooks by k-means on enough vectors: the first batch of a small set has too few."""
        geometry = self.model.geometry(self.config.to_file(), self.spectrogram.config)
        positions = geometry.bands * geometry.chunk_steps
        enough = -(-self.config.codebook_size * _VECTORS_PER_CODE // positions)
        count = max(self.config.batch_size, min(enough, _MOST_CHUNKS_FOR_K_MEANS))
        self.model.train()(self._mels(self.batches.sample(count, should_stop), should_stop))

    def train_epoch(self, epoch: int, on_event: OnEvent, should_stop: ShouldStop) -> VQVAEEpochMetrics:
        """Train and validate one epoch, keep its weights if they are the best, and return its figures.

        Raises:
            TrainingError: three optimizer steps in a row, or all of them, were not finite.
            Stopped: `should_stop()` turned true; the epoch is not validated.
        """
        self.is_inside_an_epoch = True
        started = perf_counter()
        rate = self.optimizer.param_groups[0]["lr"]
        losses = list(self._steps(epoch, on_event, should_stop))
        if not losses:
            raise diverged()
        validation = self._validate(should_stop)
        self.best.keep_if_better(copy_of(self.model), validation.loss, epoch)
        metrics = VQVAEEpochMetrics(
            epoch=epoch,
            total_epochs=self.config.max_epochs,
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
        self.scheduler.step()
        self.is_inside_an_epoch = False
        return metrics

    def _steps(self, epoch: int, on_event: OnEvent, should_stop: ShouldStop) -> Iterator[tuple[float, float]]:
        self.model.train()
        bad_in_a_row, rate = 0, self.optimizer.param_groups[0]["lr"]
        for step, waveforms_BT in enumerate(unless_stopped(self.batches.epoch(should_stop), should_stop), start=1):
            started = perf_counter()
            mels, clip_norm = self._mels(waveforms_BT, should_stop), self.config.gradient_clip_norm
            taken = take_step(self.model, mels, self.optimizer, clip_norm, should_stop)
            bad_in_a_row = 0 if taken else bad_in_a_row + 1
            if bad_in_a_row == BAD_STEPS_IN_A_ROW:
                raise diverged()
            loss, commit_loss = taken or (math.nan, math.nan)
            on_event(StepMetrics(epoch, step, self.batches.count, loss, rate, perf_counter() - started))
            if taken:
                yield loss, commit_loss
        stop_point(should_stop)

    @torch.no_grad()
    def _validate(self, should_stop: ShouldStop) -> _Validation:
        self.model.eval()
        loss, l1, used = 0.0, 0.0, set()
        with stopping_inside(self.model, should_stop):
            for mels in unless_stopped(self.val_mels.split(self.config.batch_size), should_stop):
                mels = mels.to(self.device)
                recon, indices_BSQ, _ = self.model(mels)
                loss += reconstruction_loss(recon, mels).item() * len(mels)
                l1 += functional.l1_loss(recon, mels).item() * len(mels)
                used.update(indices_BSQ[..., 0].unique().tolist())
        total = len(self.val_mels)
        return _Validation(loss / total, l1 / total, len(used) / self.config.codebook_size)

    def roll_back(self) -> bool:
        """Go back to the best weights with half the learning rate and return True; False without any, or too often."""
        self.roll_backs += 1
        if not self.best.state or self.roll_backs > MAX_ROLL_BACKS:
            return False
        self.model.load_state_dict(self.best.state)
        self.optimizer.state.clear()  # the moments may come from the divergence
        self.scheduler.base_lrs = [rate / 2 for rate in self.scheduler.base_lrs]
        self.scheduler.step()
        return True
