"""The Learning page: the curve is never an old one, a training is cancelled without a trace, and one goes further."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtCore import QEvent
from PySide6.QtWidgets import QApplication, QPushButton
from pytestqt.qtbot import QtBot

from app.flows import questions
from app.main_window import MainWindow
from app.presentation import controls
from app.presentation.learning import FLATTERS, ShownCurve, flattering_words, shown_curve
from app.session.activity import Activity, Runner
from app.session.available import ActionId
from app.session.heard import hear
from app.session.state import State
from app.session.tasks import models, runs, sounds
from app.session.tasks.models import OpenedModel
from app.session.training import TrainingState
from app.widgets.plot.curve import CurveLines
from app.words import GOES_ON_WITH_ITS_SOUNDS
from distill_core import read_summary, save_prior_to_model, scan, train_prior
from distill_core.models.summary import ModelSummary
from distill_core.training.events import Ended
from distill_core.training.kinds import listed_runs, prior_runs
from distill_core.training.prior.events import PriorEpochMetrics, PriorTrainingStartEvent
from distill_core.training.prior.trained import TrainedPrior
from tests.app.driving import WAIT_MS, ScriptedPrompts, session_of, settle
from tests.app.test_main_window import SMALL, _action, prompts, ready, window  # noqa: F401 - fixtures

pytestmark = pytest.mark.usefixtures("known_codes")

# ruff: noqa: F811

Epoch = Callable[..., PriorEpochMetrics]
Make = Callable[..., TrainedPrior]
Start = Callable[..., PriorTrainingStartEvent]
FOR_EVER = {**SMALL, "max_epochs": 100_000, "patience": 0}
REFERENCE = Path(__file__).parents[1] / "data" / "ref_small_prior.distill"


# Which curve is true


@pytest.fixture
def opened(shared_tiny_model: Path, shared_sounds_folder: Path) -> State:
    """A model without a prior, and sounds."""
    model = read_summary(shared_tiny_model)
    return State().with_open(
        model=model, real_path=model.path.resolve(), dataset=scan(shared_sounds_folder), has_previous=True
    )


@pytest.fixture
def with_prior() -> ModelSummary:
    return read_summary(REFERENCE)


@pytest.fixture
def trained(make_trained: Make, an_epoch: Epoch) -> TrainedPrior:
    return make_trained([an_epoch(1, 9.0), an_epoch(2, 8.0)], sibling_agreement=0.6)


@pytest.fixture
def unsaved(opened: State, trained: TrainedPrior, start_event: Start) -> State:
    """A training that has told all its epochs, and is to be saved."""
    state, _ = hear(opened, start_event(sibling_agreement=0.6), Runner.WORK)
    for epoch in trained.history:
        state = state.with_epoch(epoch)
    return state.with_training(trained=trained, unsaved=True)


def _seen(state: State) -> tuple[int, bool]:
    """Return the number of a training's epochs that the page shows, and whether it shows those of a file."""
    shown = shown_curve(state)
    return len(shown.epochs), shown.saved is not None


def test_a_training_shows_its_own_epochs_from_its_start_to_its_save(unsaved: State, with_prior: ModelSummary) -> None:
    shown = shown_curve(unsaved)
    assert shown == ShownCurve(CurveLines(50, 51.5, 2.0, FLATTERS), unsaved.training.epochs, None, shown.empty_words)
    running = unsaved.with_training(trained=None, unsaved=False)
    assert _seen(replace(running, work=Activity.TRAINING)) == (2, False)
    saved = unsaved.with_training(unsaved=False, saved_to=Path("m.distill")).with_open(model=with_prior)
    assert _seen(saved) == (2, False)
    begun = replace(saved.without_training(), work=Activity.PREPARING)
    assert _seen(begun) == (0, False), "the next one begins on an empty page"
    assert shown_curve(begun).empty_words == "The first dots appear soon."


