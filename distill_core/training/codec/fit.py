"""The training of a codec that is fitted in closed form, without epochs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import torch

from distill_core.audio.dataset import AudioDataset
from distill_core.audio.spectrogram import AudioSpectrogram
from distill_core.device import describe_device, resolve_device, training_threads
from distill_core.events import OnEvent, ShouldStop, Stopped
from distill_core.models.codec import FittedCodec
from distill_core.training.codec.config import FitConfig
from distill_core.training.codec.events import CodecFitCompleteEvent, CodecFitStartEvent
from distill_core.training.codec.facts import dataset_facts
from distill_core.training.codec.quality import health_of
from distill_core.training.codec.request import CodecRequest
from distill_core.training.codec.trained import TrainedCodec
from distill_core.training.data.chunks import SplitSounds, read_and_split
from distill_core.training.events import Ended

_MOST_CHUNKS_FOR_HEALTH = 250
LoadFitted: TypeAlias = Callable[[], type[FittedCodec]]


def _facts(config: FitConfig, sounds: SplitSounds, device: torch.device) -> dict[str, Any]:
    facts: dict[str, Any] = {"threads": training_threads(), "device_name": describe_device(device)}
    names = {} if config.anonymous else {"validation_files": [file.name for file in sounds.val_files]}
    return facts | names


def _fit(
    codec_class: type[FittedCodec], config: FitConfig, dataset: AudioDataset, on_event: OnEvent, should_stop: ShouldStop
) -> TrainedCodec:
    device = resolve_device(config.device)
    spectrogram = AudioSpectrogram(codec_class.spectrogram_config(), device)
    plain = config.to_file(codec_class.architecture)
    geometry = codec_class.geometry(plain, spectrogram.config)
    sounds = read_and_split(dataset, geometry, config.val_fraction, config.seed, on_event, should_stop)
    chunks = len(sounds.train_NT) + len(sounds.val_NT)
    on_event(CodecFitStartEvent(len(sounds.train_files), len(sounds.val_files), chunks, config.seed, config))
    torch.manual_seed(config.seed)
    codec = codec_class.fitted(sounds.train_NT, plain, spectrogram, on_event=on_event, should_stop=should_stop)
    codec = codec.to(device).eval()
    health = health_of(codec, sounds.train_NT, spectrogram, device, _MOST_CHUNKS_FOR_HEALTH)
    on_event(CodecFitCompleteEvent(health["level_0"]["utilization"]))
    return TrainedCodec(
        model=codec.cpu(),
        spectrogram_config=spectrogram.config,
        vqvae_config=plain,
        training_config=plain | _facts(config, sounds, device),
        metadata=dataset_facts(dataset, anonymous=config.anonymous),
        codebook_health=health,
        loss_curve_history={},
        history=(),
        ended=Ended.FITTED,
    )


def fit_in_closed_form(
    load: LoadFitted,
    settings: type[FitConfig],
    request: CodecRequest,
    dataset: AudioDataset,
    on_event: OnEvent,
    should_stop: ShouldStop,
) -> TrainedCodec:
    """Fit the codec of a class to sounds and return it; a fit that is stopped has no result.

    It keeps no run: a fit takes seconds, and is made again as quickly.

    Raises:
        DatasetError: there are no usable sounds.
    """
    config = request.config if isinstance(request.config, settings) else settings(**request.overrides)
    try:
        return _fit(load(), config, dataset, on_event, should_stop)
    except Stopped:
        return TrainedCodec.none(Ended.STOPPED)
