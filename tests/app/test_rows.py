"""Rows of sounds: played, sorted, found and chosen; nothing is made for what is not seen."""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QColor, QImage, QPalette
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from app.theme import plot_colors
from app.widgets.rows.delegate import RowDelegate
from app.widgets.rows.look import PLAY, STAR, WAVE, Column, Row, natural
from app.widgets.rows.table import ROW_HEIGHT, RowsTable

Key = Qt.Key
_ACCESSIBLE = Qt.ItemDataRole.AccessibleTextRole


@dataclass(frozen=True, slots=True)
class SizedRow(Row):
    """A row with a number."""

    size: int = 0


COLUMNS = (
    PLAY,
    STAR,
    WAVE,
    Column("Name", "a name", stretch=1, is_typed=True, text=lambda row: row.name, order=lambda row: natural(row.name)),
    Column("Size", "9999", is_number=True, text=lambda row: str(row.size), order=lambda row: row.size),
    Column("Unsorted", "note", text=lambda row: "note"),
)
ROWS = (
    SizedRow("b", "take 10", size=5),
    SizedRow("a", "take 2", size=7, is_starred=True),
    SizedRow("c", "Bell", size=7),
    SizedRow("gone", "noise", can_play=False, is_dim=True, size=1),
)


def _rows(count: int) -> list[SizedRow]:
    return [SizedRow(number, f"sound {number}.wav", size=number % 97) for number in range(count)]


@pytest.fixture
def table(qtbot: QtBot) -> RowsTable:
    table = RowsTable("rowsTable", "Rows", COLUMNS)
    qtbot.addWidget(table)
    table.set_rows(ROWS)
    table.resize(700, 300)
    table.show()
    qtbot.waitExposed(table)
    return table


def _click_title(table: RowsTable, column: int) -> None:
    header = table.horizontalHeader()
    middle = QPoint(header.sectionViewportPosition(column) + header.sectionSize(column) // 2, header.height() // 2)
    QTest.mouseClick(header.viewport(), Qt.MouseButton.LeftButton, pos=middle)


def _click(table: RowsTable, place: int, column: int) -> None:
    cell = table.visualRect(table.rows.index(place, column))
    QTest.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, pos=cell.center())


# Sorting


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["take 10", "Take 9", "take 1"], ["take 1", "Take 9", "take 10"]),
        (["b", "a2b", "a10b", "10", "9"], ["9", "10", "a2b", "a10b", "b"]),
        (["é", "", "²"], ["", "²", "é"]),
    ],
)
def test_texts_are_sorted_as_people_do(texts: list[str], expected: list[str]) -> None:
    assert sorted(texts, key=natural) == expected


def test_a_title_sorts_and_sorts_the_other_way_at_the_next_click(table: RowsTable) -> None:
    assert table.rows.keys == ["b", "a", "c", "gone"]
    _click_title(table, 3)
    assert table.rows.keys == ["c", "gone", "a", "b"]
    _click_title(table, 3)
    assert table.rows.keys == ["b", "a", "gone", "c"]
    _click_title(table, 4)
    assert table.rows.keys == ["gone", "b", "a", "c"]
    assert table.horizontalHeader().sortIndicatorSection() == 4
    _click_title(table, 5)
    assert table.rows.keys == ["gone", "b", "a", "c"]
    assert table.horizontalHeader().sortIndicatorSection() == 4


def test_what_is_chosen_stays_so_when_rows_are_sorted_filtered_or_come_and_go(table: RowsTable) -> None:
    table.choose(["a", "c"], "c")
    _click_title(table, 4)
    assert (set(table.chosen), table.current) == ({"a", "c"}, "c")
    table.set_rows([*ROWS, SizedRow("new", "new", size=0)])
    assert table.rows.keys == ["new", "gone", "b", "a", "c"]  # still sorted
    assert (set(table.chosen), table.current) == ({"a", "c"}, "c")
    table.show_only(lambda row: row.is_starred)
    assert (table.rows.keys, table.chosen) == (["a"], ["a"])
    table.show_only(None)
    assert (len(table.rows.keys), table.chosen) == (5, ["a"])


