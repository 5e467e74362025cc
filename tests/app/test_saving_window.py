"""Saving and restoring in the window: sentences and questions before, and nothing lost meanwhile."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from PySide6.QtCore import QUrl
from PySide6.QtWidgets import QPushButton
from pytestqt.qtbot import QtBot

from app.main_window import MainWindow
from app.session.available import ActionId
from distill_core import read_summary
from distill_core.files.archive import read_archive
from tests.app.driving import ScriptedPrompts, session_of, settle
from tests.app.test_main_window import (  # noqa: F401 - fixtures
    _action,
    _texts,
    _train,
    prompts,
    ready,
    window,
)

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
    assert "It holds no prior." in prompts.asked[-1].text
    assert tiny_model.read_bytes() == after
    prompts.answers["restoreQuestion"] = "restore"
    for content, words in ((before, "It holds no prior."), (after, "Perplexity ")):
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
