"""The window as a person uses it: real files, real threads; only the dialogs answer by themselves."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import quote

import pytest
from PySide6.QtCore import QMimeData, QPoint, QPointF, QSettings, Qt, QThread, QUrl
from PySide6.QtGui import QDragEnterEvent, QDragLeaveEvent, QDropEvent
from PySide6.QtWidgets import QApplication, QLabel, QLineEdit, QPushButton, QWidget
from pytestqt.qtbot import QtBot

from app.main_window import MainWindow
from app.panels.player_panel import HEIGHT
from app.session import Session
from app.session.activity import Activity
from app.session.available import ActionId
from app.session.problems import Problem
from distill_core import load_model_v2, read_summary
from distill_core.audit.record import AuditSettings
from distill_core.events import stop_point
from distill_core.files.archive import read_archive
from tests.app.driving import (
    WAIT_MS,
    PatientPrompts,
    ScriptedPrompts,
    leave_questions_open,
    make_short_takes,
    session_of,
    settle,
)

SMALL = {"hidden_size": 32, "num_layers": 1, "num_heads": 2}
HELD = (Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier)


@pytest.fixture
def prompts() -> ScriptedPrompts:
    return ScriptedPrompts()


@pytest.fixture
def window(qtbot: QtBot, prompts: ScriptedPrompts, tmp_path: Path) -> Iterator[MainWindow]:
    QSettings.setPath(QSettings.Format.IniFormat, QSettings.Scope.UserScope, str(tmp_path / "settings"))
    session = Session()
    make_short_takes(session)
    window = MainWindow(session, prompts)
    window.options.form.set_overrides({**SMALL, "max_epochs": 3})
    window.show()
    qtbot.waitExposed(window)
    yield window
    window._may_close = True
    window.close()
    # On a busy machine, closing does not wait for the import of the engine to end.
    qtbot.waitUntil(lambda: all(thread.isFinished() for thread in session.findChildren(QThread)), timeout=WAIT_MS)
    window.deleteLater()
    session.deleteLater()


def _dragged(paths: Sequence[Path | str]) -> QMimeData:
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path)) if isinstance(path, Path) else QUrl(path) for path in paths])
    return data


def _enter(widget: QWidget, *paths: Path | str) -> bool:
    data = _dragged(paths)  # an event holds no reference to it
    enter = QDragEnterEvent(QPoint(20, 20), Qt.DropAction.CopyAction, data, *HELD)
    QApplication.sendEvent(widget, enter)
    return enter.isAccepted()


def _drop(widget: QWidget, *paths: Path | str) -> bool:
    """Drop as the desktop does: enter, then drop where the entering was taken."""
    if not _enter(widget, *paths):
        return False
    data = _dragged(paths)
    drop = QDropEvent(QPointF(20, 20), Qt.DropAction.CopyAction, data, *HELD)
    QApplication.sendEvent(widget, drop)
    return drop.isAccepted()


def _button(window: MainWindow) -> QPushButton:
    return window.findChild(QPushButton, "trainButton")


def _action(window: MainWindow, identity: ActionId):
    return window.actions_table.by_id[identity]


def _texts(widget: QWidget) -> str:
    return "\n".join(label.text() for label in widget.findChildren(QLabel) if label.isVisible())


@pytest.fixture
def ready(qtbot: QtBot, window: MainWindow, tiny_model: Path, sounds_folder: Path) -> MainWindow:
    assert _drop(window, tiny_model, sounds_folder)
    settle(qtbot, window)
    assert session_of(window).state.open.is_ready
    return window


def _train(qtbot: QtBot, window: MainWindow) -> None:
    qtbot.mouseClick(_button(window), Qt.MouseButton.LeftButton)
    assert session_of(window).state.is_training
    settle(qtbot, window)


def test_stable_names(window: MainWindow) -> None:
    page = (Path(__file__).parents[2] / "docs" / "architecture.md").read_text(encoding="utf-8")
    table = page.partition("## The window's regions")[2].partition("## Threads")[0]
    names = {
        name for row in table.splitlines() if row.startswith("| ") for name in re.findall(r"`([a-z]+[A-Z]\w+)`", row)
    }
    assert {"modelCard", "soundsCard", "trainButton", "perplexityPlot", "memorizationBanner", "inspectPanel"} <= names
    for name in names:
        assert window.findChild(QWidget, name) is not None, name
    assert window.actions_table.by_id[ActionId.SAVE_PRIOR].objectName() == "savePriorAction"
    assert session_of(window).findChildren(QThread)


def test_the_empty_window(window: MainWindow) -> None:
    assert not _button(window).isEnabled()
    assert "Drop sounds or a model to begin." in _texts(window)
    assert not _action(window, ActionId.SAVE_PRIOR).isEnabled()


def test_drop_train_save_reopen(qtbot: QtBot, ready: MainWindow, tiny_model: Path) -> None:
    session, epochs = session_of(ready), []
    session.epoch_finished.connect(epochs.append)
    assert "Ready. 6 sounds" in ready.stage.sentence.text()
    _train(qtbot, ready)
    assert [epoch.epoch for epoch in epochs] == [1, 2, 3]
    assert ready.learning.plot.epoch_count == 3
    assert ready.isWindowModified()
    assert _button(ready).text() == "Train Again"
    assert ready.notices.notice_banner.isVisible()
    _action(ready, ActionId.SAVE_PRIOR).trigger()
    settle(qtbot, ready)
    assert not ready.isWindowModified()
    assert not session.state.training.unsaved
    assert load_model_v2(tiny_model).prior is not None
    assert "frames" in ready.inspect.view.as_text()
    assert ready.learning.plot.epoch_count == 3
    assert ready.statusBar().currentMessage().startswith("Saved into tiny.distill. The older Distill no longer opens")


def test_clear_cache_says_what_it_freed(qtbot: QtBot, ready: MainWindow, caches: Path) -> None:
    _train(qtbot, ready)
    assert any((caches / "distill" / "codes").iterdir())
    _action(ready, ActionId.CLEAR_CACHE).trigger()
    settle(qtbot, ready)
    # A block each: in three epochs three sounds in three versions, three as they are.
    assert ready.statusBar().currentMessage() == "Cache cleared: 49 kB freed."
    assert not any((caches / "distill" / "codes").iterdir())
    _action(ready, ActionId.CLEAR_CACHE).trigger()
    settle(qtbot, ready)
    assert ready.statusBar().currentMessage() == "The cache was empty already."


def test_the_window_and_the_terminal_write_the_same_file(
    qtbot: QtBot, ready: MainWindow, tiny_model: Path, sounds_folder: Path, tmp_path: Path, shared_tiny_model: Path
) -> None:
    import torch
    from typer.testing import CliRunner

    from distill_core.cli import app

    other = Path(shutil.copy(shared_tiny_model, tmp_path / "other.distill"))
    flags = ["--epochs", "3", "--hidden-size", "32", "--layers", "1", "--heads", "2"]
    assert CliRunner().invoke(app, ["train-prior", str(other), str(sounds_folder), *flags]).exit_code == 0
    session = session_of(ready)
    session.samples = AuditSettings().samples
    _train(qtbot, ready)
    qtbot.waitUntil(lambda: session.state.copying.record is not None, timeout=WAIT_MS)
    ready.commands.saving.save()
    settle(qtbot, ready)
    first, second = read_archive(tiny_model)[0], read_archive(other)[0]
    for values in (first, second):
        del values["prior_metadata"]["training_date"], values["prior_metadata"]["audit"]["date"]
    states = [(values.pop("model_state_dict"), values.pop("prior_state_dict")) for values in (first, second)]
    for ours, theirs in zip(*states, strict=True):
        assert list(ours) == list(theirs)
        assert all(torch.equal(ours[key], theirs[key]) for key in ours)
    assert first == second
    assert list(first) == list(second)


def test_a_prior_that_the_ancestor_cannot_open_keeps_a_backup_and_says_so(
    qtbot: QtBot, ready: MainWindow, tiny_model: Path
) -> None:
    before = tiny_model.read_bytes()
    ready.options.form.set_overrides({**SMALL, "max_epochs": 1, "architecture": "frames"})
    _train(qtbot, ready)
    ready.commands.saving.save()
    settle(qtbot, ready)
    assert tiny_model.with_name("tiny.distill.bak").read_bytes() == before
    assert "“tiny.distill.bak” keeps it as it was" in ready.statusBar().currentMessage()
    assert "“tiny.distill.bak” keeps it as it was" in _texts(ready.inspect)


def test_stop_keeps_the_best(qtbot: QtBot, ready: MainWindow) -> None:
    session = session_of(ready)
    ready.options.form.set_overrides({**SMALL, "max_epochs": 100_000})
    with qtbot.waitSignal(session.epoch_finished, timeout=WAIT_MS):
        qtbot.mouseClick(_button(ready), Qt.MouseButton.LeftButton)
    assert _button(ready).text() in ("Stop", "Stop and Keep Best")
    qtbot.mouseClick(_button(ready), Qt.MouseButton.LeftButton)
    assert _button(ready).text() == "Stopping…"
    assert not _button(ready).isEnabled()
    settle(qtbot, ready)
    assert session.state.training.trained is not None
    assert session.state.training.trained.stopped_early
    assert session.state.training.unsaved
    assert ready.stage.sentence.text().startswith("Stopped. It ")


def test_stopping_at_once_leaves_nothing_to_save(qtbot: QtBot, ready: MainWindow) -> None:
    ready.options.form.set_overrides({**SMALL, "max_epochs": 100_000})
    _button(ready).click()
    _button(ready).click()
    settle(qtbot, ready)
    assert not session_of(ready).state.training.unsaved
    assert ready.stage.sentence.text() == "Stopped before the first epoch: nothing to save."


def test_a_model_and_a_folder_in_quick_succession_are_both_taken(
    qtbot: QtBot, window: MainWindow, tiny_model: Path, sounds_folder: Path
) -> None:
    assert _drop(window.chips.sounds_card, sounds_folder)
    assert _drop(window.chips.model_card, tiny_model)
    settle(qtbot, window)
    assert session_of(window).state.open.is_ready


@pytest.mark.parametrize("card", ["modelCard", "soundsCard"])
def test_a_click_on_a_card_browses(
    qtbot: QtBot, window: MainWindow, prompts: ScriptedPrompts, tiny_model: Path, sounds_folder: Path, card: str
) -> None:
    prompts.paths = {"model": tiny_model, "folder": sounds_folder}
    qtbot.mouseClick(window.findChild(QWidget, card), Qt.MouseButton.LeftButton)
    settle(qtbot, window)
    state = session_of(window).state
    assert (state.open.model is not None, state.open.dataset is not None) == (card == "modelCard", card == "soundsCard")


def _empty(folder: Path, *names: str) -> list[Path]:
    """Return new empty files: their names say their kind."""
    paths = [folder / name for name in names]
    for path in paths:
        path.touch()
    return paths


def test_wrong_drops_are_answered_in_place(window: MainWindow, qtbot: QtBot, tmp_path: Path, tiny_model: Path) -> None:
    model_card, sounds_card = window.chips.model_card, window.chips.sounds_card
    picture, archive = _empty(tmp_path, "cover.jpg", "pack.zip")
    assert _drop(model_card, picture)
    assert "“cover.jpg” is not a Distill model." in _texts(model_card)
    assert _drop(window, archive)
    assert "“pack.zip” is an archive: unpack it first, then drop the folder." in _texts(sounds_card)
    assert model_card.refusal() == ""
    assert _drop(sounds_card, tiny_model, tiny_model.with_name("other.distill"), picture)
    assert model_card.refusal() == "Drop one model at a time."
    assert sounds_card.refusal() == "“cover.jpg” is not a sound. Drop sounds, or folders of sounds."
    assert _drop(model_card, "https://example.org/x.distill")
    assert "Only files on this computer can be dropped." in _texts(model_card)
    assert _drop(window, tiny_model)
    settle(qtbot, window)
    assert (model_card.refusal(), sounds_card.refusal()) == ("", "")
    assert session_of(window).state.open.dataset is None


def test_what_a_drag_would_do_is_seen_before_it_is_dropped(
    window: MainWindow, tmp_path: Path, tiny_model: Path, sounds_folder: Path
) -> None:
    archive, unknown = _empty(tmp_path, "pack.zip", "recording")
    sound = min(sounds_folder.iterdir())
    looks = [
        ([archive], "invalid", "invalid"),
        ([unknown], "none", "valid"),
        ([sound], "none", "valid"),
        ([sounds_folder], "none", "valid"),
        ([archive, sound], "none", "valid"),
        ([tiny_model], "valid", "none"),
        ([tiny_model, sounds_folder], "valid", "valid"),
        ([tiny_model, tiny_model.with_name("other.distill")], "invalid", "invalid"),
    ]
    chips = (window.chips.model_card, window.chips.sounds_card)
    for paths, *wanted in looks:
        for under_it in (window, window.chips.model_card, window.chips.sounds_card, window.chips.takes_card):
            assert _enter(under_it, *paths)  # what is not taken is answered in words
            assert [chip.drag_state() for chip in chips] == wanted, paths
            QApplication.sendEvent(under_it, QDragLeaveEvent())
            assert [chip.drag_state() for chip in chips] == ["none", "none"]


def test_sounds_come_from_several_places_in_one_drop(
    qtbot: QtBot, window: MainWindow, prompts: ScriptedPrompts, tmp_path: Path, tiny_model: Path, sounds_folder: Path
) -> None:
    first, second = tmp_path / "kicks", tmp_path / "snares"
    for folder in (first, second):
        folder.mkdir()
    one, two, three, *_ = sorted(sounds_folder.iterdir())
    sources = (Path(shutil.move(one, first)).parent, Path(shutil.move(two, second)).parent, three)
    _empty(first, "more.zip", ".far away.wav.icloud")
    beside = _empty(tmp_path, "cover.jpg", "pack.zip")
    assert _drop(window.chips.model_card, beside[0], sources[0], tiny_model, *sources[1:], beside[1])
    assert "Looking through kicks and 4 more…" in _texts(window.chips.sounds_card)
    settle(qtbot, window)
    dataset = session_of(window).state.open.dataset
    assert dataset.sources == sources
    assert [file.name for file in dataset.files] == ["kicks/sound 0.wav", "snares/sound 1.flac", "sound 2.wav"]
    cloud, others = "1 file is in iCloud only", "2 archives and 1 other file passed over"
    assert f"{cloud}, {others}" in window.chips.sounds_card.accessibleDescription()
    assert all(str(source) in window.sounds_page.choose_button.toolTip() for source in sources)
    assert window.sounds_page.heading.text().endswith(f"{cloud}, {others}")
    assert _drop(window, sounds_folder)
    settle(qtbot, window)
    assert session_of(window).state.open.dataset.sources == (sounds_folder,)
    assert "passed over" not in window.sounds_page.heading.text()
    assert "passed over" not in _texts(window.chips.sounds_card)
    assert session_of(window).settings.last_folder("sounds") == sounds_folder


def test_a_training_has_the_sounds_of_each_place(
    qtbot: QtBot, window: MainWindow, tiny_model: Path, sounds_folder: Path
) -> None:
    assert _drop(window, tiny_model, *sorted(sounds_folder.iterdir())[1:5])
    settle(qtbot, window)
    _train(qtbot, window)
    assert session_of(window).state.training.trained.metadata["dataset_file_count"] == 4
    assert session_of(window).settings.last_folder("sounds") == sounds_folder


def test_text_that_is_dragged_is_answered_for_what_it_is(window: MainWindow) -> None:
    data = QMimeData()
    data.setText("drums.distill")
    for card in (window.chips.model_card, window.chips.sounds_card):
        window.statusBar().clearMessage()
        QApplication.sendEvent(card, QDragEnterEvent(QPoint(9, 9), Qt.DropAction.CopyAction, data, *HELD))
        assert window.statusBar().currentMessage() == "Only files on this computer can be dropped."


def test_files_that_cannot_be_opened_are_refused_on_their_card(
    qtbot: QtBot, ready: MainWindow, tmp_path: Path, tiny_model: Path
) -> None:
    damaged, empty = tmp_path / "x.distill", tmp_path / "empty"
    damaged.write_bytes(b"PK\x03\x04" + bytes(5000))
    empty.mkdir()
    _drop(ready, damaged, empty)
    settle(qtbot, ready)
    assert "damaged or not a Distill model" in _texts(ready.chips.model_card)
    assert "No sounds in “empty”." in _texts(ready.chips.sounds_card)
    state = session_of(ready).state
    assert state.open.model is not None
    assert state.open.model.path == tiny_model
    assert "tiny.distill" in _texts(ready.chips.model_card)


def test_drops_are_refused_while_training(qtbot: QtBot, ready: MainWindow, tiny_model: Path) -> None:
    ready.options.form.set_overrides({**SMALL, "max_epochs": 100_000})
    _button(ready).click()
    assert not _drop(ready, tiny_model)
    assert "Stop training" in ready.statusBar().currentMessage()
    assert not _drop(ready.chips.model_card, tiny_model)
    ready.commands.stop()
    settle(qtbot, ready)


def test_replacing_a_prior_is_asked_about(
    qtbot: QtBot, ready: MainWindow, prompts: ScriptedPrompts, tiny_model: Path, tmp_path: Path
) -> None:
    prompts.answers = {"unsavedPriorQuestion": "discard"}
    ready.options.form.set_overrides({**SMALL, "max_epochs": 3, "learning_rate": 0.02})  # better than guessing
    _train(qtbot, ready)
    ready.commands.saving.save()
    settle(qtbot, ready)
    first = tiny_model.read_bytes()
    _train(qtbot, ready)
    prompts.answers["replacePriorQuestion"] = "cancel"
    ready.commands.saving.save()
    assert tiny_model.read_bytes() == first
    assert "“tiny.distill.bak” until the next save" in prompts.asked[-1].text
    prompts.answers["replacePriorQuestion"] = "copy"
    prompts.paths["copy"] = tmp_path / "copy.distill"
    ready.commands.saving.save()
    settle(qtbot, ready)
    assert tiny_model.read_bytes() == first
    assert read_summary(tmp_path / "copy.distill").has_prior
    assert not session_of(ready).state.training.unsaved


def test_an_unsaved_prior_is_asked_about_before_another_model(
    qtbot: QtBot, ready: MainWindow, prompts: ScriptedPrompts, shared_tiny_model: Path, tmp_path: Path
) -> None:
    other = Path(shutil.copy(shared_tiny_model, tmp_path / "other.distill"))
    _train(qtbot, ready)
    prompts.answers = {"unsavedPriorQuestion": "cancel"}
    _drop(ready, other)
    assert prompts.asked_ids == ["unsavedPriorQuestion"]
    assert session_of(ready).state.training.unsaved
    prompts.answers = {"unsavedPriorQuestion": "save"}
    _drop(ready, other)
    settle(qtbot, ready)
    qtbot.waitUntil(lambda: session_of(ready).state.open.model.path == other, timeout=WAIT_MS)
    assert read_summary(tmp_path / "tiny.distill").has_prior
    assert not read_summary(other).has_prior


@pytest.mark.parametrize("answer", ["cancel", "discard", "save"])
def test_closing_while_training(
    qtbot: QtBot, ready: MainWindow, prompts: ScriptedPrompts, tiny_model: Path, answer: str
) -> None:
    session = session_of(ready)
    ready.options.form.set_overrides({**SMALL, "max_epochs": 100_000})
    with qtbot.waitSignal(session.epoch_finished, timeout=WAIT_MS):
        _button(ready).click()
    prompts.answers = {"quitTrainingQuestion": answer}
    ready.close()
    assert prompts.asked_ids == ["quitTrainingQuestion"]
    if answer == "cancel":
        assert ready.isVisible()
        assert session.state.is_training
        ready.commands.stop()
        settle(qtbot, ready)
        return
    qtbot.waitUntil(lambda: not ready.isVisible(), timeout=WAIT_MS)
    assert read_summary(tiny_model).has_prior is (answer == "save")
    assert all(thread.isFinished() for thread in session.findChildren(QThread))


@pytest.mark.parametrize("answer", ["cancel", "discard", "save"])
def test_closing_with_an_unsaved_prior(
    qtbot: QtBot, ready: MainWindow, prompts: ScriptedPrompts, tiny_model: Path, answer: str
) -> None:
    _train(qtbot, ready)
    prompts.answers = {"unsavedPriorQuestion": answer}
    ready.close()
    if answer == "cancel":
        assert ready.isVisible()
        return
    qtbot.waitUntil(lambda: not ready.isVisible(), timeout=WAIT_MS)
    assert read_summary(tiny_model).has_prior is (answer == "save")


def test_the_end_of_the_desktop_session_saves_and_asks_nothing(
    qtbot: QtBot, ready: MainWindow, prompts: ScriptedPrompts, tiny_model: Path
) -> None:
    ready.options.form.set_overrides({**SMALL, "max_epochs": 100_000})
    with qtbot.waitSignal(session_of(ready).epoch_finished, timeout=WAIT_MS):
        _button(ready).click()
    ready.closing.on_desktop_session_end()
    assert prompts.asked == []
    assert read_summary(tiny_model).has_prior


def test_a_save_that_fails_keeps_the_prior_and_says_so(qtbot: QtBot, ready: MainWindow, tiny_model: Path) -> None:
    _train(qtbot, ready)
    values, _ = read_archive(tiny_model)
    values["metadata"]["name"] = "changed meanwhile"
    import torch

    torch.save(values, tiny_model)
    changed = tiny_model.read_bytes()
    ready.commands.saving.save()
    settle(qtbot, ready)
    assert tiny_model.read_bytes() == changed
    assert session_of(ready).state.training.unsaved
    assert "changed by another program" in _texts(ready.notices.notice_banner)


def test_wrong_options_keep_training_from_starting(ready: MainWindow) -> None:
    ready.options.form.set_overrides({"hidden_size": 32, "num_heads": 5})
    assert not _button(ready).isEnabled()
    assert "options" in ready.stage.sentence.text()
    assert not _action(ready, ActionId.TRAIN).isEnabled()
    ready.options.form.set_overrides({})
    assert _button(ready).isEnabled()


def test_recent_models_are_listed_and_forgotten_when_gone(
    qtbot: QtBot, ready: MainWindow, tiny_model: Path, tmp_path: Path
) -> None:
    recents = ready.actions_table.recents
    recents.aboutToShow.emit()
    assert recents.actions()[0].text() == "tiny.distill"
    tiny_model.rename(tmp_path / "elsewhere.distill")
    recents.actions()[0].trigger()
    assert "has moved" in _texts(ready.chips.model_card)
    recents.aboutToShow.emit()
    assert "tiny.distill" not in [action.text() for action in recents.actions()]


def test_twenty_thousand_set_texts(window: MainWindow) -> None:
    """A PySide6 that loses a reference to None at each call would end the process here."""
    for number in range(20_000):
        window.stage.sentence.setText(str(number))
    assert window.stage.sentence.text() == "19999"


def test_garbage_with_dialogs_while_training(qtbot: QtBot, ready: MainWindow) -> None:
    """Dialogs in reference cycles, collected while the other thread makes garbage: this killed the process."""
    from PySide6.QtWidgets import QMessageBox

    ready.options.form.set_overrides({**SMALL, "max_epochs": 100_000})
    _button(ready).click()
    for _ in range(60):
        box = QMessageBox(ready)
        box.cycle = box
        box.setText("x")
        box.open()
        qtbot.wait(10)
        box.close()
        del box
        cycles = [[] for _ in range(2000)]
        for cycle in cycles:
            cycle.append(cycle)
    ready.commands.stop()
    settle(qtbot, ready)


def test_a_session_that_nobody_closed_does_not_end_the_process() -> None:
    """Qt aborts when a QThread object goes while its thread runs."""
    script = "from PySide6.QtWidgets import QApplication\nfrom app.session import Session\n"
    script += "application = QApplication([])\nSession().load_engine()\nkept = Session()\n"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_second_model_still_waiting_is_named(qtbot: QtBot, window: MainWindow, tiny_model: Path) -> None:
    other = Path(shutil.copy(tiny_model, tiny_model.with_name("other.distill")))
    sentences = []
    session_of(window).state_changed.connect(lambda state: sentences.append(window.stage.sentence.text()))
    assert _drop(window, tiny_model)
    assert _drop(window, other)
    settle(qtbot, window)
    assert "Opening other.distill…" in sentences
    assert "Opening the model…" not in sentences
    assert session_of(window).state.open.model.path == other


@pytest.fixture
def patient(ready: MainWindow) -> PatientPrompts:
    return leave_questions_open(ready)


def _scan_slowly(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Make the next scans wait for the event, or for a stop."""
    import distill_core

    scan, may_go_on = distill_core.scan, threading.Event()

    def wait_then_scan(*sources, on_event, should_stop):
        while not may_go_on.wait(0.01):
            stop_point(should_stop)
        return scan(*sources, on_event=on_event, should_stop=should_stop)

    monkeypatch.setattr(distill_core, "scan", wait_then_scan)
    return may_go_on


