"""What would be lost is decided in one place, and asked about before anything is done; a cancel changes nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtCore import QCoreApplication, QUrl
from PySide6.QtWidgets import QMessageBox, QWidget
from pytestqt.qtbot import QtBot

from app.flows import questions
from app.flows.closing import Closing
from app.flows.commands import Commands
from app.flows.prompts import QtPrompts
from app.flows.runs_list import RunsList
from app.panels.notice_panel import NoticePanel
from app.presentation import notices
from app.presentation.notices import notice, notices_of
from app.session import Session
from app.session.activity import Activity, Subject
from app.session.losses import Act, Loss, losses
from app.session.making import MakingState
from app.session.problems import Problem
from app.session.remembered import RememberedSession
from app.session.state import State
from app.session.task import Task
from app.session.training import TrainingState
from distill_core import read_summary, save_metadata
from distill_core.errors import SaveError
from distill_core.training.codec.trained import TrainedCodec
from distill_core.training.codec.words import CODEC
from distill_core.training.events import Ended
from distill_core.training.kinds import codec_runs, prior_runs
from distill_core.training.run_folder.facts import UnfinishedRun
from tests.app.driving import WAIT_MS, PatientPrompts, ScriptedPrompts, bring_to, settle_session
from tests.app.test_making import PRIOR, TINY, closing, left, models  # noqa: F401 - fixtures

# ruff: noqa: F811

LOST = MakingState(trained=TrainedCodec.none(Ended.LAST_EPOCH), path=Path("new.distill"))
KEPT = replace(LOST, trained=replace(TrainedCodec.none(Ended.LAST_EPOCH), run_id="an id", is_kept=True))
HALF_KEPT = replace(LOST, trained=replace(TrainedCodec.none(Ended.LAST_EPOCH), run_id="an id"))
HALF_MADE = UnfinishedRun("an id", Path("a/new.distill"), (Path("kicks"),), 31, 401, 29, 0.3237, False, CODEC)
CANNOT = Problem("“new.distill” can't be saved.", "Make room.", is_of_place=True)
BOTH, PRIOR_ALONE = (Loss.MODEL, Loss.PRIOR), (Loss.PRIOR,)


@pytest.fixture
def opened(shared_tiny_model: Path, unsaved: TrainingState) -> State:
    """A model, and a prior that is to be saved into it."""
    return State(training=unsaved).with_open(model=read_summary(shared_tiny_model))


@pytest.fixture
def with_both(qtbot: QtBot, with_unsaved: Session) -> Session:
    """A Session with an unsaved prior, and a new model that could be neither saved nor kept."""
    bring_to(qtbot, with_unsaved, replace(with_unsaved.state, making=LOST))
    return with_unsaved


@pytest.fixture
def closes(closing: Closing) -> list[bool]:
    """Whether the window was to be closed, each time."""
    told: list[bool] = []
    closing.close_now.connect(lambda: told.append(True))
    return told


def _later(milliseconds: int = 50) -> None:
    """Give timers their turn."""
    wait = threading.Event()
    for _ in range(milliseconds // 10):
        QCoreApplication.processEvents()
        wait.wait(0.01)


# The one place


@pytest.mark.parametrize(
    ("act", "of_both"),
    [
        (Act.CLOSE, BOTH),
        (Act.OPEN, BOTH),
        (Act.MAKE, BOTH),
        (Act.TRAIN, PRIOR_ALONE),
        (Act.SAVE_MODEL, PRIOR_ALONE),
    ],
)
def test_what_is_lost(opened: State, act: Act, of_both: tuple[Loss, ...]) -> None:
    neither = opened.without_training()
    table: list[tuple[State, tuple[Loss, ...]]] = [
        (State(), ()),
        (neither, ()),
        (opened, PRIOR_ALONE),
        (opened.with_training(unsaved=False), ()),
        (replace(neither, making=LOST), tuple(loss for loss in of_both if loss is Loss.MODEL)),
        (replace(opened, making=LOST), of_both),
        (replace(opened, making=HALF_KEPT), of_both),
        (replace(opened, making=KEPT), PRIOR_ALONE),
        (replace(neither, making=replace(KEPT, trained=None)), ()),
    ]
    for state, wanted in table:
        assert losses(state, act) == wanted


# An unsaved prior beside a model that is not saved


def test_the_notice_line_always_lets_an_unsaved_prior_be_saved(opened: State) -> None:
    beside = {
        "half made": opened.with_open(unfinished_model=HALF_MADE),
        "lost": replace(opened, making=LOST),
        "kept": replace(opened, making=KEPT),
        "no place": replace(opened.with_making(whole_seconds=48), problem=CANNOT),
        "not saved again": replace(opened, making=KEPT, problem=CANNOT),
    }
    for name, state in beside.items():
        told = notices_of(state)
        assert any(notices.SAVE in dict(each.actions) for each in told), name
        assert len(told) == 2, name
    first, second = notices_of(beside["half made"])
    assert first.title == "Trained – not saved yet."
    assert dict(second.actions).keys() == {notices.CONTINUE, notices.BEST, notices.DISCARD}


def test_each_message_of_the_line_can_be_reached(
    qtbot: QtBot, with_both: Session, commands: Commands, tmp_path: Path
) -> None:
    panel = NoticePanel(with_both, commands)
    qtbot.addWidget(panel)
    problem = Problem("It can't be listed.")
    bring_to(qtbot, with_both, replace(with_both.state, problem=problem))
    titles = []
    for number in (1, 2, 3, 1):
        assert panel.next_button.text() == f"{number} of 3"
        titles.append(panel.notice_banner.title())
        panel.next_button.click()
    unsaved = ["Trained – not saved yet.", "The new model is not saved yet."]
    assert titles == [problem.message, *unsaved, problem.message]


@pytest.mark.parametrize("button", ["use_best", "go_on"])
def test_what_goes_on_with_a_model_asks_about_the_prior_first(
    qtbot: QtBot,
    left: Path,
    with_unsaved: Session,
    commands: Commands,
    prompts: ScriptedPrompts,
    sounds_folder: Path,
    button: str,
) -> None:
    session = with_unsaved
    session.open_dataset(sounds_folder)
    settle_session(qtbot, session)
    session.take_up(codec_runs(left).unfinished())
    before = session.state
    prompts.answers["unsavedPriorQuestion"] = "cancel"
    getattr(commands.unfinished, button)()
    settle_session(qtbot, session)
    assert prompts.asked_ids == ["unsavedPriorQuestion"]
    assert session.state is before
    prompts.answers["unsavedPriorQuestion"] = "save"
    model = session.state.open.model.path
    getattr(commands.unfinished, button)()
    qtbot.waitUntil(lambda: session.state.open.model.path == left, timeout=WAIT_MS)
    settle_session(qtbot, session)
    assert read_summary(model).has_prior


def test_saving_the_model_after_all_asks_about_the_prior_first(
    qtbot: QtBot, with_both: Session, commands: Commands, prompts: ScriptedPrompts, tmp_path: Path
) -> None:
    prompts.answers["unsavedPriorQuestion"] = "cancel"
    prompts.paths["models"] = tmp_path / "elsewhere"
    before, folder = with_both.state, with_both.settings.models_folder()
    commands.making.save_again()
    commands.making.choose_folder()
    settle_session(qtbot, with_both)
    assert prompts.asked_ids == ["unsavedPriorQuestion"] * 2
    assert with_both.state is before
    assert with_both.settings.models_folder() == folder


def test_a_half_made_model_from_the_list_is_offered_beside_the_prior(
    left: Path, with_unsaved: Session, commands: Commands, prompts: ScriptedPrompts
) -> None:
    run = codec_runs(left).unfinished()
    RunsList(with_unsaved, commands, commands.keeps)._on_model_wanted(run)
    assert prompts.asked == []
    assert with_unsaved.state.training.unsaved
    assert with_unsaved.state.open.unfinished_model is run


# A failed save of the prior is not one of a model


def test_a_failed_save_of_a_prior_offers_what_helps_the_prior(opened: State) -> None:
    begun = opened.with_making(whole_seconds=48)
    told = notice(begun.with_problem(Subject.SAVING, replace(CANNOT, may_replace=True)))
    assert told is not None
    assert [action for action, _ in told.actions] == [notices.COPY, notices.REPLACE]
    for subject in (Subject.MAKING, Subject.SAVING_MODEL):
        told = notice(begun.with_problem(subject, CANNOT))
        assert told is not None
        assert [action for action, _ in told.actions] == [notices.MOVE_MODELS]


def test_another_folder_for_models_asks_about_the_prior(
    qtbot: QtBot,
    with_unsaved: Session,
    commands: Commands,
    prompts: ScriptedPrompts,
    sounds_folder: Path,
    models: Path,
    tmp_path: Path,
) -> None:
    session = with_unsaved
    session.open_dataset(sounds_folder)
    settle_session(qtbot, session)
    bring_to(qtbot, session, session.state.with_making(whole_seconds=48))
    prompts.answers["unsavedPriorQuestion"] = "cancel"
    prompts.paths["models"] = tmp_path / "elsewhere"
    commands.making.choose_folder()
    settle_session(qtbot, session)
    assert session.state.training.unsaved
    assert not (tmp_path / "elsewhere").exists()


# Both at once


@pytest.mark.parametrize(
    ("model", "prior", "asked", "left_there"),
    [
        ("cancel", "", ["unsavedModelQuestion"], (True, True)),
        ("discard", "cancel", ["unsavedModelQuestion", "unsavedPriorQuestion"], (True, True)),
        ("discard", "discard", ["unsavedModelQuestion", "unsavedPriorQuestion"], (False, False)),
        ("discard", "save", ["unsavedModelQuestion", "unsavedPriorQuestion"], (False, False)),
    ],
)
@pytest.mark.parametrize("way", ["open", "close"])
def test_each_of_both_is_asked_about(
    qtbot: QtBot,
    with_both: Session,
    commands: Commands,
    closing: Closing,
    closes: list[bool],
    prompts: ScriptedPrompts,
    shared_tiny_model: Path,
    way: str,
    model: str,
    prior: str,
    asked: list[str],
    left_there: tuple[bool, bool],
) -> None:
    prompts.answers = {"unsavedModelQuestion": model, "unsavedPriorQuestion": prior}
    target = with_both.state.open.model.path
    if way == "open":
        commands.open_model(shared_tiny_model)
    else:
        assert not closing.may_close()
    settle_session(qtbot, with_both)
    _later()
    state = with_both.state
    assert prompts.asked_ids == asked
    assert (state.making.trained is not None, state.training.unsaved) == left_there
    assert read_summary(target).has_prior is (prior == "save")
    is_done = state.open.model.path == shared_tiny_model if way == "open" else bool(closes)
    assert is_done is not any(left_there)


def test_a_save_that_fails_keeps_the_model_too(
    qtbot: QtBot,
    with_both: Session,
    commands: Commands,
    prompts: ScriptedPrompts,
    shared_tiny_model: Path,
) -> None:
    save_metadata(with_both.state.open.model.path, {"name": "other"})
    prompts.answers = {"unsavedModelQuestion": "discard", "unsavedPriorQuestion": "save"}
    commands.open_model(shared_tiny_model)
    settle_session(qtbot, with_both)
    state = with_both.state
    assert state.problem is not None
    assert (state.making.trained is not None, state.training.unsaved) == (True, True)


def test_training_asks_about_the_prior_alone(
    qtbot: QtBot, with_both: Session, commands: Commands, prompts: ScriptedPrompts, sounds_folder: Path
) -> None:
    with_both.set_options(PRIOR, is_valid=True)
    with_both.open_dataset(sounds_folder)
    settle_session(qtbot, with_both)
    prompts.answers["unsavedPriorQuestion"] = "cancel"
    commands.train()
    assert prompts.asked_ids == ["unsavedPriorQuestion"]
    assert with_both.state.training.unsaved
    assert with_both.state.making.trained is not None


def test_quitting_a_training_asks_about_the_model_beside_it(
    qtbot: QtBot,
    with_both: Session,
    commands: Commands,
    closing: Closing,
    closes: list[bool],
    prompts: ScriptedPrompts,
    sounds_folder: Path,
) -> None:
    with_both.set_options(PRIOR | {"max_epochs": 100_000, "patience": 0}, is_valid=True)
    with_both.open_dataset(sounds_folder)
    settle_session(qtbot, with_both)
    with_both.train()
    qtbot.waitUntil(lambda: bool(with_both.state.training.epochs), timeout=WAIT_MS)
    prompts.answers = {"quitTrainingQuestion": "discard", "unsavedModelQuestion": "cancel"}
    assert not closing.may_close()
    _later()
    assert closes == []
    assert with_both.state.is_training
    assert prompts.asked_ids == ["quitTrainingQuestion", "unsavedModelQuestion"]
    with_both.stop()
    settle_session(qtbot, with_both)


# Closing waits for the task under way


def test_closing_while_a_name_is_saved_waits_for_that(
    qtbot: QtBot, session: Session, commands: Commands, closing: Closing, closes: list[bool], tiny_model: Path
) -> None:
    session.open_model(tiny_model)
    settle_session(qtbot, session)
    commands.texts.save({"name": "Bells"})
    assert not closing.may_close()
    qtbot.waitUntil(lambda: bool(closes), timeout=WAIT_MS)
    assert read_summary(tiny_model).name == "Bells"
    session.restore_previous()
    settle_session(qtbot, session)
    _later()
    assert closes == [True]


def test_closing_while_a_version_comes_back_waits_for_that(
    qtbot: QtBot, session: Session, closing: Closing, closes: list[bool], tiny_model: Path
) -> None:
    save_metadata(tiny_model, {"name": "Bells"})
    session.open_model(tiny_model)
    settle_session(qtbot, session)
    session.restore_previous()
    assert not closing.may_close()
    qtbot.waitUntil(lambda: bool(closes), timeout=WAIT_MS)
    assert read_summary(tiny_model).name != "Bells"


def test_a_save_that_fails_is_not_waited_for_any_more(
    qtbot: QtBot, with_unsaved: Session, commands: Commands, closing: Closing, closes: list[bool]
) -> None:
    save_metadata(with_unsaved.state.open.model.path, {"name": "other"})
    commands.texts.save({"name": "Bells"})
    assert not closing.may_close()
    settle_session(qtbot, with_unsaved)
    assert with_unsaved.state.problem is not None
    commands.saving.replace_changed()
    settle_session(qtbot, with_unsaved)
    assert not with_unsaved.state.training.unsaved
    _later()
    assert closes == []


def test_what_is_left_after_the_wait_is_asked_about(
    qtbot: QtBot,
    with_unsaved: Session,
    commands: Commands,
    closing: Closing,
    closes: list[bool],
    prompts: ScriptedPrompts,
) -> None:
    prompts.answers["unsavedPriorQuestion"] = "cancel"
    commands.texts.save({"name": "Bells"})
    assert not closing.may_close()
    settle_session(qtbot, with_unsaved)
    _later()
    assert prompts.asked_ids == ["unsavedPriorQuestion"]
    assert closes == []


def test_a_training_that_never_begins_is_not_waited_for(
    qtbot: QtBot, with_unsaved: Session, closing: Closing, closes: list[bool], prompts: ScriptedPrompts
) -> None:
    from distill_core.events import Stopped

    bring_to(qtbot, with_unsaved, with_unsaved.state.without_training())
    may_end = threading.Event()

    def run(on_event: object, should_stop: object) -> None:
        may_end.wait(5)
        raise Stopped

    with_unsaved.do(Task(Activity.PREPARING, Subject.TRAINING, run, lambda state, _: (state, [])))
    prompts.answers["quitTrainingQuestion"] = "save"
    assert not closing.may_close()
    may_end.set()
    qtbot.waitUntil(lambda: closes == [True], timeout=WAIT_MS)


def test_closing_while_a_model_is_saved_trains_no_prior_after_it(
    qtbot: QtBot,
    session: Session,
    closing: Closing,
    closes: list[bool],
    prompts: ScriptedPrompts,
    sounds_folder: Path,
    models: Path,
) -> None:
    session.settings.set_models_folder(models)
    session.set_options(PRIOR, is_valid=True)
    session.set_making_options(TINY)
    session.open_dataset(sounds_folder)
    settle_session(qtbot, session)
    waits: list[bool] = []

    def close_while_saving(state: State) -> None:
        if state.work is Activity.SAVING and not waits:
            waits.append(closing.may_close())

    session.state_changed.connect(close_while_saving)
    session.make_model(then_prior=True)
    qtbot.waitUntil(lambda: bool(closes), timeout=WAIT_MS)
    settle_session(qtbot, session)
    assert waits == [False]
    assert prompts.asked == []
    assert session.state.training.trained is None
    assert (models / "sounds.distill").exists()


# A question that outlives its subject


@pytest.fixture
def patient(commands: Commands) -> PatientPrompts:
    """Prompts that leave the commands' questions open."""
    patient = PatientPrompts()
    for flow in (commands, commands.saving, commands.cancelling):
        flow._prompts = patient
    return patient


