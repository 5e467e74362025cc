"""The temperature that is fitted on held-out codes: the best in its range, for each of the weights to choose from."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from distill_core import PriorConfig, load_model_v2, scan, train_prior
from distill_core.errors import ModelFileError
from distill_core.events import Stopped, never
from distill_core.models.prior import IGNORED
from distill_core.models.temperature import temperature_of
from distill_core.training.data.codes import SoundEncoder
from distill_core.training.data.encoding import codes_of_silence
from distill_core.training.data.windows import as_windows
from distill_core.training.kinds import prior_runs
from distill_core.training.prior.events import Keep, perplexity
from distill_core.training.prior.temperature import LogitSample, above, best_temperature
from distill_core.training.prior.train import load_best
from distill_core.training.prior.validation import validate

DATA = Path(__file__).parents[1] / "data"
TINY = PriorConfig(hidden_size=32, num_layers=1, num_heads=2, max_epochs=8, learning_rate=0.006, device="cpu")


def _logits_and_codes(temperature: float, count: int = 20_000) -> tuple[Tensor, Tensor]:
    """Return logits, and codes that were drawn at a temperature."""
    generator = torch.Generator().manual_seed(0)
    logits_NK = 2 * torch.randn(count, 16, generator=generator)
    return logits_NK, (logits_NK / temperature).softmax(1).multinomial(1, generator=generator)[:, 0]


def _cross_entropy(logits_NK: Tensor, targets_N: Tensor, temperature: float) -> float:
    return float(functional.cross_entropy(logits_NK.double() / temperature, targets_N))


@pytest.mark.parametrize("drawn_at", [0.75, 0.9, 1.0, 1.05])
def test_it_is_the_best_and_the_one_that_the_codes_were_drawn_at(drawn_at: float) -> None:
    logits_NK, targets_N = _logits_and_codes(drawn_at)
    found = best_temperature(above(logits_NK, targets_N))
    assert found == pytest.approx(drawn_at, abs=0.02)
    best = _cross_entropy(logits_NK, targets_N, found)
    for step in (-0.01, 0.01):
        assert best < _cross_entropy(logits_NK, targets_N, found + step)


@pytest.mark.parametrize(("drawn_at", "expected"), [(0.5, 0.7), (2.0, 1.1)])
def test_it_stays_in_its_range(drawn_at: float, expected: float) -> None:
    found = best_temperature(above(*_logits_and_codes(drawn_at)))
    assert 0.7 <= found <= 1.1
    assert found == pytest.approx(expected, abs=0.002)


def test_a_stop_ends_the_search() -> None:
    with pytest.raises(Stopped):
        best_temperature(above(*_logits_and_codes(1.0, count=200)), lambda: True)


def test_a_sample_takes_its_share_and_draws_nothing_from_torchs_generator() -> None:
    logits_NK, targets_N = _logits_and_codes(0.8)
    drawn = torch.get_rng_state()
    whole, sample = LogitSample(1, 16), LogitSample(len(targets_N), 16)
    for logits, targets in zip(logits_NK.split(1000), targets_N.split(1000), strict=True):
        padded = functional.pad(targets, (0, 500), value=IGNORED)
        for each in (whole, sample):
            each.add(functional.pad(logits, (0, 0, 0, 500))[None], padded[None])
    assert torch.equal(drawn, torch.get_rng_state())
    assert whole.temperature() == best_temperature(above(logits_NK, targets_N))
    found = sample.temperature()
    assert found != whole.temperature()
    assert found == pytest.approx(0.8, abs=0.05)


def test_few_codes_tell_nothing() -> None:
    logits_NK, targets_N = _logits_and_codes(1.0, count=99)
    sample = LogitSample(99, 16)
    sample.add(logits_NK[None], targets_N[None])
    assert sample.temperature() is None
    many = LogitSample(2000, 65_536)  # a large codebook leaves room for few
    many.add(torch.rand(1, 2000, 8), torch.zeros(1, 2000, dtype=torch.long))
    assert many.temperature() is not None


# In a training


@pytest.fixture
def drums(tmp_path: Path) -> Path:
    return Path(shutil.copy(DATA / "ref_small_prior.distill", tmp_path / "drums.distill"))


@pytest.mark.parametrize(("architecture", "epochs"), [("frames", 8), ("flat", 12)])
def test_each_choice_of_weights_has_the_best_for_the_held_out_codes(
    drums: Path, architecture: str, epochs: int
) -> None:
    loaded, config = load_model_v2(drums), replace(TINY, architecture=architecture, max_epochs=epochs, patience=0)
    trained = train_prior(drums, DATA / "sounds", config, use_cache=False)
    assert trained.prior is not None
    silence_WHQ = codes_of_silence(loaded, trained.prior.layout, never)
    encoder = SoundEncoder(loaded, trained.prior.layout, silence_WHQ=silence_WHQ)
    val = encoder.split(scan(DATA / "sounds"), trained.config["val_fraction"], trained.config["seed"]).val
    assert len(trained.weights) > 1
    for which in trained.weights:
        kept = trained.keeping(which)
        assert kept.prior is not None
        windows = as_windows(kept.prior, ([sound] for sound in val), 10_000)
        (batch,) = windows.fixed()
        with torch.no_grad():
            logits_BTK, targets_BT = kept.prior.logits_and_targets(batch.windows, batch.windows.codes_BWHQ)
        counted_BT = targets_BT != IGNORED
        found = best_temperature(above(logits_BTK[counted_BT], targets_BT[counted_BT]))
        assert kept.metadata["temperature"] == pytest.approx(found, abs=0.003)
        # The perplexity is reported without it, and without silence.
        losses = validate(kept.prior, windows).of_heard(val, silence_WHQ)
        assert kept.metadata["final_perplexity"] == pytest.approx(perplexity(losses.mean))


def test_other_weights_bring_their_own(drums: Path) -> None:
    trained = train_prior(drums, DATA / "sounds", TINY, use_cache=False)
    best, last = (trained.keeping(which).metadata["temperature"] for which in (Keep.BEST, Keep.LAST))
    assert abs(best - last) > 0.01
    assert trained.keeping(Keep.LAST).keeping(Keep.BEST).metadata["temperature"] == best


def test_an_unfinished_training_has_them_too(drums: Path) -> None:
    whole = train_prior(drums, DATA / "sounds", TINY, run_folder=prior_runs(drums))
    again = load_best(prior_runs(drums))
    assert again.metadata["temperature"] == whole.metadata["temperature"]
    assert again.temperatures == whole.temperatures


@pytest.mark.parametrize("found", [{"best": 7.0}, {"best": "warm"}, {"worst": 1.0}, [1.0]], ids=str)
def test_a_run_with_impossible_ones_is_damaged(drums: Path, found: Any) -> None:
    train_prior(drums, DATA / "sounds", replace(TINY, max_epochs=1), run_folder=prior_runs(drums))
    file = prior_runs(drums).folder / "run.distill-run"
    torch.save(torch.load(file, weights_only=True) | {"temperatures": found}, file)
    file.with_name("run.distill-run.bak").unlink()
    with pytest.raises(ModelFileError, match="damaged"):
        load_best(prior_runs(drums))


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ({}, 1.0),
        (None, 1.0),
        ({"temperature": 0.85}, 0.85),
        ({"temperature": True}, 1.0),
        ({"temperature": "hot"}, 1.0),
        ({"temperature": 0}, 1.0),
        ({"temperature": float("nan")}, 1.0),
        ({"temperature": 1e300}, 1.0),
        ({"temperature": 50.0}, 1.0),
    ],
    ids=str,
)
def test_a_file_without_a_usable_one_means_one(metadata: dict[str, Any] | None, expected: float) -> None:
    assert temperature_of(metadata) == expected
