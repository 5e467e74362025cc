"""The work of a training, from which the last one's speed gives the next one's duration."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any, TypeAlias

from distill_core.errors import ConfigError
from distill_core.training.codec.settings import SoundAmount
from distill_core.training.codec.trainings import DEFAULT_CODEC, training_of
from distill_core.training.prior.config import PriorConfig, config_for_sounds

if TYPE_CHECKING:
    from app.session.making import MakingState
    from distill_core.audio.dataset import AudioDataset, AudioFile
    from distill_core.audio.geometry import Geometry
    from distill_core.models.summary import ModelSummary
    from distill_core.training.codec.events import CodecEpochMetrics
    from distill_core.training.prior.events import PriorEpochMetrics, PriorTrainingStartEvent

_PACE_EPOCHS = 20
_USUAL_MAKING_SPEED = 80.0  # seconds of sound per second, on two cores of a server
_UNKNOWN_BY = 2.0  # another computer may be as many times faster
_MAKING_BEGINS_S, _SOUND_S_BEFORE_MAKING = 4.0, 20.0  # before its first step: once, and a second for as many of sound


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
    """Return the duration of all epochs in seconds, at a speed in work per second; at most that of the time limit."""
    seconds = config.max_epochs * epoch_work(model, dataset, config) / speed
    return min(seconds, 60 * config.time_limit_min) if config.time_limit_min else seconds


def speed_of(epochs: Sequence[PriorEpochMetrics], work: float) -> float | None:
    """Return the speed of epochs of `work` each, in work per second; None without epochs, or if `work` is 0."""
    return work * len(epochs) / max(seconds_of(epochs), 1e-3) if epochs and work else None


def seconds_of(epochs: Sequence[PriorEpochMetrics]) -> float:
    """Return the duration of epochs in seconds."""
    return sum(epoch.epoch_time_s for epoch in epochs)


def _epochs_left(last: PriorEpochMetrics, started: PriorTrainingStartEvent) -> tuple[int, int]:
    """Return how many epochs are to come if none of them gets better, and how many at most."""
    most, patience = max(0, started.total_epochs - last.epoch), started.config.patience
    if not patience:
        return most, most
    runs_out = max(last.best_epoch, started.patient_from) + patience
    return min(most, max(0, runs_out - last.epoch)), most


def time_left(epochs: Sequence[PriorEpochMetrics], started: PriorTrainingStartEvent) -> tuple[float, float] | None:
    """Return the seconds that are left if no epoch gets better, and at most; None before the first new epoch.

    The pace is that of the last 20 epochs. A time limit counts from the start, or from where training went on.
    """
    before = started.history[-1].epoch if started.history else 0
    new = [epoch for epoch in epochs if epoch.epoch > before]
    if not new:
        return None
    recent, limit = new[-_PACE_EPOCHS:], 60 * started.config.time_limit_min
    pace, until_limit = seconds_of(recent) / len(recent), limit - seconds_of(new) if limit else math.inf
    least, most = (min(pace * count, max(0.0, until_limit)) for count in _epochs_left(new[-1], started))
    return least, most


_PROOF_TRAININGS = 9  # three seeds, each with all sounds, without the suspect and without another one
_MOST_PROOF_EPOCHS = 40


def proof_seconds(model: ModelSummary, dataset: AudioDataset, speed: float) -> float | None:
    """Return the duration of a proof in seconds, at a speed in work per second; None for settings that cannot be.

    It trains as often as `distill_core.audit.proof` does, each time for as many epochs as the model's prior had.
    """
    facts, known = model.prior_metadata or {}, {each.name for each in fields(PriorConfig)}
    settings = {name: value for name, value in (model.prior_config or {}).items() if name in known}
    try:
        config = likely_config(model, dataset, settings)
    except ConfigError:
        return None
    counts = [facts.get(key) for key in ("kept_epoch", "best_epoch", "epochs_trained")]
    epochs = next((count for count in counts if type(count) is int and count > 0), config.max_epochs)
    return _PROOF_TRAININGS * min(epochs, _MOST_PROOF_EPOCHS) * epoch_work(model, dataset, config) / speed


# Making a model


def making_seconds(dataset: AudioDataset, overrides: Mapping[str, Any], speed: float | None) -> tuple[float, float]:
    """Return the least and the most seconds that making a model is likely to take.

    The least is a training that gets no better soon. `speed` is the last one's on this computer, in seconds of sound
    per second; without it the range is wider.

    Raises:
        ConfigError: an override is not possible.
    """
    config = training_of(DEFAULT_CODEC).config_for(SoundAmount.of(dataset), dict(overrides))
    fewest = min(config.max_epochs, config.patience + 2) if config.patience else config.max_epochs
    slow = speed or _USUAL_MAKING_SPEED
    fast = speed or slow * _UNKNOWN_BY
    begins = _MAKING_BEGINS_S + dataset.whole_seconds / _SOUND_S_BEFORE_MAKING
    least, most = (
        begins + fewest * dataset.whole_seconds / fast,
        begins + config.max_epochs * dataset.whole_seconds / slow,
    )
    limit = 60 * config.time_limit_min or most
    return min(least, limit), min(most, limit)


def making_speed_of(epochs: Sequence[CodecEpochMetrics], whole_seconds: int) -> float | None:
    """Return the speed of a making in seconds of sound per second; None before its first optimizer step."""
    seconds = [epoch.epoch_time_s for epoch in epochs if not epoch.is_fit]
    return whole_seconds * len(seconds) / max(sum(seconds), 1e-3) if seconds and whole_seconds else None


def making_seconds_left(making: MakingState) -> tuple[float, float] | None:
    """Return the least and the most seconds to come, at the pace of the last 20 epochs; None before the first step.

    A time limit counts from the start, or from where the making went on.
    """
    steps = [epoch.epoch_time_s for epoch in making.epochs if not epoch.is_fit][-_PACE_EPOCHS:]
    if not steps or making.last is None:
        return None
    pace, last = sum(steps) / len(steps), making.last
    most = last.total_epochs - last.epoch
    patience_ends = last.best_epoch + making.patience - last.epoch
    least = min(max(patience_ends, 1), most) if making.patience else most
    spent = sum(epoch.epoch_time_s for epoch in making.epochs[making.epochs_before :])
    until_limit = max(0.0, making.time_limit_s - spent) if making.time_limit_s else math.inf
    return min(pace * least, until_limit), min(pace * most, until_limit)
