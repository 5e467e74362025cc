"""The work of a training, from which the last one's speed gives the next one's duration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from distill_core.training.prior.config import PriorConfig, config_for_sounds

if TYPE_CHECKING:
    from distill_core.audio.dataset import AudioDataset, AudioFile
    from distill_core.audio.geometry import Geometry
    from distill_core.models.summary import ModelSummary
    from distill_core.training.prior.events import PriorEpochMetrics

_PACE_EPOCHS = 20


@lru_cache(maxsize=2)
def _steps(files: tuple[AudioFile, ...], geometry: Geometry) -> int:
    """Return the number of steps in sounds; counting takes 30 ms for 5,000, and every change of state asks for it."""
    from distill_core.audio.variants import total_steps

    return total_steps(files, geometry)


def likely_config(model: ModelSummary, dataset: AudioDataset, overrides: Mapping[str, Any]) -> PriorConfig:
    """Return the likely settings of a training; the number of codes is exact only once the sounds are encoded.

    Raises:
        ConfigError: an override is not possible.
    """
    codes = _steps(dataset.files, model.geometry) * model.geometry.codes_per_step
    return config_for_sounds(len(dataset.files), codes, overrides)


def epoch_work(model: ModelSummary, dataset: AudioDataset, config: PriorConfig) -> float:
    """Return the work of an epoch; the prior's architecture knows the cost of a code."""
    from distill_core.training.prior import cost

    steps, seconds = _steps(dataset.files, model.geometry), dataset.whole_seconds
    return cost.epoch_work(config, model.geometry, model.codebook_size, steps=steps, whole_seconds=seconds)


def training_seconds(model: ModelSummary, dataset: AudioDataset, config: PriorConfig, speed: float) -> float:
    """Return the duration of all epochs in seconds, at a speed in work per second; at most that of the time limit."""
    seconds = config.max_epochs * epoch_work(model, dataset, config) / speed
    return min(seconds, 60 * config.time_limit_min) if config.time_limit_min else seconds


def speed_of(epochs: Sequence[PriorEpochMetrics], work: float) -> float | None:
    """Return the speed of epochs of `work` each, in work per second; None without epochs, or if `work` is 0."""
    seconds = sum(epoch.epoch_time_s for epoch in epochs)
    return work * len(epochs) / max(seconds, 1e-3) if epochs and work else None


def seconds_left(epochs: Sequence[PriorEpochMetrics]) -> float | None:
    """Return the duration of the epochs to come in seconds, at the pace of the last 20; None before the first."""
    if not epochs:
        return None
    last = epochs[-_PACE_EPOCHS:]
    pace = sum(epoch.epoch_time_s for epoch in last) / len(last)
    return pace * (epochs[-1].total_epochs - epochs[-1].epoch)
