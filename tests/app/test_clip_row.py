"""A row of hundreds of clips: those that are seen are widgets, and the keyboard reaches all the others."""

from __future__ import annotations

import pytest
from PySide6.QtCore import QPoint, QRect, Qt
from PySide6.QtWidgets import QApplication, QLabel
from pytestqt.qtbot import QtBot

from app.widgets.sound.clip import Clip, ClipLook
from app.widgets.sound.clip_row import ClipRow

NUMBERS = [*range(200, 0, -1)]


@pytest.fixture
def stars() -> set[int]:
    return set()


@pytest.fixture
def row(qtbot: QtBot, stars: set[int]) -> ClipRow:
    row = ClipRow(lambda number: ClipLook(number, "seed", number in stars, "tip"), QLabel("none"), 72)
    qtbot.addWidget(row)
    row.resize(700, 72)
    row.show_numbers(NUMBERS)
    row.show()
    row.activateWindow()
    qtbot.waitUntil(row.isActiveWindow)
    return row


def _seen(row: ClipRow) -> list[int]:
    """Return the numbers of the clips of which something is seen, from left to right."""
    clips = sorted(row.findChildren(Clip), key=lambda clip: clip.x())
    return [clip.number for clip in clips if clip.isVisible() and not clip.visibleRegion().isEmpty()]


def _is_whole(row: ClipRow, number: int) -> bool:
    clip = row.clips[number]
    return row.viewport().rect().contains(QRect(clip.mapTo(row.viewport(), QPoint()), clip.size()))


def test_only_clips_that_are_seen_are_built(qtbot: QtBot, row: ClipRow) -> None:
    assert _seen(row) == NUMBERS[:6]
    assert len(row.clips) < 14
    bar = row.horizontalScrollBar()
    assert bar.maximum() == 200 * 130 - 6 - row.viewport().width()
    for value in (1000, bar.maximum(), 12_400):
        bar.setValue(value)
        first = value // 130
        assert _seen(row) == NUMBERS[first : (value + row.viewport().width()) // 130 + 1]
        assert len(row.clips) < 14
    row.resize(1400, 72)
    assert len(_seen(row)) == 12


def test_the_keyboard_reaches_every_clip(qtbot: QtBot, row: ClipRow) -> None:
    built: list[Clip] = []
    row.built.connect(built.append)
    row.focus(200)
    for number in NUMBERS[1:]:
        row.focus(number)  # as the panel does for an arrow key
        assert QApplication.focusWidget() is row.clips[number]
        assert _is_whole(row, number)
    assert [clip.number for clip in built] == NUMBERS[-len(built) :]
    row.focus(200)
    assert _is_whole(row, 200)
    row.focus(12_345)
    assert row.clips[200].hasFocus()


def test_the_tab_key_goes_from_clip_to_clip(qtbot: QtBot, row: ClipRow) -> None:
    for clip in row.clips.values():
        clip.chosen.connect(row.reveal)
    row.built.connect(lambda clip: clip.chosen.connect(row.reveal))
    row.focus(200)
    for number in NUMBERS[1:40]:
        qtbot.keyClick(QApplication.focusWidget(), Qt.Key.Key_Tab)
        assert row.clips[number].hasFocus()
    for number in NUMBERS[38:10:-1]:
        qtbot.keyClick(QApplication.focusWidget(), Qt.Key.Key_Backtab)
        assert row.clips[number].hasFocus()


def test_a_clip_keeps_the_focus_where_it_is_not_seen(qtbot: QtBot, row: ClipRow) -> None:
    row.focus(199)
    row.horizontalScrollBar().setValue(20_000)
    assert 199 not in _seen(row)
    assert row.clips[199].hasFocus()
    row.horizontalScrollBar().setValue(0)
    assert _seen(row) == NUMBERS[:6]
    assert row.clips[199].hasFocus()


def test_a_new_clip_is_seen_and_one_that_goes_leaves_no_gap(qtbot: QtBot, row: ClipRow) -> None:
    row.horizontalScrollBar().setValue(5000)
    row.show_numbers([201, *NUMBERS])
    assert _seen(row)[:3] == [201, 200, 199]
    row.show_numbers([201, *NUMBERS[1:]])
    assert _seen(row)[:3] == [201, 199, 198]
    assert {row.clips[number].x() for number in (201, 199, 198)} == {0, 130, 260}
    row.horizontalScrollBar().setValue(5000)
    row.show_numbers([201, *NUMBERS[1:-1]])
    assert row.horizontalScrollBar().value() == 5000
    row.show_numbers([])
    assert (row.clips, row.horizontalScrollBar().maximum()) == ({}, 0)
    assert row.findChild(QLabel).size() == row.viewport().size()


def test_a_look_is_asked_for_again(qtbot: QtBot, row: ClipRow, stars: set[int]) -> None:
    stars |= {200, 199, 20}
    row.show_look(200)
    row.show_look(20)  # not built
    assert [row.clips[number].look.is_starred for number in (200, 199)] == [True, False]
    row.show_numbers(NUMBERS)
    assert row.clips[199].look.is_starred
    row.focus(20)
    assert row.clips[20].look.is_starred


def test_small_clips_stay_small_wherever_the_row_is(qtbot: QtBot, row: ClipRow) -> None:
    row.setFixedHeight(50)
    row.set_compact(True)
    row.horizontalScrollBar().setValue(9000)
    clips = [row.clips[number] for number in _seen(row)]
    assert {clip.height() for clip in clips} == {36}
    assert all(_is_whole(row, clip.number) for clip in clips[1:-1])
