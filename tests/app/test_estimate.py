"""The work of a training, from sounds whose padding counts only if it is computed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app.session.estimate import epoch_work, likely_config, seconds_of, speed_of, time_left, training_seconds
from app.times import time_left_words
from distill_core import PriorConfig, read_summary, scan, train_prior
from distill_core.audio.dataset import AudioDataset
from distill_core.models.summary import ModelSummary
from distill_core.training.prior.events import PriorEpochMetrics, PriorTrainingStartEvent

Start = Callable[..., PriorTrainingStartEvent]
_ALL = {"val_fraction": 0.01, "batch_size": 1, "hidden_size": 32, "num_heads": 2, "num_layers": 1}


@pytest.fixture
def model(shared_tiny_model: Path) -> ModelSummary:
    return read_summary(shared_tiny_model)


@pytest.fixture
def grains(shared_sounds_folder: Path) -> AudioDataset:
    """A thousand sounds of 20 ms: each fills a whole second with silence if the codec makes chunks."""
    dataset = scan(shared_sounds_folder)
    return replace(dataset, files=(replace(dataset.files[0], duration_s=0.02),) * 1000)


def test_the_size_of_the_prior_follows_from_codes_without_padding(model: ModelSummary, grains: AudioDataset) -> None:
    assert likely_config(model, grains, {}).hidden_size == 128
    long_ones = replace(grains, files=tuple(replace(file, duration_s=600.0) for file in grains.files))
    assert likely_config(model, long_ones, {}).hidden_size > 128


def test_only_flat_computes_with_padding(model: ModelSummary, grains: AudioDataset) -> None:
    flat, frames = (PriorConfig(architecture=name, **_ALL) for name in ("flat", "frames"))
    whole = replace(grains, files=tuple(replace(file, duration_s=1.0) for file in grains.files))
    assert epoch_work(model, grains, flat) == epoch_work(model, whole, flat)
    steps_of_a_grain, steps_of_a_second = 1, model.geometry.chunk_steps
    ratio = epoch_work(model, whole, frames) / epoch_work(model, grains, frames)
    assert ratio == pytest.approx(steps_of_a_second / steps_of_a_grain)


def test_the_settings_are_those_that_training_chooses(
    model: ModelSummary, shared_sounds_folder: Path, tiny_model: Path
) -> None:
    overrides = {"max_epochs": 1, "hidden_size": 32, "num_layers": 1, "num_heads": 2}
    chosen: list[PriorConfig] = []

    def note(event: object) -> None:
        if isinstance(event, PriorTrainingStartEvent):
            chosen.append(event.config)

    train_prior(tiny_model, shared_sounds_folder, overrides, on_event=note)
    assert chosen == [likely_config(model, scan(shared_sounds_folder), overrides)]


def test_time_follows_from_work_and_speed(model: ModelSummary, grains: AudioDataset) -> None:
    config = PriorConfig(max_epochs=7, **_ALL)
    work = epoch_work(model, grains, config)
    assert training_seconds(model, grains, config, speed=work) == pytest.approx(7)


def test_speed_follows_from_the_epochs(an_epoch: Callable[..., PriorEpochMetrics]) -> None:
    epochs = [an_epoch(number, 9.0) for number in (1, 2, 3)]  # of 50, 1.5 s each
    assert speed_of(epochs, work=3.0) == pytest.approx(2.0)
    assert speed_of(epochs, work=0.0) is None
    assert speed_of([], work=3.0) is None
    assert seconds_of(epochs) == pytest.approx(4.5)
    assert seconds_of([]) == 0


@pytest.mark.parametrize(
    ("last", "best", "settings", "least", "most"),
    [
        (10, 10, {}, 8, 40),  # as many epochs as patience has, if none gets better
        (10, 7, {}, 5, 40),
        (10, 2, {}, 0, 40),  # patience runs out now
        (45, 44, {}, 5, 5),  # the last epoch comes first
        (50, 50, {}, 0, 0),
        (10, 2, {"patient_from": 9}, 7, 40),  # it went further at epoch 9
        (10, 4, {"patience": 0}, 40, 40),
    ],
)
def test_the_time_left_reaches_from_patience_to_the_last_epoch(
    an_epoch: Callable[..., PriorEpochMetrics],
    start_event: Start,
    last: int,
    best: int,
    settings: Any,
    least: int,
    most: int,
) -> None:
    epochs = [an_epoch(number, 9.0, best=min(best, number)) for number in range(1, last + 1)]  # 1.5 s each
    assert time_left(epochs, start_event(**settings)) == pytest.approx((1.5 * least, 1.5 * most))


def test_the_pace_is_that_of_the_last_epochs_and_there_is_none_before_the_first(
    an_epoch: Callable[..., PriorEpochMetrics], start_event: Start
) -> None:
    assert time_left([], start_event()) is None
    quick = [an_epoch(number, 9.0) for number in (1, 2, 3)]
    slow = [replace(an_epoch(number, 9.0), epoch_time_s=3.0) for number in range(4, 24)]
    assert time_left([*quick, *slow], start_event(patience=0)) == pytest.approx((81.0, 81.0))


def test_the_time_limit_ends_what_patience_does_not(
    an_epoch: Callable[..., PriorEpochMetrics], start_event: Start
) -> None:
    epochs = [an_epoch(number, 9.0) for number in range(1, 11)]  # 15 s
    assert time_left(epochs, start_event(time_limit_min=0.5)) == pytest.approx((12.0, 15.0))
    assert time_left(epochs, start_event(time_limit_min=0.1)) == (0.0, 0.0)
    on = start_event(history=epochs[:6], time_limit_min=0.5)  # it counts anew from where the training went on
    assert time_left(epochs, on) == pytest.approx((12.0, 24.0))
    assert time_left(epochs[:6], on) is None


@pytest.mark.parametrize(
    ("least", "most", "words"),
    [
        (10, 59, "less than a minute left"),
        (20, 130, "up to 2 min left"),
        (180, 360, "3–6 min left"),
        (175, 185, "3 min left"),
        (60, 60, "1 min left"),
        (600, 3 * 3600, "10 min to 3 h left"),
        (10, 3 * 3600, "up to 3 h left"),
        (5400, 4 * 3600, "2–4 h left"),
        (7200, 7300, "2 h left"),
    ],
)
def test_the_time_left_in_words(least: float, most: float, words: str) -> None:
    assert time_left_words(least, most) == words
