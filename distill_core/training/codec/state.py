"""A codec's training as plain values and tensors: what its file and its run hold."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from distill_core.audio.dataset import AudioDataset
from distill_core.device import describe_device, training_threads
from distill_core.models.persistence import now_utc
from distill_core.training.codec.events import VQVAEEpochMetrics
from distill_core.training.codec.run import VQVAERun
from distill_core.training.events import Ended
from distill_core.training.run_folder.facts import Kind
from distill_core.training.run_folder.format import MOST_CURVE_POINTS, sounds_of, thinned


def training_config(run: VQVAERun) -> dict[str, Any]:
    """Return the settings, and what came of them, as the file holds them."""
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


def metadata(run: VQVAERun, dataset: AudioDataset) -> dict[str, Any]:
    """Return the facts of the best epoch so far as the file holds them."""
    return {
        "dataset_name": "" if run.config.anonymous else dataset.name,
        "dataset_file_count": len(dataset.files),
        "dataset_total_duration_s": dataset.total_duration_s,
        "training_date": now_utc(),
        "training_epochs": len(run.history),
        "final_train_loss": run.best_metrics.train_loss,
        "final_val_loss": run.best_metrics.val_loss,
    }


def loss_curves(history: list[VQVAEEpochMetrics]) -> dict[str, list[float]]:
    """Return the losses of each epoch as the file holds them, where there are very many of every n-th."""
    history = thinned(history, (), MOST_CURVE_POINTS)
    return {
        "train_losses": [metrics.train_loss for metrics in history],
        "val_losses": [metrics.val_loss for metrics in history],
        "recon_losses": [metrics.train_loss - metrics.commit_loss for metrics in history],
        "commit_losses": [metrics.commit_loss for metrics in history],
    }


def state_of(
    run: VQVAERun,
    model_path: Path,
    dataset: AudioDataset,
    ended: Ended | None = None,
    codebook_health: dict[str, dict[str, float]] | None = None,
) -> dict[str, Any]:
    """Return the best codec so far, and what is known of its training; `ended` None: under way."""
    return {
        "kind": Kind.CODEC.value,
        "run_id": run.run_id,
        "model_path": str(model_path),
        "sounds": sounds_of(dataset),
        "written": now_utc(),
        "codec_digest": "",  # it is of no codec: it makes one
        "best_epoch": run.best.epoch,
        "history": [asdict(metrics) for metrics in thinned(run.history, (run.best.epoch, run.history[-1].epoch))],
        "ended": "" if ended is None else ended.value,
        "model_state_dict": run.best.state,
        "vqvae_config": run.config.to_file(),
        "spectrogram_config": asdict(run.spectrogram.config),
        "training_config": training_config(run),
        "metadata": metadata(run, dataset),
        "codebook_health_snapshot": codebook_health,
        "loss_curve_history": loss_curves(run.history),
    }
