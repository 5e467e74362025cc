"""`distill restore`, and what `distill train-prior` does about a file that cannot be saved into."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner, Result

from distill_core import read_summary
from distill_core.cli import app
from distill_core.models.archive import read_archive
from distill_core.training import prior_loop

SMALL = ["--epochs", "1", "--hidden-size", "32", "--layers", "1", "--heads", "2"]


def _distill(*arguments: object) -> Result:
    return CliRunner().invoke(app, list(map(str, arguments)))


def test_restoring_in_the_terminal_and_undoing_it(tiny_model: Path, sounds_folder: Path) -> None:
    before = tiny_model.read_bytes()
    nothing = _distill("restore", tiny_model)
    assert nothing.exit_code == 2
    assert "no version before" in nothing.output
    assert _distill("train-prior", tiny_model, sounds_folder, *SMALL).exit_code == 0
    after = tiny_model.read_bytes()
    back = _distill("restore", tiny_model)
    assert back.exit_code == 0, back.output
    assert "without a prior" in back.output
    assert tiny_model.read_bytes() == before
    again = _distill("restore", "--json", tiny_model)
    event = json.loads(again.stdout)
    assert (event["event"], event["has_prior"], event["path"]) == ("restored", True, str(tiny_model.resolve()))
    assert event["best_perplexity"] > 1
    assert tiny_model.read_bytes() == after


def _change_while_training(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let another program change the model once training has begun."""
    train = prior_loop.train_prior

    def change_then_train(*arguments: object, **options: object) -> object:
        values, _ = read_archive(path)
        values["metadata"]["name"] = "changed meanwhile"
        torch.save(values, path)
        return train(*arguments, **options)

    monkeypatch.setattr(prior_loop, "train_prior", change_then_train)


def test_a_file_that_changed_during_training_stays_and_the_prior_is_in_a_copy(
    tiny_model: Path, sounds_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _change_while_training(tiny_model, monkeypatch)
    tiny_model.with_name("tiny with prior.distill").write_text("the person's own")
    run = _distill("train-prior", tiny_model, sounds_folder, *SMALL)
    assert run.exit_code == 4
    assert "The new prior is in “tiny with prior 2.distill”" in run.output
    assert "--replace-changed" in run.output
    assert read_summary(tiny_model.with_name("tiny with prior 2.distill")).has_prior
    assert not read_summary(tiny_model).has_prior
    assert not tiny_model.with_name("tiny.distill.bak").exists()


def test_replace_changed_saves_and_keeps_the_change_as_backup(
    tiny_model: Path, sounds_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _change_while_training(tiny_model, monkeypatch)
    run = _distill("train-prior", tiny_model, sounds_folder, "--replace-changed", *SMALL)
    assert run.exit_code == 0, run.output
    assert read_summary(tiny_model).has_prior
    backup = read_summary(tiny_model.with_name("tiny.distill.bak"))
    assert (backup.name, backup.has_prior) == ("changed meanwhile", False)


def test_no_room_is_told_before_training(
    tiny_model: Path, sounds_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = os.statvfs(tiny_model)
    too_much = usage.f_bavail * usage.f_frsize + 10**9
    monkeypatch.setattr("distill_core.models.save_check.MARGIN_BYTES", too_much)
    run = _distill("train-prior", tiny_model, sounds_folder, *SMALL)
    assert run.exit_code == 4
    assert "Not enough space to save “tiny.distill” (needs " in run.output
    assert "--output" in run.output
    assert "Epoch" not in run.output
