"""The shelf in the window: clips are played, starred, deleted, saved and dragged out; all models' takes are listed."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PySide6.QtCore import QPoint, QPointF, QSettings, Qt
from PySide6.QtGui import QDragEnterEvent, QDropEvent, QGuiApplication, QPalette
from PySide6.QtWidgets import QApplication, QWidget
from pytestqt.qtbot import QtBot

from app.flows.drag_out import copy_to_drag, drag_data
from app.flows.take_menu import take_menu
from app.flows.takes import written_words
from app.main_window import MainWindow
from app.presentation import takes as words
from app.session import Session
from app.session.available import ActionId
from app.session.state import State
from app.session.takes import TakeOptions, TakesState
from app.session.tasks.shelving import WrittenTakes, outline
from app.times import length
from app.widgets.sound.clip import Clip, ClipLook
from app.widgets.takes_dialog import room_words
from distill_core import load_model_v2
from distill_core.folders import dragged_folder
from distill_core.generation.generate import generate
from distill_core.generation.request import GenerateRequest
from distill_core.generation.takes.folder import Take
from distill_core.generation.takes.shelf import ListedShelf, TakeShelf, all_shelves
from tests.app.driving import ScriptedPrompts, session_of, settle
from tests.app.test_generating import shared_model  # noqa: F401 - fixture

# ruff: noqa: F811

LOOK = ClipLook(12, "seed 41 · 5 s", is_starred=False, tip="tip", peaks=(0.1, 0.9, 0.4))
TAKE = Take(12, 41, 5.0, False, Path("takes/12/sound.wav"), {}, GenerateRequest(seed=41))


@pytest.fixture
def model(shared_model: Path, tmp_path: Path) -> Path:
    """A model with three takes on its shelf, the second with a star."""
    model = Path(shutil.copy(shared_model, tmp_path / "my drums.distill"))
    shelf, loaded = TakeShelf(model), load_model_v2(model)
    for seed in (41, 42, 43):
        shelf.add(generate(loaded, GenerateRequest(seconds=0.25, seed=seed)))
    shelf.star(2, True)
    return model


@pytest.fixture
def prompts() -> ScriptedPrompts:
    return ScriptedPrompts()


@pytest.fixture
def window(qtbot: QtBot, prompts: ScriptedPrompts, tmp_path: Path, model: Path) -> Iterator[MainWindow]:
    QSettings.setPath(QSettings.Format.IniFormat, QSettings.Scope.UserScope, str(tmp_path / "settings"))
    session = Session()
    session.set_take_options(TakeOptions(seconds=0.25, seed=44, holds_seed=True))
    window = MainWindow(session, prompts)
    window.show()
    qtbot.waitExposed(window)
    window.commands.open_model(model)
    settle(qtbot, window)
    yield window
    window._may_close = True
    window.close()
    window.deleteLater()
    session.deleteLater()


def _shown(window: MainWindow) -> list[int]:
    """Return the numbers of the clips from left to right."""
    clips = sorted(window.takes.findChildren(Clip), key=lambda clip: clip.x())
    return [clip.number for clip in clips if clip.isVisibleTo(window.takes)]


# The shelf


def test_a_model_that_is_opened_again_shows_its_takes_newest_first(window: MainWindow) -> None:
    assert _shown(window) == [4, 3, 2, 1]  # the fourth is made by itself
    looks = [window.takes.clips[number].look for number in (4, 3, 2, 1)]
    assert [look.is_starred for look in looks] == [False, False, True, False]
    assert [look.caption for look in looks] == [f"seed {seed} · 0.2 s" for seed in (44, 43, 42, 41)]
    assert all(look.peaks for look in looks)
    assert [look.is_loaded for look in looks] == [True, False, False, False]


def test_a_click_plays_a_take(qtbot: QtBot, window: MainWindow, model: Path) -> None:
    session = session_of(window)
    qtbot.mouseClick(window.takes.clips[2], Qt.MouseButton.LeftButton, pos=QPoint(30, 30))
    settle(qtbot, window)
    playable = session.player.playable
    assert playable is not None
    assert (playable.title, playable.key) == ("Take 2 · seed 42", ("take", model, 2))
    samples, rate = soundfile.read(TakeShelf(model).takes()[2].wav, dtype="float32")
    assert rate == playable.sample_rate
    assert np.array_equal(playable.samples, samples)
    assert window.takes.clips[2].look.is_loaded
    assert not window.takes.clips[4].look.is_loaded
    assert session.state.takes.chosen == 2


def test_the_take_that_is_heard_is_the_one_to_save_and_to_delete(qtbot: QtBot, window: MainWindow) -> None:
    session = session_of(window)
    for number in (3, 1):
        qtbot.mouseClick(window.takes.clips[number], Qt.MouseButton.LeftButton, pos=QPoint(30, 30))
        settle(qtbot, window)
    session.player.flip()
    assert session.player.playable is not None
    assert session.player.playable.title.startswith("Take 3")
    assert session.state.takes.chosen == 3
    window.commands.takes.delete()
    settle(qtbot, window)
    assert _shown(window) == [4, 2, 1]


def test_a_star_shows_at_once_and_stays(qtbot: QtBot, window: MainWindow, model: Path) -> None:
    clip = window.takes.clips[1]
    qtbot.mouseClick(clip, Qt.MouseButton.LeftButton, pos=QPoint(clip.width() - 8, 8))
    assert clip.look.is_starred
    qtbot.keyClick(window.takes.clips[2], Qt.Key.Key_S)
    settle(qtbot, window)
    assert {take.number: take.is_starred for take in TakeShelf(model).takes()} == {
        4: False,
        3: False,
        2: False,
        1: True,
    }
    assert clip.accessibleName() == "Take 1, seed 41 · 0.2 s, with a star"
    assert clip.toolTip().startswith("Take 1 · seed 41 · 0.2 s. Click to play")


def test_a_deleted_take_is_brought_back(qtbot: QtBot, window: MainWindow, model: Path) -> None:
    panel = window.takes
    panel.clips[3].setFocus()
    qtbot.keyClick(panel.clips[3], Qt.Key.Key_Delete)
    assert _shown(window) == [4, 2, 1]
    assert window.statusBar().currentMessage() == "Take 3 deleted."
    assert panel.undo_button.isVisible()
    assert panel.undo_button.toolTip() == "Bring take 3 back"
    settle(qtbot, window)
    assert [take.number for take in TakeShelf(model).takes()] == [4, 2, 1]
    panel.undo_button.click()
    settle(qtbot, window)
    assert _shown(window) == [4, 3, 2, 1]
    assert not panel.undo_button.isVisible()


def test_all_that_were_deleted_are_brought_back_also_after_a_new_take(
    qtbot: QtBot, window: MainWindow, model: Path
) -> None:
    for number in (2, 4):  # the first has a star
        window.commands.takes.delete(number)
    window.commands.takes.generate_or_cancel()
    settle(qtbot, window)
    assert _shown(window) == [5, 3, 1]
    undo = window.actions_table.by_id[ActionId.BRING_TAKE_BACK]
    for back in ([5, 4, 3, 1], [5, 4, 3, 2, 1]):
        undo.trigger()
        settle(qtbot, window)
        assert _shown(window) == back
    assert window.takes.clips[2].look.is_starred
    assert not undo.isEnabled()


def test_takes_that_were_removed_for_good_are_not_offered(qtbot: QtBot, window: MainWindow) -> None:
    window.commands.takes.delete(2)
    session = session_of(window)
    session.remove_shelves([shelf.id for shelf in all_shelves()])
    settle(qtbot, window)
    assert session.state.takes.deleted == ()
    assert not window.takes.undo_button.isVisible()


def test_the_keyboard_goes_along_the_shelf(qtbot: QtBot, window: MainWindow) -> None:
    session, clips = session_of(window), window.takes.clips
    window.activateWindow()
    qtbot.waitUntil(window.isActiveWindow)
    clips[4].setFocus()
    for number in (3, 2, 1, 1):
        qtbot.keyClick(QApplication.focusWidget(), Qt.Key.Key_Right)
        assert session.state.takes.chosen == number
    qtbot.keyClick(clips[1], Qt.Key.Key_Return)
    settle(qtbot, window)
    assert session.player.playable.title == "Take 1 · seed 41"


def test_a_take_whose_sound_is_gone_says_so(qtbot: QtBot, window: MainWindow) -> None:
    take = session_of(window).state.takes.numbered(3)
    take.wav.write_bytes(b"no sound")
    window.commands.takes.play(3)
    settle(qtbot, window)
    assert window.notices.notice_banner.isVisible()
    assert window.notices.notice_banner.title().startswith("Take 3 can't be played")


def test_the_menu_of_a_take(qtbot: QtBot, window: MainWindow, prompts: ScriptedPrompts, tmp_path: Path) -> None:
    session = session_of(window)
    menu = take_menu(window.takes, session, window.commands.takes, 2)
    actions = {action.text().replace("&", ""): action for action in menu.actions()}
    assert actions["Star"].isChecked()
    actions["Copy Seed"].trigger()
    assert QGuiApplication.clipboard().text() == "42"
    actions["Copy Settings"].trigger()
    assert "--seconds 0.25" in QGuiApplication.clipboard().text()
    assert QGuiApplication.clipboard().text().endswith("--seed 42")
    actions["Make Again"].trigger()
    settle(qtbot, window)
    again, *_ = session.state.takes.takes
    assert (again.number, again.seed) == (5, 42)
    assert (again.codes() == session.state.takes.numbered(2).codes()).all()
    actions["Delete"].trigger()
    assert session.state.takes.numbered(2) is None


# Saving


def test_a_take_is_saved_as_wav_and_as_flac(
    qtbot: QtBot, window: MainWindow, prompts: ScriptedPrompts, tmp_path: Path
) -> None:
    session_of(window).choose_take(2)
    for name in ("kick.wav", "kick.flac"):
        prompts.paths["take"] = tmp_path / name
        window.actions_table.by_id[ActionId.SAVE_TAKE].trigger()
        settle(qtbot, window)
        facts = soundfile.info(tmp_path / name)
        assert (facts.samplerate, facts.channels, facts.subtype) == (48_000, 1, "PCM_24")
    assert prompts.paths["suggested"].name == "my_drums_take2_seed42.wav"
    wav, flac = (soundfile.read(tmp_path / name, dtype="int32")[0] for name in ("kick.wav", "kick.flac"))
    assert np.array_equal(wav, flac)
    assert "Saved as kick.flac: 24 bit, 48 kHz, mono." in window.statusBar().currentMessage()


def test_all_takes_are_saved_and_nothing_is_overwritten(
    qtbot: QtBot, window: MainWindow, prompts: ScriptedPrompts, tmp_path: Path
) -> None:
    target = prompts.paths["target"] = tmp_path / "out"
    target.mkdir()
    mine = target / "my_drums_take3_seed43.wav"
    mine.write_bytes(b"mine")
    window.takes.save_all_button.click()
    settle(qtbot, window)
    names = sorted(path.name for path in target.iterdir())
    assert names == [f"my_drums_take{number}_seed{40 + number}.wav" for number in (1, 2, 3, 4)]
    assert mine.read_bytes() == b"mine"
    assert window.statusBar().currentMessage() == "3 takes saved in out. 1 file of that name was there already."


def test_a_damaged_take_hinders_no_other(
    qtbot: QtBot, window: MainWindow, prompts: ScriptedPrompts, tmp_path: Path
) -> None:
    target = prompts.paths["target"] = tmp_path / "out"
    target.mkdir()
    session_of(window).state.takes.numbered(3).wav.write_bytes(b"no sound")
    window.takes.save_all_button.click()
    settle(qtbot, window)
    names = sorted(path.name for path in target.iterdir())
    assert names == [f"my_drums_take{number}_seed{40 + number}.wav" for number in (1, 2, 4)]
    assert window.statusBar().currentMessage() == "3 takes saved in out. 1 take could not be saved."
    assert window.notices.notice_banner.title().startswith("The sound of take 3 can't be read")


def test_a_folder_that_is_gone_is_a_sentence(
    qtbot: QtBot, window: MainWindow, prompts: ScriptedPrompts, tmp_path: Path
) -> None:
    prompts.paths["take"] = tmp_path / "gone" / "kick.wav"
    session_of(window).choose_take(2)
    window.commands.takes.save()
    settle(qtbot, window)
    assert "There is no folder" in window.notices.notice_banner.title()


# Dragging out


class DropTarget(QWidget):
    """Another program's place for files."""

    def __init__(self) -> None:
        super().__init__()
        self.setAcceptDrops(True)
        self.dropped: list[Path] = []

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if event.mimeData().hasFormat("text/uri-list") and event.possibleActions() == Qt.DropAction.CopyAction:
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        event.acceptProposedAction()
        self.dropped += [Path(url.toLocalFile()) for url in event.mimeData().urls()]