def test_saving_while_a_folder_is_scanned_comes_after_it(
    qtbot: QtBot, ready: MainWindow, patient: PatientPrompts, tiny_model: Path, sounds_folder: Path, monkeypatch
) -> None:
    other = Path(shutil.copy(tiny_model, tiny_model.with_name("other.distill")))
    _train(qtbot, ready)
    may_go_on = _scan_slowly(monkeypatch)
    assert _drop(ready, sounds_folder)
    qtbot.waitUntil(lambda: session_of(ready).state.work is Activity.SCANNING)
    assert _drop(ready, other)
    patient.answer("save")
    may_go_on.set()
    qtbot.waitUntil(lambda: session_of(ready).state.open.model.path == other, timeout=WAIT_MS)
    assert read_summary(tiny_model).has_prior
    settle(qtbot, ready)


def test_closing_with_save_while_a_folder_is_scanned_does_not_wait_for_it(
    qtbot: QtBot, ready: MainWindow, patient: PatientPrompts, tiny_model: Path, sounds_folder: Path, monkeypatch
) -> None:
    _train(qtbot, ready)
    _scan_slowly(monkeypatch)
    ready.commands.open_sounds(sounds_folder)
    qtbot.waitUntil(lambda: session_of(ready).state.work is Activity.SCANNING)
    ready.close()
    patient.answer("save")
    qtbot.waitUntil(lambda: not ready.isVisible(), timeout=WAIT_MS)
    assert read_summary(tiny_model).has_prior


