"""The Takes page: every take is a row, to be heard, starred, sorted, dragged out, deleted and brought back."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QDrag
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from app.main_window import MainWindow
from app.panels.takes_page import TakesPage
from app.presentation import take_rows as words
from app.session.available import ActionId
from app.session.state import Page, State
from app.session.takes import TakesState
from app.session.tasks.shelving import outlining, take_key
from app.times import time_words
from distill_core import read_summary
from distill_core.generation.request import GenerateRequest, PromptMode
from distill_core.generation.takes.folder import Take
from tests.app.driving import session_of, settle
from tests.app.test_generating import shared_model  # noqa: F401 - fixture
from tests.app.test_takes_panel import model, prompts, window  # noqa: F401 - fixtures

# ruff: noqa: F811

NOW = datetime(2026, 11, 26, 14, 30, tzinfo=UTC)
FACTS = {"prior_date": "2026-10-03", "codec_digest": "abc", "made_at": "2026-11-26T14:05:00+00:00"}


@pytest.fixture
def page(qtbot: QtBot, window: MainWindow) -> TakesPage:
    """The page with three takes, and with the one that the prior in the file makes when it is opened."""
    session_of(window).show_page(Page.TAKES)
    settle(qtbot, window)
    return window.takes_page


def _take(number: int = 12, *, is_starred: bool = False, facts: dict[str, Any] | None = None, **request: Any) -> Take:
    asked = GenerateRequest(seed=41, **request)
    return Take(number, 41, 5.0, is_starred, Path(f"takes/{number}/sound.wav"), FACTS | (facts or {}), asked)


# In words


@pytest.mark.parametrize(
    ("take", "cells"),
    [
        (_take(), ["12", "5 s", "41", "1.00", "", "14:05", "", "an earlier one"]),
        (
            _take(temperature=0.8, prompt=Path("kicks/one.wav"), facts={"prior_epoch": 7}),
            ["12", "5 s", "41", "0.80", "Continue: one.wav", "14:05", "", "epoch 7"],
        ),
        (
            _take(
                prompt=Path("one.wav"),
                mode=PromptMode.VARY,
                facts={"prior_epoch": 7, "prior_perplexity": 9.16, "made_at": "2025-01-02T03:04:05+00:00"},
            ),
            ["12", "5 s", "41", "1.00", "Vary: one.wav", "2 Jan 2025", "", "epoch 7 (9.2)"],
        ),
        (_take(facts={"made_at": "no time"}), ["12", "5 s", "41", "1.00", "", "", "", "an earlier one"]),
    ],
)
def test_the_row_of_a_take_in_words(take: Take, cells: list[str]) -> None:
    state = State().with_takes_state(TakesState(takes=(take,)))
    (row,) = words.rows(state, NOW)
    assert [column.text(row) for column in words.COLUMNS if column.kind == "text"] == cells


def test_a_take_says_whether_it_is_by_the_model_as_it_is(shared_tiny_model: Path) -> None:
    model = read_summary(shared_tiny_model)
    prior = {"training_date": "2026-10-03", "codec_digest": "abc"}
    state = State().with_takes_state(TakesState(takes=(_take(facts={"prior_epoch": 7, "prior_perplexity": 9.16}),)))
    (other,) = words.rows(state.with_open(model=model), NOW)
    (own,) = words.rows(state.with_open(model=replace(model, prior_metadata=prior)), NOW)
    assert other.by_tip.startswith("Made by an earlier training, epoch 7, which hesitated among 9.2 codes")
    assert own.by_tip.startswith("Made by the model as it is now, epoch 7")


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (datetime(2026, 11, 26, 0, 5, tzinfo=UTC), "00:05"),
        (datetime(2026, 11, 25, 23, 59, tzinfo=UTC), "25 Nov 23:59"),
        (datetime(2025, 12, 1, 9, 0, tzinfo=UTC), "1 Dec 2025"),
        (None, ""),
    ],
)
def test_when_a_take_was_made(made: datetime | None, expected: str) -> None:
    assert time_words(made, NOW) == expected


def test_the_heading_counts_takes_and_stars() -> None:
    state = State().with_takes_state(TakesState(takes=(_take(2, is_starred=True), _take(1))))
    rows = words.rows(state, NOW)
    assert words.heading(rows) == "2 takes · 1 with a star"
    assert words.heading(rows[1:]) == "1 take"
    assert words.heading(()) == ""


# In the window


def test_every_take_is_a_row_with_its_waveform(page: TakesPage) -> None:
    rows = page.table.rows
    assert rows.keys == [4, 3, 2, 1]
    assert [rows.row_at(place).is_starred for place in range(4)] == [False, False, True, False]
    assert all(max(rows.peaks_at(place)) > 0 for place in range(4))
    assert page.heading.text() == "4 takes · 1 with a star"


def test_waveforms_wait_for_a_sound_that_is_to_be_heard_and_are_asked_for_again(
    window: MainWindow, page: TakesPage
) -> None:
    state = session_of(window).state
    asked, told = iter([False, False, True]), []
    task = outlining(state.open.model.path, state.takes.takes)
    task.run(told.append, lambda: next(asked))
    assert [outline.number for outline in told] == [4, 3]
    assert task.take(state, None) == (state, [("takes_outlined", frozenset({1, 2, 3, 4}))])
    state.takes.takes[0].wav.write_bytes(b"no sound")
    damaged = []
    task.run(damaged.append, lambda: False)
    assert [len(outline.peaks) > 0 for outline in damaged] == [False, True, True, True]


def test_a_row_plays_and_chooses_its_take(qtbot: QtBot, window: MainWindow, page: TakesPage) -> None:
    session = session_of(window)
    page.table.setFocus()
    page.table.choose([1], 1)
    assert session.state.takes.chosen == 1
    QTest.keyClick(page.table, Qt.Key.Key_Space)
    settle(qtbot, window)
    assert session.player.playable.key == take_key(session.state.open.model.path, 1)
    session.choose_take(3)
    assert page.table.chosen == [3]


def test_a_star_is_given_in_the_row_and_filters(qtbot: QtBot, window: MainWindow, page: TakesPage) -> None:
    session = session_of(window)
    page.starred_box.click()
    assert page.table.rows.keys == [2]
    session.star_take(3, True)
    assert page.table.rows.keys == [3, 2]
    page.table.setFocus()
    page.table.choose([3], 3)
    QTest.keyClick(page.table, Qt.Key.Key_S)
    session.star_take(2, False)
    settle(qtbot, window)
    assert page.invitation.isVisible()
    assert page.invitation.sentence.text() == words.NONE_STARRED
    page.starred_box.click()
    assert page.table.isVisible()
    assert page.table.rows.keys == [4, 3, 2, 1]


def test_takes_are_deleted_by_key_and_brought_back(qtbot: QtBot, window: MainWindow, page: TakesPage) -> None:
    page.table.setFocus()
    page.table.choose([2], 2)
    QTest.keyClick(page.table, Qt.Key.Key_Delete)
    settle(qtbot, window)
    assert page.table.rows.keys == [4, 3, 1]
    assert page.table.chosen == [1]  # the next one
    assert page.table.hasFocus()
    window.actions_table.by_id[ActionId.BRING_TAKE_BACK].trigger()
    settle(qtbot, window)
    assert page.table.rows.keys == [4, 3, 2, 1]


def test_a_new_take_comes_first_and_the_order_stays(qtbot: QtBot, window: MainWindow, page: TakesPage) -> None:
    session_of(window).generate()
    settle(qtbot, window)
    assert page.table.rows.keys == [5, 4, 3, 2, 1]
    assert page.table.chosen == [5]
    assert max(page.table.rows.peaks_at(0)) > 0
    page.table.rows.sort_by(3, is_descending=False)
    session_of(window).generate()
    settle(qtbot, window)
    assert page.table.rows.keys == [1, 2, 3, 4, 5, 6]


def test_a_take_is_dragged_out_as_a_wav(page: TakesPage, monkeypatch: pytest.MonkeyPatch) -> None:
    dragged: list[tuple[str, int]] = []

    def drag(self: QDrag, action: Qt.DropAction) -> Qt.DropAction:
        (url,) = self.mimeData().urls()
        dragged.append((Path(url.toLocalFile()).name, self.pixmap().height()))
        return action

    monkeypatch.setattr(QDrag, "exec", drag)
    page.table.choose([2], 2)
    page.table.startDrag(Qt.DropAction.CopyAction)
    assert dragged == [("my_drums_take2_seed42.wav", page.table.rowHeight(0))]


def test_the_menu_is_that_of_the_shelf(page: TakesPage) -> None:
    actions = {action.text().replace("&", ""): action for action in page.menu(2).actions()}
    assert {"Play", "Save…", "Star", "Make Again", "Delete"} <= set(actions)
    actions["Delete"].trigger()
    assert page.table.rows.keys == [4, 3, 1]


def test_without_takes_it_says_why(qtbot: QtBot, window: MainWindow, page: TakesPage, tiny_model: Path) -> None:
    window.commands.open_model(tiny_model)
    settle(qtbot, window)
    session_of(window).show_page(Page.TAKES)
    assert page.invitation.isVisible()
    assert page.invitation.sentence.text() == "This model hasn't learned your sounds yet: train it to hear it."
    assert not page.starred_box.isVisible()
