"""Faults that were found by looking at pictures of the window."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QSettings, Qt
from PySide6.QtGui import QColor, QFont, QPalette
from PySide6.QtWidgets import QApplication, QLabel, QMessageBox, QPushButton, QTextEdit, QWidget
from pytestqt.qtbot import QtBot

from app.flows.commands import Commands
from app.flows.prompts import QtPrompts
from app.flows.questions import plain
from app.main_window import MainWindow
from app.session import Session
from app.session.available import ActionId
from app.session.state import State
from app.theme import set_primary
from app.widgets.wrapping_row import WrappingRow
from distill_core import read_summary, scan
from tests.app.clipping import clipped
from tests.app.copies_states import copies_states
from tests.app.driving import WAIT_MS, bring_to, session_of, settle


@pytest.fixture
def window(qtbot: QtBot, tmp_path: Path) -> Iterator[MainWindow]:
    QSettings.setPath(QSettings.Format.IniFormat, QSettings.Scope.UserScope, str(tmp_path / "settings"))
    session = Session()
    window = MainWindow(session)
    with qtbot.waitSignal(session.device_known, timeout=WAIT_MS):
        window.show()
    yield window
    window.close()
    window.deleteLater()
    session.deleteLater()


def _contrast_with_white(color: QColor) -> float:
    shares = (color.redF(), color.greenF(), color.blueF())
    red, green, blue = (share / 12.92 if share <= 0.03928 else ((share + 0.055) / 1.055) ** 2.4 for share in shares)
    return 1.05 / (0.2126 * red + 0.7152 * green + 0.0722 * blue + 0.05)


def test_the_primary_button_can_be_read(qtbot: QtBot, palette: QPalette) -> None:
    """What is drawn counts: a style may make a button's colour lighter."""
    button = QPushButton()
    qtbot.addWidget(button)
    set_primary(button, True)
    button.resize(150, 36)
    image = button.grab().toImage()
    assert min(_contrast_with_white(image.pixelColor(75, y)) for y in range(9, 27)) >= 4.5


def test_nothing_looks_chosen_at_the_start(window: MainWindow) -> None:
    assert not window.chips.model_card.hasFocus()
    assert not window.chips.model_card.body.button.hasFocus()


def test_the_status_bar_names_the_device(window: MainWindow) -> None:
    assert any("CPU" in label.text() or "GPU" in label.text() for label in window.statusBar().findChildren(QLabel))


def test_the_size_line_follows_the_model_and_the_options(
    qtbot: QtBot, window: MainWindow, sounds_folder: Path, tiny_model: Path
) -> None:
    def shown() -> str:
        return window.chips.sounds_card.accessibleDescription()

    session = session_of(window)
    window.commands.open_sounds(sounds_folder)
    qtbot.waitUntil(lambda: session.state.open.dataset is not None, timeout=WAIT_MS)
    assert "small set" not in shown()
    window.commands.open_model(tiny_model)
    qtbot.waitUntil(lambda: session.state.open.model is not None, timeout=WAIT_MS)
    assert "A small set" in shown()
    window.options.form.set_overrides({"effort": "thorough"})
    assert "A small set" in shown()
    window.options.form.set_overrides({"hidden_size": 256})
    assert "A small set" in shown(), "the sounds are the same"


def test_cancelled_scanning_leaves_the_card_as_it_was(qtbot: QtBot, window: MainWindow, sounds_folder: Path) -> None:
    session, card = session_of(window), window.chips.sounds_card
    session.progress.connect(
        lambda progress: card.link_activated.emit("cancel"), Qt.ConnectionType.SingleShotConnection
    )
    session.open_dataset(sounds_folder)
    assert card.is_busy()
    settle(qtbot, window)
    assert not card.is_busy()


def test_a_refusal_goes_with_the_next_drop(window: MainWindow, tmp_path: Path) -> None:
    from PySide6.QtCore import QUrl

    commands: Commands = window.commands
    (tmp_path / "pack.zip").touch()
    commands.take_drop([QUrl.fromLocalFile(str(tmp_path / "pack.zip"))], "window")
    assert window.chips.sounds_card.refusal()
    commands.take_drop([QUrl("https://example.org/x.distill")], "window")
    assert window.chips.model_card.refusal()
    assert not window.chips.sounds_card.refusal()


def test_a_dialog_shows_a_list_at_once_and_names_as_they_are(qtbot: QtBot, window: MainWindow) -> None:
    from dataclasses import replace

    question = replace(plain("list", "“<b>x</b>”", "<i>folder</i>", "one\ntwo"), shows_details=True)
    QtPrompts().ask(window, question, str)
    box = window.findChild(QMessageBox, "list")
    assert box.findChild(QTextEdit).isVisible()
    shown = {label.text(): label for label in box.findChildren(QLabel)}
    assert shown["“<b>x</b>”"].textFormat() is Qt.TextFormat.PlainText
    assert shown["<i>folder</i>"].textFormat() is Qt.TextFormat.PlainText
    assert shown["“<b>x</b>”"].font().bold()
    box.close()


