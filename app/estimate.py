"""How much work a training is, so that the last one's speed tells how long the next one takes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from distill_core.errors import ConfigError
from distill_core.training.prior_config import PriorConfig, config_for_sounds

if TYPE_CHECKING:
    from distill_core.audio.dataset import AudioDataset
    from distill_core.models.summary import ModelSummary
    from distill_core.training.metrics import PriorEpochMetrics

_PACE_EPOCHS = 20


def likely_config(model: ModelSummary, dataset: AudioDataset, overrides: Mapping[str, Any]) -> PriorConfig:
    """Return the settings that training will most likely choose; the codes are counted only once there are some.

    Raises:
        ConfigError: an override that cannot be.
    """
    return config_for_sounds(len(dataset.files), dataset.whole_seconds * model.seq_len, overrides)


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
    return float(_passes(dataset, config) * dataset.whole_seconds * model.seq_len * a_code)


def _passes(dataset: AudioDataset, config: PriorConfig) -> int:
    """Return how often an epoch goes through a small set, so as to have four steps."""
    seconds = max(1.0, dataset.whole_seconds * (1 - config.val_fraction))
    return math.ceil(4 / math.ceil(seconds / config.batch_size))


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