def test_quitting_without_saving_does_not_wait_for_a_long_step(
    qtbot: QtBot, ready: MainWindow, prompts: ScriptedPrompts, monkeypatch
) -> None:
    import distill_core

    step_may_end = threading.Event()

    def take_a_long_step(*_, should_stop, **__):
        step_may_end.wait(10)
        stop_point(should_stop)

    monkeypatch.setattr(distill_core, "train_prior", take_a_long_step)
    prompts.answers = {"quitTrainingQuestion": "discard"}
    _button(ready).click()
    qtbot.waitUntil(lambda: session_of(ready).state.work is Activity.PREPARING)
    ready.close()
    qtbot.waitUntil(lambda: not ready.isVisible(), timeout=3000)
    step_may_end.set()
    assert session_of(ready).close(5000)


def test_a_failed_save_is_forgotten_when_the_next_succeeds(qtbot: QtBot, ready: MainWindow, tiny_model: Path) -> None:
    _train(qtbot, ready)
    moved = tiny_model.rename(tiny_model.with_name("moved.distill"))
    _action(ready, ActionId.SAVE_PRIOR).trigger()
    settle(qtbot, ready)
    assert "There is no file" in _texts(ready.notices.notice_banner)
    moved.rename(tiny_model)
    _action(ready, ActionId.SAVE_PRIOR).trigger()
    settle(qtbot, ready)
    assert not session_of(ready).state.training.unsaved
    assert not ready.notices.notice_banner.isVisible()


