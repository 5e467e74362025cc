"""A third prior architecture is one file and one row: it does the whole job without a change anywhere else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

from distill_core import (
    ConfigError,
    ModelFileError,
    PriorConfig,
    load_model_v2,
    read_summary,
    sample_codes,
    save_prior_to_model,
    train_prior,
)
from distill_core.cli import app
from distill_core.files.archive import read_archive
from distill_core.training.kinds import prior_runs
from distill_core.training.prior.events import PriorEpochMetrics
from distill_core.training.prior.train import load_best
from tests.toy_prior import ToyPrior, toy_prior

__all__ = ["toy_prior"]
SETTINGS: dict[str, Any] = {"max_epochs": 6, "device": "cpu", "precision": "float32", "variants": 1, "patience": 0}


def _stop_after(epochs: int) -> Any:
    seen: list[int] = []

    def on_event(event: object) -> None:
        if isinstance(event, PriorEpochMetrics):
            seen.append(event.epoch)

    return on_event, lambda: len(seen) >= epochs


def test_a_toy_prior_trains_stops_resumes_and_is_saved(toy_prior: str, tiny_model: Path, sounds_folder: Path) -> None:
    settings = SETTINGS | {"architecture": toy_prior}
    whole = train_prior(tiny_model, sounds_folder, settings)
    assert whole.history[-1].val_loss < whole.history[0].val_loss
    folder = prior_runs(tiny_model)
    on_event, should_stop = _stop_after(2)
    stopped = train_prior(
        tiny_model, sounds_folder, settings, on_event=on_event, should_stop=should_stop, run_folder=folder
    )
    assert stopped.stopped_early
    best = load_best(folder)
    assert isinstance(best.prior, ToyPrior)
    resumed = train_prior(tiny_model, sounds_folder, run_folder=folder, resume=True)
    assert [each.val_loss for each in resumed.history] == [each.val_loss for each in whole.history]
    assert resumed.prior is not None
    save_prior_to_model(tiny_model, resumed.prior, resumed.config, resumed.metadata)
    summary, loaded = read_summary(tiny_model), load_model_v2(tiny_model)
    assert (summary.prior_architecture, summary.prior_is_readable) == ("toy", True)
    assert isinstance(loaded.prior, ToyPrior)
    assert torch.equal(loaded.prior.table, resumed.prior.state_dict()["table"])
    bands = summary.geometry.bands
    codes = sample_codes(loaded.prior, 2, 3 * bands, seed=1)
    assert codes.shape == (2, 3 * bands, summary.num_quantizers)
    assert torch.equal(codes, sample_codes(loaded.prior, 2, 3 * bands, seed=1, batch_size=1))


def test_a_toy_prior_is_inspected_in_the_terminal(toy_prior: str, tiny_model: Path, sounds_folder: Path) -> None:
    trained = train_prior(tiny_model, sounds_folder, SETTINGS | {"architecture": toy_prior, "max_epochs": 1})
    assert trained.prior is not None
    save_prior_to_model(tiny_model, trained.prior, trained.config, trained.metadata)
    shown = CliRunner().invoke(app, ["inspect", str(tiny_model), "--verify"])
    assert shown.exit_code == 0
    assert "Prior: toy, " in shown.output
    assert "network:" not in shown.output  # it has no layers, though the settings of others stand beside its own


def test_a_toy_prior_is_saved_with_no_settings_but_its_own(toy_prior: str, tiny_model: Path) -> None:
    geometry = read_summary(tiny_model).geometry
    prior = ToyPrior(read_summary(tiny_model).codebook_size, geometry.levels, geometry.bands, 6)
    save_prior_to_model(tiny_model, prior, {}, {})
    assert read_summary(tiny_model).prior_architecture == "toy"
    assert CliRunner().invoke(app, ["inspect", str(tiny_model)]).exit_code == 0


def test_a_toy_prior_need_not_have_the_sizes_of_a_transformer(toy_prior: str) -> None:
    assert PriorConfig(architecture=toy_prior, hidden_size=8, num_heads=3).hidden_size == 8


def test_a_toy_priors_own_check_refuses_its_file(toy_prior: str, tiny_model: Path, sounds_folder: Path) -> None:
    trained = train_prior(tiny_model, sounds_folder, SETTINGS | {"architecture": toy_prior, "max_epochs": 1})
    assert trained.prior is not None
    save_prior_to_model(tiny_model, trained.prior, trained.config, trained.metadata)
    values, _ = read_archive(tiny_model)
    values["prior_config"]["bands"] = 2
    torch.save(values, tiny_model)
    with pytest.raises(ModelFileError, match="bands"):
        load_model_v2(tiny_model)


def test_without_its_row_a_toy_prior_is_an_error_before_any_work(tiny_model: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="toy"):
        PriorConfig(architecture="toy")
    with pytest.raises(ConfigError, match="toy"):
        train_prior(tiny_model, tmp_path / "no such folder", {"architecture": "toy"})


def test_a_file_with_a_toy_prior_opens_without_its_row(
    toy_prior: str, tiny_model: Path, sounds_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained = train_prior(tiny_model, sounds_folder, SETTINGS | {"architecture": toy_prior, "max_epochs": 1})
    assert trained.prior is not None
    save_prior_to_model(tiny_model, trained.prior, trained.config, trained.metadata)
    monkeypatch.undo()
    summary = read_summary(tiny_model)
    assert (summary.prior_architecture, summary.prior_is_readable) == ("toy", False)
    assert load_model_v2(tiny_model).prior is None