def _chain_to_the_prior(qtbot: QtBot, session: Session, sounds: Path, models: Path, question: Callable[[], object]):
    """Ask a question while a model is made, and go on until its prior is trained."""
    session.settings.set_models_folder(models)
    session.set_options(PRIOR | {"max_epochs": 100_000, "patience": 0}, is_valid=True)
    session.set_making_options(TINY | {"max_epochs": 30, "patience": 0})
    session.open_dataset(sounds)
    settle_session(qtbot, session)
    session.make_model(then_prior=True)
    qtbot.waitUntil(lambda: bool(session.state.making.epochs), timeout=WAIT_MS)
    question()
    qtbot.waitUntil(lambda: bool(session.state.training.epochs), timeout=WAIT_MS)


def test_throwing_a_model_away_takes_no_prior_that_came_after_it(
    qtbot: QtBot, session: Session, commands: Commands, patient: PatientPrompts, sounds_folder: Path, models: Path
) -> None:
    _chain_to_the_prior(qtbot, session, sounds_folder, models, commands.cancel_training)
    assert [question.id for question in patient.asked] == ["throwModelAwayQuestion"]
    assert [question.id for question in patient.withdrawn] == ["throwModelAwayQuestion"]
    patient.answer("discard")
    _later()
    assert session.state.work is Activity.TRAINING
    session.stop()
    settle_session(qtbot, session)
    assert session.state.training.unsaved


