"""The benchmark of devices measures the product's own training, and pads without changing what is learned."""

from __future__ import annotations

import pytest
import torch

from benchmarks.device_prior import SIZES, Way, _batches, config_of, measure_training, prior_of, random_walks, ways_on

CPU = torch.device("cpu")


def test_a_row_has_its_figures_and_a_way_that_fails_its_reason() -> None:
    row = measure_training("128×2", Way("float32"), CPU, seconds=0.0)
    assert "error" not in row
    assert row["codes_per_s"] > 0
    assert row["parameters"] > 500_000
    assert row["codes_per_step"] == pytest.approx(8 * 96, rel=0.1)
    wrong = measure_training("128×2", Way("no such format"), CPU, seconds=0.0)
    assert "precision" in wrong["error"] or "format" in wrong["error"]


def test_batches_of_one_shape_lose_no_code_and_change_no_loss() -> None:
    config = config_of("128×2", "float32", 0)
    prior, sounds = prior_of(config, CPU).eval(), random_walks(40)
    plain = _batches(prior, config, Way("float32"), sounds)
    padded = _batches(prior, config, Way("float32", compiled="graphs"), sounds)
    assert len({tuple(each.codes_BWHQ.shape) for each in padded}) == 1
    assert [each.count for each in padded] == [each.count for each in plain]
    with torch.no_grad():
        for one, other in zip(plain[:3], padded[:3], strict=True):
            expected = prior.loss(one, one.codes_BWHQ).learned
            assert torch.allclose(prior.loss(other, other.codes_BWHQ).learned, expected, rtol=1e-5)


def test_each_size_is_measured_on_a_card() -> None:
    assert {size for size, *_ in ways_on(torch.device("cuda"))} == set(SIZES)
