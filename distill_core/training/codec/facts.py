"""The facts of a codec's training: of its start, of its end, and those that the file holds."""

from __future__ import annotations

from typing import Any

from distill_core.audio.dataset import AudioDataset
from distill_core.device import describe_device, training_threads
from distill_core.models.persistence import now_utc
from distill_core.models.sounds_list import SOUNDS, sounds_list
from distill_core.training.codec.events import CodecEpochMetrics, CodecTrainingCompleteEvent, CodecTrainingStartEvent
from distill_core.training.codec.run import CodecRun
from distill_core.training.events import Ended
from distill_core.training.run_folder.format import MOST_CURVE_POINTS, thinned


def start_event(run: CodecRun) -> CodecTrainingStartEvent:
    """Return the facts of a training that begins, or goes on."""
    return CodecTrainingStartEvent(
        train_files=len(run.learner.sounds.train_files),
        validation_files=len(run.learner.sounds.val_files),
        chunks=len(run.learner.sounds.train_NT) + len(run.learner.sounds.val_NT),
        augmentation=run.learner.config.augmentation,
        mean_frame_l1=run.learner.mean_frame_l1,
        seed=run.learner.config.seed,
        threads=training_threads(),
        total_epochs=run.learner.config.max_epochs,
        config=run.learner.config,
        history=tuple(run.history),
        device=describe_device(run.learner.device),
    )


def training_config(run: CodecRun, dataset: AudioDataset) -> dict[str, Any]:
    """Return the settings, the figures of the best epoch and the list of sounds as the file holds them."""
    config, sounds = run.learner.config, run.learner.sounds
    facts: dict[str, Any] = {
        "threads": training_threads(),
        "device_name": describe_device(run.learner.device),
        "best_epoch": run.best.epoch,
        "best_val_l1": run.best_metrics.val_l1,
        "mean_frame_l1": run.learner.mean_frame_l1,
        SOUNDS: sounds_list(dataset.files, sounds.train_files, sounds.val_files, anonymous=config.anonymous),
    }
    if not config.anonymous:
        facts["validation_files"] = [file.name for file in sounds.val_files]
    return run.learner.vqvae_config | facts


def codec_metadata(run: CodecRun, dataset: AudioDataset) -> dict[str, Any]:
    """Return the facts of the best epoch so far as the file holds them."""
    return {
        "dataset_name": "" if run.learner.config.anonymous else dataset.name,
        "dataset_file_count": len(dataset.files),
        "dataset_total_duration_s": dataset.total_duration_s,
        "training_date": now_utc(),
        "training_epochs": run.history[-1].epoch,
        "final_train_loss": run.best_metrics.train_loss,
        "final_val_loss": run.best_metrics.val_loss,
    }


def loss_curves(history: list[CodecEpochMetrics]) -> dict[str, list[float]]:
    """Return the losses of each epoch as the file holds them; of very many epochs, those of every n-th."""
    history = thinned(history, (), MOST_CURVE_POINTS)
    return {
        "train_losses": [metrics.train_loss for metrics in history],
        "val_losses": [metrics.val_loss for metrics in history],
        "recon_losses": [metrics.train_loss - metrics.commit_loss for metrics in history],
        "commit_losses": [metrics.commit_loss for metrics in history],
    }


def complete_event(run: CodecRun, health: dict[str, dict[str, float]], ended: Ended) -> CodecTrainingCompleteEvent:
    """Return the figures of the last epoch and of the best one, whose codes `health` describes."""
    last, best = run.history[-1], run.best_metrics
    return CodecTrainingCompleteEvent(
        final_train_loss=last.train_loss,
        final_val_loss=last.val_loss,
        best_val_loss=best.val_loss,
        best_epoch=best.epoch,
        val_l1=best.val_l1,
        mean_frame_l1=run.learner.mean_frame_l1,
        codebook_use=health["level_0"]["utilization"],
        epochs_trained=last.epoch,
        ended=ended.value,
    )
