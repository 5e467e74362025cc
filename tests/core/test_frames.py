"""The `frames` prior: causal, an exact chain rule, and a file that opens again."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from distill_core import (
    CodePrior,
    ConfigError,
    ModelFileError,
    PriorConfig,
    get_adaptive_prior_config,
    load_model_v2,
    prior_config_for,
    read_summary,
    save_prior_to_model,
    train_prior,
    train_prior_epoch,
    validate_prior_epoch,
)
from distill_core.files.archive import read_archive
from distill_core.models.frames import FramesPrior
from distill_core.training.prior.optimizers import build_optimizer

GRIDS = [(8, 6, 3), (1, 47, 8), (3, 2, 1)]
SMALL = PriorConfig(hidden_size=32, num_layers=1, num_heads=2, max_epochs=3, precision="float32", device="cpu")


def _prior(bands: int, steps: int, levels: int, codebook_size: int = 16) -> FramesPrior:
    """A prior whose every weight matters: its zero-initialised ones would hide a leak."""
    torch.manual_seed(0)
    prior = FramesPrior(codebook_size, levels, bands, steps, 32, 2, 2, dropout=0.0).eval()
    for weight in prior.parameters():
        torch.nn.init.normal_(weight, std=0.3)
    return prior


@pytest.mark.parametrize(("bands", "steps", "levels"), GRIDS)
def test_every_logit_sees_the_codes_before_it_and_no_later_one(bands: int, steps: int, levels: int) -> None:
    prior = _prior(bands, steps, levels)
    length = bands * steps * levels
    codes = torch.randint(0, 16, (1, length))
    changed = codes.repeat(length, 1)
    changed[range(length), range(length)] = (changed[range(length), range(length)] + 1) % 16
    with torch.no_grad():
        before = prior(codes)
        for position, after in enumerate(prior(changed)):
            moved_by = (after - before[0]).abs().amax(dim=1)
            assert float(moved_by[:position].sum()) < 1e-4
            assert moved_by[position] > 1e-6


@pytest.mark.parametrize(("bands", "steps", "levels"), GRIDS)
def test_any_length_gives_the_same_logits(bands: int, steps: int, levels: int) -> None:
    prior = _prior(bands, steps, levels)
    length = bands * steps * levels
    codes = torch.randint(0, 16, (2, length))
    with torch.no_grad():
        whole = prior(codes)
        assert whole.shape == (2, length, 16)
        for part in {1, 2, levels, levels + 1, length - 1}:
            torch.testing.assert_close(prior(codes[:, :part]), whole[:, :part], atol=1e-5, rtol=0)


def test_the_probabilities_of_all_sequences_add_up_to_one() -> None:
    """The chain rule is exact: summed over every sequence of a tiny space, nothing is missing and nothing double."""
    prior = _prior(1, 2, 2, codebook_size=3)
    every = torch.cartesian_prod(*[torch.arange(3)] * 4)
    with torch.no_grad():
        start = prior.start_logits().log_softmax(0)[every[:, 0]]
        log_shares = prior(every[:, :-1]).log_softmax(2).gather(2, every[:, 1:, None]).squeeze(2).sum(1)
    assert float((start + log_shares).exp().sum()) == pytest.approx(1.0, abs=1e-5)


def test_random_codes_stay_at_the_codebook_size() -> None:
    generator = torch.Generator().manual_seed(0)
    train = torch.randint(0, 8, (128, 12, 2), generator=generator)
    val = torch.randint(0, 8, (64, 12, 2), generator=generator)
    torch.manual_seed(0)
    prior = FramesPrior(8, 2, 3, 4, 32, 1, 2, dropout=0.0)
    optimizer = build_optimizer(prior, SMALL)
    for epoch in range(1, 4):
        train_prior_epoch(prior, train, optimizer, config=SMALL, epoch=epoch)
    assert math.exp(validate_prior_epoch(prior, val, config=SMALL)) > 7.8


@pytest.mark.parametrize(("bands", "steps", "levels"), GRIDS)
def test_the_order_is_by_time_and_comes_back(bands: int, steps: int, levels: int) -> None:
    prior = _prior(bands, steps, levels)
    codes_BWHQ = torch.arange(bands * steps * levels).view(1, steps, bands, levels)
    sequence = prior.in_order(codes_BWHQ)
    assert sequence.tolist() == [[*range(bands * steps * levels)]]
    assert torch.equal(prior.in_steps(sequence, bands), codes_BWHQ)


def test_flat_goes_second_by_second_and_band_by_band() -> None:
    prior = CodePrior(16, 2, 12, hidden_size=32, num_layers=1, num_heads=2)  # 3 steps × 2 bands × 2 levels
    codes_BWHQ = torch.arange(24).view(1, 6, 2, 2)
    sequence = prior.in_order(codes_BWHQ)
    assert sequence[0, :12].tolist() == [0, 1, 4, 5, 8, 9, 2, 3, 6, 7, 10, 11]
    assert torch.equal(prior.in_steps(sequence, bands=2), codes_BWHQ)


def test_trained_saved_and_opened_again(tiny_model: Path, sounds_folder: Path) -> None:
    trained = train_prior(tiny_model, sounds_folder, SMALL)
    before = tiny_model.read_bytes()
    assert isinstance(trained.prior, FramesPrior)
    save_prior_to_model(tiny_model, trained.prior, trained.config, trained.metadata)
    summary, loaded = read_summary(tiny_model), load_model_v2(tiny_model)
    assert (summary.prior_architecture, summary.prior_is_readable) == ("frames", True)
    assert summary.prior_config is not None
    assert summary.prior_config["grid"] == trained.prior.sizes()["grid"]
    assert isinstance(loaded.prior, FramesPrior)
    codes = torch.randint(0, 16, (2, 96))
    with torch.no_grad():
        assert torch.equal(loaded.prior(codes), trained.prior(codes))
    backup = tiny_model.with_name("tiny.distill.bak")
    assert backup.read_bytes() == before
    first = tiny_model.read_bytes()
    save_prior_to_model(tiny_model, trained.prior, trained.config, trained.metadata)
    assert backup.read_bytes() == first  # it is always the version before


def test_same_seed_same_weights(tiny_model: Path, sounds_folder: Path) -> None:
    first, second = (train_prior(tiny_model, sounds_folder, replace(SMALL, token_dropout=0.2)) for _ in range(2))
    assert first.prior is not None
    assert second.prior is not None
    other = second.prior.state_dict()
    assert all(torch.equal(value, other[key]) for key, value in first.prior.state_dict().items())


def test_reduced_arithmetic_trains_as_well(tiny_model: Path, sounds_folder: Path) -> None:
    """The weights stay float32, and so does validation; the perplexities agree."""
    config = replace(SMALL, max_epochs=8)
    full = train_prior(tiny_model, sounds_folder, config)
    reduced = train_prior(tiny_model, sounds_folder, replace(config, precision="bfloat16"))
    assert reduced.prior is not None
    assert {weight.dtype for weight in reduced.prior.parameters()} == {torch.float32}
    assert reduced.metadata["best_perplexity"] == pytest.approx(full.metadata["best_perplexity"], rel=0.03)
    assert reduced.metadata["best_perplexity"] != full.metadata["best_perplexity"]


def test_it_learns_faster_than_flat(tiny_model: Path, sounds_folder: Path) -> None:
    sizes: dict[str, Any] = {"max_epochs": 15, "hidden_size": 64, "device": "cpu"}
    flat = train_prior(tiny_model, sounds_folder, get_adaptive_prior_config(6, **sizes))
    frames = train_prior(tiny_model, sounds_folder, prior_config_for(1000, **sizes))
    assert frames.metadata["best_perplexity"] < flat.metadata["best_perplexity"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"grid": None}, "grid"),
        ({"grid": [8]}, "grid"),
        ({"grid": [8, -6]}, "grid"),
        ({"grid": [2, 48]}, "bands"),
        ({"grid": [96, 1]}, "grid"),
        ({"seq_len": 48}, "grid"),
        ({"num_heads": 32}, "odd"),
    ],
)
def test_grids_that_cannot_be_are_refused(
    tiny_model: Path, sounds_folder: Path, changes: dict[str, Any], words: str
) -> None:
    trained = train_prior(tiny_model, sounds_folder, replace(SMALL, max_epochs=1))
    assert trained.prior is not None
    save_prior_to_model(tiny_model, trained.prior, trained.config, trained.metadata)
    values, _ = read_archive(tiny_model)
    values["prior_config"].update(changes)
    torch.save(values, tiny_model)
    with pytest.raises(ModelFileError, match=words):
        load_model_v2(tiny_model)


def test_settings_that_frames_cannot_have() -> None:
    with pytest.raises(ConfigError, match="num_heads"):
        PriorConfig(hidden_size=36, num_heads=12, architecture="frames")
    with pytest.raises(ConfigError, match="architecture"):
        PriorConfig(architecture="waves")
