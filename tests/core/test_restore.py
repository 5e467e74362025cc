"""`distill restore`, and what `distill train-prior` does about a file that cannot be saved into."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner, Result

from distill_core import (
    ModelFileError,
    SaveError,
    load_model_v2,
    read_previous_version,
    read_summary,
    restore_previous_version,
)
from distill_core.cli import app
from distill_core.files.archive import read_archive
from distill_core.models.previous_version import has_previous_version
from distill_core.training.prior import train as prior_loop

SMALL = ["--epochs", "1", "--hidden-size", "32", "--layers", "1", "--heads", "2", "--no-audit"]


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
    monkeypatch.setattr("distill_core.files.save_check.MARGIN_BYTES", too_much)
    run = _distill("train-prior", tiny_model, sounds_folder, *SMALL)
    assert run.exit_code == 4
    assert "Not enough space to save “tiny.distill” (needs " in run.output
    assert "--output" in run.output
    assert "Epoch" not in run.output


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such links")
def test_a_linked_backup_is_copied_and_what_it_leads_to_stays(tiny_model: Path, tmp_path: Path) -> None:
    archive = tmp_path / "archive" / "a.distill"
    archive.parent.mkdir()
    archive.write_bytes(tiny_model.read_bytes())
    _rename(tiny_model, "Changed")
    before, changed = archive.read_bytes(), tiny_model.read_bytes()
    kept = tiny_model.with_name("tiny.distill.bak")
    kept.symlink_to(archive)
    restore_previous_version(tiny_model)
    assert not tiny_model.is_symlink()
    assert (tiny_model.read_bytes(), kept.read_bytes(), archive.read_bytes()) == (before, changed, before)


def _rename(path: Path, name: str) -> None:
    values, _ = read_archive(path)
    values["metadata"]["name"] = name
    torch.save(values, path)


def test_a_missing_model_comes_back_as_a_file_of_its_own(tiny_model: Path) -> None:
    kept = tiny_model.with_name("tiny.distill.bak")
    content = tiny_model.read_bytes()
    tiny_model.rename(kept)
    back = _distill("restore", tiny_model)
    assert back.exit_code == 0, back.output
    assert tiny_model.read_bytes() == kept.read_bytes() == content
    assert not tiny_model.samefile(kept)
    assert "that was there" not in back.output
    assert "“tiny.distill.bak” stays" in back.output


def test_a_refused_model_names_a_version_before_that_opens(tiny_model: Path) -> None:
    kept = tiny_model.with_name("tiny.distill.bak")
    kept.write_bytes(tiny_model.read_bytes())
    tiny_model.write_bytes(b"rubbish" * 1000)
    words = "“tiny.distill.bak” holds the version before: distill restore “tiny.distill”"
    for door in (read_summary, load_model_v2):
        with pytest.raises(ModelFileError) as refused:
            door(tiny_model)
        assert words in refused.value.hint
    kept.write_bytes(b"rubbish" * 1000)
    with pytest.raises(ModelFileError) as refused:
        read_summary(tiny_model)
    assert words not in refused.value.hint
    assert not list(tiny_model.parent.glob(".*"))


def test_names_that_no_model_can_have_have_no_version_before(tmp_path: Path) -> None:
    loop = tmp_path / "loop"
    if os.name != "nt":
        loop.symlink_to(loop)
    for path in (tmp_path / "a\0b", loop, tmp_path / ("x" * 300), tmp_path, tmp_path / ("ü" * 126)):
        assert not has_previous_version(path)
        with pytest.raises(ModelFileError):
            read_previous_version(path)
        with pytest.raises((ModelFileError, SaveError)):
            restore_previous_version(path)