def test_a_take_arrives_in_a_drop_target_as_a_wav_of_its_own(qtbot: QtBot, window: MainWindow) -> None:
    target = DropTarget()
    qtbot.addWidget(target)
    take = session_of(window).state.takes.numbered(2)
    path = copy_to_drag(take, window.commands.takes.name_of(take))
    data, held = drag_data(path), (Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier)
    enter = QDragEnterEvent(QPoint(5, 5), Qt.DropAction.CopyAction, data, *held)
    QApplication.sendEvent(target, enter)
    assert enter.isAccepted()
    QApplication.sendEvent(target, QDropEvent(QPointF(5, 5), Qt.DropAction.CopyAction, data, *held))
    (dropped,) = target.dropped
    assert dropped.name == "my_drums_take2_seed42.wav"
    assert dropped.read_bytes() == take.wav.read_bytes()
    dropped.write_bytes(b"edited")
    assert take.wav.read_bytes() != b"edited"  # the shelf's own is another file


def test_a_drag_begins_where_the_pointer_has_gone_far_enough(qtbot: QtBot) -> None:
    clip = Clip(LOOK)
    qtbot.addWidget(clip)
    clip.show()
    dragged: list[int] = []
    played: list[int] = []
    clip.drag_wanted.connect(dragged.append)
    clip.play_wanted.connect(played.append)
    far = QApplication.startDragDistance() + 2
    for way in (1, far):
        qtbot.mousePress(clip, Qt.MouseButton.LeftButton, pos=QPoint(20, 30))
        qtbot.mouseMove(clip, QPoint(20 + way, 30))
        qtbot.mouseRelease(clip, Qt.MouseButton.LeftButton, pos=QPoint(20 + way, 30))
    assert (dragged, played) == ([12], [12])