def test_rows_that_say_something_else_stay_in_their_places(table: RowsTable) -> None:
    _click_title(table, 4)
    before = table.rows.keys
    table.set_rows([SizedRow(row.key, row.name, size=-row.size) for row in ROWS])
    assert table.rows.keys == before
    assert table.rows.data(table.rows.index(0, 4)) == "-1"


# Pointer and keyboard


def test_a_click_on_play_or_on_a_star_is_for_that_row(qtbot: QtBot, table: RowsTable) -> None:
    with qtbot.waitSignal(table.toggle_wanted) as toggled:
        _click(table, 1, 0)
    assert toggled.args == ["a"]
    with qtbot.waitSignal(table.star_wanted) as starred:
        _click(table, 1, 1)
    assert starred.args == ["a", False]
    with qtbot.assertNotEmitted(table.toggle_wanted):
        _click(table, 3, 0)  # it can't be played
        _click(table, 2, 3)


def test_a_double_click_plays_from_the_beginning(qtbot: QtBot, table: RowsTable) -> None:
    cell = table.visualRect(table.rows.index(2, 3))
    QTest.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, pos=cell.center())
    with qtbot.waitSignal(table.play_wanted) as played:
        QTest.mouseDClick(table.viewport(), Qt.MouseButton.LeftButton, pos=cell.center())
    assert played.args == ["c"]


def test_keys_play_star_remove_and_walk(qtbot: QtBot, table: RowsTable) -> None:
    table.setFocus()
    table.choose(["b"], "b")
    for key, signal, expected in (
        (Key.Key_Space, table.toggle_wanted, ["b"]),
        (Key.Key_Return, table.play_wanted, ["b"]),
        (Key.Key_S, table.star_wanted, ["b", True]),
        (Key.Key_Delete, table.remove_wanted, []),
        (Key.Key_Minus, table.remove_wanted, []),
    ):
        with qtbot.waitSignal(signal) as sent:
            QTest.keyClick(table, key)
        assert sent.args == expected, key
    QTest.keyClick(table, Key.Key_Down)
    assert table.chosen == ["a"]
    QTest.keyClick(table, Key.Key_Down, Qt.KeyboardModifier.ShiftModifier)
    assert table.chosen == ["a", "c"]
    QTest.keyClick(table, Key.Key_End)
    with qtbot.assertNotEmitted(table.play_wanted):
        QTest.keyClick(table, Key.Key_Return)


def test_typing_goes_to_the_row_whose_name_begins_so(table: RowsTable) -> None:
    table.setFocus()
    _click(table, 1, 0)  # the focus is on the play button of another row
    QTest.keyClicks(table, "be")
    assert table.chosen == ["c"]
    QTest.qWait(QApplication.keyboardInputInterval() + 50)
    QTest.keyClicks(table, "noi")
    assert table.chosen == ["gone"]


def test_the_tab_key_leaves_the_table(table: RowsTable) -> None:
    assert not table.tabKeyNavigation()


# Look


def test_each_cell_says_what_it_is(table: RowsTable) -> None:
    table.rows.set_playing("a")
    spoken = [
        [table.rows.data(table.rows.index(place, column), _ACCESSIBLE) for column in range(3)] for place in (0, 1)
    ]
    assert spoken == [
        ["Play take 10", "Without a star", "Waveform of take 10"],
        ["take 2 plays", "With a star", "Waveform of take 2"],
    ]
    assert table.rows.data(table.rows.index(0, 3), _ACCESSIBLE) == "take 10"
    assert table.rowHeight(0) == ROW_HEIGHT
    assert table.accessibleName() == "Rows"


def _colors(image: QImage) -> set[str]:
    return {image.pixelColor(x, y).name() for x in range(image.width()) for y in range(image.height())}


def _cell(table: RowsTable, place: int, column: int) -> QImage:
    return table.viewport().grab(table.visualRect(table.rows.index(place, column))).toImage()