def test_without_a_training_the_page_shows_what_the_file_has(opened: State, with_prior: ModelSummary) -> None:
    assert _seen(State()) == (0, False)
    assert shown_curve(State()).empty_words == "Here you see how well a training gets to know your sounds."
    assert _seen(opened) == (0, False)
    assert shown_curve(opened).empty_words == "The curve appears once the training has begun."
    assert shown_curve(opened.with_open(model=with_prior)).saved is with_prior


def _opened(model: ModelSummary) -> OpenedModel:
    return OpenedModel(model, model.path, None, has_previous=True, unfinished=None)


def test_no_curve_outlives_what_it_was_of(unsaved: State, with_prior: ModelSummary, opened: State) -> None:
    """After each of these the page showed the training before."""
    dataset, tiny = opened.open.dataset, opened.open.model
    assert dataset is not None
    assert tiny is not None
    saved = unsaved.with_training(unsaved=False)
    restored = models.restoring(tiny.path)
    table = [
        (restored.take(saved, (tiny.path, _opened(with_prior)))[0], (0, True)),
        (restored.take(saved, (tiny.path, _opened(tiny)))[0], (0, False)),
        (restored.take(unsaved, (tiny.path, _opened(with_prior)))[0], (2, False)),  # it is to be saved still
        (sounds.scanning(()).take(saved, dataset)[0], (0, False)),
        (sounds.scanning(()).take(unsaved, dataset)[0], (2, False)),
        (models.opening(tiny.path).take(unsaved, _opened(with_prior))[0], (0, True)),
        (unsaved.without_training(), (0, False)),  # discarded, or cancelled
        (unsaved.with_training(trained=None, unsaved=False), (2, False)),  # it failed: it can be gone on with…
        (unsaved.with_training(trained=None, unsaved=False).without_cut_off_training(), (0, False)),  # …or no longer
        (unsaved.without_cut_off_training(), (2, False)),
    ]
    for number, (state, seen) in enumerate(table):
        assert _seen(state) == seen, number


def test_a_run_that_is_discarded_in_the_list_takes_its_curve_along(unsaved: State, trained: TrainedPrior) -> None:
    from tests.app.test_notices import RUN

    failed = unsaved.with_training(trained=None, unsaved=False).with_open(unfinished=RUN)
    assert _seen(runs.listing().take(failed, ())[0]) == (0, False)
    assert _seen(runs.listing().take(unsaved, ())[0]) == (2, False)


def test_a_training_that_was_recovered_is_compared_by_what_it_left(trained: TrainedPrior) -> None:
    training = TrainingState(trained=trained, unsaved=True, epochs=trained.history)
    assert shown_curve(State(training=training)).lines == CurveLines(50, 24.3, 0.0, FLATTERS)


@pytest.mark.parametrize(
    ("share", "flatters"),
    [(None, False), (0.0, False), (0.29, False), (0.3, True), (1.0, True), (True, False), ("x", 0)],
)
def test_the_curve_is_said_to_flatter_where_sounds_resemble_each_other(share: object, flatters: bool) -> None:
    assert flattering_words(share) == (FLATTERS if flatters else "")


def test_which_buttons_stand_below_a_training(opened: State, trained: TrainedPrior) -> None:
    def texts(state: State) -> list[str]:
        return [button.text for button in controls.footer(state)]

    on_disk = replace(trained, run_id="an id", is_kept=True, ended=Ended.STOPPED)
    state = opened.with_training(trained=on_disk, unsaved=True, sounds=(Path("kicks"),))
    assert texts(replace(opened, work=Activity.TRAINING)) == ["Stop", controls.LISTEN_TO_BEST, controls.CANCEL]
    assert [button.is_enabled for button in controls.footer(replace(opened, work=Activity.STOPPING))] == [False] * 3
    assert texts(state) == ["Train Again", "Train Further"]
    assert texts(state.with_training(unsaved=False)) == ["Train Again"]


# The page in the window