def test_in_the_smallest_window_the_curve_can_be_read_beside_a_banner(qtbot: QtBot, ready: MainWindow) -> None:
    ready.resize(ready.minimumSize())
    _train(qtbot, ready)
    banner, plot = ready.notices.notice_banner, ready.learning.plot
    qtbot.waitUntil(lambda: ready.takes.clips and not ready.takes.visibleRegion().isEmpty())
    assert (banner.isVisible(), ready.size()) == (True, ready.minimumSize())
    assert plot.height() >= plot.minimumSizeHint().height()
    for label in [label for label in banner.findChildren(QLabel) if label.isVisible() and label.text()]:
        assert label.height() >= label.heightForWidth(label.width())
    for button in [button for button in ready.findChildren(QPushButton) if button.isVisible()]:
        assert button.height() >= 28, button.text()
    ready.resize(1040, 720)
    assert ready.player.height() == HEIGHT


@pytest.mark.parametrize("name", ["a\nb", "R&B", "<b>x<br>", "x" * 240, "[*] star", os.fsdecode(b"caf\xe9")])
def test_odd_names_are_shown_as_they_are(
    qtbot: QtBot, window: MainWindow, tiny_model: Path, sounds_folder: Path, name: str
) -> None:
    model = tiny_model.rename(tiny_model.with_name(f"{name}.distill"))
    width, widths = window.minimumSizeHint().width(), []
    session_of(window).state_changed.connect(lambda state: widths.append(window.minimumSizeHint().width()))
    folder = sounds_folder.rename(sounds_folder.with_name(name))
    assert _drop(window, *("file://" + quote(os.fsencode(path)) for path in (model, folder)))
    settle(qtbot, window)
    assert session_of(window).state.open.model.path == model
    _train(qtbot, window)
    assert max([*widths, window.minimumSizeHint().width()]) == width
    assert window.stage.sentence.textFormat() == Qt.TextFormat.PlainText
    assert "\n" not in window.windowTitle()
    assert not any("<br>" in widget.toolTip() for widget in window.findChildren(QWidget))
    save = window.notices.notice_banner.button("save")
    assert save.text().startswith("Save into ")
    assert save.text().replace("&&", "").count("&") == 0
    save.click()
    settle(qtbot, window)
    assert read_summary(model).has_prior
    window.actions_table.recents.aboutToShow.emit()
    first = window.actions_table.recents.actions()[0]
    assert "\n" not in first.text()
    assert first.text().replace("&&", "").count("&") == 0


