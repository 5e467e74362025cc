"""Closing the window without a loss, without the window: the questions, and what each answer waits for."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from PySide6.QtCore import QCoreApplication
from pytestqt.qtbot import QtBot

from app.flows.closing import Closing
from app.flows.commands import Commands
from app.session import Session
from app.session.activity import Activity, Subject
from app.session.problems import Problem
from app.session.task import Task
from app.session.tasks.training import training
from distill_core import read_summary
from distill_core.audio.dataset import AudioDataset
from distill_core.errors import SaveError
from distill_core.training.events import Ended
from distill_core.training.prior.events import PriorEpochMetrics
from distill_core.training.prior.trained import TrainedPrior
from tests.app.driving import WAIT_MS, ScriptedPrompts, bring_to, settle_session

Epoch = Callable[..., PriorEpochMetrics]


@pytest.fixture
def closing(session: Session, commands: Commands) -> Closing:
    return Closing(session, commands)


def test_an_idle_window_closes_at_once(closing: Closing, prompts: ScriptedPrompts) -> None:
    assert closing.may_close()
    assert prompts.asked == []


@pytest.mark.parametrize("answer", ["cancel", "discard", "save"])
def test_closing_with_an_unsaved_prior_follows_the_answer(
    qtbot: QtBot,
    with_unsaved: Session,
    closing: Closing,
    prompts: ScriptedPrompts,
    tiny_model: Path,
    answer: str,
) -> None:
    closes: list[bool] = []
    closing.close_now.connect(lambda: closes.append(True))
    prompts.answers["unsavedPriorQuestion"] = answer
    assert not closing.may_close()
    settle_session(qtbot, with_unsaved)
    if answer != "cancel":
        qtbot.waitUntil(lambda: bool(closes), timeout=WAIT_MS)
    assert read_summary(tiny_model).has_prior is (answer == "save")
    assert with_unsaved.state.training.unsaved is (answer == "cancel")
    assert closes == [True] * (answer != "cancel")


def test_closing_while_saving_waits_for_the_save(
    qtbot: QtBot, with_unsaved: Session, closing: Closing, commands: Commands, tiny_model: Path
) -> None:
    commands.saving.save()
    with qtbot.waitSignal(closing.close_now, timeout=WAIT_MS):
        assert not closing.may_close()
    assert read_summary(tiny_model).has_prior


def _train(session: Session, may_end: threading.Event, error: Exception | None = None) -> None:
    """Begin a training that goes on, even if it is stopped, until it may end."""

    def run(on_event: object, should_stop: object) -> TrainedPrior:
        may_end.wait(5)
        if error is not None:
            raise error
        return TrainedPrior.none(Ended.STOPPED)

    take = training(Path("m.distill"), AudioDataset((), ()), {}).take
    session.do(Task(Activity.TRAINING, Subject.TRAINING, run, take))


def test_a_training_that_fails_while_quitting_waits_for_it_closes_too(
    qtbot: QtBot, with_unsaved: Session, closing: Closing, prompts: ScriptedPrompts, an_epoch: Epoch
) -> None:
    bring_to(qtbot, with_unsaved, with_unsaved.state.without_training().with_epoch(an_epoch(1, 9.0)))
    may_end = threading.Event()
    _train(with_unsaved, may_end, SaveError("It failed.", ""))
    prompts.answers["quitTrainingQuestion"] = "save"
    with qtbot.waitSignal(closing.close_now, timeout=WAIT_MS):
        assert not closing.may_close()
        may_end.set()
    assert "Epoch 1 of 50" in prompts.asked[0].text
    settle_session(qtbot, with_unsaved)


def test_what_else_fails_while_quitting_waits_for_a_training_closes_nothing(
    qtbot: QtBot, with_unsaved: Session, closing: Closing, prompts: ScriptedPrompts
) -> None:
    bring_to(qtbot, with_unsaved, with_unsaved.state.without_training())
    may_end, closes = threading.Event(), []
    closing.close_now.connect(lambda: closes.append(with_unsaved.state.is_training))
    _train(with_unsaved, may_end)
    prompts.answers["quitTrainingQuestion"] = "save"
    assert not closing.may_close()
    with_unsaved.failed.emit(Subject.SOUNDS, Problem("No sounds."))
    QCoreApplication.processEvents()
    assert closes == []
    may_end.set()
    qtbot.waitUntil(lambda: closes == [False], timeout=WAIT_MS)


def test_the_end_of_the_desktop_session_saves_unless_other_weights_are_being_put_there(
    qtbot: QtBot, with_unsaved: Session, closing: Closing, tiny_model: Path
) -> None:
    for is_choosing in (True, False):
        bring_to(qtbot, with_unsaved, with_unsaved.state.with_training(is_choosing=is_choosing))
        closing.on_desktop_session_end()
        settle_session(qtbot, with_unsaved)
        assert read_summary(tiny_model).has_prior is not is_choosing
        assert with_unsaved.state.training.unsaved is is_choosing


def test_the_end_of_the_desktop_session_does_not_wait_where_nothing_is_under_way(
    closing: Closing, session: Session, prompts: ScriptedPrompts
) -> None:
    closing.on_desktop_session_end()
    assert prompts.asked == []
    closing.shut_down()
    assert session.has_ended