def test_the_curve_in_a_file_is_there_as_it_is_opened_and_goes_with_it(
    qtbot: QtBot, window: MainWindow, tiny_model: Path, sounds_folder: Path
) -> None:
    plot, bare = window.learning.plot, tiny_model.with_name("bare.distill")
    shutil.copy(tiny_model, bare)
    trained = train_prior(tiny_model, sounds_folder, {**SMALL, "max_epochs": 3})
    assert trained.prior is not None
    save_prior_to_model(tiny_model, trained.prior, trained.config, trained.metadata)
    window.commands.open_model(tiny_model)
    settle(qtbot, window)
    assert plot.epoch_count == 3
    assert "Whoever knows only how common each code is" in plot.accessibleDescription()
    window.commands.open_model(bare)
    settle(qtbot, window)
    assert plot.epoch_count == 0
    window.commands.open_model(tiny_model)
    settle(qtbot, window)
    assert plot.epoch_count == 3
    window.commands.open_model(REFERENCE)
    settle(qtbot, window)
    assert plot.epoch_count == 0
    assert plot.accessibleDescription() == "This model was saved without its curve."


def test_the_first_batches_are_dots_before_the_first_epoch(qtbot: QtBot, ready: MainWindow) -> None:
    session, plot, dots = session_of(ready), ready.learning.plot, []
    session.step_finished.connect(lambda step: dots.append((plot.epoch_count, len(plot._curve.dots))))
    ready.options.form.set_overrides({**SMALL, "max_epochs": 2})
    ready.stage.train_button.click()
    settle(qtbot, ready)
    assert dots[0] == (0, 1)
    assert plot.epoch_count == 2


# Cancel without keeping


def _train_until_epoch(qtbot: QtBot, window: MainWindow, number: int = 1) -> None:
    window.options.form.set_overrides(FOR_EVER)
    window.stage.train_button.click()
    qtbot.waitUntil(lambda: len(session_of(window).state.training.epochs) >= number, timeout=WAIT_MS)


def _cancel(window: MainWindow) -> QPushButton:
    return window.stage.button_of(ActionId.CANCEL_TRAINING)


def test_a_cancelled_training_leaves_nothing(
    qtbot: QtBot, ready: MainWindow, prompts: ScriptedPrompts, tiny_model: Path
) -> None:
    session, before, given_up = session_of(ready), tiny_model.read_bytes(), []
    session.training_given_up.connect(given_up.append)
    session.training_ended.connect(given_up.append)
    opened = session.state.open
    _train_until_epoch(qtbot, ready)
    prompts.answers["throwAwayQuestion"] = "discard"
    _cancel(ready).click()
    settle(qtbot, ready)
    assert len(given_up) == 1
    assert listed_runs() == []
    state = session.state
    assert state.training == TrainingState()
    assert (state.open.model, state.open.dataset, state.open.unfinished) == (opened.model, opened.dataset, None)
    assert tiny_model.read_bytes() == before
    assert ready.learning.plot.epoch_count == 0
    assert ready.stage.sentence.text().startswith("Ready. 6 sounds")
    assert not ready.notices.notice_banner.isVisible()


def test_whoever_keeps_training_loses_nothing(qtbot: QtBot, ready: MainWindow, prompts: ScriptedPrompts) -> None:
    _train_until_epoch(qtbot, ready)
    prompts.answers["throwAwayQuestion"] = "cancel"
    _cancel(ready).click()
    assert session_of(ready).state.work is Activity.TRAINING
    ready.commands.stop()
    settle(qtbot, ready)
    assert session_of(ready).state.training.unsaved
    asked = len(prompts.asked)
    ready.commands.cancel_training()
    assert len(prompts.asked) == asked, "nothing is under way"