# All models' takes


def test_the_takes_of_all_models_are_listed_and_removed(
    qtbot: QtBot, window: MainWindow, prompts: ScriptedPrompts, model: Path, shared_model: Path, tmp_path: Path
) -> None:
    gone = Path(shutil.copy(shared_model, tmp_path / "gone.distill"))
    session, takes_list = session_of(window), window.actions_table.takes
    window.commands.open_model(gone)
    settle(qtbot, window)
    window.commands.open_model(model)
    settle(qtbot, window)
    gone.unlink()
    window.actions_table.by_id[ActionId.ALL_TAKES].trigger()
    settle(qtbot, window)
    dialog = takes_list.dialog
    assert dialog is not None
    rows = [[dialog.table.topLevelItem(row).text(column) for column in range(4)] for row in range(2)]
    assert {row[0]: row[1] for row in rows} == {"my drums.distill": "4", "gone.distill": "1"}
    assert {row[0]: row[3] for row in rows}["gone.distill"] == "the model is gone"
    item = next(item for row in range(2) if (item := dialog.table.topLevelItem(row)).text(0) == "gone.distill")
    dialog.table.setCurrentItem(item)
    prompts.answers["removeTakesQuestion"] = "cancel"
    dialog.remove_button.click()
    settle(qtbot, window)
    assert len(all_shelves()) == 2
    prompts.answers["removeTakesQuestion"] = "remove"
    dialog.remove_button.click()
    settle(qtbot, window)
    assert [shelf.model_name for shelf in all_shelves()] == ["my drums.distill"]
    take = session.state.takes.takes[0]
    copy_to_drag(take, window.commands.takes.name_of(take))
    prompts.answers["removeAllTakesQuestion"] = "remove"
    dialog.all_button.click()
    settle(qtbot, window)
    assert all_shelves() == []
    assert not dragged_folder().exists()
    assert session.state.takes.takes == ()
    assert dialog.note.text() == "There are no takes on this computer."
    dialog.reject()


