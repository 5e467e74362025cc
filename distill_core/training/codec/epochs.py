"""The training of a codec in epochs, of which the best is kept."""

from __future__ import annotations

from dataclasses import asdict
from functools import partial

import torch

from distill_core.audio.dataset import AudioDataset, check_same
from distill_core.audio.spectrogram import AudioSpectrogram
from distill_core.device import device_to_go_on_with, resolve_device
from distill_core.events import OnEvent, ShouldStop, Stopped
from distill_core.training.codec.facts import codec_metadata, complete_event, loss_curves, start_event, training_config
from distill_core.training.codec.quality import health_of
from distill_core.training.codec.request import CodecRequest
from distill_core.training.codec.run import CodecRun
from distill_core.training.codec.run_kind import config_of
from distill_core.training.codec.settings import CodecSettings, SoundAmount
from distill_core.training.codec.state import WRITING, restore, sounds_digest, state_of
from distill_core.training.codec.trained import TrainedCodec
from distill_core.training.data.chunks import read_and_split
from distill_core.training.events import Ended
from distill_core.training.keeper import Keeper
from distill_core.training.loop import TimeLimit, train_epochs
from distill_core.training.under_way import next_epoch

# About a second of work, and a quarter of that after a stop: the person waits for the save.
_MOST_CHUNKS_FOR_HEALTH, _MOST_ONCE_STOPPED = 250, 64


def _settings(request: CodecRequest, dataset: AudioDataset) -> CodecSettings:
    if request.unfinished is not None:
        return config_of(request.unfinished)
    if isinstance(request.config, CodecSettings):
        return request.config
    return request.training.config_for(SoundAmount.of(dataset), dict(request.config))


def _result(run: CodecRun, keeper: Keeper, dataset: AudioDataset, ended: Ended, on_event: OnEvent) -> TrainedCodec:
    if not run.best.state or not run.ranks.is_first:
        keeper.keep_end(ended)
        return TrainedCodec.none(ended, keeper.run_id)
    learner = run.learner
    # The run's own weights stay as they are: its final state holds them.
    best = learner.codec_class.from_state(learner.vqvae_config, learner.spectrogram, run.best.state).to(learner.device)
    most_chunks = _MOST_ONCE_STOPPED if ended is Ended.STOPPED else _MOST_CHUNKS_FOR_HEALTH
    with torch.random.fork_rng():
        health = health_of(best, learner.sounds.train_NT, learner.spectrogram, learner.device, most_chunks)
    keeper.keep_end(ended, {"codebook_health_snapshot": health})
    on_event(complete_event(run, health, ended))
    return TrainedCodec(
        model=best.cpu(),
        spectrogram_config=learner.spectrogram.config,
        vqvae_config=learner.vqvae_config,
        training_config=training_config(run, dataset),
        metadata=codec_metadata(run, dataset),
        codebook_health=health,
        loss_curve_history=loss_curves(run.history),
        history=tuple(run.history),
        ended=ended,
        run_id=keeper.run_id,
        is_kept=keeper.has_best,
    )


def _build_run(
    request: CodecRequest, dataset: AudioDataset, on_event: OnEvent, should_stop: ShouldStop
) -> tuple[CodecRun, str]:
    """Return the run, and the digest of its sounds, "" where nobody asks for it."""
    config, learner_class = _settings(request, dataset), request.training.load()
    ranks, resolve = request.ranks, resolve_device if request.unfinished is None else device_to_go_on_with
    device = ranks.together(lambda: resolve(config.device))
    codec_class = learner_class.codec_class
    spectrogram = AudioSpectrogram(codec_class.spectrogram_config(), device)
    geometry = codec_class.geometry(config.to_file(), spectrogram.config)
    given = (dataset, geometry, config.val_fraction, config.seed, on_event, should_stop)
    sounds = ranks.together(lambda: read_and_split(*given))
    digest = sounds_digest(sounds) if request.run_folder or request.unfinished or not ranks.is_alone else ""
    check_same(digest, ranks)
    if request.unfinished is None:
        settled = ranks.from_first(
            lambda: asdict(learner_class.settle(config, sounds, spectrogram, on_event, should_stop))
        )
        config = type(config)(**settled)
    torch.manual_seed(config.seed)
    learner = learner_class(config, sounds, spectrogram, device)
    ranks.together(lambda: learner.prepare(should_stop))
    return CodecRun(learner, ranks=ranks), digest


def train_in_epochs(
    request: CodecRequest, dataset: AudioDataset, on_event: OnEvent, should_stop: ShouldStop
) -> TrainedCodec:
    """Train a codec and return its best epoch: the one with the lowest loss on held-out sounds.

    Training draws from torch's global generators, whose states the caller keeps.

    Raises:
        ConfigError: the sounds are not those of the run to go on with.
        ModelFileError: the run to go on with is damaged.
        DatasetError: there are no usable sounds.
        TrainingError: training diverged at once.
    """
    try:
        run, digest = _build_run(request, dataset, on_event, should_stop)
    except Stopped:
        return TrainedCodec.none(Ended.STOPPED)
    if request.unfinished is not None:
        restore(run, digest, request.unfinished)
    config = run.learner.config
    limit = TimeLimit(config.time_limit_min if request.ranks.is_first else 0, should_stop)
    stop = request.ranks.stopping(limit.should_stop)
    state = partial(state_of, run, digest, request.model_path, dataset)
    keeper = Keeper(request.run_folder, run, state, WRITING, on_event, stop)
    on_event(start_event(run))
    epochs = range(next_epoch(run.under_way, run.history), config.max_epochs + 1)
    with keeper.forgetting_what_diverged():
        ended = train_epochs(run, epochs, keeper.on_event, stop, patience=config.patience)
    return _result(run, keeper, dataset, limit.ended_by(ended), on_event)