def test_a_drop_is_taken_as_a_copy(qtbot: QtBot, window: MainWindow, tiny_model: Path) -> None:
    """A move, which Shift asks for, may make the file manager delete what was dropped."""
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(tiny_model))])
    either = Qt.DropAction.CopyAction | Qt.DropAction.MoveAction
    for widget in (window, window.chips.model_card):
        for kind, where in ((QDragEnterEvent, QPoint(9, 9)), (QDropEvent, QPointF(9, 9))):
            event = kind(where, either, data, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.ShiftModifier)
            QApplication.sendEvent(widget, event)
            assert (event.isAccepted(), event.dropAction()) == (True, Qt.DropAction.CopyAction)
    settle(qtbot, window)


def test_a_file_dropped_on_any_part_is_opened(qtbot: QtBot, window: MainWindow, tiny_model: Path) -> None:
    """Text fields would take its address as text."""
    from PySide6.QtWidgets import QLineEdit

    qtbot.waitUntil(lambda: window.learning.plot._canvas is not None)
    assert not any(field.acceptDrops() for field in window.findChildren(QLineEdit))
    for widget in (window.learning.plot._canvas, window.inspect, window.options.form):
        assert _drop(widget, tiny_model)
        settle(qtbot, window)
        assert session_of(window).state.open.model.path == tiny_model


