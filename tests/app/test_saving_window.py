"""Saving and restoring in the window: sentences and questions before, and nothing lost meanwhile."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PySide6.QtCore import QUrl
from PySide6.QtWidgets import QPushButton
from pytestqt.qtbot import QtBot

from app.main_window import MainWindow
from app.presentation.inspecting import edit_obstacle
from app.session.activity import Activity
from app.session.available import ActionId
from app.session.state import SaveObstacle, State
from distill_core import read_summary
from distill_core.files.archive import read_archive
from distill_core.models.summary import OUR_MARK
from tests.app.driving import WAIT_MS, ScriptedPrompts, session_of, settle
from tests.app.test_main_window import (  # noqa: F401 - fixtures
    _action,
    _texts,
    _train,
    prompts,
    ready,
    window,
)

pytestmark = pytest.mark.usefixtures("known_codes")

# ruff: noqa: F811


def _change(path: Path) -> bytes:
    """Write the file as another program would, and return its contents now."""
    values, _ = read_archive(path)
    values["metadata"]["name"] = "changed meanwhile"
    torch.save(values, path)
    return path.read_bytes()


def _press(qtbot: QtBot, window: MainWindow, text: str) -> None:
    banner = window.notices.notice_banner

    def shown() -> list[QPushButton]:
        return [button for button in banner.findChildren(QPushButton) if button.isVisible() and button.text() == text]

    qtbot.waitUntil(lambda: bool(shown()), timeout=5000)
    shown()[0].click()


def _backup(path: Path) -> Path:
    return path.with_name(f"{path.name}.bak")


def test_a_changed_file_is_replaced_only_when_asked_and_kept_as_backup(
    qtbot: QtBot, ready: MainWindow, tiny_model: Path
) -> None:
    _train(qtbot, ready)
    changed = _change(tiny_model)
    _action(ready, ActionId.SAVE_PRIOR).trigger()
    settle(qtbot, ready)
    assert tiny_model.read_bytes() == changed
    assert "changed by another program" in _texts(ready.notices.notice_banner)
    _press(qtbot, ready, "Replace, Keep a Backup")
    settle(qtbot, ready)
    assert not session_of(ready).state.training.unsaved
    assert read_summary(tiny_model).has_prior
    assert read_summary(tiny_model).name == "changed meanwhile"
    assert _backup(tiny_model).read_bytes() == changed
    assert not ready.notices.notice_banner.isVisible()


def test_beside_a_changed_file_a_copy_can_be_saved(
    qtbot: QtBot, ready: MainWindow, prompts: ScriptedPrompts, tiny_model: Path, tmp_path: Path
) -> None:
    _train(qtbot, ready)
    changed = _change(tiny_model)
    _action(ready, ActionId.SAVE_PRIOR).trigger()
    settle(qtbot, ready)
    prompts.paths["copy"] = tmp_path / "copy.distill"
    _press(qtbot, ready, "Save a Copy…")
    settle(qtbot, ready)
    assert not session_of(ready).state.training.unsaved
    assert read_summary(tmp_path / "copy.distill").has_prior
    assert tiny_model.read_bytes() == changed


def test_restoring_asks_swaps_and_swaps_back(
    qtbot: QtBot, ready: MainWindow, prompts: ScriptedPrompts, tiny_model: Path
) -> None:
    restore, before = _action(ready, ActionId.RESTORE), tiny_model.read_bytes()
    assert not restore.isEnabled()
    _train(qtbot, ready)
    ready.commands.saving.save()
    settle(qtbot, ready)
    after = tiny_model.read_bytes()
    assert restore.isEnabled()
    prompts.answers["restoreQuestion"] = "cancel"
    restore.trigger()
    settle(qtbot, ready)
    assert "The previous one hasn't learned your sounds yet." in prompts.asked[-1].text
    assert tiny_model.read_bytes() == after
    prompts.answers["restoreQuestion"] = "restore"
    for content, words in (
        (before, "The previous one hasn't learned your sounds yet."),
        (after, ", 6 sounds, "),
    ):
        restore.trigger()
        qtbot.waitUntil(lambda content=content: tiny_model.read_bytes() == content, timeout=30_000)
        settle(qtbot, ready)
        assert words in prompts.asked[-1].text
        assert session_of(ready).state.open.model.has_prior is (content == after)
        assert "is back" in ready.statusBar().currentMessage()
    assert "frames" in ready.inspect.view.as_text()


def test_a_version_before_that_does_not_open_is_told(qtbot: QtBot, ready: MainWindow, tiny_model: Path) -> None:
    _train(qtbot, ready)
    ready.commands.saving.save()
    settle(qtbot, ready)
    _backup(tiny_model).write_bytes(b"PK\x03\x04" + bytes(5000))
    _action(ready, ActionId.RESTORE).trigger()
    settle(qtbot, ready)
    assert "tiny.distill.bak" in _texts(ready.notices.notice_banner)
    assert read_summary(tiny_model).has_prior


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")
def test_a_read_only_file_is_told_at_once_and_a_copy_is_asked_for(
    qtbot: QtBot,
    ready: MainWindow,
    prompts: ScriptedPrompts,
    tiny_model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = tiny_model.read_bytes()
    os.chmod(tiny_model, 0o444)
    if os.access(tiny_model, os.W_OK):  # root may write everything: answer for a person who may not
        may, real = os.access, tiny_model.resolve()
        monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK or (path != real and may(path, mode)))
    ready.commands.open_model(tiny_model)
    settle(qtbot, ready)
    told = "This file is read-only; you'll be asked where to save a copy."
    assert told in _texts(ready.chips.model_card)
    (tmp_path / "pack.zip").touch()
    ready.commands.take_drop([QUrl.fromLocalFile(str(tmp_path / "pack.zip"))], "window")
    assert "is an archive" in _texts(ready.chips.sounds_card)
    assert told in _texts(ready.chips.model_card)
    _train(qtbot, ready)
    assert told in _texts(ready.chips.model_card)
    prompts.paths["copy"] = tmp_path / "copy.distill"
    ready.commands.saving.save()
    settle(qtbot, ready)
    assert read_summary(tmp_path / "copy.distill").has_prior
    assert tiny_model.read_bytes() == before


# Name and notes


def _edit(window: MainWindow, **texts: str) -> None:
    """Write a name, notes or both into the form in Inspect, and save them."""
    _action(window, ActionId.EDIT_MODEL).trigger()
    form = window.inspect.view.head.form
    assert form.isVisible()
    if "name" in texts:
        form.name.setText(texts["name"])
    if "notes" in texts:
        form.notes.setPlainText(texts["notes"])
    form.findChild(QPushButton, "saveModelTextsButton").click()


def test_name_and_notes_are_saved_into_the_model_and_no_form_is_left(
    qtbot: QtBot, window: MainWindow, tiny_model: Path
) -> None:
    assert not _action(window, ActionId.EDIT_MODEL).isEnabled()
    window.commands.open_model(tiny_model)
    settle(qtbot, window)
    before = tiny_model.read_bytes()
    _edit(window, name="Kicks", notes="Warm.\nFrom tape.")
    settle(qtbot, window)
    summary = read_summary(tiny_model)
    assert (summary.name, summary.notes) == ("Kicks", "Warm.\nFrom tape.")
    assert _backup(tiny_model).read_bytes() == before
    assert session_of(window).state.open.model == summary
    assert window.inspect.view.head.form.isHidden()
    for text in ("Kicks", "Warm.", "From tape."):
        assert text in _texts(window.inspect)
    assert window.statusBar().currentMessage() == "Name and notes are saved in the model."
    assert _action(window, ActionId.RESTORE).isEnabled()


def test_a_name_overwrites_nothing_that_another_program_wrote(
    qtbot: QtBot, window: MainWindow, tiny_model: Path
) -> None:
    window.commands.open_model(tiny_model)
    settle(qtbot, window)
    changed = _change(tiny_model)
    _edit(window, name="Kicks")
    settle(qtbot, window)
    assert tiny_model.read_bytes() == changed
    assert "changed by another program" in _texts(window.notices.notice_banner)
    assert window.inspect.view.head.form.name.text() == "Kicks", "what was written is still there"
    assert window.inspect.view.head.form.isVisible()


def test_a_name_may_be_changed_before_a_prior_is_saved_and_not_while_it_trains(
    qtbot: QtBot, ready: MainWindow, prompts: ScriptedPrompts, tiny_model: Path
) -> None:
    session = session_of(ready)
    _train(qtbot, ready)
    ready.commands.saving.save()
    settle(qtbot, ready)
    _train(qtbot, ready)
    measured = session.state.training.trained.measured_in(session.state.open.model)
    assert measured.perplexity is not None
    _edit(ready, name="Kicks")
    settle(qtbot, ready)
    assert session.state.training.unsaved
    assert session.state.open.unfinished is None, "the run of the prior that waits to be saved is no unfinished one"
    assert session.state.training.trained.measured_in(session.state.open.model).perplexity == measured.perplexity
    prompts.answers["replacePriorQuestion"] = prompts.answers["worsePriorQuestion"] = "replace"
    ready.commands.saving.save()
    settle(qtbot, ready)
    assert read_summary(tiny_model).name == "Kicks"
    assert "instead of" in prompts.asked[-1].text or "equally good" in prompts.asked[-1].text
    ready.options.form.set_overrides({"max_epochs": 100_000, "patience": 0})
    ready.commands.train()
    qtbot.waitUntil(lambda: bool(session.state.training.epochs), timeout=WAIT_MS)
    assert not _action(ready, ActionId.EDIT_MODEL).isEnabled()
    button = ready.inspect.view.findChild(QPushButton, "editModelButton")
    assert not button.isEnabled()
    assert "once training has ended" in button.toolTip()
    ready.commands.stop()
    settle(qtbot, ready)


def test_why_a_name_cannot_be_changed(shared_tiny_model: Path) -> None:
    opened = State().with_open(model=read_summary(shared_tiny_model))
    read_only = SaveObstacle("You'll be asked where to save a copy.", is_read_only=True)
    full = SaveObstacle("The folder is gone.", is_read_only=False)
    assert edit_obstacle(State()) == ""
    assert edit_obstacle(opened) == ""
    assert "training has ended" in edit_obstacle(replace(opened, work=Activity.TRAINING))
    assert "task under way" in edit_obstacle(replace(opened, work=Activity.SAVING))
    assert edit_obstacle(opened.with_open(obstacle=full)) == "The folder is gone."
    assert edit_obstacle(opened.with_open(obstacle=read_only)).startswith("This file is read-only")


# A file of the ancestor


def test_only_the_owner_of_an_older_distill_is_told_that_it_no_longer_opens_the_file(
    qtbot: QtBot, ready: MainWindow, tiny_model: Path
) -> None:
    values, _ = read_archive(tiny_model)
    torch.save(values | {"training_config": {OUR_MARK: 0.3}}, tiny_model)
    ready.commands.open_model(tiny_model)
    settle(qtbot, ready)
    _train(qtbot, ready)
    ready.commands.saving.save()
    settle(qtbot, ready)
    assert ready.inspect.view.as_text().startswith("A model of sounds, 48 kHz.")
    assert ready.statusBar().currentMessage() == "Saved into tiny.distill."
