"""The start page: what was open last comes back with one click, and nothing waits for a disk."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from PySide6.QtCore import QSettings, Qt
from PySide6.QtGui import QPalette
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractButton
from pytestqt.qtbot import QtBot

from app.main_window import MainWindow
from app.panels.start_page import StartPage
from app.presentation.start import DEMO, session_look
from app.session import Session
from app.session.remembered import (
    MOST_LEFT_OUT,
    MOST_SOURCES,
    SHOWN,
    RememberedPrior,
    RememberedSession,
    from_text,
    remembered,
    to_text,
    with_session,
)
from app.session.settings import Settings
from app.session.state import OpenFiles
from app.times import day_words, local_moment
from app.widgets.start.card import SessionCard
from app.widgets.start.cards import CardGrid
from app.widgets.start.look import SessionLook
from distill_core import scan
from distill_core.training.prior.knowledge import Knowledge, Measured
from tests.app.driving import session_of, settle

NOW = datetime(2026, 11, 26, 21, 0, tzinfo=UTC)
DRUMS = RememberedSession(
    Path("/models/drums.distill"),
    (Path("/sounds/kicks"),),
    when="2026-11-26T20:14:00+00:00",
    sounds=24,
    prior=RememberedPrior(Measured(9.2, Knowledge.WELL, counts_padding=False), 128),
)


@pytest.fixture
def make_window(qtbot: QtBot, tmp_path: Path) -> Iterator[Callable[[], MainWindow]]:
    QSettings.setPath(QSettings.Format.IniFormat, QSettings.Scope.UserScope, str(tmp_path / "settings"))
    made: list[MainWindow] = []

    def make() -> MainWindow:
        window = MainWindow(Session())
        made.append(window)
        window.show()
        qtbot.waitExposed(window)
        settle(qtbot, window)
        return window

    yield make
    for window in made:
        window._may_close = True
        window.close()
        session_of(window).deleteLater()
        window.deleteLater()


def _open_and_close(
    qtbot: QtBot, make_window: Callable[[], MainWindow], model: Path | None, *sounds: Path
) -> MainWindow:
    window = make_window()
    if model is not None:
        window.commands.open_model(model)
    if sounds:
        window.commands.open_sounds(*sounds)
    settle(qtbot, window)
    window._may_close = True
    window.close()
    return window


def _cards(window: MainWindow) -> list[SessionCard]:
    page = window.start_page
    assert isinstance(page, StartPage)
    assert page.isVisible()
    return page.cards


# What is remembered


def test_a_session_survives_the_settings() -> None:
    sessions = [
        DRUMS,
        RememberedSession(None, (Path("/a, b"), Path("/“c”")), ("one.wav",)),
        RememberedSession(Path("/m")),
        RememberedSession(Path("/n"), prior=RememberedPrior(None, 64)),
        RememberedSession(Path("/o"), prior=RememberedPrior(Measured(None, Knowledge.UNTOLD, counts_padding=True), 64)),
    ]
    assert from_text(to_text(sessions)) == tuple(sessions)


@pytest.mark.parametrize(
    "text", ["", "nonsense", "{}", "[1]", '[{"model": 3}]', '[{"model": null, "sources": []}]', "[[]]"]
)
def test_what_cannot_be_read_is_passed_over(text: str) -> None:
    assert from_text(text) == ()


def test_the_newest_is_first_and_the_same_pair_moves_up() -> None:
    others = [RememberedSession(Path(f"/{number}.distill")) for number in range(6)]
    sessions: tuple[RememberedSession, ...] = ()
    for each in [*others, others[2]]:
        sessions = with_session(sessions, each)
    assert [session.model for session in sessions[:3]] == [Path("/2.distill"), Path("/5.distill"), Path("/4.distill")]
    assert len({session.model for session in sessions}) == len(sessions)


def test_a_fuller_session_takes_the_place_of_its_parts_and_pushes_none_out() -> None:
    sessions: tuple[RememberedSession, ...] = ()
    for number in range(SHOWN):
        sessions = with_session(sessions, RememberedSession(Path(f"/{number}.distill"), (Path("/s"),)))
    for part in (RememberedSession(DRUMS.model), RememberedSession(None, DRUMS.sources), DRUMS):
        sessions = with_session(sessions, part)
    assert sessions[0] == DRUMS
    assert [session.model for session in sessions[1:SHOWN]] == [Path(f"/{number}.distill") for number in (3, 2, 1)]
    assert len(sessions) == SHOWN + 1


def test_only_the_last_four_are_shown(tmp_path: Path) -> None:
    QSettings.setPath(QSettings.Format.IniFormat, QSettings.Scope.UserScope, str(tmp_path / "settings"))
    settings = Settings()
    for number in range(6):
        settings.add_session(RememberedSession(Path(f"/{number}.distill")))
    assert [session.model for session in settings.sessions()] == [Path(f"/{number}.distill") for number in (5, 4, 3, 2)]
    settings.remove_session(settings.sessions()[0])
    assert [session.model for session in settings.sessions()] == [Path(f"/{number}.distill") for number in (4, 3, 2, 1)]


def test_nothing_is_remembered_before_all_is_open(with_unsaved: Session) -> None:
    opened = with_unsaved.state.open
    assert remembered(opened, "") is not None
    assert remembered(with_unsaved.state.with_open(pending_sounds=(Path("/s"),)).open, "") is None


def test_too_many_loose_files_are_not_remembered(with_unsaved: Session, sounds_folder: Path) -> None:
    dataset = scan(sounds_folder)
    files = tuple(Path(f"/sounds/{number}.wav") for number in range(MOST_SOURCES + 1))
    opened = replace(with_unsaved.state.open, dataset=replace(dataset, sources=files[:-1]))
    assert _sources(opened) == files[:-1]
    opened = replace(opened, dataset=replace(dataset, sources=files))
    assert _sources(opened) == ()  # their folder may have other sounds, which nobody chose
    assert remembered(replace(opened, model=None, real_path=None), "") is None
    left_out = frozenset(f"{number}.wav" for number in range(MOST_LEFT_OUT + 1))
    assert _sources(replace(opened, dataset=dataset, left_out=left_out)) == ()


def _sources(opened: OpenFiles) -> tuple[Path, ...]:
    session = remembered(opened, "")
    assert session is not None
    assert session.model == opened.real_path
    return session.sources


_OTHER_WINDOW = """
import sys
from pathlib import Path
from PySide6.QtCore import QCoreApplication, QSettings
application = QCoreApplication([])
QSettings.setPath(QSettings.Format.IniFormat, QSettings.Scope.UserScope, sys.argv[1])
from app.session.remembered import RememberedSession
from app.session.settings import Settings
settings = Settings()
settings.add_session(RememberedSession(Path("/b.distill")))
settings.add_recent_model(Path("/b.distill"))
settings.sync()
"""


def test_what_two_windows_remember_is_put_together(qtbot: QtBot, tmp_path: Path) -> None:
    folder = str(tmp_path / "settings")
    QSettings.setPath(QSettings.Format.IniFormat, QSettings.Scope.UserScope, folder)
    settings = Settings()
    settings.add_session(RememberedSession(Path("/a.distill")))
    settings.add_recent_model(Path("/a.distill"))
    settings.sync()
    subprocess.run([sys.executable, "-c", _OTHER_WINDOW, folder], check=True, cwd=Path(__file__).parents[2])
    settings.add_session(RememberedSession(Path("/c.distill")))
    settings.add_recent_model(Path("/c.distill"))
    names = [Path(f"/{name}.distill") for name in "cba"]
    assert [session.model for session in settings.sessions()] == names
    assert settings.recent_models() == names


def test_a_change_of_the_state_alone_writes_nothing(
    qtbot: QtBot, with_unsaved: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[object] = []
    monkeypatch.setattr(with_unsaved.settings, "add_session", written.append)
    with_unsaved.refuse(model="No.")
    assert not written


# Words


@pytest.mark.parametrize(
    ("moment", "words"),
    [
        (NOW - timedelta(hours=1), "today, 20:00"),
        (NOW - timedelta(days=1), "yesterday"),
        (NOW - timedelta(days=54), "3 Oct 2026"),
    ],
)
def test_a_moment_in_words(moment: datetime, words: str) -> None:
    assert day_words(local_moment(moment.isoformat()), NOW) == words


@pytest.mark.parametrize("moment", ["", "soon", "9999-99-99"])
def test_an_impossible_moment_is_none(moment: str) -> None:
    assert day_words(local_moment(moment), NOW) == ""


def test_the_look_of_a_session() -> None:
    look = session_look(DRUMS, frozenset(), NOW)
    assert (look.title, look.lines, look.when, look.moved) == (
        "drums",
        ("24 sounds from kicks", "Knows your sounds well (9.2 of 128)"),
        "today, 20:14",
        "",
    )
    moved = session_look(DRUMS, {Path("/sounds/kicks")}, NOW)
    assert moved.moved == "“kicks” has moved"
    sounds = session_look(RememberedSession(None, DRUMS.sources, sounds=1), frozenset(), NOW)
    assert (sounds.title, sounds.lines) == ("kicks", ("1 sound", "No model yet"))
    model = session_look(RememberedSession(DRUMS.model), frozenset(), NOW)
    assert model.lines == ("No sounds", "Hasn't learned your sounds yet")
    newer = session_look(replace(DRUMS, prior=RememberedPrior(None, 128)), frozenset(), NOW)
    assert newer.lines[1] == "A newer Distill taught it your sounds"


def test_the_tooltip_of_many_places_names_the_first_ones() -> None:
    many = replace(DRUMS, sources=tuple(Path(f"/sounds/{number}.wav") for number in range(200)))
    lines = session_look(many, frozenset(), NOW).tip.split("\n")
    assert (lines[0], lines[-1], len(lines)) == ("/models/drums.distill", "and 195 more", 7)


# The page


def test_an_empty_start_has_the_demo_alone(make_window: Callable[[], MainWindow]) -> None:
    window = make_window()
    assert _cards(window) == []
    assert window.start_page.demo.isVisible()
    assert window.start_page.demo.look is DEMO


def test_a_click_opens_both_model_and_sounds(
    qtbot: QtBot, make_window: Callable[[], MainWindow], tiny_model: Path, sounds_folder: Path
) -> None:
    _open_and_close(qtbot, make_window, tiny_model, sounds_folder)
    window = make_window()
    (card,) = _cards(window)
    assert card.look.title == tiny_model.stem
    assert sounds_folder.name in card.look.lines[0]
    assert card.look.when.startswith("today")
    QTest.mouseClick(card, Qt.MouseButton.LeftButton)
    settle(qtbot, window)
    opened = session_of(window).state.open
    assert opened.model is not None
    assert opened.real_path == tiny_model.resolve()
    assert opened.dataset is not None
    assert opened.dataset.sources == (sounds_folder,)
    assert len(session_of(window).settings.sessions()) == 1


def test_enter_opens_it_too(qtbot: QtBot, make_window: Callable[[], MainWindow], tiny_model: Path) -> None:
    _open_and_close(qtbot, make_window, tiny_model)
    window = make_window()
    (card,) = _cards(window)
    card.setFocus()
    QTest.keyClick(card, Qt.Key.Key_Return)
    settle(qtbot, window)
    assert session_of(window).state.open.model is not None
    assert not isinstance(window.focusWidget(), QAbstractButton)  # the space bar plays


def test_sounds_alone_come_back(qtbot: QtBot, make_window: Callable[[], MainWindow], sounds_folder: Path) -> None:
    _open_and_close(qtbot, make_window, None, sounds_folder)
    window = make_window()
    _cards(window)[0].click()
    settle(qtbot, window)
    assert session_of(window).state.open.dataset is not None
    assert session_of(window).state.open.model is None


def test_sounds_that_were_left_out_stay_out(
    qtbot: QtBot, make_window: Callable[[], MainWindow], tiny_model: Path, sounds_folder: Path
) -> None:
    window = make_window()
    window.commands.open_model(tiny_model)
    window.commands.open_sounds(sounds_folder)
    settle(qtbot, window)
    dataset = session_of(window).state.open.dataset
    assert dataset is not None
    names = [file.name for file in dataset.files]
    session_of(window).leave_out(names[:1])
    (remembered_one,) = session_of(window).settings.sessions()
    assert remembered_one.left_out == (names[0],)
    assert remembered_one.sounds == len(names) - 1
    window._may_close = True
    window.close()
    window = make_window()
    _cards(window)[0].click()
    settle(qtbot, window)
    dataset = session_of(window).state.open.dataset
    assert dataset is not None
    assert [file.name for file in dataset.files] == names[1:]
    assert len(session_of(window).settings.sessions()) == 1


def test_what_has_moved_says_so_and_can_be_removed(
    qtbot: QtBot, make_window: Callable[[], MainWindow], tiny_model: Path, sounds_folder: Path
) -> None:
    _open_and_close(qtbot, make_window, tiny_model, sounds_folder)
    tiny_model.rename(tiny_model.with_name("elsewhere.distill"))
    window = make_window()
    qtbot.waitUntil(lambda: bool(_cards(window)[0].look.moved))
    (card,) = _cards(window)
    assert card.look.moved == f"“{tiny_model.name}” has moved"
    menu = card.menu()
    opening, removing = menu.actions()
    assert not opening.isEnabled()
    removing.trigger()
    assert _cards(window) == []
    assert session_of(window).settings.sessions() == ()
    assert session_of(window).state.open.is_empty


def test_delete_removes_a_card_and_the_demo_stays(
    qtbot: QtBot, make_window: Callable[[], MainWindow], tiny_model: Path
) -> None:
    _open_and_close(qtbot, make_window, tiny_model)
    window = make_window()
    QTest.keyClick(_cards(window)[0], Qt.Key.Key_Delete)
    assert _cards(window) == []
    QTest.keyClick(window.start_page.demo, Qt.Key.Key_Delete)
    assert window.start_page.demo.isVisible()
    assert len(window.start_page.demo.menu().actions()) == 1


def test_no_file_is_looked_for_on_the_windows_thread(
    qtbot: QtBot, make_window: Callable[[], MainWindow], tiny_model: Path, sounds_folder: Path
) -> None:
    _open_and_close(qtbot, make_window, tiny_model, sounds_folder)
    files = (tiny_model.resolve(), sounds_folder)
    looked: set[int] = set()
    original = Path.stat

    def stat(path: Path, *, follow_symlinks: bool = True) -> object:
        if path in files:
            looked.add(threading.get_ident())
        return original(path, follow_symlinks=follow_symlinks)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "stat", stat)
        window = make_window()
        qtbot.waitUntil(lambda: bool(looked))
        settle(qtbot, window)
    assert threading.get_ident() not in looked


def test_the_page_lights_up_under_a_drag(
    qtbot: QtBot, make_window: Callable[[], MainWindow], sounds_folder: Path
) -> None:
    from PySide6.QtCore import QMimeData, QPoint, QUrl
    from PySide6.QtGui import QDragEnterEvent, QDragLeaveEvent
    from PySide6.QtWidgets import QApplication

    window = make_window()
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(sounds_folder))])
    before = window.start_page.zone.grab().toImage()
    event = QDragEnterEvent(
        QPoint(5, 5), Qt.DropAction.CopyAction, data, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    )
    QApplication.sendEvent(window, event)
    assert window.start_page.zone.grab().toImage() != before
    QApplication.sendEvent(window, QDragLeaveEvent())
    assert window.start_page.zone.grab().toImage() == before


# The cards


def test_a_card_cuts_long_words_and_tells_them_all(qtbot: QtBot, palette: QPalette) -> None:
    look = SessionLook("a" * 300, ("b" * 300, "c"), "today", "", "/models/x")
    card = SessionCard(look)
    qtbot.addWidget(card)
    assert card.minimumSizeHint().width() < 400
    assert card.accessibleName().startswith("a" * 300)
    card.resize(220, card.sizeHint().height())
    assert not card.grab().isNull()


def test_a_card_shows_its_focus(qtbot: QtBot, palette: QPalette) -> None:
    card = SessionCard(SessionLook("drums", ("24 sounds", "well")))
    qtbot.addWidget(card)
    card.show()
    qtbot.waitExposed(card)
    card.clearFocus()
    before = card.grab().toImage()
    card.activateWindow()
    card.setFocus()
    qtbot.waitUntil(card.hasFocus)
    assert card.grab().toImage() != before


def test_cards_stand_in_as_many_columns_as_fit(qtbot: QtBot) -> None:
    grid = CardGrid()
    qtbot.addWidget(grid)
    cards = [SessionCard(SessionLook(f"{number}", ("a", "b"))) for number in range(5)]
    grid.show_cards(cards)
    grid.show()
    width = cards[0].minimumSizeHint().width()
    for fitting, columns in ((1, 1), (2, 2), (5, 5), (8, 5)):
        grid.resize(fitting * (width + 8), 400)
        assert grid.columns == columns
    grid.show_cards(cards[:1])
    assert grid.columns == 1
