"""The training of the format's VQ-VAE in epochs, of which the best is kept."""

from __future__ import annotations

from functools import partial

import torch

from distill_core.audio.dataset import AudioDataset
from distill_core.audio.spectrogram import AudioSpectrogram
from distill_core.device import resolve_device
from distill_core.events import OnEvent, ShouldStop, Stopped
from distill_core.models.vqvae import CONFIG_KEYS, ConvVQVAE
from distill_core.training.codec.config import VQVAEConfig, get_adaptive_vqvae_config
from distill_core.training.codec.facts import codec_metadata, complete_event, loss_curves, start_event, training_config
from distill_core.training.codec.quality import health_of
from distill_core.training.codec.request import CodecRequest
from distill_core.training.codec.run import VQVAERun
from distill_core.training.codec.run_kind import config_of
from distill_core.training.codec.state import WRITING, restore, sounds_digest, state_of
from distill_core.training.codec.trained import TrainedCodec
from distill_core.training.data.chunks import read_and_split
from distill_core.training.events import Ended
from distill_core.training.keeper import Keeper
from distill_core.training.loop import TimeLimit, train_epochs

# About a second of work, and a quarter of that after a stop: the person waits for the save.
_MOST_CHUNKS_FOR_HEALTH, _MOST_ONCE_STOPPED = 250, 64


def _settings(request: CodecRequest, file_count: int) -> VQVAEConfig:
    if request.unfinished is not None:
        return config_of(request.unfinished)
    if isinstance(request.config, VQVAEConfig):
        return request.config
    return get_adaptive_vqvae_config(file_count, **request.overrides)


def _result(run: VQVAERun, keeper: Keeper, dataset: AudioDataset, ended: Ended, on_event: OnEvent) -> TrainedCodec:
    if not run.best.state:
        return TrainedCodec.none(ended)
    # The run's own weights stay as they are: its final state holds them.
    best = ConvVQVAE.from_state(run.config.to_file(), run.spectrogram, run.best.state).to(run.device)
    most_chunks = _MOST_ONCE_STOPPED if ended is Ended.STOPPED else _MOST_CHUNKS_FOR_HEALTH
    with torch.random.fork_rng():
        health = health_of(best, run.sounds.train_NT, run.spectrogram, run.device, most_chunks)
    keeper.keep_end(ended, {"codebook_health_snapshot": health})
    on_event(complete_event(run, health, ended))
    return TrainedCodec(
        model=best.cpu(),
        spectrogram_config=run.spectrogram.config,
        vqvae_config=run.config.to_file(),
        training_config=training_config(run),
        metadata=codec_metadata(run, dataset),
        codebook_health=health,
        loss_curve_history=loss_curves(run.history),
        history=tuple(run.history),
        ended=ended,
        run_id=keeper.run_id,
    )


def _build_run(dataset: AudioDataset, config: VQVAEConfig, on_event: OnEvent, should_stop: ShouldStop) -> VQVAERun:
    device = resolve_device(config.device)
    spectrogram = AudioSpectrogram(ConvVQVAE.spectrogram_config(), device)
    geometry = ConvVQVAE.geometry(config.to_file(), spectrogram.config)
    sounds = read_and_split(dataset, geometry, config.val_fraction, config.seed, on_event, should_stop)
    torch.manual_seed(config.seed)
    model = ConvVQVAE(**{key: getattr(config, key) for key in CONFIG_KEYS}).to(device)
    model.spectrogram = spectrogram
    return VQVAERun(model, spectrogram, config, sounds, device)


def train_in_epochs(
    request: CodecRequest, dataset: AudioDataset, on_event: OnEvent, should_stop: ShouldStop
) -> TrainedCodec:
    """Train the format's VQ-VAE and return its best epoch: the one with the lowest loss on held-out sounds.

    Training draws from torch's global generators, whose states the caller keeps.

    Raises:
        ConfigError: the sounds are not those of the run to go on with.
        ModelFileError: the run to go on with is damaged.
        DatasetError: there are no usable sounds.
        TrainingError: training diverged at once.
    """
    config = _settings(request, len(dataset.files))
    try:
        run = _build_run(dataset, config, on_event, should_stop)
        run.prepare(should_stop, sets_codebooks=request.unfinished is None)
    except Stopped:
        return TrainedCodec.none(Ended.STOPPED)
    digest = sounds_digest(run.sounds) if request.run_folder is not None else ""
    if request.unfinished is not None:
        restore(run, digest, request.unfinished)
    limit = TimeLimit(config.time_limit_min, should_stop)
    state = partial(state_of, run, digest, request.model_path, dataset)
    keeper = Keeper(request.run_folder, run, state, WRITING, on_event, limit.should_stop)
    on_event(start_event(run))
    epochs = range(1 + (run.history[-1].epoch if run.history else 0), config.max_epochs + 1)
    ended = train_epochs(run, epochs, keeper.on_event, limit.should_stop, patience=config.patience)
    return _result(run, keeper, dataset, limit.ended_by(ended), on_event)