# Nothing is cut off


@pytest.fixture(params=[1.0, 1.5, 2.0], ids=["usual", "larger", "double"])
def letters(request: pytest.FixtureRequest, qapp: QApplication) -> Iterator[float]:
    """The application with letters of a usual size, and with larger ones."""
    before = qapp.font()
    larger = QFont(before)
    larger.setPointSizeF(before.pointSizeF() * request.param)
    qapp.setFont(larger)
    yield request.param
    qapp.setFont(before)


def _smallest(window: MainWindow) -> MainWindow:
    """Make a window as small as it gets: its regions become compact, then each asks its parent for room."""
    for _ in range(5):
        window.resize(760, 560)
        QApplication.processEvents()
    return window


def test_words_that_are_cut_off_are_found(qtbot: QtBot) -> None:
    box = QWidget()
    qtbot.addWidget(box)
    label, button, outside = QLabel("far too long for this", box), QPushButton("Far Too Long", box), QLabel("out", box)
    label.setGeometry(0, 0, 30, 20)
    button.setGeometry(0, 30, 30, 20)
    outside.setGeometry(190, 0, 60, 20)
    box.resize(200, 100)
    box.show()
    qtbot.waitExposed(box)
    assert len(clipped(box)) == 3
    label.resize(label.sizeHint())
    button.resize(button.sizeHint())
    outside.move(100, 60)
    assert clipped(box) == []


def test_the_smallest_window_is_as_small_as_it_says(window: MainWindow) -> None:
    assert _smallest(window).size().toTuple() == (760, 560)
    assert window.minimumSize().toTuple() == (760, 560)


def test_nothing_is_cut_off_in_the_smallest_window(
    qtbot: QtBot, letters: float, window: MainWindow, tiny_model: Path, sounds_folder: Path
) -> None:
    assert clipped(_smallest(window)) == []
    window.commands.open_sounds(sounds_folder)
    settle(qtbot, window)
    assert clipped(_smallest(window)) == []
    window.commands.open_model(tiny_model)
    settle(qtbot, window)
    assert clipped(_smallest(window)) == []
    for action in (ActionId.SHOW_LEARNING, ActionId.SHOW_TAKES, ActionId.INSPECT, ActionId.OPTIONS, ActionId.COPIES):
        window.actions_table.by_id[action].trigger()
        assert clipped(_smallest(window)) == [], action


def test_nothing_of_what_is_known_of_copies_is_cut_off(
    qtbot: QtBot, letters: float, window: MainWindow, shared_tiny_model: Path, shared_sounds_folder: Path
) -> None:
    session, dataset = session_of(window), scan(shared_sounds_folder)
    window.drawer.turn_to("copies")
    window.copies.take.fold.set_open(True)
    ready = State().with_open(model=read_summary(shared_tiny_model), dataset=dataset, scanned=dataset)
    for name, state in copies_states(ready).items():
        bring_to(qtbot, session, state)
        assert clipped(_smallest(window)) == [], name
        least = window.copies.area.widget().minimumSizeHint().width()
        assert least <= window.copies.area.viewport().width(), name  # it scrolls up and down alone
        for part in (window.copies.take.cells, window.copies.leaning):
            assert part.isVisible() is (state.copying.record is not None), name


def test_nothing_is_cut_off_while_it_trains(
    qtbot: QtBot, letters: float, window: MainWindow, tiny_model: Path, sounds_folder: Path
) -> None:
    session = session_of(window)
    window.commands.open_model(tiny_model)
    window.commands.open_sounds(sounds_folder)
    settle(qtbot, window)
    window.options.form.set_overrides({"hidden_size": 32, "num_layers": 1, "num_heads": 2, "max_epochs": 3})
    with qtbot.waitSignal(session.epoch_finished, timeout=WAIT_MS):
        window.stage.train_button.click()
    assert clipped(_smallest(window)) == []
    qtbot.waitUntil(lambda: session.state.training.unsaved, timeout=WAIT_MS)
    settle(qtbot, window)
    assert clipped(_smallest(window)) == []
    session.discard_prior()
    settle(qtbot, window)


def test_the_parts_of_a_row_go_on_in_a_second_line(qtbot: QtBot) -> None:
    row = WrappingRow()
    qtbot.addWidget(row)
    parts = [QPushButton("a part") for _ in range(4)]
    row.place(parts, breaks_at=2, stretched=3)
    row.show()
    in_one = sum(part.minimumSizeHint().width() for part in parts) + 60
    row.resize(in_one, 100)
    QApplication.processEvents()
    assert not row.is_wrapped
    assert len({part.y() for part in parts}) == 1
    row.resize(row.minimumSizeHint().width(), 100)
    QApplication.processEvents()
    assert row.is_wrapped
    assert [part.y() == parts[0].y() for part in parts] == [True, True, False, False]
    row.resize(in_one, 100)
    assert not row.is_wrapped