def test_a_training_that_ends_while_the_question_is_open_is_thrown_away_too(
    qtbot: QtBot, ready: MainWindow, prompts: ScriptedPrompts, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers: list[Callable[[str], object]] = []
    monkeypatch.setattr(prompts, "ask", lambda parent, question, answer: answers.append(answer))
    _train_until_epoch(qtbot, ready)
    _cancel(ready).click()
    ready.commands.stop()
    settle(qtbot, ready)
    assert session_of(ready).state.training.unsaved
    (answer,) = answers
    answer("discard")
    settle(qtbot, ready)
    assert session_of(ready).state.training == TrainingState()
    assert listed_runs() == []


def test_one_that_is_cancelled_while_it_ends_is_gone_all_the_same(opened: State, trained: TrainedPrior) -> None:
    """The click came after the task's last look."""
    from app.session.tasks.training import training

    assert opened.open.model is not None
    assert opened.open.dataset is not None
    task = training(opened.open.model.path, opened.open.dataset, {}, is_given_up=lambda: True)
    state, news = task.take(opened, replace(trained, run_id="an id"))
    assert state.training == TrainingState()
    assert news == [("training_given_up", "an id")]


def test_a_cancel_before_the_first_epoch_leaves_a_former_run_where_it_was(
    qtbot: QtBot, ready: MainWindow, prompts: ScriptedPrompts, tiny_model: Path
) -> None:
    session = session_of(ready)
    _train_until_epoch(qtbot, ready)
    ready.commands.stop()
    settle(qtbot, ready)
    (former,) = listed_runs()
    session.open_model(tiny_model)  # the prior of that training is in its run alone now
    settle(qtbot, ready)
    assert session.state.open.unfinished is not None
    prompts.answers["throwAwayQuestion"] = "discard"
    ready.stage.train_button.click()
    assert session.state.work is Activity.PREPARING
    ready.commands.cancel_training()
    settle(qtbot, ready)
    assert [run.id for run in listed_runs()] == [former.id]
    assert session.state.open.unfinished is not None
    assert ready.notices.notice_banner.title().startswith("Unfinished training found")


def test_closing_while_a_training_is_given_up_does_not_wait_for_ever(
    qtbot: QtBot, ready: MainWindow, prompts: ScriptedPrompts
) -> None:
    _train_until_epoch(qtbot, ready)
    prompts.answers |= {"throwAwayQuestion": "discard", "quitTrainingQuestion": "save"}
    _cancel(ready).click()
    ready.close()
    qtbot.waitUntil(lambda: not ready.isVisible(), timeout=WAIT_MS)
    assert listed_runs() == []


def test_the_question_says_what_would_be_lost(an_epoch: Epoch) -> None:
    question = questions.throw_training_away(TrainingState().with_epoch(an_epoch(12, 7.4, of=40)))
    assert question.title == "Throw this training away?"
    assert question.text == "Epoch 12 of 40, perplexity 7.40. Nothing of it is kept."
    assert [choice.text for choice in question.choices] == ["Throw Away", "Keep Training"]
    assert question.default == question.escape == "cancel"
    assert questions.throw_training_away(TrainingState()).text.startswith("The first epoch is not finished.")
    further = TrainingState(epochs=(an_epoch(4, 8.0, of=8),)).going_on
    question = questions.throw_training_away(further)
    assert question.title == "Throw away what was learned since epoch 4?"
    assert question.text == (
        "The first new epoch is not finished. The prior that it went on from stays, and is not saved yet."
    )
    question = questions.throw_training_away(further.with_epoch(an_epoch(5, 7.0, of=8)))
    assert question.text.startswith("Epoch 5 of 8, perplexity 7.00. The prior")


# Further


CONFIG = {**SMALL, "max_epochs": 6, "patience": 0}


def test_a_stopped_training_goes_on_as_if_it_had_not_been_stopped(
    qtbot: QtBot, ready: MainWindow, tiny_model: Path, sounds_folder: Path
) -> None:
    session, plot = session_of(ready), ready.learning.plot
    whole = train_prior(tiny_model, sounds_folder, CONFIG)
    ready.options.form.set_overrides(CONFIG)
    stop_once = [True]

    def stop_after_two(epoch: PriorEpochMetrics) -> None:
        if epoch.epoch >= 2 and stop_once:
            stop_once.clear()
            session.stop()

    session.epoch_finished.connect(stop_after_two)
    ready.stage.train_button.click()
    settle(qtbot, ready)
    stopped = session.state.training.trained
    assert stopped is not None
    assert stopped.ended is Ended.STOPPED
    before = plot.epoch_count
    assert 2 <= before < 6
    ready.stage.button_of(ActionId.TRAIN_FURTHER).click()
    assert plot.epoch_count == before, "the curve stays in sight while the sounds are prepared"
    settle(qtbot, ready)
    further = session.state.training.trained
    assert further is not None
    assert [epoch.val_loss for epoch in further.history] == [epoch.val_loss for epoch in whole.history]
    assert [epoch.train_loss for epoch in further.history] == [epoch.train_loss for epoch in whole.history]
    assert plot.epoch_count == 6
    assert session.state.training.epochs == further.history
    assert session.state.training.unsaved
    assert len(listed_runs()) == 1


def test_one_that_had_all_its_epochs_gets_more(qtbot: QtBot, ready: MainWindow) -> None:
    session = session_of(ready)
    ready.options.form.set_overrides({**CONFIG, "max_epochs": 2})
    ready.stage.train_button.click()
    settle(qtbot, ready)
    first = session.state.training.trained
    assert first is not None
    assert first.ended is Ended.LAST_EPOCH
    _action(ready, ActionId.TRAIN_FURTHER).trigger()
    settle(qtbot, ready)
    more = session.state.training.trained
    assert more is not None
    assert len(more.history) == 4
    assert more.history[:2] == first.history
    assert ready.learning.plot.epoch_count == 4
    ready.commands.saving.save()
    settle(qtbot, ready)
    assert not _action(ready, ActionId.TRAIN_FURTHER).isEnabled()


def test_one_whose_best_was_taken_goes_on_too(qtbot: QtBot, ready: MainWindow, tiny_model: Path) -> None:
    session = session_of(ready)
    _train_until_epoch(qtbot, ready, 2)
    ready.commands.stop()
    settle(qtbot, ready)
    epochs = ready.learning.plot.epoch_count
    session.open_model(tiny_model)
    settle(qtbot, ready)
    assert ready.learning.plot.epoch_count == 0
    ready.commands.unfinished.use_best()
    settle(qtbot, ready)
    assert ready.learning.plot.epoch_count == epochs
    ready.commands.unfinished.train_further()
    qtbot.waitUntil(lambda: len(session.state.training.epochs) > epochs, timeout=WAIT_MS)
    ready.commands.stop()
    settle(qtbot, ready)
    assert ready.learning.plot.epoch_count > epochs


@pytest.mark.parametrize("way", [ActionId.TRAIN_FURTHER, ActionId.CONTINUE])
def test_a_stop_before_its_first_new_epoch_loses_nothing(
    qtbot: QtBot, ready: MainWindow, tiny_model: Path, way: ActionId
) -> None:
    session = session_of(ready)
    _train_until_epoch(qtbot, ready, 2)
    ready.commands.stop()
    settle(qtbot, ready)
    epochs = ready.learning.plot.epoch_count
    if way is ActionId.CONTINUE:
        session.open_model(tiny_model)
        settle(qtbot, ready)
    _action(ready, way).trigger()
    assert session.state.work is Activity.PREPARING
    ready.commands.stop()
    settle(qtbot, ready)
    assert session.state.training.unsaved
    assert len(session.state.training.epochs) == ready.learning.plot.epoch_count >= epochs
    assert _action(ready, ActionId.TRAIN_FURTHER).isEnabled()
    ready.commands.saving.save()
    settle(qtbot, ready)
    assert read_summary(tiny_model).has_prior
    assert listed_runs() == []


# Further, and nothing is lost if that comes to nothing


@pytest.fixture
def ended(qtbot: QtBot, ready: MainWindow) -> MainWindow:
    """A window with a prior that is not saved yet, whose training had both its epochs."""
    ready.options.form.set_overrides({**CONFIG, "max_epochs": 2})
    ready.stage.train_button.click()
    settle(qtbot, ready)
    assert session_of(ready).state.training.unsaved
    return ready


def _go_further_until(qtbot: QtBot, window: MainWindow, epoch: int) -> None:
    session_of(window).epoch_finished.connect(lambda told: told.epoch >= epoch and window.commands.cancel_training())
    _action(window, ActionId.TRAIN_FURTHER).trigger()
    settle(qtbot, window)


def test_a_further_training_that_fails_gives_the_prior_back(
    qtbot: QtBot, ended: MainWindow, sounds_folder: Path, tmp_path: Path, tiny_model: Path
) -> None:
    """Its sounds have moved, and others are open."""
    session, before = session_of(ended), session_of(ended).state.training
    others = tmp_path / "others"
    others.mkdir()
    for sound in sorted(sounds_folder.iterdir())[1:5]:
        shutil.copy(sound, others)
    sounds_folder.rename(tmp_path / "moved")
    session.open_dataset(others)
    settle(qtbot, ended)
    _action(ended, ActionId.TRAIN_FURTHER).trigger()
    settle(qtbot, ended)
    state = session.state
    assert state.problem is not None
    assert "have changed" in state.problem.message
    assert state.training == before
    assert state.open.unfinished is None
    assert _action(ended, ActionId.SAVE_PRIOR).isEnabled()
    assert ended.notices.notice_banner.button("copy") is not None
    ended.commands.saving.save()
    settle(qtbot, ended)
    assert read_summary(tiny_model).has_prior


def test_a_further_training_that_fails_later_gives_what_it_reached(
    qtbot: QtBot, ended: MainWindow, monkeypatch: pytest.MonkeyPatch
) -> None:
    from distill_core.errors import NotEnoughMemoryError
    from distill_core.training.prior.run import PriorRun

    session, train_epoch = session_of(ended), PriorRun.train_epoch

    def run_out(self: PriorRun, epoch: int, *arguments: object) -> object:
        if epoch == 4:
            raise NotEnoughMemoryError("There is not enough memory.", "Close other programs.")
        return train_epoch(self, epoch, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(PriorRun, "train_epoch", run_out)
    monkeypatch.setattr("distill_core.training.prior.state.PAUSE_IN_WRITING_TIMES", 0)
    _action(ended, ActionId.TRAIN_FURTHER).trigger()
    settle(qtbot, ended)
    state = session.state
    assert state.problem is not None
    assert state.training.unsaved
    assert state.training.trained is not None
    assert len(state.training.trained.history) == 3
    assert state.training.epochs == state.training.trained.history
    assert state.open.unfinished is None
    assert _action(ended, ActionId.TRAIN_FURTHER).isEnabled()


@pytest.mark.parametrize("way", ["list", "elsewhere"])
def test_a_training_whose_run_is_gone_cannot_go_further(
    qtbot: QtBot, ended: MainWindow, tiny_model: Path, way: str
) -> None:
    session = session_of(ended)
    before = session.state.training.trained
    if way == "list":
        session.discard_run(listed_runs()[0].id)
        settle(qtbot, ended)
    else:
        prior_runs(tiny_model).discard()
        session.train_further()
        settle(qtbot, ended)
        assert session.state.problem is not None
        assert "no longer on disk" in session.state.problem.message
    assert session.state.training.trained is before
    assert session.state.training.unsaved
    assert not _action(ended, ActionId.TRAIN_FURTHER).isEnabled()
    ended.commands.saving.save()
    settle(qtbot, ended)
    assert read_summary(tiny_model).has_prior


def test_a_window_that_comes_to_the_front_looks_for_its_run(qtbot: QtBot, ended: MainWindow, tiny_model: Path) -> None:
    qtbot.waitActive(ended)
    prior_runs(tiny_model).discard()
    QApplication.sendEvent(ended, QEvent(QEvent.Type.ActivationChange))
    settle(qtbot, ended)
    assert not _action(ended, ActionId.TRAIN_FURTHER).isEnabled()
    assert session_of(ended).state.training.unsaved


def test_a_further_training_that_is_cancelled_gives_the_prior_back_on_disk_too(
    qtbot: QtBot, ended: MainWindow, prompts: ScriptedPrompts, tiny_model: Path, sounds_folder: Path
) -> None:
    session, before = session_of(ended), session_of(ended).state.training
    prompts.answers["throwAwayQuestion"] = "discard"
    _go_further_until(qtbot, ended, 3)
    assert prompts.asked[-1].title == "Throw away what was learned since epoch 2?"
    assert prompts.asked[-1].text.endswith("The prior that it went on from stays, and is not saved yet.")
    assert session.state.training == before
    assert session.state.open.unfinished is None
    (run,) = listed_runs()
    assert run.facts is not None
    assert (run.facts.epoch, run.facts.run_id) == (2, before.trained.run_id)
    assert _action(ended, ActionId.TRAIN_FURTHER).isEnabled()
    assert "not saved yet" in ended.notices.notice_banner.title()


def test_a_training_that_is_continued_and_cancelled_is_offered_as_it_was(
    qtbot: QtBot, ready: MainWindow, prompts: ScriptedPrompts, tiny_model: Path
) -> None:
    session = session_of(ready)
    _train_until_epoch(qtbot, ready, 2)
    ready.commands.stop()
    settle(qtbot, ready)
    session.open_model(tiny_model)
    settle(qtbot, ready)
    before = session.state.open.unfinished
    assert before is not None
    prompts.answers["throwAwayQuestion"] = "discard"
    _action(ready, ActionId.CONTINUE).trigger()
    qtbot.waitUntil(lambda: len(session.state.training.epochs) > before.epoch, timeout=WAIT_MS)
    _cancel(ready).click()
    assert prompts.asked[-1].text.endswith("The unfinished training stays as it was.")
    settle(qtbot, ready)
    assert session.state.training == TrainingState()
    assert session.state.open.unfinished == before


def test_a_further_training_that_ended_while_it_was_asked_about_is_kept(
    qtbot: QtBot, ended: MainWindow, prompts: ScriptedPrompts, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers: list[Callable[[str], object]] = []
    monkeypatch.setattr(prompts, "ask", lambda parent, question, answer: answers.append(answer))
    _go_further_until(qtbot, ended, 3)
    answers[0]("discard")
    settle(qtbot, ended)
    assert session_of(ended).state.training.unsaved
    assert len(listed_runs()) == 1


def test_a_further_training_takes_the_limits_that_are_chosen_now(qtbot: QtBot, ended: MainWindow) -> None:
    session, started = session_of(ended), list[PriorTrainingStartEvent]()
    session.training_started.connect(started.append)
    ended.options.form.set_overrides({**CONFIG, "hidden_size": 64, "time_limit_min": 30.0, "patience": 5})
    _action(ended, ActionId.TRAIN_FURTHER).trigger()
    settle(qtbot, ended)
    config = started[0].config
    assert (config.time_limit_min, config.patience, config.hidden_size) == (30.0, 5, SMALL["hidden_size"])


def test_a_further_training_says_that_it_goes_on_with_its_own_sounds(qtbot: QtBot, ended: MainWindow) -> None:
    session, said = session_of(ended), list[str]()
    ended.commands.said.connect(said.append)
    session.leave_out({"sound 2.wav"})
    assert session.state.open.left_out
    _action(ended, ActionId.TRAIN_FURTHER).trigger()
    assert said == [GOES_ON_WITH_ITS_SOUNDS]
    assert session.state.open.left_out == frozenset()
    settle(qtbot, ended)
    assert session.state.problem is None


def test_restoring_offers_nothing_of_the_prior_that_is_not_saved(
    qtbot: QtBot, ended: MainWindow, prompts: ScriptedPrompts
) -> None:
    session = session_of(ended)
    ended.commands.saving.save()
    settle(qtbot, ended)
    ended.stage.train_button.click()
    settle(qtbot, ended)
    prompts.answers["restoreQuestion"] = "restore"
    _action(ended, ActionId.RESTORE).trigger()
    settle(qtbot, ended)
    assert session.state.training.unsaved
    for look in (lambda: None, session.look_for_use):
        look()
        settle(qtbot, ended)
        assert session.state.open.unfinished is None
        assert not _action(ended, ActionId.DISCARD).isEnabled()
        assert _action(ended, ActionId.TRAIN_FURTHER).isEnabled()
