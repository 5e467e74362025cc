"""Trains a codec on a folder of sounds and keeps the best epoch."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.nn.utils import clip_grad_norm_
from torch.optim import AdamW, Optimizer
from torch.optim.lr_scheduler import LambdaLR

from distill_core.audio.dataset import AudioDataset, scan
from distill_core.audio.spectrogram import AudioSpectrogram, SpectrogramConfig
from distill_core.device import describe_device, resolve_device, training_threads, use_training_threads
from distill_core.errors import TrainingError
from distill_core.events import OnEvent, ShouldStop, Stopped, ignore, never, stop_point
from distill_core.models.persistence import now_utc, save_model_v2
from distill_core.models.vqvae import CONFIG_KEYS, ConvVQVAE
from distill_core.training.codes import extract_code_sequences
from distill_core.training.metrics import (
    VQVAEEpochMetrics,
    VQVAEStepMetrics,
    VQVAETrainingCompleteEvent,
    VQVAETrainingStartEvent,
)
from distill_core.training.safeguards import (
    BAD_STEPS_IN_A_ROW,
    MAX_ROLL_BACKS,
    BestWeights,
    diverged,
    out_of_memory_in_words,
)
from distill_core.training.sounds import SplitSounds, VariantBatches, read_and_split
from distill_core.training.vqvae_config import VQVAEConfig, get_adaptive_vqvae_config
from distill_core.training.vqvae_quality import codebook_health, mean_frame_l1, reconstruction_loss

_VECTORS_PER_CODE = 4  # that k-means wants to see
_MOST_CHUNKS_FOR_K_MEANS = 128
_MOST_CHUNKS_FOR_HEALTH = 1000
_SMALLER = "Try a smaller batch."


@dataclass(frozen=True, slots=True)
class TrainedVQVAE:
    """The result of codec training.

    `model` has the best weights, in eval mode on the CPU, or is None when training stopped before the first validation;
    the configs, `metadata`, `codebook_health` and `loss_curve_history` are plain values exactly as the file holds them;
    `history` has one entry an epoch.
    """

    model: ConvVQVAE | None
    spectrogram_config: SpectrogramConfig
    vqvae_config: dict[str, Any]
    training_config: dict[str, Any]
    metadata: dict[str, Any]
    codebook_health: dict[str, dict[str, float]]
    loss_curve_history: dict[str, list[float]]
    history: tuple[VQVAEEpochMetrics, ...]
    stopped_early: bool

    def save(self, path: str | Path) -> Path:
        """Write the model file and return its real path.

        Raises:
            SaveError: it could not be written; what was at `path` is unchanged.
            ValueError: there is no model.
        """
        if self.model is None:
            raise ValueError("training stopped before there was a model to save")
        return save_model_v2(
            path,
            self.model,
            spectrogram_config=self.spectrogram_config,
            vqvae_config=self.vqvae_config,
            training_config=self.training_config,
            metadata=self.metadata,
            codebook_health=self.codebook_health,
            loss_curve_history=self.loss_curve_history,
        )


def _take_step(model: ConvVQVAE, mels: Tensor, optimizer: Optimizer, clip_norm: float) -> tuple[float, float] | None:
    """Update the weights and return (loss, commitment loss); None where something is not finite, all left as it was.

    A forward pass in train mode already moves codebooks and BatchNorm's statistics, so these are put back as well.
    """
    before = [buffer.clone() for buffer in model.buffers()]
    recon, _, commit_loss = model(mels)
    loss = reconstruction_loss(recon, mels) + commit_loss
    optimizer.zero_grad(set_to_none=True)
    if math.isfinite(loss.item()):
        loss.backward()
        # One infinite gradient becomes NaN in every weight once clipped, so the norm is looked at before the step.
        if math.isfinite(clip_grad_norm_(model.parameters(), clip_norm).item()):
            optimizer.step()
            return loss.item(), commit_loss.item()
    for buffer, value in zip(model.buffers(), before, strict=True):
        buffer.copy_(value)
    return None


def _cosine(optimizer: Optimizer, epochs: int) -> LambdaLR:
    return LambdaLR(optimizer, lambda epoch: 0.5 * (1 + math.cos(math.pi * epoch / epochs)))


@dataclass(frozen=True, slots=True)
class _Validation:
    """What one pass over the held-out sounds shows."""

    loss: float
    l1: float
    codebook_use: float


@dataclass
class _Run:
    """What training changes: weights, optimizer, schedule, order of the data, the best so far and the history."""

    model: ConvVQVAE
    spectrogram: AudioSpectrogram
    config: VQVAEConfig
    sounds: SplitSounds
    device: torch.device
    best: BestWeights = field(default_factory=BestWeights)
    history: list[VQVAEEpochMetrics] = field(default_factory=list)
    roll_backs: int = 0

    def __post_init__(self) -> None:
        config = self.config
        self.optimizer = AdamW(self.model.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
        self.scheduler = _cosine(self.optimizer, config.max_epochs)
        generator = torch.Generator().manual_seed(config.seed)
        self.batches = VariantBatches(self.sounds.train_NT, config.augmentation, config.batch_size, generator)
        self.val_mels = self._mels(self.sounds.val_NT).cpu()
        self.mean_frame_l1 = mean_frame_l1(self.val_mels)

    @property
    def history_of_best(self) -> VQVAEEpochMetrics:
        """The metrics of the epoch whose weights are kept."""
        return next(metrics for metrics in self.history if metrics.epoch == self.best.epoch)

    def _mels(self, waveforms_NT: Tensor) -> Tensor:
        batches = waveforms_NT.split(self.config.batch_size)
        return torch.cat([self.spectrogram.log_mel(batch_BT.to(self.device)) for batch_BT in batches])

    @torch.no_grad()
    def initialise_codebooks(self) -> None:
        """Let k-means see enough vectors, which a first batch of a small set would not give."""
        positions = self.model.train().encode(self.val_mels[:1].to(self.device)).flatten(2).shape[-1]
        enough = -(-self.config.codebook_size * _VECTORS_PER_CODE // positions)
        count = max(self.config.batch_size, min(enough, _MOST_CHUNKS_FOR_K_MEANS))
        self.model(self._mels(self.batches.sample(count)))

    def train_epoch(self, epoch: int, on_event: OnEvent, should_stop: ShouldStop) -> VQVAEEpochMetrics:
        started = perf_counter()
        rate = self.optimizer.param_groups[0]["lr"]
        losses = list(self._steps(epoch, on_event, should_stop))
        if not losses:
            raise diverged()
        validation = self._validate(should_stop)
        self.best.keep_if_better(self.model, validation.loss, epoch)
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
        )
        self.history.append(metrics)
        self.scheduler.step()
        return metrics

    def _steps(self, epoch: int, on_event: OnEvent, should_stop: ShouldStop) -> Iterator[tuple[float, float]]:
        self.model.train()
        bad_in_a_row, rate = 0, self.optimizer.param_groups[0]["lr"]
        for step, waveforms_BT in enumerate(self.batches.epoch(), start=1):
            stop_point(should_stop)
            started = perf_counter()
            taken = _take_step(self.model, self._mels(waveforms_BT), self.optimizer, self.config.gradient_clip_norm)
            bad_in_a_row = 0 if taken else bad_in_a_row + 1
            if bad_in_a_row == BAD_STEPS_IN_A_ROW:
                raise diverged()
            loss, commit_loss = taken or (math.nan, math.nan)
            on_event(VQVAEStepMetrics(epoch, step, self.batches.count, loss, rate, perf_counter() - started))
            if taken:
                yield loss, commit_loss
        stop_point(should_stop)

    @torch.no_grad()
    def _validate(self, should_stop: ShouldStop) -> _Validation:
        self.model.eval()
        loss, l1, used = 0.0, 0.0, set()
        for mels in self.val_mels.split(self.config.batch_size):
            stop_point(should_stop)
            mels = mels.to(self.device)
            recon, indices_BSQ, _ = self.model(mels)
            loss += reconstruction_loss(recon, mels).item() * len(mels)
            l1 += functional.l1_loss(recon, mels).item() * len(mels)
            used.update(indices_BSQ[..., 0].unique().tolist())
        total = len(self.val_mels)
        return _Validation(loss / total, l1 / total, len(used) / self.config.codebook_size)

    def roll_back(self) -> bool:
        """Go back to the best weights with half the learning rate; False when there are none or it was too often."""
        self.roll_backs += 1
        if not self.best.state or self.roll_backs > MAX_ROLL_BACKS:
            return False
        self.model.load_state_dict(self.best.state)
        self.optimizer.state.clear()  # the moments may hold what led astray
        self.scheduler.base_lrs = [rate / 2 for rate in self.scheduler.base_lrs]
        self.scheduler.step()
        return True


def _train_epochs(run: _Run, on_event: OnEvent, should_stop: ShouldStop) -> bool:
    """Train until the last epoch and return False, or True when stopped.

    Raises:
        TrainingError: training diverged before any epoch was worth keeping.
    """
    try:
        for epoch in range(1, run.config.max_epochs + 1):
            stop_point(should_stop)
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


def _start_event(run: _Run) -> VQVAETrainingStartEvent:
    return VQVAETrainingStartEvent(
        train_files=len(run.sounds.train_files),
        validation_files=len(run.sounds.val_files),
        chunks=len(run.sounds.train_NT) + len(run.sounds.val_NT),
        augmentation=run.config.augmentation,
        mean_frame_l1=run.mean_frame_l1,
        seed=run.config.seed,
        threads=training_threads(),
    )


def _complete_event(run: _Run, health: dict[str, dict[str, float]]) -> VQVAETrainingCompleteEvent:
    last, best = run.history[-1], run.history_of_best
    return VQVAETrainingCompleteEvent(
        final_train_loss=last.train_loss,
        final_val_loss=last.val_loss,
        best_val_loss=best.val_loss,
        best_epoch=best.epoch,
        val_l1=best.val_l1,
        mean_frame_l1=run.mean_frame_l1,
        codebook_use=health["level_0"]["utilization"],
        epochs_trained=len(run.history),
    )


def _training_config(run: _Run) -> dict[str, Any]:
    facts = {
        "threads": training_threads(),
        "device_name": describe_device(run.device),
        "best_epoch": run.best.epoch,
        "best_val_l1": run.history_of_best.val_l1,
        "mean_frame_l1": run.mean_frame_l1,
    }
    if not run.config.anonymous:
        facts["validation_files"] = [file.name for file in run.sounds.val_files]
    return run.config.to_file() | facts


def _metadata(run: _Run, dataset: AudioDataset) -> dict[str, Any]:
    return {
        "dataset_name": "" if run.config.anonymous else dataset.name,
        "dataset_file_count": len(dataset.files),
        "dataset_total_duration_s": dataset.total_duration_s,
        "training_date": now_utc(),
        "training_epochs": len(run.history),
        "final_train_loss": run.history_of_best.train_loss,
        "final_val_loss": run.history_of_best.val_loss,
    }


def _loss_curves(history: list[VQVAEEpochMetrics]) -> dict[str, list[float]]:
    return {
        "train_losses": [metrics.train_loss for metrics in history],
        "val_losses": [metrics.val_loss for metrics in history],
        "recon_losses": [metrics.train_loss - metrics.commit_loss for metrics in history],
        "commit_losses": [metrics.commit_loss for metrics in history],
    }


def _health_of_best(run: _Run) -> dict[str, dict[str, float]]:
    """Measure the best weights' codes on the training sounds, or on every n-th second of very many."""
    run.model.load_state_dict(run.best.state)
    every = -(-len(run.sounds.train_NT) // _MOST_CHUNKS_FOR_HEALTH)
    codes_NSQ = extract_code_sequences(run.model, run.sounds.train_NT[::every], run.spectrogram, run.device)
    return codebook_health(codes_NSQ, run.config.codebook_size)


def _result(run: _Run, dataset: AudioDataset, stopped: bool, on_event: OnEvent) -> TrainedVQVAE:
    spectrogram_config = run.spectrogram.config
    if not run.best.state:
        return TrainedVQVAE(None, spectrogram_config, run.config.to_file(), {}, {}, {}, {}, (), stopped)
    health = _health_of_best(run)
    on_event(_complete_event(run, health))
    return TrainedVQVAE(
        model=run.model.cpu().eval(),
        spectrogram_config=spectrogram_config,
        vqvae_config=run.config.to_file(),
        training_config=_training_config(run),
        metadata=_metadata(run, dataset),
        codebook_health=health,
        loss_curve_history=_loss_curves(run.history),
        history=tuple(run.history),
        stopped_early=stopped,
    )


def _prepare(dataset: AudioDataset, config: VQVAEConfig, on_event: OnEvent, should_stop: ShouldStop) -> _Run:
    device = resolve_device(config.device)
    spectrogram = AudioSpectrogram(SpectrogramConfig(), device)
    sounds = read_and_split(dataset, spectrogram.config, config.val_fraction, config.seed, on_event, should_stop)
    torch.manual_seed(config.seed)
    model = ConvVQVAE(**{key: getattr(config, key) for key in CONFIG_KEYS}).to(device)
    return _Run(model, spectrogram, config, sounds, device)


def train_vqvae(
    dataset: str | Path | AudioDataset,
    config: VQVAEConfig | None = None,
    *,
    on_event: OnEvent = ignore,
    should_stop: ShouldStop = never,
) -> TrainedVQVAE:
    """Train a codec on a folder of sounds, or on a scanned one, and return the best epoch; nothing is written.

    The best epoch is the one with the lowest reconstruction loss on held-out sounds. Without `config` the settings
    follow from the number of usable files. The global random state is as before afterwards. Stopping is a result: the
    best epoch so far, or `model` None.

    Raises:
        DatasetError: there is nothing to learn from.
        TrainingError: training diverged at once, or ran out of memory.
    """
    use_training_threads()
    with torch.random.fork_rng(), out_of_memory_in_words(_SMALLER):
        try:
            if not isinstance(dataset, AudioDataset):
                dataset = scan(dataset, on_event=on_event, should_stop=should_stop)
            config = config or get_adaptive_vqvae_config(len(dataset.files))
            run = _prepare(dataset, config, on_event, should_stop)
        except Stopped:
            return TrainedVQVAE(None, SpectrogramConfig(), {}, {}, {}, {}, {}, (), True)
        on_event(_start_event(run))
        run.initialise_codebooks()
        stopped = _train_epochs(run, on_event, should_stop)
        return _result(run, dataset, stopped, on_event)
