"""How much work a training is, so that the last one's speed tells how long the next one takes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from distill_core.errors import ConfigError
from distill_core.training.prior.config import PriorConfig, config_for_sounds

if TYPE_CHECKING:
    from distill_core.audio.dataset import AudioDataset, AudioFile
    from distill_core.audio.spectrogram import SpectrogramConfig
    from distill_core.models.summary import ModelSummary
    from distill_core.training.prior.events import PriorEpochMetrics

_PACE_EPOCHS = 20


@lru_cache(maxsize=2)
def _steps(files: tuple[AudioFile, ...], config: SpectrogramConfig) -> int:
    """Return the codec's steps in sounds; with 5,000 of them counting takes 30 ms, and every change of state asks."""
    from distill_core.audio.variants import total_steps

    return total_steps(files, config)


def likely_config(model: ModelSummary, dataset: AudioDataset, overrides: Mapping[str, Any]) -> PriorConfig:
    """Return the settings that training will most likely choose; the codes themselves come only with training.

    Raises:
        ConfigError: an override that cannot be.
    """
    codes = _steps(dataset.files, model.spectrogram) * model.codes_a_step
    return config_for_sounds(len(dataset.files), codes, overrides)


def epoch_work(model: ModelSummary, dataset: AudioDataset, config: PriorConfig) -> float:
    """Return an epoch's work in parameters × codes: a transformer layer has about 12 · hidden² parameters.

    `frames` takes a step of its layers a position and one of a small network a code, `flat` one of its layers a code.
    """
    layers = 12 * config.num_layers * config.hidden_size**2
    head = model.codebook_size * config.hidden_size
    if config.architecture == "frames":
        a_code = layers / model.num_quantizers + 4 * config.hidden_size**2 + head
    else:
        a_code = layers + 2 * head
    codes = _computed_codes(model, dataset, config)
    return float(_passes(codes / model.seq_len, config) * codes * a_code)


def _computed_codes(model: ModelSummary, dataset: AudioDataset, config: PriorConfig) -> int:
    """Return how many codes the network goes through: `flat` takes whole chunks, what only fills them included."""
    if config.architecture == "frames":
        return _steps(dataset.files, model.spectrogram) * model.codes_a_step
    return dataset.whole_seconds * model.seq_len


def _passes(seconds: float, config: PriorConfig) -> int:
    """Return how often an epoch goes through a small set, so as to have four steps."""
    learned = max(1.0, seconds * (1 - config.val_fraction))
    return math.ceil(4 / math.ceil(learned / config.batch_size))


def training_seconds(
    model: ModelSummary, dataset: AudioDataset, overrides: Mapping[str, Any], speed: float
) -> float | None:
    """Return how long all epochs take at a speed in work a second; None with settings that cannot be."""
    try:
        config = likely_config(model, dataset, overrides)
    except ConfigError:
        return None
    return config.max_epochs * epoch_work(model, dataset, config) / speed


def seconds_left(epochs: list[PriorEpochMetrics]) -> float | None:
    """Return what the epochs to come take at the pace of the last ones; None before the first."""
    if not epochs:
        return None
    last = epochs[-_PACE_EPOCHS:]
    pace = sum(epoch.epoch_time_s for epoch in last) / len(last)
    return pace * (epochs[-1].total_epochs - epochs[-1].epoch)
