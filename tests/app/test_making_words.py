"""The words on making a model, its estimate and its events: tables without a thread."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from app.flows import questions
from app.presentation import cards, controls, making, notices, status
from app.session.activity import Activity, Runner, Subject
from app.session.available import ActionId
from app.session.estimate import making_seconds, making_seconds_left, making_speed_of
from app.session.heard import hear
from app.session.making import MakingState
from app.session.problems import Problem
from app.session.state import State
from app.session.tasks.making import MadeModel, ModelPlace, recovering, saving_model
from app.session.tasks.making import making as making_task
from app.session.tasks.models import OpenedModel
from app.times import range_words
from distill_core import read_summary, scan
from distill_core.audio.dataset import AudioDataset
from distill_core.errors import ConfigError
from distill_core.events import JobProgress, Phase
from distill_core.training.codec.events import CodecEpochMetrics, CodecTrainingStartEvent
from distill_core.training.codec.klt.config import KLTConfig
from distill_core.training.codec.trained import TrainedCodec
from distill_core.training.codec.words import CODEC
from distill_core.training.events import Ended, OlderStateTaken, RunNotKept, StepMetrics
from distill_core.training.run_folder.facts import UnfinishedRun

RUN = UnfinishedRun("an id", Path("a/new.distill"), (Path("kicks"),), 31, 401, 29, 0.3237, False, CODEC)
CANNOT = Problem("“new.distill” can't be saved.", "Make room.", is_of_place=True)


def _epoch(number: int, error: float = 0.4, best: int = 0, seconds: float = 2.0) -> CodecEpochMetrics:
    rate = 0.0 if number == 1 else 1e-3
    return CodecEpochMetrics(number, 401, 0.5, 0.0, 0.6, 0.6, error, 0.38, seconds, rate, best or number)


def _start(*history: CodecEpochMetrics) -> CodecTrainingStartEvent:
    return CodecTrainingStartEvent(20, 4, 48, 0, 0.838, 0, 2, 401, KLTConfig(), history)


@pytest.fixture
def sounds(shared_sounds_folder: Path) -> AudioDataset:
    return scan(shared_sounds_folder)


@pytest.fixture
def with_sounds(sounds: AudioDataset) -> State:
    return State().with_open(dataset=sounds)


@pytest.fixture
def begun(with_sounds: State) -> State:
    """A making that the Session has begun, and whose task runs."""
    return replace(with_sounds, making=MakingState(is_under_way=True, whole_seconds=48), work=Activity.PREPARING)


@pytest.fixture
def under_way(begun: State) -> State:
    state = begun
    for event in (ModelPlace(RUN.model), _start(), _epoch(1, 0.4), _epoch(2, 0.36), _epoch(3, 0.37, best=2)):
        state, _ = hear(state, event, Runner.WORK)
    return state


# Events


def test_events_of_a_making_change_its_own_part_alone(begun: State) -> None:
    state, news = hear(begun, ModelPlace(RUN.model), Runner.WORK)
    assert (state.making.path, news) == (RUN.model, [])
    start = _start()
    state, news = hear(state, start, Runner.WORK)
    assert (state.work, news) == (Activity.TRAINING, [("making_started", start)])
    assert (state.making.total_epochs, state.making.patience, state.making.mean_frame_error) == (401, 30, 0.838)
    epoch = _epoch(1)
    state, news = hear(state, epoch, Runner.WORK)
    assert (state.making.epochs, state.making.best, news) == ((epoch,), epoch, [("making_epoch", epoch)])
    step = StepMetrics(2, 1, 6, 0.5, 1e-3, 0.1)
    assert hear(state, step, Runner.WORK) == (state, [("making_step", step)])
    state, _ = hear(state, RunNotKept("The disk is full."), Runner.WORK)
    state, _ = hear(state, OlderStateTaken(1), Runner.WORK)
    assert (state.making.is_kept, state.making.older_state) == (False, OlderStateTaken(1))
    assert state.training == begun.training


def test_one_that_goes_on_begins_with_the_epochs_before(begun: State) -> None:
    epochs = (_epoch(1), _epoch(2))
    start = _start(*epochs)
    state, news = hear(begun, start, Runner.WORK)
    assert state.making.epochs == epochs
    assert news == [("making_started", start), ("making_epoch", epochs[0]), ("making_epoch", epochs[1])]


def test_steps_of_a_prior_are_told_apart(with_sounds: State) -> None:
    step = StepMetrics(2, 1, 6, 0.5, 1e-3, 0.1)
    assert hear(with_sounds, step, Runner.WORK) == (with_sounds, [("step_finished", step)])


def test_it_is_a_training_of_its_own_kind(begun: State) -> None:
    for activity in (Activity.PREPARING, Activity.TRAINING, Activity.STOPPING):
        state = begun.doing(Runner.WORK, activity)
        assert (state.is_training, state.is_making) == (True, True)
        assert (replace(state, making=MakingState()).is_training, replace(state, making=MakingState()).is_making) == (
            True,
            False,
        )
    over = begun.doing(Runner.WORK, Activity.NONE).done_with(Subject.MAKING)
    assert (over.is_training, over.is_making, over.making.is_under_way) == (False, False, False)


def test_one_stop_takes_away_the_prior_that_was_to_follow() -> None:
    stopped = MakingState(then_prior=True).stopped()
    assert (stopped.then_prior, stopped.is_prior_left_out) == (False, True)
    assert stopped.stopped() == stopped
    assert not MakingState().stopped().is_prior_left_out


# Results


@pytest.fixture
def codec(shared_klt_model: Path) -> TrainedCodec:
    from distill_core import load_model_v2

    loaded = load_model_v2(shared_klt_model)
    return replace(TrainedCodec.none(Ended.LAST_EPOCH), model=loaded.model, run_id="an id", is_kept=True)


def test_the_result_waits_to_be_saved_unless_it_is_empty_or_given_up(
    under_way: State, sounds: AudioDataset, codec: TrainedCodec
) -> None:
    take = making_task(sounds, Path("a"), {}).take
    state, news = take(under_way, codec)
    assert (state.making.trained, state.making.ended, news) == (codec, Ended.LAST_EPOCH, [("making_ended", codec)])
    assert take(under_way, TrainedCodec.none(Ended.STOPPED))[0].making.trained is None
    assert take(under_way.with_making(is_given_up=True), codec)[0].making.trained is None
    assert recovering(RUN).take(under_way, codec) == (state, news)


def test_a_saved_model_is_opened_and_the_chain_is_remembered(
    under_way: State, codec: TrainedCodec, shared_klt_model: Path
) -> None:
    summary, path = read_summary(shared_klt_model), Path("a/new.distill")
    opened = OpenedModel(summary, path, None, False, None)
    before = under_way.with_making(trained=codec, then_prior=True).with_open(unfinished_model=RUN)
    state, news = saving_model(codec, path).take(before, MadeModel(path, opened))
    assert [name for name, _ in news] == ["model_opened", "model_changed", "saved", "model_made"]
    assert (state.making.trained, state.making.saved_to, state.making.then_prior) == (None, path, True)
    assert (state.open.model, state.open.dataset, state.open.unfinished_model) == (summary, before.open.dataset, None)
    assert state.training.saved_to == path


# The row below the pages


def test_the_buttons_make_a_model_where_one_is_missing(with_sounds: State) -> None:
    make, both, open_one = controls.footer(with_sounds, (70.0, 230.0))
    assert (make.text, make.is_enabled, make.is_primary) == ("Make a Model from These Sounds · 1–4 min", True, True)
    assert (both.text, both.is_enabled, both.is_primary) == ("Model, then Prior", True, False)
    waits = with_sounds.with_open(unfinished_model=RUN)
    assert [button.is_primary for button in controls.footer(waits)] == [False, False, False]  # its notice has one
    assert (open_one.text, open_one.action) == ("Open a Model…", ActionId.OPEN_MODEL)
    scanning = with_sounds.with_open(pending_sounds=(Path("x"),)).doing(Runner.WORK, Activity.SCANNING)
    assert [button.is_enabled for button in controls.footer(scanning)] == [False, False, True]
    assert controls.footer(scanning)[0].text == "Make a Model from These Sounds"


def test_a_making_is_stopped_or_cancelled(begun: State) -> None:
    assert [button.text for button in controls.footer(begun)] == ["Stop", controls.CANCEL]
    stopping, cancel = controls.footer(begun.doing(Runner.WORK, Activity.STOPPING))
    assert (stopping.text, cancel.is_enabled) == ("Stopping…", False)


def test_the_bar_counts_its_epochs(under_way: State) -> None:
    assert controls.share_done(under_way, StepMetrics(201, 3, 6, 0.5, 1e-3, 0.1)) == pytest.approx(200.5 / 401)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        ((5.0, 59.0), "under a minute"),
        ((5.0, 61.0), "about 1 min"),
        ((70.0, 230.0), "1–4 min"),
        ((230.0, 250.0), "about 4 min"),
        ((1800.0, 5400.0), "1–2 h"),
        ((7200.0, 7300.0), "about 2 h"),
    ],
)
def test_a_range_is_told_in_the_unit_of_its_end(seconds: tuple[float, float], words: str) -> None:
    assert range_words(*seconds) == words


def test_the_sentence_follows_the_making(with_sounds: State, begun: State, under_way: State) -> None:
    assert status.main_text(with_sounds, None) == "Now make a model."
    assert status.main_text(begun, None) == "Preparing sounds…"
    started, _ = hear(begun, _start(), Runner.WORK)
    assert status.main_text(started, None) == "Making the model: learning what the sounds have in common."
    told = "Making the model: epoch 3 of 401 · best error 0.360 · 1–13 min left"
    assert status.main_text(under_way, None) == told
    fitting = JobProgress(Phase.FIT, 3, 40)
    assert status.progress_text(fitting) == "Learning what the sounds have in common: 3 of 40"
    empty = with_sounds.with_making(ended=Ended.STOPPED)
    assert status.main_text(empty, None) == "Stopped before the first epoch: nothing to save."


def test_the_models_chip_says_that_one_is_made(begun: State, with_sounds: State) -> None:
    assert (cards.model_card(begun).kind, cards.model_card(begun).text) == ("busy", "Making a model…")
    assert cards.model_card(with_sounds).kind == "empty"


# The curve


def test_what_the_error_means_is_said(under_way: State) -> None:
    assert making.curve_words(MakingState()) == ""
    assert making.curve_words(under_way.making) == (
        "Each sound's average alone is off by 0.838, this model by 0.360. "
        "It uses 38% of its codes for the sounds kept aside."
    )
    poor = MakingState(epochs=(_epoch(1, 0.9),), mean_frame_error=0.838)
    assert "the model is no better yet" in making.curve_words(poor)


def test_the_curve_is_of_a_model_while_there_is_no_other(
    under_way: State, begun: State, with_sounds: State, codec: TrainedCodec, shared_klt_model: Path
) -> None:
    model = read_summary(shared_klt_model)
    made = with_sounds.with_open(model=model).with_making(saved_to=model.path)
    table = [
        (with_sounds, False),
        (begun, True),
        (under_way, True),
        (with_sounds.with_making(trained=codec), True),
        (made, True),
        (made.with_making(saved_to=Path("another.distill")), False),
        (made.doing(Runner.WORK, Activity.TRAINING), False),
        (made.with_open(model=replace(model, prior_architecture="frames")), False),
    ]
    for state, shows in table:
        assert making.shows_error(state) is shows, state


# Notices


def _texts(notice: notices.Notice | None) -> list[str]:
    return [] if notice is None else [text for _, text in notice.actions]


def test_a_new_model_is_told_with_its_place(with_sounds: State, shared_klt_model: Path) -> None:
    model = read_summary(shared_klt_model)
    made = with_sounds.with_open(model=model).with_making(saved_to=model.path)
    told = notices.notice(made)
    assert told is not None
    assert (told.title, told.detail) == (f"Your model is made: {model.path.name}.", f"It is in {model.path.parent}.")
    left_out = notices.notice(made.with_making(is_prior_left_out=True))
    assert left_out is not None
    assert left_out.detail.startswith("You stopped, so no prior was trained; Train does that now. It is in ")
    assert notices.notice(made.doing(Runner.WORK, Activity.TRAINING)) is None


def test_a_model_that_is_not_saved_is_told_with_what_can_be_done(with_sounds: State, codec: TrainedCodec) -> None:
    unsaved = with_sounds.with_making(trained=codec, path=RUN.model)
    assert _texts(notices.notice(unsaved)) == ["Save It", "Choose a Folder…"]
    assert notices.notice(unsaved).detail == "It is kept, and offered at the next start."
    lost = unsaved.with_making(trained=replace(codec, run_id=""))
    assert lost.making.is_lost_if_left
    assert notices.notice(lost).detail == "It is lost if it is not saved."
    assert _texts(notices.notice(replace(unsaved, problem=CANNOT))) == ["Choose a Folder…", "Save Again"]
    no_place = replace(with_sounds.with_making(whole_seconds=48), problem=CANNOT)
    assert _texts(notices.notice(no_place)) == ["Choose a Folder…"]
    of_a_prior = replace(with_sounds.with_making(whole_seconds=48, path=RUN.model, saved_to=RUN.model), problem=CANNOT)
    assert _texts(notices.notice(of_a_prior)) == []


@pytest.mark.parametrize(
    ("run", "title", "buttons"),
    [
        (
            RUN,
            "The model new.distill is half made: epoch 31 of 401, best error 0.324.",
            ["Continue", "Use Best", "Discard…"],
        ),
        (
            replace(RUN, epoch=0, best_epoch=0, best=None, under_way=1, share=0.25),
            "The model new.distill is half made: epoch 1 of 401, 25% in.",
            ["Continue", "Discard…"],
        ),
        (replace(RUN, has_ended=True), "The model new.distill was made, and never saved.", ["Use Best", "Discard…"]),
        (
            replace(RUN, is_best_only=True),
            "The model new.distill is half made: epoch 31 of 401, best error 0.324.",
            ["Use Best", "Discard…"],
        ),
    ],
)
def test_one_that_was_never_finished_is_offered(
    run: UnfinishedRun, title: str, buttons: list[str], with_sounds: State
) -> None:
    for state in (State(), with_sounds):
        told = notices.notice(state.with_open(unfinished_model=run, recoverable=(run,)))
        assert told is not None
        assert (told.title, _texts(told)) == (title, buttons)


def test_closing_asks_by_what_there_is_to_save(under_way: State) -> None:
    early = questions.quit_while_making(MakingState())
    assert [choice.id for choice in early.choices] == ["discard", "cancel"]
    late = questions.quit_while_making(under_way.making)
    assert late.text.startswith("Epoch 3 of 401. The model of epoch 2 is not saved. Distill offers")
    assert [choice.id for choice in late.choices] == ["save", "discard", "cancel"]
    assert (late.default, late.escape) == ("cancel", "cancel")
    not_kept = questions.quit_while_making(replace(under_way.making, is_kept=False))
    assert "offers" not in not_kept.text


# How long it takes


def test_the_estimate_is_a_range_that_a_known_speed_makes_narrower(sounds: AudioDataset) -> None:
    unknown, known = making_seconds(sounds, {}, None), making_seconds(sounds, {}, 80.0)
    assert unknown[0] < known[0] < known[1] == unknown[1]
    epochs, patience = 401, 30
    begins = known[1] - epochs * sounds.whole_seconds / 80.0
    assert known[0] == pytest.approx(begins + (patience + 2) * sounds.whole_seconds / 80.0)
    assert making_seconds(sounds, {}, 160.0)[1] < known[1]
    assert making_seconds(sounds, {"time_limit_min": 0.1}, 80.0) == (6.0, 6.0)
    certain = making_seconds(sounds, {"patience": 0}, 80.0)
    assert certain[0] == certain[1] == known[1]
    with pytest.raises(ConfigError):
        making_seconds(sounds, {"codebook_size": -1}, None)


def test_the_speed_is_that_of_steps_and_not_of_the_fit() -> None:
    assert making_speed_of((_epoch(1, seconds=100.0), _epoch(2), _epoch(3)), 48) == pytest.approx(24.0)
    assert making_speed_of((_epoch(1),), 48) is None
    assert making_speed_of((), 48) is None


@pytest.mark.parametrize(
    ("epochs", "left"),
    [
        ((), None),
        ((_epoch(1),), None),
        ((_epoch(1), _epoch(2)), (60.0, 798.0)),
        ((_epoch(1), *(_epoch(number, best=2) for number in range(2, 32))), (2.0, 740.0)),
        ((_epoch(1), *(_epoch(number, best=2) for number in range(2, 402))), (0.0, 0.0)),
    ],
)
def test_the_time_left_counts_on_patience(
    epochs: tuple[CodecEpochMetrics, ...], left: tuple[float, float] | None
) -> None:
    assert making_seconds_left(MakingState(epochs=epochs, patience=30)) == left


def test_without_patience_all_epochs_are_to_come() -> None:
    assert making_seconds_left(MakingState(epochs=(_epoch(1), _epoch(2)))) == (798.0, 798.0)


def test_giving_up_a_model_asks_about_the_model(begun: State) -> None:
    nothing = questions.throw_model_away(begun.making)
    assert nothing.text == "The first epoch is not finished. Nothing of it is kept."
    making = replace(begun.making, total_epochs=40, epochs=(_epoch(12),))
    question = questions.throw_model_away(making)
    assert (question.title, question.text) == ("Throw this model away?", "Epoch 12 of 40. Nothing of it is kept.")
    assert question.default == question.escape == "cancel"
