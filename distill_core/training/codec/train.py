"""Trains a codec on a folder of sounds and keeps the best epoch."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from distill_core.audio.dataset import AudioDataset, scan
from distill_core.audio.spectrogram import AudioSpectrogram, SpectrogramConfig
from distill_core.device import resolve_device, training_threads, use_training_threads
from distill_core.events import OnEvent, ShouldStop, Stopped, ignore, never
from distill_core.memory import memory_in_words
from distill_core.models.persistence import save_model_v2
from distill_core.models.vqvae import CONFIG_KEYS, ConvVQVAE
from distill_core.training.codec.config import VQVAEConfig, get_adaptive_vqvae_config
from distill_core.training.codec.events import VQVAEEpochMetrics, VQVAETrainingCompleteEvent, VQVAETrainingStartEvent
from distill_core.training.codec.keeper import CodecKeeper
from distill_core.training.codec.quality import codebook_health
from distill_core.training.codec.run import VQVAERun
from distill_core.training.codec.state import loss_curves, metadata, training_config
from distill_core.training.data.chunks import read_and_split
from distill_core.training.data.codes import extract_code_sequences
from distill_core.training.events import Ended, RunNotKept
from distill_core.training.loop import train_epochs
from distill_core.training.run_folder.folder import RunFolder
from distill_core.training.run_folder.format import ended_of
from distill_core.training.run_folder.kinds import codec_history_of

# About a second of work, and a quarter of that after a stop: whoever stops waits for the save.
_MOST_CHUNKS_FOR_HEALTH, _MOST_ONCE_STOPPED = 250, 64
_SMALLER = "Try a smaller batch, or fewer sounds."


@dataclass(frozen=True, slots=True)
class TrainedVQVAE:
    """The result of codec training.

    `model` has the best weights, in eval mode on the CPU, or is None when training stopped before the first validation;
    the configs, `metadata`, `codebook_health` and `loss_curve_history` are plain values exactly as the file holds them;
    `history` has one entry an epoch; `run_id` names the run in the run folder, "" where nothing of it was written.
    """

    model: ConvVQVAE | None
    spectrogram_config: SpectrogramConfig
    vqvae_config: dict[str, Any]
    training_config: dict[str, Any]
    metadata: dict[str, Any]
    codebook_health: dict[str, dict[str, float]] | None
    loss_curve_history: dict[str, list[float]]
    history: tuple[VQVAEEpochMetrics, ...]
    stopped_early: bool
    run_id: str = ""

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


def _health_of_best(run: VQVAERun, most_chunks: int) -> dict[str, dict[str, float]]:
    """Measure the best weights' codes on the training sounds, or on every n-th second of very many."""
    run.model.load_state_dict(run.best.state)
    every = -(-len(run.sounds.train_NT) // most_chunks)
    codes_NSQ = extract_code_sequences(run.model, run.sounds.train_NT[::every], run.spectrogram, run.device)
    return codebook_health(codes_NSQ, run.config.codebook_size)


def _result(run: VQVAERun, keeper: CodecKeeper, dataset: AudioDataset, ended: Ended, on_event: OnEvent) -> TrainedVQVAE:
    spectrogram_config, stopped = run.spectrogram.config, ended in (Ended.STOPPED, Ended.DIVERGED)
    if not run.best.state:
        return TrainedVQVAE(None, spectrogram_config, run.config.to_file(), {}, {}, {}, {}, (), stopped)
    health = _health_of_best(run, _MOST_ONCE_STOPPED if ended is Ended.STOPPED else _MOST_CHUNKS_FOR_HEALTH)
    keeper.keep_end(ended, health)
    on_event(_complete_event(run, health))
    return TrainedVQVAE(
        model=run.model.cpu().eval(),
        spectrogram_config=spectrogram_config,
        vqvae_config=run.config.to_file(),
        training_config=training_config(run),
        metadata=metadata(run, dataset),
        codebook_health=health,
        loss_curve_history=loss_curves(run.history),
        history=tuple(run.history),
        stopped_early=stopped,
        run_id=keeper.run_id,
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
    run_folder: RunFolder | None = None,
) -> TrainedVQVAE:
    """Train a codec on a folder of sounds, or on a scanned one, and return the best epoch.

    In `run_folder` the best codec is kept, once a minute at most and at the end; nothing else is written.
    The best epoch is the one with the lowest reconstruction loss on held-out sounds. Without `config` the settings
    follow from the number of usable files. The global random state is as before afterwards. Stopping is a result: the
    best epoch so far, or `model` None.

    Raises:
        DatasetError: there is nothing to learn from.
        TrainingError: training diverged at once.
        NotEnoughMemoryError: it ran out of memory.
    """
    use_training_threads()
    with torch.random.fork_rng(), memory_in_words("train with these settings", _SMALLER), ExitStack() as stack:
        obstacle = "" if run_folder is None else stack.enter_context(run_folder.in_use())
        if obstacle:
            on_event(RunNotKept(obstacle))
            run_folder = None
        try:
            if not isinstance(dataset, AudioDataset):
                dataset = scan(dataset, on_event=on_event, should_stop=should_stop)
            config = config or get_adaptive_vqvae_config(len(dataset.files))
            run = _build_run(dataset, config, on_event, should_stop)
            run.prepare(should_stop)
        except Stopped:
            return TrainedVQVAE(None, SpectrogramConfig(), {}, {}, {}, {}, {}, (), True)
        on_event(_start_event(run))
        keeper = CodecKeeper(run_folder, run, dataset, on_event)
        ended = train_epochs(run, range(1, run.config.max_epochs + 1), keeper.on_event, should_stop)
        return _result(run, keeper, dataset, ended, on_event)


def load_best_codec(values: dict[str, Any]) -> TrainedVQVAE:
    """Return the training that the state of a run tells of as if it had been stopped there."""
    return TrainedVQVAE(
        model=ConvVQVAE.from_state(dict(values["vqvae_config"]), dict(values["model_state_dict"])),
        spectrogram_config=SpectrogramConfig(**values["spectrogram_config"]),
        vqvae_config=dict(values["vqvae_config"]),
        training_config=dict(values["training_config"]),
        metadata=dict(values["metadata"]),
        codebook_health=values.get("codebook_health_snapshot"),
        loss_curve_history=dict(values.get("loss_curve_history") or {}),
        history=tuple(codec_history_of(values)),
        stopped_early=ended_of(values) is Ended.STOPPED,
        run_id=values["run_id"],
    )
