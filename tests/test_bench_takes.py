"""`bench takes`: the distance of distributions, and figures of a model whose prior learned ends."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from benchmarks.sound_distance import frechet_distance
from benchmarks.takes import measure, moments_of
from distill_core import PriorConfig, load_model_v2, save_prior_to_model, train_prior


def test_the_distance_of_normal_distributions() -> None:
    mean, covariance = torch.zeros(3), torch.diag(torch.tensor([1.0, 4.0, 9.0]))
    assert frechet_distance((mean, covariance), (mean, covariance)) == pytest.approx(0, abs=1e-5)
    assert frechet_distance((mean, covariance), (mean + 2, covariance)) == pytest.approx(12, abs=1e-4)
    assert frechet_distance((mean, covariance), (mean, 4 * covariance)) == pytest.approx(1 + 4 + 9, abs=1e-4)


def test_sounds_are_nearer_to_themselves_than_to_noise(sounds_folder: Path) -> None:
    noise = moments_of([torch.rand(48_000, generator=torch.Generator().manual_seed(seed)) - 0.5 for seed in range(3)])
    tones = moments_of([torch.sin(torch.arange(48_000) * hertz / 7639) for hertz in (200.0, 300.0, 440.0)])
    assert frechet_distance(tones, tones) < 1e-3 * frechet_distance(tones, noise)


def test_figures_of_a_model(tiny_model: Path, sounds_folder: Path) -> None:
    config = PriorConfig(hidden_size=32, num_layers=1, num_heads=2, max_epochs=2, device="cpu", variants=0)
    trained = train_prior(tiny_model, sounds_folder, config)
    assert trained.prior is not None
    save_prior_to_model(tiny_model, trained.prior, trained.config, trained.metadata)
    found = measure(load_model_v2(tiny_model), sounds_folder, 2)
    assert found["ratio of takes to round trips"] == found["takes of 5 s"] / found["round trips"]
    assert 0 < found["median of one sound, s"] <= 30
