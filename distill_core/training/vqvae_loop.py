"""Trains a codec on a folder of sounds and keeps the best epoch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from distill_core.audio.dataset import AudioDataset, scan
from distill_core.audio.spectrogram import AudioSpectrogram, SpectrogramConfig
from distill_core.device import describe_device, resolve_device, training_threads, use_training_threads
from distill_core.events import OnEvent, ShouldStop, Stopped, ignore, never
from distill_core.models.persistence import now_utc, save_model_v2
from distill_core.models.vqvae import CONFIG_KEYS, ConvVQVAE
from distill_core.training.codes import extract_code_sequences
from distill_core.training.metrics import Ended, VQVAEEpochMetrics, VQVAETrainingCompleteEvent, VQVAETrainingStartEvent
from distill_core.training.safeguards import out_of_memory_in_words, train_epochs
from distill_core.training.sounds import read_and_split
from distill_core.training.vqvae_config import VQVAEConfig, get_adaptive_vqvae_config
from distill_core.training.vqvae_quality import codebook_health
from distill_core.training.vqvae_run import VQVAERun

_MOST_CHUNKS_FOR_HEALTH = 250  # about a second of work
_SMALLER = "Try a smaller batch, or fewer sounds."


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


def _start_event(run: VQVAERun) -> VQVAETrainingStartEvent:
    return VQVAETrainingStartEvent(
        train_files=len(run.sounds.train_files),
        validation_files=len(run.sounds.val_files),
        chunks=len(run.sounds.train_NT) + len(run.sounds.val_NT),
        augmentation=run.config.augmentation,
        mean_frame_l1=run.mean_frame_l1,
        seed=run.config.seed,
        threads=training_threads(),
        total_epochs=run.config.max_epochs,
    )


def _complete_event(run: VQVAERun, health: dict[str, dict[str, float]]) -> VQVAETrainingCompleteEvent:
    last, best = run.history[-1], run.best_metrics
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


def _training_config(run: VQVAERun) -> dict[str, Any]:
    facts = {
        "threads": training_threads(),
        "device_name": describe_device(run.device),
        "best_epoch": run.best.epoch,
        "best_val_l1": run.best_metrics.val_l1,
        "mean_frame_l1": run.mean_frame_l1,
    }
    if not run.config.anonymous:
        facts["validation_files"] = [file.name for file in run.sounds.val_files]
    return run.config.to_file() | facts


def _metadata(run: VQVAERun, dataset: AudioDataset) -> dict[str, Any]:
    return {
        "dataset_name": "" if run.config.anonymous else dataset.name,
        "dataset_file_count": len(dataset.files),
        "dataset_total_duration_s": dataset.total_duration_s,
        "training_date": now_utc(),
        "training_epochs": len(run.history),
        "final_train_loss": run.best_metrics.train_loss,
        "final_val_loss": run.best_metrics.val_loss,
    }


def _loss_curves(history: list[VQVAEEpochMetrics]) -> dict[str, list[float]]:
    return {
        "train_losses": [metrics.train_loss for metrics in history],
        "val_losses": [metrics.val_loss for metrics in history],
        "recon_losses": [metrics.train_loss - metrics.commit_loss for metrics in history],
        "commit_losses": [metrics.commit_loss for metrics in history],
    }


def _health_of_best(run: VQVAERun) -> dict[str, dict[str, float]]:
    """Measure the best weights' codes on the training sounds, or on every n-th second of very many."""
    run.model.load_state_dict(run.best.state)
    every = -(-len(run.sounds.train_NT) // _MOST_CHUNKS_FOR_HEALTH)
    codes_NSQ = extract_code_sequences(run.model, run.sounds.train_NT[::every], run.spectrogram, run.device)
    return codebook_health(codes_NSQ, run.config.codebook_size)


def _result(run: VQVAERun, dataset: AudioDataset, stopped: bool, on_event: OnEvent) -> TrainedVQVAE:
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


def _build_run(dataset: AudioDataset, config: VQVAEConfig, on_event: OnEvent, should_stop: ShouldStop) -> VQVAERun:
    device = resolve_device(config.device)
    spectrogram = AudioSpectrogram(SpectrogramConfig(), device)
    sounds = read_and_split(dataset, spectrogram.config, config.val_fraction, config.seed, on_event, should_stop)
    torch.manual_seed(config.seed)
    model = ConvVQVAE(**{key: getattr(config, key) for key in CONFIG_KEYS}).to(device)
    return VQVAERun(model, spectrogram, config, sounds, device)


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
            run = _build_run(dataset, config, on_event, should_stop)
            run.prepare(should_stop)
        except Stopped:
            return TrainedVQVAE(None, SpectrogramConfig(), {}, {}, {}, {}, {}, (), True)
        on_event(_start_event(run))
        ended = train_epochs(run, range(1, run.config.max_epochs + 1), on_event, should_stop)
        return _result(run, dataset, ended in (Ended.STOPPED, Ended.DIVERGED), on_event)
