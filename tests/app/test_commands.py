"""The flows between a click and the Session, without the window: the questions, and what follows the answers."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from app.desktop.desktop_entry import DESKTOP_ENTRY
from app.flows.commands import Commands
from app.flows.help import Help
from app.session import Session
from app.session.activity import Activity, Subject
from app.session.available import ActionId
from app.session.problems import Problem
from app.session.state import SaveObstacle
from app.session.task import Task
from distill_core import read_summary, save_metadata, save_prior_to_model
from distill_core.training.prior.events import PriorEpochMetrics
from distill_core.training.prior.trained import TrainedPrior
from tests.app.driving import DiskWatch, ScriptedPrompts, bring_to, settle_session

Epoch = Callable[..., PriorEpochMetrics]
Make = Callable[..., TrainedPrior]


# The window's thread


def test_no_command_touches_the_disk_on_the_windows_thread(
    qtbot: QtBot,
    with_unsaved: Session,
    commands: Commands,
    watch: DiskWatch,
    tiny_model: Path,
    caches: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (caches / "distill" / "codes").mkdir(parents=True)
    monkeypatch.setattr("app.flows.commands.QStandardPaths.writableLocation", lambda kind: str(tmp_path))
    commands._prompts.answers["unsavedPriorQuestion"] = "cancel"
    for command in (commands.clear_cache, commands.saving.replace_changed, commands.try_demo):
        watch.threads.clear()
        watch.folders = [caches / "distill" / "codes", tiny_model, tmp_path / "Distill Demo"]
        command()
        settle_session(qtbot, with_unsaved)
        watch.folders = []
        assert watch.threads, command
        assert threading.get_ident() not in watch.threads, command
    assert (tmp_path / "Distill Demo" / "demo.distill").exists()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="desktop entries are a thing of Linux")
def test_distill_is_added_to_the_applications_menu_off_the_windows_thread(
    qtbot: QtBot,
    session: Session,
    commands: Commands,
    prompts: ScriptedPrompts,
    watch: DiskWatch,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for variable in ("HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(variable, str(tmp_path / variable))
    prompts.answers["registerDialog"] = "close"
    help_menu, entry = Help(session, commands), tmp_path / "XDG_DATA_HOME" / "applications" / DESKTOP_ENTRY
    for is_refused, said in ((False, "Distill is in the applications menu."), (True, "belongs to another program")):
        if is_refused:
            entry.write_text("another program's")
        watch.threads.clear()
        watch.folders = [tmp_path / "XDG_DATA_HOME"]
        help_menu.register()
        settle_session(qtbot, session)
        watch.folders = []
        assert watch.threads
        assert threading.get_ident() not in watch.threads
        assert prompts.asked_ids == ["registerDialog"] * (1 + is_refused)
        assert said in prompts.asked[-1].text
    assert session.state.problem is None


# Saving


def test_a_read_only_model_asks_for_a_copy_at_once(
    qtbot: QtBot, with_unsaved: Session, commands: Commands, prompts: ScriptedPrompts, tmp_path: Path
) -> None:
    obstacle = SaveObstacle("read-only", is_read_only=True)
    bring_to(qtbot, with_unsaved, with_unsaved.state.with_open(obstacle=obstacle))
    prompts.paths["copy"] = tmp_path / "copy.distill"
    commands.saving.save()
    settle_session(qtbot, with_unsaved)
    assert read_summary(tmp_path / "copy.distill").has_prior
    assert not with_unsaved.state.training.unsaved


def test_a_prior_that_another_program_put_there_meanwhile_is_asked_about(
    qtbot: QtBot,
    session: Session,
    commands: Commands,
    prompts: ScriptedPrompts,
    make_trained: Make,
    an_epoch: Epoch,
    tiny_model: Path,
) -> None:
    session.open_model(tiny_model)
    settle_session(qtbot, session)
    bring_to(qtbot, session, session.state.with_training(trained=make_trained([an_epoch(3, 400.0)]), unsaved=True))
    other = make_trained([an_epoch(3, 8.17)])
    save_prior_to_model(tiny_model, other.prior, other.config, other.metadata)
    written = tiny_model.read_bytes()
    prompts.answers["worsePriorQuestion"] = "cancel"
    commands.saving.replace_changed()
    settle_session(qtbot, session)
    assert prompts.asked_ids == ["worsePriorQuestion"]
    assert tiny_model.read_bytes() == written
    prompts.answers["worsePriorQuestion"] = "replace"
    commands.saving.replace_changed()
    settle_session(qtbot, session)
    assert not session.state.training.unsaved


def test_what_was_to_follow_a_save_is_dropped_when_that_fails(
    qtbot: QtBot, with_unsaved: Session, commands: Commands, tiny_model: Path
) -> None:
    followed: list[str] = []
    written = tiny_model.read_bytes()
    save_metadata(tiny_model, {"name": "another program's"})
    commands.saving.save(then=lambda: followed.append("after one that failed"))
    settle_session(qtbot, with_unsaved)
    assert with_unsaved.state.problem is not None
    tiny_model.write_bytes(written)
    commands.saving.save(then=lambda: followed.append("after one that succeeded"))
    settle_session(qtbot, with_unsaved)
    assert followed == ["after one that succeeded"]


def test_a_failure_of_another_kind_drops_nothing(qtbot: QtBot, with_unsaved: Session, commands: Commands) -> None:
    followed: list[str] = []
    commands.saving.save(then=lambda: followed.append("saved"))
    with_unsaved.failed.emit(Subject.RUNS, Problem("It can't be listed."))
    settle_session(qtbot, with_unsaved)
    assert followed == ["saved"]


# What may be asked for


def test_what_is_not_available_is_not_done(session: Session, commands: Commands, prompts: ScriptedPrompts) -> None:
    before = session.state
    for command in (
        commands.train,
        commands.stop,
        commands.saving.save,
        commands.saving.save_copy,
        commands.saving.restore,
    ):
        command()
    commands.keep(ActionId.KEEP_LAST)
    commands.saving.replace_changed()
    commands.sounds.leave_out_or_take_back()
    assert session.state is before
    assert not session.is_busy
    assert prompts.asked == []


def test_opening_is_refused_on_the_cards_while_it_cannot_be(qtbot: QtBot, session: Session, commands: Commands) -> None:
    said = {
        Activity.SAVING: "The model is being saved. After that the model and the sounds can be changed.",
        Activity.TRAINING: "Stop training to change the model or the sounds.",
    }
    for activity, text in said.items():
        may_end = threading.Event()
        task = Task(activity, Subject.SAVING, lambda *_, event=may_end: event.wait(5), lambda state, _: (state, []))
        session.do(task)
        commands.open_model(Path("m.distill"))
        assert (session.state.open.model_refusal, session.state.open.sounds_refusal) == (text, "")
        commands.open_sounds(Path("kicks"))
        assert (session.state.open.model_refusal, session.state.open.sounds_refusal) == ("", text)
        may_end.set()
        settle_session(qtbot, session)