def test_quitting_without_the_model_asks_anew_once_a_prior_came_after_it(
    qtbot: QtBot,
    session: Session,
    closing: Closing,
    closes: list[bool],
    patient: PatientPrompts,
    sounds_folder: Path,
    models: Path,
) -> None:
    _chain_to_the_prior(qtbot, session, sounds_folder, models, closing.may_close)
    patient.answer("discard")
    _later()
    assert [question.id for question in patient.asked] == ["quitMakingQuestion", "quitTrainingQuestion"]
    assert closes == []
    session.stop()
    settle_session(qtbot, session)


def test_an_answer_about_a_prior_that_is_saved_by_then_goes_on(
    qtbot: QtBot, with_unsaved: Session, commands: Commands, patient: PatientPrompts, shared_tiny_model: Path
) -> None:
    commands.open_model(shared_tiny_model)
    with_unsaved.save_prior()
    settle_session(qtbot, with_unsaved)
    saved = with_unsaved.state.open.model.path
    patient.answer("discard")
    settle_session(qtbot, with_unsaved)
    assert with_unsaved.state.open.model.path == shared_tiny_model
    assert read_summary(saved).has_prior


def test_an_answer_takes_no_prior_but_the_one_it_is_about(
    qtbot: QtBot,
    with_unsaved: Session,
    commands: Commands,
    patient: PatientPrompts,
    make_trained: Callable[..., object],
    an_epoch: Callable[..., object],
    shared_tiny_model: Path,
) -> None:
    commands.open_model(shared_tiny_model)
    other = make_trained([an_epoch(5, 7.0)])
    bring_to(qtbot, with_unsaved, with_unsaved.state.with_training(trained=other))
    patient.answer("discard")
    settle_session(qtbot, with_unsaved)
    assert with_unsaved.state.training.trained is other
    assert [question.id for question in patient.asked] == ["unsavedPriorQuestion"] * 2


