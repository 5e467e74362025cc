"""The window for whoever hears it, or has a keyboard alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtCore import QStandardPaths, Qt
from PySide6.QtGui import QPalette
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractButton, QApplication, QWidget
from pytestqt.qtbot import QtBot

from app.main_window import MainWindow
from app.session.state import State
from tests.app.accessible import faults, parts_of
from tests.app.driving import WAIT_MS, ScriptedPrompts, bring_to, make_short_takes, session_of, settle
from tests.app.test_positions import states, window  # noqa: F401 - fixtures

# ruff: noqa: F811


@pytest.mark.parametrize("drawer", ["closed", "inspect", "options", "copies"])
def test_whatever_can_be_used_has_a_name_and_a_role(
    qtbot: QtBot, window: MainWindow, states: dict[str, State], drawer: str
) -> None:
    window.resize(1280, 800)
    window.drawer.turn_to(drawer)
    found: dict[str, str] = {}
    for name, state in states.items():
        bring_to(qtbot, session_of(window), state)
        QApplication.processEvents()
        found.update(dict.fromkeys(reversed(faults(parts_of(window))), name))
    assert not found, "\n".join(f"{name}: {fault}" for fault, name in found.items())


def _ring(window: MainWindow) -> list[QWidget]:
    """Return what the Tab key reaches, from the first chip on."""
    window.chips.sounds_card.setFocus(Qt.FocusReason.TabFocusReason)
    ring: list[QWidget] = []
    while (widget := QApplication.focusWidget()) is not None and widget not in ring:
        ring.append(widget)
        QTest.keyClick(widget, Qt.Key.Key_Tab)
    assert QApplication.focusWidget() is ring[0]
    return ring


def _regions(window: MainWindow) -> list[QWidget]:
    return [window.chips, window.notices, window.stage, window.drawer, window.player, window.generate, window.takes]


STATES = ("empty", "sounds only", "ready", "training", "memorizing", "unsaved", "page sounds", "page takes")


@pytest.mark.parametrize("size", [(760, 560), (1280, 800)])
@pytest.mark.parametrize("drawer", ["closed", "options"])
def test_the_tab_key_goes_as_one_reads(
    qtbot: QtBot, window: MainWindow, states: dict[str, State], size: tuple[int, int], drawer: str
) -> None:
    window.resize(*size)
    window.drawer.turn_to(drawer)
    window.activateWindow()
    for name in STATES:
        bring_to(qtbot, session_of(window), states[name])
        QApplication.processEvents()
        regions = _regions(window)
        ring = _ring(window)
        passed = [next(place for place, region in enumerate(regions) if region.isAncestorOf(part)) for part in ring]
        assert passed == sorted(passed), (name, [part.objectName() or type(part).__name__ for part in ring])
        assert window.stage.train_button in ring or not window.stage.train_button.isEnabled(), name


def test_the_focus_is_seen(qtbot: QtBot, palette: QPalette, window: MainWindow, states: dict[str, State]) -> None:
    window.resize(1280, 800)
    window.drawer.turn_to("options")
    window.activateWindow()
    unseen: set[str] = set()
    for name in STATES:
        bring_to(qtbot, session_of(window), states[name])
        QApplication.processEvents()
        for widget in _ring(window):
            widget.setFocus(Qt.FocusReason.TabFocusReason)
            focused = widget.grab().toImage()
            widget.clearFocus()
            if widget.grab().toImage() == focused:
                unseen.add(f"{type(widget).__name__} {widget.objectName()}")
    assert not unseen


def _tab_to(words: str) -> QWidget:
    """Press Tab until what has the focus says so."""
    for _ in range(100):
        widget = QApplication.focusWidget()
        assert widget is not None
        said = widget.accessibleName() or (widget.text() if isinstance(widget, QAbstractButton) else "")
        if said.replace("&", "").startswith(words):
            return widget
        QTest.keyClick(widget, Qt.Key.Key_Tab)
    raise AssertionError(f"the Tab key does not reach “{words}”")


def _press(words: str, key: Qt.Key = Qt.Key.Key_Return) -> None:
    QTest.keyClick(_tab_to(words), key)


def test_the_keyboard_alone_does_the_main_job(
    qtbot: QtBot, window: MainWindow, sounds_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(QStandardPaths, "writableLocation", lambda place: str(tmp_path / "documents"))
    session = session_of(window)
    make_short_takes(session)
    prompts = window.commands._prompts
    assert isinstance(prompts, ScriptedPrompts)
    prompts.paths["folder"] = sounds_folder
    window.activateWindow()

    _press("Choose Folder", Qt.Key.Key_Space)
    settle(qtbot, window)
    _press("Make a Model")
    qtbot.waitUntil(lambda: session.state.open.model is not None, timeout=WAIT_MS)
    settle(qtbot, window)

    with qtbot.waitSignal(session.epoch_finished, timeout=WAIT_MS):
        _press("Train", Qt.Key.Key_Space)
    _press("Stop")
    qtbot.waitUntil(lambda: session.state.training.unsaved, timeout=WAIT_MS)
    settle(qtbot, window)
    _press("Save into")
    settle(qtbot, window)
    model = session.state.open.model
    assert model is not None
    assert model.has_prior

    before = len(session.state.takes.takes)
    _press("♪ Generate")
    qtbot.waitUntil(lambda: len(session.state.takes.takes) == before + 1, timeout=WAIT_MS)
    settle(qtbot, window)
    newest = session.state.takes.takes[0].number
    _press(f"Take {newest},", Qt.Key.Key_S)
    qtbot.waitUntil(lambda: any(take.is_starred for take in session.state.takes.takes), timeout=WAIT_MS)
