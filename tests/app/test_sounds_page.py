"""The Sounds page: every file is a row that says what training does with it, and can be heard and left out."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import soundfile
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from app.flows.commands import Commands
from app.panels.sounds_page import SoundsPage
from app.presentation import sounds as words
from app.session import Session
from app.session.activity import Activity
from app.session.available import ActionId, available
from app.session.options import Options
from app.session.state import Page, State
from app.session.tasks.sounds import PEAKS, SoundOutline, outlining
from app.times import length
from distill_core import read_summary, scan, train_prior
from distill_core.audio.dataset import split_files
from distill_core.events import SkippedFile
from tests.app.driving import ScriptedPrompts, settle_session
from tests.app.test_main_window import SMALL
from tests.conftest import WriteSound

NAMES = [f"sound {number}{('.wav', '.flac')[number % 2]}" for number in range(6)]


@pytest.fixture
def page(qtbot: QtBot, session: Session, commands: Commands) -> Iterator[SoundsPage]:
    page = SoundsPage(session, commands)
    qtbot.addWidget(page)
    page.resize(760, 400)
    page.show()
    qtbot.waitExposed(page)
    return page


@pytest.fixture
def filled(qtbot: QtBot, session: Session, page: SoundsPage, sounds_folder: Path) -> SoundsPage:
    """The page with the six sounds, a file that is none, and an archive."""
    (sounds_folder / "broken.wav").write_bytes(b"no sound")
    (sounds_folder / "old.zip").write_bytes(b"PK")
    session.open_dataset(sounds_folder)
    settle_session(qtbot, session)
    return page


def _uses(page: SoundsPage) -> dict[str, str]:
    """Return what the rows say of each file's use."""
    rows = page.table.rows
    return {rows.row_at(place).name: rows.row_at(place).use for place in range(rows.rowCount())}


def _names_of(uses: dict[str, str], use: str) -> set[str]:
    return {name for name, each in uses.items() if each == use}


# Rows


def test_every_file_is_a_row(filled: SoundsPage) -> None:
    uses = _uses(filled)
    assert set(uses) == {*NAMES, "broken.wav"}
    assert uses["broken.wav"] == words.SKIPPED
    assert len(_names_of(uses, words.KEPT_ASIDE)) == len(_names_of(uses, words.LEARNED)) == 3
    assert filled.heading.text() == "6 sounds · 9 s · 3 kept aside · 1 skipped · 1 archive passed over"
    first = filled.table.rows.row_at(0)
    assert (first.name, first.can_play, first.is_dim) == ("broken.wav", False, True)
    assert first.note
    assert str(filled._session.state.open.sources[0]) in filled.choose_button.toolTip()


def test_the_rows_tell_the_very_split_of_a_training(
    qtbot: QtBot, session: Session, filled: SoundsPage, tiny_model: Path
) -> None:
    session.open_model(tiny_model)
    for seed in (0, 5):
        options = {**SMALL, "max_epochs": 1, "seed": seed, "val_fraction": 0.34}
        session.set_options(options, is_valid=True)
        settle_session(qtbot, session)
        session.leave_out({NAMES[seed]})
        trained = train_prior(tiny_model, session.state.open.dataset, options)
        assert _names_of(_uses(filled), words.KEPT_ASIDE) == set(trained.metadata["validation_files"])


