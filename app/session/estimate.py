"""The work of a training, from which the last one's speed gives the next one's duration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from distill_core.training.prior.config import PriorConfig, config_for_sounds

if TYPE_CHECKING:
    from distill_core.audio.dataset import AudioDataset, AudioFile
    from distill_core.audio.geometry import Geometry
    from distill_core.models.summary import ModelSummary
    from distill_core.training.prior.events import PriorEpochMetrics

_PACE_EPOCHS = 20


_Counted: TypeAlias = "tuple[tuple[AudioFile, ...], Geometry, int]"

_last_counted: list[_Counted] = []  # of the sounds before and those of now


def _steps(files: tuple[AudioFile, ...], geometry: Geometry) -> int:
    """Return the number of steps in sounds.

    Every change of state asks for it: counting takes 10 ms for 5,000 sounds, and to find them in a dict as long.
    """
    from distill_core.audio.variants import total_steps

    for known_files, known_geometry, steps in _last_counted:
        if known_files is files and known_geometry == geometry:
            return steps
    counted = total_steps(files, geometry)
    _last_counted[:] = [*_last_counted[-1:], (files, geometry, counted)]
    return counted


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
    """Return the duration of all epochs in seconds, at a speed in work per second."""
    return config.max_epochs * epoch_work(model, dataset, config) / speed


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
