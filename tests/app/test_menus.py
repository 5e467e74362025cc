"""The menus: groups, keys, words; and the questions that follow from them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from PySide6.QtCore import QSettings
from PySide6.QtGui import QAction, QKeySequence, QPalette
from PySide6.QtWidgets import QLabel, QMenu, QMessageBox, QPushButton
from pytestqt.qtbot import QtBot

from app.flows import questions
from app.flows.prompts import QtPrompts, Question
from app.main_window import MainWindow
from app.session import Session
from app.session.appearance import AppearanceChoice
from app.session.available import APPEARANCES, ActionId
from app.session.problems import Problem
from app.session.tasks.runs import UseOfModel, take_use
from app.session.training import TrainingState
from distill_core import read_summary
from tests.app.driving import WAIT_MS, bring_to, session_of, settle

ROOT = Path(__file__).parents[2]
# What asks or shows something before it does anything; all else has no ellipsis.
WITH_A_DIALOG = {
    ActionId.EXPORT_PLUGIN,
    ActionId.DISCARD,
    ActionId.OPEN_MODEL,
    ActionId.CHOOSE_SOUNDS,
    ActionId.SAVE_COPY,
    ActionId.RESTORE,
    ActionId.UNFINISHED_RUNS,
    ActionId.CANCEL_TRAINING,
    ActionId.SAVE_TAKE,
    ActionId.SAVE_ALL_TAKES,
    ActionId.ALL_TAKES,
    ActionId.EXPORT_PICTURE,
    ActionId.EXPORT_TABLE,
    ActionId.COMPARE_CURVE,
}


@pytest.fixture
def window(qtbot: QtBot, tmp_path: Path) -> Iterator[MainWindow]:
    QSettings.setPath(QSettings.Format.IniFormat, QSettings.Scope.UserScope, str(tmp_path / "settings"))
    session = Session()
    window = MainWindow(session)
    window.show()
    qtbot.waitExposed(window)
    yield window
    window._may_close = True
    window.close()
    window.deleteLater()
    session.deleteLater()


def _entries(menu: QMenu) -> list[QAction]:
    return [action for action in menu.actions() if not action.isSeparator()]


def _menus(window: MainWindow) -> list[QMenu]:
    """Return all menus, those within others too, filled as they are when they open."""
    window.actions_table.recents.aboutToShow.emit()
    return [menu for menu in window.findChildren(QMenu) if menu.title()]


def _mnemonic(text: str) -> str:
    marked = text.replace("&&", "")
    return marked[marked.index("&") + 1].lower() if "&" in marked else ""


def test_every_menu_has_keys_of_its_own(window: MainWindow) -> None:
    menus = _menus(window)
    assert {"&File", "&Train", "&View", "&Appearance", "&Help", "&Troubleshooting"} <= {menu.title() for menu in menus}
    bars = [action.text() for action in window.menuBar().actions()]
    for texts in (bars, *([action.text() for action in _entries(menu)] for menu in menus)):
        keys = [_mnemonic(text) for text in texts]
        assert all(keys), texts
        assert len(set(keys)) == len(keys), texts


def test_keys_of_actions_are_unique(window: MainWindow) -> None:
    keys = [action.shortcut().toString() for action in window.actions_table.by_id.values()]
    given = [key for key in keys if key]
    assert len(set(given)) == len(given)


def test_an_ellipsis_stands_where_a_dialog_follows(window: MainWindow) -> None:
    with_ellipsis = {identity for identity, action in window.actions_table.by_id.items() if "…" in action.text()}
    assert with_ellipsis == WITH_A_DIALOG & window.actions_table.by_id.keys()


def test_long_menus_have_groups_and_no_line_at_an_end(window: MainWindow) -> None:
    for menu in _menus(window):
        lines = [action.isSeparator() for action in menu.actions()]
        assert not any(one and next_one for one, next_one in pairwise(lines)), menu.title()
        if menu not in (window.actions_table.recents, window.actions_table.to_compare):
            assert not lines[0], menu.title()
            assert not lines[-1], menu.title()
        if len(_entries(menu)) > 5:
            assert any(lines), menu.title()


def test_every_action_tells_what_it_does(window: MainWindow) -> None:
    for action in window.actions_table.by_id.values():
        assert action.statusTip(), action.text()
        assert not action.statusTip().endswith("."), action.statusTip()


def test_recent_models_are_among_what_is_opened(window: MainWindow, tiny_model: Path) -> None:
    (file,) = [menu for menu in _menus(window) if menu.title() == "&File"]
    texts = [action.text() for action in file.actions()]
    assert texts[:3] == ["&Open Model…", "&Choose Sounds…", "Open &Recent"]
    assert file.actions()[3].isSeparator()


def test_train_tells_why_it_is_off(qtbot: QtBot, window: MainWindow, tiny_model: Path) -> None:
    session, action = session_of(window), window.actions_table.by_id[ActionId.TRAIN]
    window.commands.open_model(tiny_model)
    settle(qtbot, window)
    assert "another window" not in action.statusTip()
    bring_to(qtbot, session, take_use(session.state, UseOfModel(session.state.open.model.path, True, None)))
    assert "another window" in action.toolTip()
    assert not action.isEnabled()
    qtbot.waitUntil(lambda: "another window" not in action.toolTip(), timeout=WAIT_MS)


def test_the_appearance_is_chosen_and_remembered(qtbot: QtBot, window: MainWindow) -> None:
    actions = window.actions_table.by_id
    assert [identity for identity in APPEARANCES if actions[identity].isChecked()] == [ActionId.APPEARANCE_SYSTEM]
    with qtbot.waitSignal(window.commands.appearance_chosen) as told:
        actions[ActionId.APPEARANCE_DARK].trigger()
    assert told.args == [AppearanceChoice.DARK]
    assert [identity for identity in APPEARANCES if actions[identity].isChecked()] == [ActionId.APPEARANCE_DARK]
    assert session_of(window).settings.appearance() is AppearanceChoice.DARK
    other = Session()
    assert other.settings.appearance() is AppearanceChoice.DARK
    assert other.close(WAIT_MS)
    other.deleteLater()


# Questions


def _questions(tiny_model: Path, unsaved: TrainingState) -> list[Question]:
    summary = read_summary(tiny_model)
    assert unsaved.trained is not None
    worse = replace(unsaved.trained, metadata=unsaved.trained.metadata | {"final_perplexity": 400.0})
    with_prior = replace(summary, prior_architecture="frames", prior_is_readable=True)
    return [
        questions.replace_prior(with_prior, unsaved.trained),
        questions.replace_prior(with_prior, worse),
        questions.restore_previous(tiny_model, summary),
        questions.remove_takes("drums", 3),
        questions.remove_all_takes(),
        questions.save_first(tiny_model),
        questions.quit_while_training(unsaved),
        questions.crash(Problem("It broke.", "Try again.", "Traceback")),
        questions.plain("plain", "Title", "Text"),
        questions.whole_notice("Title", "Text", [("save", "Save")]),
    ]


def test_the_default_and_the_way_out_lose_nothing(tiny_model: Path, unsaved: TrainingState) -> None:
    for question in _questions(tiny_model, unsaved):
        roles = {choice.id: choice.role for choice in question.choices}
        assert roles[question.default] != "destroy", question.id
        assert roles[question.escape] == "reject", question.id


def test_buttons_are_verbs(tiny_model: Path, unsaved: TrainingState) -> None:
    for question in _questions(tiny_model, unsaved):
        assert not {choice.text for choice in question.choices} & {"OK", "Ok", "Yes", "No"}, question.id


def test_the_title_of_a_dialog_is_bold_in_the_windows_look(qtbot: QtBot, palette: QPalette, window: MainWindow) -> None:
    QtPrompts().ask(window, questions.plain("plain", "A title", "A text."), str)
    box = window.findChild(QMessageBox, "plain")
    shown = {label.text(): label.font().bold() for label in box.findChildren(QLabel)}
    assert (shown["A title"], shown["A text."]) == (True, False)
    assert all(button.height() >= 28 for button in box.findChildren(QPushButton))
    box.close()


def test_a_dialog_has_no_big_icon_and_says_its_title_once(
    qtbot: QtBot, window: MainWindow, tiny_model: Path, unsaved: TrainingState
) -> None:
    for question in _questions(tiny_model, unsaved):
        QtPrompts().ask(window, question, str)
        box = window.findChild(QMessageBox, question.id)
        assert box.icon() is QMessageBox.Icon.NoIcon
        assert box.windowTitle() == "Distill"
        assert [label.text() for label in box.findChildren(QLabel)].count(question.title) == 1
        (default,) = [button for button in box.findChildren(QPushButton) if button.isDefault()]
        assert default.text() == next(choice.text for choice in question.choices if choice.id == question.default)
        box.close()


def _keys_in(page: Path) -> set[str]:
    """Return the keys with Ctrl that a page names, as `++ctrl+r++` or as `Ctrl+R`, in Qt's writing."""
    text = page.read_text("utf-8").replace("comma", ",")
    named = re.findall(r"\+\+(ctrl\+[\w+,]+?)\+\+", text) + re.findall(r"(?<![\w+])(Ctrl\+(?:Shift\+)?(?:\w+|,))", text)
    return {QKeySequence(key).toString() for key in named}


def test_each_key_that_a_page_names_is_one_of_a_menu(window: MainWindow) -> None:
    keys = {key.toString() for action in window.findChildren(QAction) for key in action.shortcuts()}
    outside = {"Ctrl+C"}  # in a terminal
    pages = [*(ROOT / "docs").glob("*.md"), ROOT / "README.md"]
    assert len(set().union(*map(_keys_in, pages))) > 15
    assert {page.name: _keys_in(page) - keys - outside for page in pages if _keys_in(page) - keys - outside} == {}
