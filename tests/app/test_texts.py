"""A model's name and notes while they are being written: nothing loses them unasked, and Esc means the form alone."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QLabel, QPushButton
from pytestqt.qtbot import QtBot

from app.main_window import MainWindow
from app.session.available import ActionId
from app.widgets.facts.model_form import ModelForm
from distill_core import read_summary, save_metadata
from tests.app.driving import WAIT_MS, ScriptedPrompts, session_of, settle
from tests.app.test_main_window import SMALL, _action, prompts, ready, window  # noqa: F401 - fixtures
from tests.app.test_making import TINY

# ruff: noqa: F811


def _write(window: MainWindow, name: str) -> ModelForm:
    """Begin to give the model another name."""
    _action(window, ActionId.EDIT_MODEL).trigger()
    form = window.inspect.view.head.form
    form.name.setText(name)
    return form


def _press_save(form: ModelForm) -> None:
    QTest.mouseClick(form.findChild(QPushButton, "saveModelTextsButton"), Qt.MouseButton.LeftButton)


@pytest.mark.parametrize("answer", ["cancel", "discard", "save"])
def test_another_model_is_opened_once_they_are_settled(
    qtbot: QtBot, ready: MainWindow, prompts: ScriptedPrompts, tiny_model: Path, tmp_path: Path, answer: str
) -> None:
    other = shutil.copy(tiny_model, tmp_path / "other.distill")
    form, before = _write(ready, "Kicks 2"), read_summary(tiny_model).name
    prompts.answers = {"unsavedTextsQuestion": answer}
    ready.commands.open_model(other)
    settle(qtbot, ready)
    qtbot.waitUntil(lambda: not session_of(ready).is_busy, timeout=WAIT_MS)
    assert prompts.asked_ids == ["unsavedTextsQuestion"]
    assert read_summary(tiny_model).name == ("Kicks 2" if answer == "save" else before)
    assert (session_of(ready).state.open.model.path == other) is (answer != "cancel")
    assert (form.isVisible(), form.name.text() == "Kicks 2") == ((True, True) if answer == "cancel" else (False, True))


@pytest.mark.parametrize("answer", ["cancel", "discard", "save"])
def test_the_window_closes_once_they_are_settled(
    qtbot: QtBot, ready: MainWindow, prompts: ScriptedPrompts, tiny_model: Path, answer: str
) -> None:
    _write(ready, "Kicks 2")
    prompts.answers = {"unsavedTextsQuestion": answer}
    assert not ready.close()
    if answer == "cancel":
        settle(qtbot, ready)
    else:
        qtbot.waitUntil(lambda: not ready.isVisible(), timeout=WAIT_MS)
    assert ready.isVisible() is (answer == "cancel")
    assert prompts.asked_ids == ["unsavedTextsQuestion"]
    assert (read_summary(tiny_model).name == "Kicks 2") is (answer == "save")


def test_the_window_closes_once_they_are_in_the_file(
    qtbot: QtBot, ready: MainWindow, prompts: ScriptedPrompts, tiny_model: Path
) -> None:
    _press_save(_write(ready, "Kicks 2"))
    ready.close()
    qtbot.waitUntil(lambda: not ready.isVisible(), timeout=WAIT_MS)
    assert prompts.asked == []
    assert read_summary(tiny_model).name == "Kicks 2"


def test_nothing_is_asked_about_a_form_without_changes(
    qtbot: QtBot, ready: MainWindow, prompts: ScriptedPrompts, tiny_model: Path
) -> None:
    form = _write(ready, "Kicks 2")
    QTest.keyClick(form.name, Qt.Key.Key_Escape)
    assert form.isHidden()
    _write(ready, read_summary(tiny_model).name)
    ready.close()
    assert prompts.asked == []


def test_what_cannot_be_saved_is_told_before_it_is_lost(
    qtbot: QtBot, ready: MainWindow, prompts: ScriptedPrompts
) -> None:
    _write(ready, " ")
    prompts.answers = {"unsavedTextsQuestion": "cancel"}
    ready.close()
    (question,) = prompts.asked
    assert [choice.id for choice in question.choices] == ["discard", "cancel"]
    assert "can't be saved now" in question.text


def test_a_file_that_has_changed_takes_them_as_it_is_now(qtbot: QtBot, ready: MainWindow, tiny_model: Path) -> None:
    form = _write(ready, "Mine")
    save_metadata(tiny_model, {"description": "Theirs."})
    _press_save(form)
    settle(qtbot, ready)
    banner = ready.notices.notice_banner
    assert "was changed by another program" in banner.title()
    assert [text for _, text in banner.actions_shown()] == ["Save Name and Notes"]
    assert form.isVisible()
    banner.button("saveTexts").click()
    settle(qtbot, ready)
    summary = read_summary(tiny_model)
    assert (summary.name, summary.notes) == ("Mine", "Theirs.")
    assert form.isHidden()
    assert session_of(ready).state.problem is None
    assert "Theirs." in ready.inspect.view.as_text()


def test_esc_in_the_drawer_stops_no_training(qtbot: QtBot, ready: MainWindow) -> None:
    session = session_of(ready)
    ready.activateWindow()
    form = _write(ready, "Kicks 2")
    ready.options.form.set_overrides({**SMALL, "max_epochs": 100_000, "patience": 0})
    with qtbot.waitSignal(session.epoch_finished, timeout=WAIT_MS):
        ready.stage.train_button.click()
    form.name.setFocus()
    QTest.keyClick(form.name, Qt.Key.Key_Escape)
    assert form.isHidden()
    ready.drawer.tabs.setFocus()
    QTest.keyClick(ready.drawer.tabs, Qt.Key.Key_Escape)
    assert ready.drawer.isHidden()
    assert session.state.is_training
    assert _action(ready, ActionId.STOP).isEnabled()
    ready.learning.setFocus()
    QTest.keyClick(QApplication.focusWidget() or ready, Qt.Key.Key_Escape)
    settle(qtbot, ready)
    assert session.state.training.unsaved, "elsewhere it stops the training"
    session.discard_prior()
    settle(qtbot, ready)


def test_the_end_of_a_training_gives_no_other_button_the_focus(qtbot: QtBot, ready: MainWindow) -> None:
    session = session_of(ready)
    ready.activateWindow()
    ready.options.form.set_overrides({**SMALL, "max_epochs": 100_000, "patience": 0})
    with qtbot.waitSignal(session.epoch_finished, timeout=WAIT_MS):
        ready.stage.train_button.click()
    ready.stage.button_of(ActionId.CANCEL_TRAINING).setFocus()
    session.stop()
    settle(qtbot, ready)
    focused = QApplication.focusWidget()
    assert focused is None or ready.stage.stack.isAncestorOf(focused)
    assert not isinstance(focused, QPushButton)
    session.discard_prior()
    settle(qtbot, ready)


def test_nothing_is_written_into_the_form_while_a_model_is_made(
    qtbot: QtBot, ready: MainWindow, tmp_path: Path
) -> None:
    session = session_of(ready)
    session.settings.set_models_folder(tmp_path / "models")
    session.set_making_options(TINY | {"max_epochs": 100_000, "patience": 0})
    _action(ready, ActionId.EDIT_MODEL).trigger()
    form = ready.inspect.view.head.form
    with qtbot.waitSignal(session.making_epoch, timeout=WAIT_MS):
        _action(ready, ActionId.MAKE_MODEL).trigger()
    assert (form.name.isReadOnly(), form.notes.isReadOnly()) == (True, True)
    assert any(label.text() == "A new model is being made." for label in form.findChildren(QLabel))
    session.stop()
    settle(qtbot, ready)
    qtbot.waitUntil(lambda: not session.is_busy, timeout=WAIT_MS)
    assert (form.name.isReadOnly(), form.notes.isReadOnly()) == (False, False)


def test_a_cancelled_close_keeps_what_was_to_be_given_up(
    qtbot: QtBot, ready: MainWindow, prompts: ScriptedPrompts
) -> None:
    session = session_of(ready)
    ready.options.form.set_overrides({**SMALL, "max_epochs": 100_000, "patience": 0})
    _write(ready, "Kicks 2")
    with qtbot.waitSignal(session.epoch_finished, timeout=WAIT_MS):
        ready.stage.train_button.click()
    prompts.answers = {"unsavedTextsQuestion": "discard", "quitTrainingQuestion": "cancel"}
    for times in (1, 2):
        ready.close()
        qtbot.waitUntil(lambda: len(prompts.asked) == 2 * times, timeout=WAIT_MS)  # noqa: B023
    assert prompts.asked_ids == ["unsavedTextsQuestion", "quitTrainingQuestion"] * 2
    session.stop()
    settle(qtbot, ready)
    session.discard_prior()
    settle(qtbot, ready)