def test_the_rows_tell_the_split_that_a_training_made_of_near_copies(
    qtbot: QtBot,
    session: Session,
    page: SoundsPage,
    shared_klt_model: Path,
    sounds_folder: Path,
    write_sound: WriteSound,
) -> None:
    sound, rate = soundfile.read(write_sound(sounds_folder / "a.wav", seed=9, seconds=4.0), dtype="float32")
    alike = {"a.wav", *(f"a {number}.wav" for number in range(4))}
    for number in range(4):
        soundfile.write(sounds_folder / f"a {number}.wav", sound / (2 + number), rate, subtype="FLOAT")
    session.open_model(shared_klt_model)
    settle_session(qtbot, session)
    session.open_dataset(sounds_folder)
    settle_session(qtbot, session)
    dataset = session.state.open.dataset
    assert dataset is not None
    parted = next(
        seed
        for seed in range(20)
        if 0 < len({file.name for file in split_files(dataset.files, 0.3, seed)[1]} & alike) < 5
    )
    session.set_options({**SMALL, "max_epochs": 1, "seed": parted, "val_fraction": 0.3}, is_valid=True)
    settle_session(qtbot, session)
    before = _names_of(_uses(page), words.KEPT_ASIDE)
    assert 0 < len(before & alike) < 5, "before a training nobody knows"
    session.train()
    settle_session(qtbot, session)
    trained = session.state.training.trained
    assert trained is not None
    kept_aside = _names_of(_uses(page), words.KEPT_ASIDE)
    assert kept_aside == set(trained.metadata["validation_files"])
    assert kept_aside & alike in (set(), alike)
    notes = [page.table.rows.row_at(place).note for place in range(page.table.rows.rowCount())]
    assert notes.count("nearly the same as a 0.wav") == 4
    session.set_options({**SMALL, "max_epochs": 1, "seed": parted, "val_fraction": 0.5}, is_valid=True)
    settle_session(qtbot, session)
    assert _names_of(_uses(page), words.KEPT_ASIDE) != kept_aside, "the next training will make another split"


@pytest.mark.parametrize(
    ("skipped", "missed", "expected"),
    [
        ((), (), "6 sounds · 9 s · 3 kept aside"),
        ((SkippedFile("a", "b"),), (), "6 sounds · 9 s · 3 kept aside · 1 skipped"),
        ((), (SkippedFile(NAMES[0], "it is gone"),), "6 sounds · 9 s · 3 kept aside"),
    ],
)
def test_the_heading_in_words(
    shared_sounds_folder: Path, skipped: tuple[SkippedFile, ...], missed: tuple[SkippedFile, ...], expected: str
) -> None:
    dataset = replace(scan(shared_sounds_folder), skipped=skipped)
    state = State().with_sounds(dataset, frozenset()).with_training(left_out=missed)
    rows = words.rows(state)
    assert words.heading(state, rows) == expected
    assert [row.note for row in rows if row.file is not None and row.note] == [file.reason for file in missed]


@pytest.mark.parametrize(
    ("seconds", "expected"), [(0.4, "0 s"), (59.4, "59 s"), (59.6, "1:00"), (192, "3:12"), (3912, "1:05:12")]
)
def test_how_long_sounds_are_together(seconds: float, expected: str) -> None:
    assert length(round(seconds)) == expected


def test_one_sound_is_split_in_time_and_all_that_is_left_out_is_counted(shared_sounds_folder: Path) -> None:
    state = State().with_sounds(scan(shared_sounds_folder), frozenset(NAMES[1:]))
    rows = words.rows(state)
    assert [row.use for row in rows] == [words.BOTH] + [words.LEFT_OUT] * 5
    assert words.heading(state, rows) == "1 sound · 1 s · its end kept aside · 5 left out"


def test_without_sounds_the_page_asks_for_some(
    qtbot: QtBot, session: Session, page: SoundsPage, prompts: ScriptedPrompts, sounds_folder: Path
) -> None:
    assert page.invitation.isVisible()
    assert page.invitation.sentence.text() == "Drop sounds or folders here"
    prompts.paths["folder"] = sounds_folder
    QTest.mouseClick(page.invitation, Qt.MouseButton.LeftButton)
    assert page.invitation.sentence.text() == "Looking through sounds…"
    assert not page.invitation.button.isVisible()
    settle_session(qtbot, session)
    assert page.table.isVisible()


# Hearing