def test_a_withdrawn_dialog_closes_like_a_cancelled_one(qtbot: QtBot) -> None:
    parent, answers = QWidget(), []
    qtbot.addWidget(parent)
    prompts, question = QtPrompts(), questions.throw_model_away(MakingState())
    prompts.ask(parent, question, answers.append)
    prompts.withdraw(parent, question)
    assert answers == ["cancel"]
    prompts.withdraw(parent, question)  # nothing is open any more
    assert answers == ["cancel"]
    assert not parent.findChild(QMessageBox, question.id).isVisible()


# A cancelled question leaves everything as it was


def test_a_cancel_keeps_the_sounds_too(
    qtbot: QtBot,
    with_unsaved: Session,
    commands: Commands,
    prompts: ScriptedPrompts,
    shared_tiny_model: Path,
    sounds_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("app.flows.commands.QStandardPaths.writableLocation", lambda kind: str(tmp_path / "docs"))
    prompts.answers["unsavedPriorQuestion"] = "cancel"
    before = with_unsaved.state
    dropped = [QUrl.fromLocalFile(str(path)) for path in (shared_tiny_model, sounds_folder)]
    ways: dict[str, Callable[[], object]] = {
        "the demo": commands.try_demo,
        "a session": lambda: commands.open_session(RememberedSession(shared_tiny_model, (sounds_folder,))),
        "a drop": lambda: commands.take_drop(dropped, "window"),
    }
    for name, way in ways.items():
        prompts.asked.clear()
        way()
        settle_session(qtbot, with_unsaved)
        assert prompts.asked_ids == ["unsavedPriorQuestion"], name
        assert with_unsaved.state == before, name
    assert not (tmp_path / "docs").exists()


def test_both_are_opened_once_the_prior_is_settled(
    qtbot: QtBot,
    with_unsaved: Session,
    commands: Commands,
    prompts: ScriptedPrompts,
    shared_tiny_model: Path,
    sounds_folder: Path,
) -> None:
    prompts.answers["unsavedPriorQuestion"] = "save"
    saved_to = with_unsaved.state.open.model.path
    commands.open_session(RememberedSession(shared_tiny_model, (sounds_folder,)))
    qtbot.waitUntil(lambda: with_unsaved.state.open.model.path == shared_tiny_model, timeout=WAIT_MS)
    settle_session(qtbot, with_unsaved)
    assert with_unsaved.state.open.dataset.sources == (sounds_folder,)
    assert read_summary(saved_to).has_prior


def test_a_place_problem_is_told_by_its_subject() -> None:
    error = SaveError("The disk is full.", "Make room.")
    problem = Problem(error.message, error.hint, is_of_place=True)
    table = {Subject.SAVING: False, Subject.NAMING: False, Subject.TRAINING: False}
    table |= {Subject.MAKING: True, Subject.SAVING_MODEL: True}
    for subject, is_of_place in table.items():
        shown = State().with_problem(subject, problem).problem
        assert shown is not None
        assert shown.is_of_place is is_of_place, subject


# What is given up stays until something has taken its place


def _write_notes(commands: Commands) -> None:
    commands.texts.take({"description": "an hour of notes"})


def test_a_cancel_after_the_notes_keeps_them_and_the_prior(
    qtbot: QtBot,
    with_unsaved: Session,
    commands: Commands,
    prompts: ScriptedPrompts,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("app.flows.commands.QStandardPaths.writableLocation", lambda kind: str(tmp_path / "docs"))
    _write_notes(commands)
    for texts, prior, count in (("cancel", "discard", 1), ("discard", "cancel", 2)):
        prompts.asked.clear()
        prompts.answers = {"unsavedTextsQuestion": texts, "unsavedPriorQuestion": prior}
        commands.try_demo()
        settle_session(qtbot, with_unsaved)
        assert prompts.asked_ids == ["unsavedTextsQuestion", "unsavedPriorQuestion"][:count]
        assert with_unsaved.state.training.unsaved
        assert commands.texts.are_unsaved
    assert not (tmp_path / "docs").exists()
    prompts.asked.clear()
    prompts.answers["unsavedPriorQuestion"] = "discard"
    commands.try_demo()
    qtbot.waitUntil(lambda: with_unsaved.state.open.model.path.name == "demo.distill", timeout=WAIT_MS)
    settle_session(qtbot, with_unsaved)
    assert prompts.asked_ids == ["unsavedTextsQuestion", "unsavedPriorQuestion"], "each is asked about once"


@pytest.mark.parametrize("button", ["use_best", "go_on"])
def test_what_goes_on_with_a_model_asks_about_the_notes_first(
    qtbot: QtBot,
    left: Path,
    with_unsaved: Session,
    commands: Commands,
    prompts: ScriptedPrompts,
    sounds_folder: Path,
    button: str,
) -> None:
    with_unsaved.open_dataset(sounds_folder)
    settle_session(qtbot, with_unsaved)
    with_unsaved.take_up(codec_runs(left).unfinished())
    _write_notes(commands)
    before = with_unsaved.state
    prompts.answers["unsavedTextsQuestion"] = "cancel"
    getattr(commands.unfinished, button)()
    settle_session(qtbot, with_unsaved)
    assert prompts.asked_ids == ["unsavedTextsQuestion"]
    assert with_unsaved.state is before


def test_saving_the_model_after_all_asks_about_the_notes_first(
    with_both: Session, commands: Commands, prompts: ScriptedPrompts, tmp_path: Path
) -> None:
    prompts.answers["unsavedTextsQuestion"] = "cancel"
    prompts.paths["models"] = tmp_path / "elsewhere"
    _write_notes(commands)
    before = with_both.state
    commands.making.save_again()
    commands.making.choose_folder()
    assert prompts.asked_ids == ["unsavedTextsQuestion"] * 2
    assert with_both.state is before


@pytest.fixture
def with_trained(
    qtbot: QtBot, session: Session, tiny_model: Path, sounds_folder: Path, prompts: ScriptedPrompts
) -> Session:
    """A Session with an unsaved prior, whose run is on disk; it is given up if a question comes."""
    session.open_model(tiny_model)
    session.open_dataset(sounds_folder)
    settle_session(qtbot, session)
    session.set_options(PRIOR, is_valid=True)
    session.train()
    settle_session(qtbot, session)
    assert prior_runs(tiny_model).has(session.state.training.trained.run_id)
    prompts.answers["unsavedPriorQuestion"] = "discard"
    return session


def test_a_damaged_model_takes_the_place_of_no_prior(
    qtbot: QtBot, with_trained: Session, commands: Commands, tiny_model: Path, tmp_path: Path
) -> None:
    damaged, before = tmp_path / "damaged.distill", with_trained.state.training
    damaged.write_bytes(b"nonsense" * 100)
    commands.open_model(damaged)
    settle_session(qtbot, with_trained)
    assert with_trained.state.open.model_refusal
    assert with_trained.state.training == before
    assert prior_runs(tiny_model).has(before.trained.run_id)


def test_another_model_takes_the_place_of_a_prior_on_disk_too(
    qtbot: QtBot, with_trained: Session, commands: Commands, tiny_model: Path, shared_tiny_model: Path
) -> None:
    run_id = with_trained.state.training.trained.run_id
    commands.open_model(shared_tiny_model)
    settle_session(qtbot, with_trained)
    assert with_trained.state.training.trained is None
    assert not prior_runs(tiny_model).has(run_id)


def test_a_training_that_is_refused_takes_the_place_of_no_prior(
    qtbot: QtBot, with_trained: Session, commands: Commands, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = with_trained.state.training
    with monkeypatch.context() as patched:
        patched.setattr("distill_core.training.run_folder.folder.RunFolder.is_busy", lambda self: True)
        commands.train()
        settle_session(qtbot, with_trained)
    assert with_trained.state.training == before
    assert prior_runs(tiny_model).has(before.trained.run_id)
    with_trained.look_for_use()
    settle_session(qtbot, with_trained)
    qtbot.waitUntil(lambda: not with_trained.state.open.is_in_use, timeout=WAIT_MS)
    commands.train()
    settle_session(qtbot, with_trained)
    after = with_trained.state.training
    assert after.unsaved
    assert after.trained.run_id != before.trained.run_id
    assert not prior_runs(tiny_model).has(before.trained.run_id)
    assert prior_runs(tiny_model).has(after.trained.run_id)


@pytest.mark.parametrize("has_room", [False, True])
def test_only_a_making_that_starts_takes_the_place_of_a_prior(
    qtbot: QtBot, with_trained: Session, commands: Commands, tiny_model: Path, tmp_path: Path, has_room: bool
) -> None:
    before = with_trained.state.training
    folder = tmp_path / "models"
    if not has_room:
        folder.write_bytes(b"no folder")
    with_trained.settings.set_models_folder(folder)
    with_trained.set_making_options(TINY)
    commands.making.make()
    settle_session(qtbot, with_trained)
    assert with_trained.state.training.unsaved is not has_room
    assert prior_runs(tiny_model).has(before.trained.run_id) is not has_room