# Words and values


def test_the_words_of_a_shelf() -> None:
    lengths = {0.25: "0.2 s", 0.8: "0.8 s", 5.0: "5 s", 59.96: "60 s", 65.0: "1:05", 600.0: "10:00"}
    assert {seconds: length(seconds) for seconds in lengths} == lengths
    assert words.shelf_text(State().with_takes(takes=(TAKE,))) == ""
    assert words.undo_tip(State().with_takes(deleted=(TAKE,))) == "Bring take 12 back"
    assert words.undo_tip(State().with_takes(deleted=(TAKE, TAKE, TAKE))) == "Bring take 12 back, then 2 more"
    saved, there = WrittenTakes((Path("a/kick.wav"),)), WrittenTakes((), 2)
    assert written_words(saved) == "Saved as kick.wav: 24 bit, 48 kHz, mono."
    assert written_words(there) == "0 takes saved. 2 files of that name were there already."
    assert written_words(WrittenTakes((Path("a/1.wav"), Path("a/2.wav")))) == "2 takes saved in a."
    assert room_words([ListedShelf("x", Path("a.distill"), True, 0, 12)], 0) == "0 takes, less than 1 kB in all."
    shelves = [ListedShelf("x", Path("a.distill"), True, 2, 3_000_000), ListedShelf("y", None, False, 1, 400_000)]
    assert room_words(shelves, 0) == "3 takes, 3.4 MB in all."
    assert room_words([], 2_000_000).endswith("Copies that were dragged into other programs: 2.0 MB.")


