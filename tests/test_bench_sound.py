"""`bench sound`: seconds as loud as they can be, ratios to the rival, a prior for a model that has none."""

from __future__ import annotations

import torch

from benchmarks.sound import DEMO_MODEL, DEMO_SOUNDS, OURS, RIVAL, codes_and_sound, compare, read_seconds, with_prior
from distill_core.models.persistence import load_model_v2


def test_seconds_are_whole_and_as_loud_as_they_can_be() -> None:
    seconds_NT = read_seconds(DEMO_SOUNDS, 5)
    assert seconds_NT.shape == (5, 48_000)
    assert torch.equal(seconds_NT.abs().amax(1), torch.ones(5))


def test_ratios_are_to_the_rivals_figures() -> None:
    rows = compare(read_seconds(DEMO_SOUNDS, 1))
    assert rows[RIVAL]["error_ratio"] == rows[RIVAL]["cpu_s_ratio"] == 1
    assert rows[OURS]["error_ratio"] == rows[OURS]["error"] / rows[RIVAL]["error"] < 0.35


def test_a_model_without_a_prior_gets_one_that_makes_takes() -> None:
    loaded = load_model_v2(DEMO_MODEL)
    assert loaded.prior is None
    figures = codes_and_sound(with_prior(loaded, 1000), 1.0)
    assert all(value > 0 for value in figures.values())