@pytest.mark.parametrize(("loses_end", "beginning", "end"), [(False, "copy of", "+2"), (True, "copy of drum", "…")])
def test_a_long_text_loses_its_middle_or_its_end(table: RowsTable, loses_end: bool, beginning: str, end: str) -> None:
    text = "copy of drum_splash_hard (+2)"
    delegate = RowDelegate(Column("Copy?", 80, text=lambda row: text, loses_end=loses_end), table.rows)
    metrics = table.fontMetrics()
    shown = delegate.shown_text(SizedRow(1, "a"), metrics, metrics.horizontalAdvance("copy of drum_splash"))
    assert shown.startswith(beginning)
    assert shown.rstrip(")").endswith(end)


def test_a_waveform_is_drawn_once_it_has_come_and_is_another_colour_while_it_plays(
    table: RowsTable, palette: QPalette
) -> None:
    colors = plot_colors(table.palette())
    assert colors.validation.name() not in _colors(_cell(table, 0, 2))
    table.rows.set_peaks("b", (0.1, 0.9, 0.3))
    assert colors.validation.name() in _colors(_cell(table, 0, 2))
    table.rows.set_playing("b")
    assert colors.best.name() in _colors(_cell(table, 0, 2))
    assert palette.color(QPalette.ColorRole.Base).name() in _colors(_cell(table, 0, 2))


def test_the_text_of_a_row_that_is_not_used_can_still_be_read(table: RowsTable, palette: QPalette) -> None:
    def luminance(name: str) -> float:
        parts = [
            value / 12.92 if value <= 0.03928 else ((value + 0.055) / 1.055) ** 2.4 for value in QColor(name).getRgbF()
        ]
        return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]

    ground = luminance(palette.color(QPalette.ColorRole.Base).name())
    inks = [luminance(name) for name in _colors(_cell(table, 3, 3))]
    best = max((max(ink, ground) + 0.05) / (min(ink, ground) + 0.05) for ink in inks)
    plain = max(
        (max(luminance(name), ground) + 0.05) / (min(luminance(name), ground) + 0.05)
        for name in _colors(_cell(table, 0, 3))
    )
    assert 4.5 <= best < plain


# Thousands


def test_pictures_are_asked_for_where_rows_are_seen_and_twenty_at_a_time(qtbot: QtBot, table: RowsTable) -> None:
    with qtbot.waitSignal(table.thumbnails_wanted) as wanted:
        table.resize(700, 1000)
        table.set_rows(_rows(5000))
    assert wanted.args == [list(range(20))]
    for key in wanted.args[0]:
        table.rows.set_peaks(key, (0.5,))
    with qtbot.waitSignal(table.thumbnails_wanted) as wanted:
        table.thumbnails_ended()
    assert wanted.args[0][0] == 20
    table.rows.set_peaks(20, (0.5,))
    table.scrollToBottom()
    with qtbot.waitSignal(table.thumbnails_wanted) as wanted:
        table.thumbnails_ended()
    assert len(wanted.args[0]) == 20
    assert wanted.args[0][0] > 4900


def test_no_picture_is_asked_for_while_the_table_is_hidden_or_others_are_on_their_way(
    qtbot: QtBot, table: RowsTable
) -> None:
    with qtbot.waitSignal(table.thumbnails_wanted):
        table.set_rows(_rows(100))
    with qtbot.assertNotEmitted(table.thumbnails_wanted, wait=150):
        table.scrollToBottom()
    table.hide()
    with qtbot.assertNotEmitted(table.thumbnails_wanted, wait=150):
        table.thumbnails_ended()
    with qtbot.waitSignal(table.thumbnails_wanted):
        table.show()


def test_thousands_of_rows_are_shown_sorted_and_chosen_at_once(table: RowsTable) -> None:
    rows = _rows(5000)
    took = {}
    for name, act in (
        ("show", lambda: table.set_rows(rows)),
        ("sort", lambda: table.rows.sort_by(3, is_descending=True)),
        ("choose", table.selectAll),
        ("again", lambda: table.set_rows([SizedRow(row.key, row.name, size=1) for row in rows])),
    ):
        started = perf_counter()
        act()
        took[name] = perf_counter() - started
    assert len(table.chosen) == 5000
    assert max(took.values()) < 0.5, took  # a proxy of Qt's would take seconds