def test_what_is_deleted_or_starred_changes_nothing_else() -> None:
    takes = TakesState(takes=tuple(replace(TAKE, number=number) for number in (9, 8, 7)), chosen=8)
    assert [take.is_starred for take in takes.starred(8, True).takes] == [False, True, False]
    after = takes.without(8)
    assert ([take.number for take in after.takes], after.chosen, after.deleted) == ([9, 7], 7, (takes.takes[1],))
    assert takes.without(7).chosen == 8
    assert replace(takes, chosen=7).without(7).chosen == 8
    assert replace(takes, takes=takes.takes[:1], chosen=9).without(9).chosen == 0
    assert takes.without(1) == takes
    assert takes.on_shelf(takes.takes[:1]).chosen == 0


def test_the_outline_of_a_sound() -> None:
    assert outline(np.zeros(0, np.float32)) == (0.0,)
    assert outline(np.array([0.5, -1.0], np.float32)) == (0.5, 1.0)
    ramp = outline(np.linspace(0, -1, 9600, dtype=np.float32))
    assert len(ramp) == 96
    assert list(ramp) == sorted(ramp)
    assert ramp[-1] == 1.0


def test_a_clip_is_drawn_in_light_and_dark(qtbot: QtBot, palette: QPalette) -> None:
    clip = Clip(LOOK)
    qtbot.addWidget(clip)
    before = clip.grab().toImage()
    clip.show_look(replace(LOOK, is_starred=True))
    assert clip.grab().toImage() != before
    base = palette.color(QPalette.ColorRole.Base)
    assert clip.grab().toImage().pixelColor(60, 6) == base
    clip.set_compact(True)
    assert clip.sizeHint().height() < 40