def test_a_demo_that_cannot_be_copied_is_refused_in_words(
    qtbot: QtBot, window: MainWindow, tmp_path: Path, monkeypatch
) -> None:
    (tmp_path / "home").write_text("a file where a folder should be")
    monkeypatch.setattr("app.flows.commands.QStandardPaths.writableLocation", lambda kind: str(tmp_path / "home"))
    window.commands.try_demo()
    settle(qtbot, window)
    assert "The demo can't be copied" in _texts(window.chips.model_card)


def test_one_crash_dialog_at_a_time(window: MainWindow) -> None:
    patient = leave_questions_open(window)
    for _ in range(3):
        window.commands.report_bug(Problem("a bug", "", "details"))
    assert patient.asked_ids == ["crashDialog"]
    patient.answer("close")
    window.commands.report_bug(Problem("another", "", "details"))
    assert len(patient.asked) == 2


def test_a_drop_while_saving_is_refused_for_what_it_is(qtbot: QtBot, ready: MainWindow, tiny_model: Path) -> None:
    _train(qtbot, ready)
    ready.commands.saving.save()
    assert not _drop(ready, tiny_model)
    assert "being saved" in ready.statusBar().currentMessage()
    settle(qtbot, ready)


def test_new_sounds_after_a_saved_training_are_ready(qtbot: QtBot, ready: MainWindow, sounds_folder: Path) -> None:
    _train(qtbot, ready)
    ready.commands.open_sounds(sounds_folder)
    settle(qtbot, ready)
    assert ready.stage.sentence.text().startswith("Finished. ")
    ready.commands.saving.save()
    settle(qtbot, ready)
    ready.commands.open_sounds(sounds_folder)
    settle(qtbot, ready)
    assert ready.stage.sentence.text().startswith("Ready. 6 sounds")


