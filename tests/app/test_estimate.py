"""The work of a training, from sounds whose padding counts only if it is computed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from app.session.estimate import epoch_work, likely_config, seconds_left, speed_of, training_seconds
from distill_core import PriorConfig, read_summary, scan, train_prior
from distill_core.audio.dataset import AudioDataset
from distill_core.models.summary import ModelSummary
from distill_core.training.prior.events import PriorEpochMetrics, PriorTrainingStartEvent

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


def test_speed_and_time_left_follow_from_the_epochs(an_epoch: Callable[..., PriorEpochMetrics]) -> None:
    epochs = [an_epoch(number, 9.0) for number in (1, 2, 3)]  # of 50, 1.5 s each
    assert speed_of(epochs, work=3.0) == pytest.approx(2.0)
    assert speed_of(epochs, work=0.0) is None
    assert speed_of([], work=3.0) is None
    assert seconds_left(epochs) == pytest.approx(47 * 1.5)
    assert seconds_left([]) is None
    slower = [replace(epoch, epoch_time_s=3.0) for epoch in [an_epoch(number, 9.0) for number in range(4, 24)]]
    assert seconds_left([*epochs, *slower]) == pytest.approx(27 * 3.0)
