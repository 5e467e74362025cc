from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from distill_core import (
    ConfigError,
    PriorConfig,
    check_memorization,
    get_adaptive_prior_config,
    prior_config_for,
    train_prior,
)
from distill_core.training.codec.vqvae.config import VQVAEConfig
from distill_core.training.prior.config import config_for_sounds
from distill_core.training.settings import setting_docs


@pytest.mark.parametrize(
    ("files", "sizes", "epochs", "rate"),
    [
        (1, (128, 2, 4, 0.3), 50, 3e-4),
        (20, (128, 2, 4, 0.3), 50, 3e-4),
        (21, (256, 4, 4, 0.2), 100, 1e-3),
        (100, (256, 4, 4, 0.2), 100, 1e-3),
        (101, (512, 6, 8, 0.1), 150, 1e-3),
    ],
)
def test_tiers(files: int, sizes: tuple[float, ...], epochs: int, rate: float) -> None:
    config = get_adaptive_prior_config(files)
    assert (config.hidden_size, config.num_layers, config.num_heads, config.dropout) == sizes
    assert (config.max_epochs, config.learning_rate) == (epochs, rate)
    assert (config.architecture, config.token_dropout, config.patience, config.precision) == ("flat", 0, 0, "float32")


@pytest.mark.parametrize(
    ("codes", "sizes"),
    [
        (0, (128, 2, 4, 8)),
        (150_000, (128, 2, 4, 8)),
        (150_001, (256, 4, 4, 4)),
        (1_500_000, (256, 4, 4, 4)),
        (1_500_001, (384, 6, 6, 1)),
        (10**12, (384, 6, 6, 1)),
    ],
)
def test_frames_grows_with_the_number_of_codes(codes: int, sizes: tuple[int, ...]) -> None:
    config = prior_config_for(codes)
    assert (config.hidden_size, config.num_layers, config.num_heads, config.variants) == sizes
    names = ("hidden_size", "num_layers", "num_heads", "variants")
    batch = {"batch_size": {128: 8, 256: 16, 384: 32}[sizes[0]]}
    if sizes[0] == 256:
        batch |= {"learning_rate": 5e-3, "matrix_learning_rate": 0.02}
    assert config == replace(PriorConfig(), **dict(zip(names, sizes, strict=True)), **batch)
    assert prior_config_for(codes, num_layers=3, seed=7).num_layers == 3


def test_the_batch_follows_from_the_width_however_that_was_chosen() -> None:
    assert prior_config_for(1000, hidden_size=256).batch_size == 16
    assert prior_config_for(1000, hidden_size=512).batch_size == 32
    assert prior_config_for(1_000_000, hidden_size=64).batch_size == 8
    assert prior_config_for(1000, hidden_size=256, batch_size=5).batch_size == 5


def test_sounds_choose_by_codes_and_flat_by_files() -> None:
    assert config_for_sounds(300, 1000, {}) == prior_config_for(1000, val_fraction=0.1)
    assert config_for_sounds(300, 1000, {"val_fraction": 0.4}).val_fraction == 0.4
    assert config_for_sounds(300, 1000, {"architecture": "flat", "seed": 1}) == get_adaptive_prior_config(300, seed=1)


@pytest.mark.parametrize(
    ("files", "fraction", "batch"),
    [(1, 0.5, 1), (9, 0.5, 11), (10, 0.3, 12), (49, 0.3, 32), (50, 0.2, 32), (199, 0.2, 32), (200, 0.1, 32)],
)
def test_validation_share_and_batch(files: int, fraction: float, batch: int) -> None:
    config = get_adaptive_prior_config(files)
    assert (config.val_fraction, config.batch_size) == (fraction, batch)


def test_overrides_replace_single_settings() -> None:
    config = get_adaptive_prior_config(5, max_epochs=3, seed=9)
    assert (config.max_epochs, config.seed, config.hidden_size) == (3, 9, 128)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("hidden_size", 0),
        ("hidden_size", 8),
        ("hidden_size", 1 << 20),
        ("hidden_size", 128.0),
        ("num_layers", 0),
        ("num_layers", 65),
        ("num_heads", 0),
        ("num_heads", 5),
        ("dropout", 1.0),
        ("dropout", -0.1),
        ("dropout", math.nan),
        ("max_epochs", 0),
        ("max_epochs", True),
        ("learning_rate", 0),
        ("learning_rate", math.inf),
        ("learning_rate", 1e300),
        ("matrix_learning_rate", 1e300),
        ("weight_decay", -1e-9),
        ("weight_decay", 1e300),
        ("gradient_clip_norm", 0.0),
        ("max_epochs", 10**30),
        ("batch_size", 0),
        ("batch_size", 10**30),
        ("val_fraction", 0.0),
        ("val_fraction", 1.0),
        ("device", "abacus"),
        ("precision", "float8"),
        ("context_s", 0),
        ("context_s", math.nan),
        ("context_s", 1e9),
        ("variants", 9),
        ("variants", -1),
        ("token_dropout", 1.0),
        ("matrix_learning_rate", 0.0),
        ("matrix_weight_decay", -1.0),
        ("patience", -1),
        ("time_limit_min", -1.0),
        ("time_limit_min", math.nan),
        ("seed", -1),
        ("anonymous", "no"),
    ],
)
def test_what_cannot_be_is_refused_by_name(field: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=field) as caught:
        PriorConfig(**{field: value})
    assert caught.value.field == field
    assert caught.value.hint


def test_every_setting_has_a_doc_line() -> None:
    assert all(doc.endswith(".") and len(doc) > 10 for doc in setting_docs(PriorConfig).values())


@pytest.mark.parametrize(
    ("perplexity", "files", "memorizing"),
    [
        (1.99, 1, True),
        (2.0, 20, False),
        (2.5, 21, True),
        (3.0, 100, False),
        (4.99, 101, True),
        (5.0, 5000, False),
        (math.nan, 5, False),
    ],
)
def test_memorization_limits_are_strict(perplexity: float, files: int, memorizing: bool) -> None:
    flag, message = check_memorization(perplexity, 64, files)
    assert flag is memorizing
    assert bool(message) is memorizing
    if memorizing:
        assert f"{perplexity:.2f}" in message


@pytest.mark.parametrize("config", [VQVAEConfig(), [], "frames"])
def test_settings_of_another_training_are_refused_before_any_work(tmp_path: Path, config: Any) -> None:
    with pytest.raises(ConfigError, match=type(config).__name__) as caught:
        train_prior(tmp_path / "no such model.distill", tmp_path / "no such folder", config)
    assert caught.value.field == "config"
    assert "PriorConfig" in caught.value.hint