def test_the_tab_key_reaches_the_notice_before_the_plot(qtbot: QtBot, ready: MainWindow) -> None:
    _train(qtbot, ready)
    card, plot = ready.chips.sounds_card, ready.learning.plot
    after, chain = card.nextInFocusChain(), []
    while after is not card:
        chain.append(after)
        after = after.nextInFocusChain()
    save = ready.notices.notice_banner.button("save")
    assert chain.index(ready.chips.model_card) < chain.index(save) < chain.index(plot)


def test_a_sound_that_changed_since_the_scan_is_named(qtbot: QtBot, ready: MainWindow, sounds_folder: Path) -> None:
    sounds = sorted(sounds_folder.iterdir())
    sounds[0].unlink()
    shutil.copy(sounds[1], sounds[2])
    _train(qtbot, ready)
    said = ready.chips.sounds_card.refusal()
    assert said.startswith("Left out of the training: sound 0.wav (")
    assert said.endswith(", and 1 more file.")
    ready.commands.open_sounds(sounds_folder)
    settle(qtbot, ready)
    assert ready.chips.sounds_card.refusal() == ""


def test_choosing_flat_shows_and_trains_what_flat_takes(qtbot: QtBot, ready: MainWindow) -> None:
    ready.options.form.set_overrides({"architecture": "flat"})
    assert ready.options.form.overrides() == {"architecture": "flat"}
    assert "auto: 50" in [edit.placeholderText() for edit in ready.options.findChildren(QLineEdit)]
    ready.options.form.set_overrides({**SMALL, "architecture": "flat", "max_epochs": 1})
    _train(qtbot, ready)
    trained = session_of(ready).state.training.trained
    assert trained is not None
    assert trained.config["architecture"] == "flat"
    ready.options.form.reset()
    assert ready.options.form.overrides() == {}
    assert "auto: 40" in [edit.placeholderText() for edit in ready.options.findChildren(QLineEdit)]
