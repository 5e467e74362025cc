"""A refusal in the notice line: it is seen at once, hides nothing for long, and can be put away."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtCore import QSettings, Qt, QUrl
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from app.main_window import MainWindow
from app.session import Session
from app.session.state import Page
from app.session.training import TrainingState
from tests.app.driving import ScriptedPrompts, bring_to, session_of, settle

UNSAVED = "Trained – not saved yet."


@pytest.fixture
def window(qtbot: QtBot, tmp_path: Path, tiny_model: Path, unsaved: TrainingState) -> Iterator[MainWindow]:
    """A window with a prior that is not saved yet, and a file beside it that nothing takes."""
    QSettings.setPath(QSettings.Format.IniFormat, QSettings.Scope.UserScope, str(tmp_path / "settings"))
    (tmp_path / "read me.txt").write_text("x")
    session = Session()
    window = MainWindow(session, ScriptedPrompts())
    window.show()
    qtbot.waitExposed(window)
    session.open_model(tiny_model)
    settle(qtbot, window)
    bring_to(qtbot, session, replace(session.state, training=unsaved))
    yield window
    window._may_close = True
    window.close()
    window.deleteLater()
    session.deleteLater()


def _drop(window: MainWindow, *paths: Path) -> None:
    window.commands.take_drop([QUrl.fromLocalFile(str(path)) for path in paths], "window")


def _title(window: MainWindow) -> str:
    banner = window.notices.notice_banner
    return banner.title() if banner.isVisible() else ""


def test_it_is_seen_at_once_and_then_stands_behind_what_could_be_lost(window: MainWindow, tmp_path: Path) -> None:
    assert _title(window) == UNSAVED
    _drop(window, tmp_path / "read me.txt")
    refused = "“read me.txt” is not a sound. Drop sounds, or folders of sounds."
    assert (_title(window), window.notices.next_button.text()) == (refused, "1 of 2")
    window.notices.next_button.click()
    assert (_title(window), window.notices.next_button.text()) == (UNSAVED, "2 of 2")
    window.notices.next_button.click()
    assert _title(window) == refused
    session_of(window).show_page(Page.SOUNDS)
    session_of(window).show_page(Page.LEARNING)
    assert (_title(window), window.notices.next_button.text()) == (UNSAVED, "1 of 2")
    window.notices.next_button.click()
    assert _title(window) == refused
    _drop(window, tmp_path / "read me.txt")  # once more
    assert (_title(window), window.notices.next_button.text()) == (refused, "1 of 2")


def test_a_small_button_puts_it_away(window: MainWindow, tmp_path: Path) -> None:
    close = window.notices.notice_banner.close_button
    assert not close.isVisible()
    _drop(window, tmp_path / "read me.txt")
    assert close.isVisible()
    assert (close.text(), close.accessibleName()) == ("×", "Close this message")
    close.setFocus()
    QTest.keyClick(close, Qt.Key.Key_Space)
    assert _title(window) == UNSAVED
    assert not close.isVisible()
    assert not window.notices.next_button.isVisible()
    assert window.chips.sounds_card.refusal() == ""
    assert not isinstance(QApplication.focusWidget(), type(close))


def test_it_goes_with_the_next_success(qtbot: QtBot, window: MainWindow, tmp_path: Path, sounds_folder: Path) -> None:
    _drop(window, tmp_path / "read me.txt")
    _drop(window, sounds_folder)
    settle(qtbot, window)
    assert not window.notices.next_button.isVisible()
    _drop(window, tmp_path / "read me.txt")
    window.commands.saving.save()
    settle(qtbot, window)
    assert session_of(window).state.open.sounds_refusal == ""


def test_the_refused_part_of_a_drop_is_told_though_the_rest_is_opened(
    qtbot: QtBot, window: MainWindow, tmp_path: Path, tiny_model: Path
) -> None:
    session_of(window).discard_prior()
    _drop(window, tiny_model, tmp_path / "read me.txt")
    settle(qtbot, window)
    assert _title(window).startswith("“read me.txt” is not a sound.")
