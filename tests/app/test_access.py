"""The window for whoever hears it, or has a keyboard alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from PySide6.QtCore import QStandardPaths, Qt
from PySide6.QtGui import QAccessible, QPalette
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractButton, QApplication, QWidget
from pytestqt.qtbot import QtBot

from app.main_window import MainWindow
from app.session.state import State
from tests.app.accessible import Part, faults, parts_of
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


def test_plot_and_message_tell_what_they_show(qtbot: QtBot, window: MainWindow, states: dict[str, State]) -> None:
    bring_to(qtbot, session_of(window), states["memorizing"])
    QApplication.processEvents()
    told: dict[str, Part] = {}

    def tells() -> bool:
        told.update({part.object_name: part for part in parts_of(window)})
        return "4.80" in told["perplexityPlot"].description  # drawn a little later, where epochs come fast

    qtbot.waitUntil(tells, timeout=WAIT_MS)
    banner = told["memorizationBanner"]
    assert banner.name == "Memorizing."
    assert banner.description


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


def _press_a_key(qtbot: QtBot, window: MainWindow, words: str) -> None:
    QTest.keyClick(_tab_to(words), Qt.Key.Key_Return)


def _press_as_a_reader_does(qtbot: QtBot, window: MainWindow, words: str) -> None:
    def found() -> list[Part]:
        buttons = [part for part in parts_of(window) if part.role is QAccessible.Role.Button and not part.is_disabled]
        return [button for button in buttons if button.name.startswith(words)]

    qtbot.waitUntil(lambda: bool(found()), timeout=WAIT_MS)
    found()[0].press()


Press = Callable[[QtBot, MainWindow, str], None]


@pytest.mark.parametrize("press", [_press_a_key, _press_as_a_reader_does])
def test_the_main_job_needs_no_mouse(
    qtbot: QtBot,
    window: MainWindow,
    sounds_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    press: Press,
) -> None:
    monkeypatch.setattr(QStandardPaths, "writableLocation", lambda place: str(tmp_path / "documents"))
    session = session_of(window)
    make_short_takes(session)
    prompts = window.commands._prompts
    assert isinstance(prompts, ScriptedPrompts)
    prompts.paths["folder"] = sounds_folder
    window.activateWindow()

    press(qtbot, window, "Choose Folder")
    qtbot.waitUntil(lambda: session.state.open.dataset is not None, timeout=WAIT_MS)
    settle(qtbot, window)
    press(qtbot, window, "Make a Model")
    qtbot.waitUntil(lambda: session.state.open.model is not None, timeout=WAIT_MS)
    settle(qtbot, window)

    with qtbot.waitSignal(session.epoch_finished, timeout=WAIT_MS):
        press(qtbot, window, "Train")
    press(qtbot, window, "Stop")
    qtbot.waitUntil(lambda: session.state.training.unsaved, timeout=WAIT_MS)
    settle(qtbot, window)
    press(qtbot, window, "Save into")
    qtbot.waitUntil(lambda: session.state.open.model.has_prior, timeout=WAIT_MS)
    settle(qtbot, window)

    before = len(session.state.takes.takes)
    press(qtbot, window, "♪ Generate")
    qtbot.waitUntil(lambda: len(session.state.takes.takes) == before + 1, timeout=WAIT_MS)
    settle(qtbot, window)
    newest = session.state.takes.takes[0].number
    press(qtbot, window, f"Take {newest},")
    qtbot.waitUntil(lambda: window.takes.clips[newest].look.is_loaded, timeout=WAIT_MS)