def test_a_sound_is_played_from_its_row_which_shows_it(qtbot: QtBot, session: Session, filled: SoundsPage) -> None:
    place = filled.table.rows.place_of(NAMES[4])
    cell = filled.table.visualRect(filled.table.rows.index(place, 0))
    QTest.mouseClick(filled.table.viewport(), Qt.MouseButton.LeftButton, pos=cell.center())
    assert filled.table.rows.is_playing(place)  # at once: it will as soon as it is read
    settle_session(qtbot, session)
    assert session.player.playable.key.file == session.state.open.scanned.files[4]
    QTest.keyClick(filled.table, Qt.Key.Key_Home)
    QTest.keyClick(filled.table, Qt.Key.Key_Return)  # the skipped one
    settle_session(qtbot, session)
    assert session.player.playable.key.file == session.state.open.scanned.files[4]


def test_waveforms_come_by_themselves_and_a_broken_file_gets_a_flat_line(
    qtbot: QtBot, session: Session, filled: SoundsPage
) -> None:
    rows = filled.table.rows
    session.state.open.scanned.files[1].path.write_bytes(b"changed")
    qtbot.waitUntil(lambda: not rows.without_peaks(range(rows.rowCount())), timeout=10_000)
    peaks = {name: rows.peaks_at(rows.place_of(name)) for name in NAMES}
    assert all(len(each) == PEAKS for each in peaks.values())
    assert set(peaks[NAMES[1]]) == {0.0}
    assert max(peaks[NAMES[0]]) > 0.3


def test_waveforms_wait_for_a_sound_that_is_to_be_heard(session: Session, shared_sounds_folder: Path) -> None:
    files = scan(shared_sounds_folder).files
    told: list[SoundOutline] = []
    asked = iter([False] * 3 + [True] * 1000)
    task = outlining(files)
    task.run(told.append, lambda: next(asked))
    assert [outline.file for outline in told] == list(files[: len(told)])
    assert len(told) < len(files)
    assert task.take(session.state, None) == (session.state, [("sounds_outlined", files)])


# Leaving out


def test_chosen_sounds_are_left_out_and_taken_back_in(session: Session, filled: SoundsPage) -> None:
    button = filled.leave_out_button
    assert not button.isEnabled()
    filled.table.choose([NAMES[1], NAMES[2], (words.SKIPPED, 0)])
    button.click()
    assert session.state.open.left_out == set(NAMES[1:3])
    assert [file.name for file in session.state.open.dataset.files] == [NAMES[0], *NAMES[3:]]
    assert _names_of(_uses(filled), words.LEFT_OUT) == set(NAMES[1:3])
    assert filled.heading.text().startswith("4 sounds · 6 s · 2 kept aside · 1 skipped · 2 left out")
    assert filled.table.chosen[1:] == NAMES[1:3]
    assert button.text() == words.TAKE_BACK
    QTest.keyClick(filled.table, Qt.Key.Key_Minus)
    assert session.state.open.left_out == frozenset()
    assert session.state.open.dataset == session.state.open.scanned
    assert button.text() == words.LEAVE_OUT


def test_the_last_sound_stays_and_it_is_said_why(session: Session, filled: SoundsPage) -> None:
    filled.table.selectAll()
    filled.leave_out_button.click()
    assert session.state.open.left_out == frozenset()
    assert session.state.open.sounds_refusal.startswith("One sound has to stay")
    session.leave_out(NAMES[1:])
    assert session.state.open.sounds_refusal == ""
    assert [file.name for file in session.state.open.dataset.files] == NAMES[:1]


def test_sounds_are_left_out_of_options_estimate_and_training(
    qtbot: QtBot, session: Session, filled: SoundsPage, tiny_model: Path
) -> None:
    session.open_model(tiny_model)
    session.set_options({**SMALL, "max_epochs": 1}, is_valid=True)
    settle_session(qtbot, session)
    session.settings.set_training_speed(1e6)
    before = session.estimate_seconds()
    session.leave_out({NAMES[1], NAMES[4]})
    assert session.estimate_seconds() < before
    session.train()
    settle_session(qtbot, session)
    metadata = session.state.training.trained.metadata
    assert metadata["dataset_file_count"] == 4
    assert not {NAMES[1], NAMES[4]} & set(metadata["validation_files"])
    session.leave_out({NAMES[2]})
    assert session.state.training.trained is not None  # it is not saved yet
    assert session.state.training.unsaved


def test_names_outlast_a_scan_of_the_same_places_as_far_as_they_are_there(
    qtbot: QtBot, session: Session, filled: SoundsPage, sounds_folder: Path, tmp_path: Path
) -> None:
    session.leave_out({NAMES[1], NAMES[2]})
    (sounds_folder / NAMES[1]).unlink()
    session.open_dataset(sounds_folder)
    settle_session(qtbot, session)
    assert session.state.open.left_out == {NAMES[2]}
    for name in NAMES[3:]:
        (sounds_folder / name).unlink()
    (sounds_folder / NAMES[0]).unlink()
    session.open_dataset(sounds_folder)
    settle_session(qtbot, session)
    assert session.state.open.left_out == frozenset()  # one sound has to stay
    other = Path(shutil.copytree(sounds_folder, tmp_path / "other"))
    session.open_dataset(other, left_out=["unknown.wav"])
    settle_session(qtbot, session)
    assert (session.state.open.sources, session.state.open.left_out) == ((other,), frozenset())


def test_a_session_comes_back_with_its_sounds_left_out(qtbot: QtBot, session: Session, sounds_folder: Path) -> None:
    session.open_dataset(sounds_folder, left_out=[NAMES[3]])
    settle_session(qtbot, session)
    assert session.state.open.left_out == {NAMES[3]}
    assert len(session.state.open.dataset.files) == 5


def test_while_it_trains_nothing_is_left_out(
    session: Session, commands: Commands, filled: SoundsPage, shared_tiny_model: Path
) -> None:
    dataset = session.state.open.scanned
    model = read_summary(shared_tiny_model)
    ready = State(options=Options().following(model, dataset)).with_sounds(dataset, frozenset()).with_open(model=model)
    assert ActionId.LEAVE_OUT in available(ready)
    assert not words.can_leave_out(ready, frozenset())
    for state in (
        replace(ready, work=Activity.TRAINING),
        ready.with_open(pending_sounds=(Path("x"),)),
        State().with_open(model=model),
    ):
        assert ActionId.LEAVE_OUT not in available(state)
        assert not words.can_leave_out(state, frozenset(NAMES))
    said: list[str] = []
    commands.sounds.said.connect(said.append)
    commands.sounds.leave_out_or_take_back()
    assert said == ["Choose sounds in the rows first."]


def test_the_menu_of_a_sound(session: Session, filled: SoundsPage) -> None:
    filled.table.choose([NAMES[1]], NAMES[1])
    actions = {action.text().replace("&", ""): action for action in filled.menu().actions()}
    assert {"Play", "Show in Folder", "Leave Out"} <= set(actions)
    actions["Leave Out"].trigger()
    assert session.state.open.left_out == {NAMES[1]}
    filled.table.choose([(words.SKIPPED, 0)], (words.SKIPPED, 0))
    (only,) = filled.menu().actions()
    assert not only.isEnabled()


def test_new_sounds_turn_to_the_page(qtbot: QtBot, session: Session, filled: SoundsPage) -> None:
    session.show_page(Page.TAKES)
    session.leave_out({NAMES[0]})
    assert session.state.page is Page.SOUNDS


def test_the_picture_of_a_long_sound_is_made_block_by_block(write_sound: Callable[..., Path], tmp_path: Path) -> None:
    import numpy as np
    import soundfile

    from distill_core.audio.peaks import peaks_of

    path = tmp_path / "ramp.wav"
    samples_T = np.linspace(0, -0.9, 200_000, dtype=np.float32)
    soundfile.write(path, samples_T, 48_000, subtype="FLOAT")
    peaks = peaks_of(path, 200_000 / 48_000, None, 10)
    assert peaks == pytest.approx([float(part.max()) for part in np.array_split(-samples_T, 10)], abs=1e-4)
    write_sound(path, seconds=3 / 48_000)
    assert len(peaks_of(path, 3 / 48_000, None, 10)) == 10
