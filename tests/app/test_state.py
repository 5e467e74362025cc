"""The table of available actions by state, and the sentences that go with them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app import words
from app.presentation import cards, controls, status
from app.session.activity import Activity, Runner, Subject
from app.session.available import ALWAYS, ActionId, available
from app.session.beside import BesideModel
from app.session.heard import hear
from app.session.options import Options
from app.session.state import Page, SaveObstacle, State
from app.session.training import TrainingState
from app.times import duration, rough_duration
from distill_core import read_summary, scan
from distill_core.events import JobProgress, Phase
from distill_core.generation.request import GenerateRequest
from distill_core.generation.takes.folder import Take
from distill_core.training.codec.words import CODEC
from distill_core.training.events import Ended
from distill_core.training.prior.events import Keep, PriorEpochMetrics, PriorTrainingStartEvent
from distill_core.training.prior.kept import naming_kept
from distill_core.training.prior.trained import TrainedPrior
from distill_core.training.prior.words import PRIOR
from distill_core.training.run_folder.facts import UnfinishedRun
from distill_core.training.words import phase_words

A = ActionId
OPENING = {A.OPEN_MODEL, A.CHOOSE_SOUNDS, A.TRY_DEMO}
IDLE = OPENING | {A.CLEAR_CACHE, A.REGISTER, A.UNFINISHED_RUNS}
RUN = UnfinishedRun("an id", Path("m.distill"), (Path("kicks"),), 31, 100, 29, 7.42, False, PRIOR)
MAKING = replace(RUN, kind=CODEC, model=Path("new.distill"))
BEGUN = replace(RUN, epoch=0, best_epoch=0, best=None, under_way=1, share=0.5)
OLDER, ENDED_RUN = replace(RUN, is_older=True), replace(RUN, has_ended=True)
Start = Callable[..., PriorTrainingStartEvent]
Epoch = Callable[..., PriorEpochMetrics]
Make = Callable[..., TrainedPrior]


@pytest.fixture
def ready(shared_tiny_model: Path, shared_sounds_folder: Path) -> State:
    return State().with_open(model=read_summary(shared_tiny_model), dataset=scan(shared_sounds_folder))


@pytest.fixture
def trained(make_trained: Make, an_epoch: Epoch) -> TrainedPrior:
    """A training whose last epoch is its best: there is nothing to choose."""
    return make_trained([an_epoch(3, 8.17)])


@pytest.fixture
def memorized(make_trained: Make, an_epoch: Epoch) -> TrainedPrior:
    """A training whose best epoch, and whose last, came after it had begun to memorize."""
    verdicts = [(9.0, "fitting"), (4.9, "fitting"), (4.5, "memorizing"), (4.6, "memorizing")]
    return make_trained([an_epoch(10 + number, *each) for number, each in enumerate(verdicts)])


def _at(state: State, activity: Activity) -> State:
    return state.doing(Runner.WORK, activity)


def _beyond_always(state: State) -> set[ActionId]:
    assert available(state) >= ALWAYS
    return set(available(state) - ALWAYS)


def test_what_may_be_done_in_each_state(
    ready: State, trained: TrainedPrior, memorized: TrainedPrior, an_epoch: Epoch
) -> None:
    done = ready.with_training(trained=trained)
    saving = {A.TRAIN, A.SAVE_PRIOR, A.SAVE_COPY}
    choose = ready.with_training(trained=memorized, unsaved=True)
    flagged = ready.with_epoch(an_epoch(3, 1.5, "memorizing", "It knows its sounds by heart."))
    folder, hear, best = {A.SHOW_IN_FOLDER}, {A.GENERATE}, {A.LISTEN_TO_BEST}
    curve = {A.EXPORT_PICTURE, A.EXPORT_TABLE, A.COMPARE_CURVE}
    ends = {A.STOP, A.CANCEL_TRAINING}
    read_only = ready.with_open(obstacle=SaveObstacle("read-only", is_read_only=True))
    unfinished, previous = ready.with_open(unfinished=RUN), ready.with_open(has_previous=True)
    assert ready.open.model is not None
    prior = {"prior_architecture": "frames", "prior_is_readable": True, "prior_config": {"architecture": "frames"}}
    with_prior = ready.with_open(model=replace(ready.open.model, **prior))
    with_newer = ready.with_open(model=replace(ready.open.model, **prior | {"prior_is_readable": False}))
    shelved = ready.with_takes(takes=(Take(7, 41, 5.0, False, Path("sound.wav"), {}, GenerateRequest()),))
    nonsense = replace(ready, options=Options({}, is_valid=False))
    make = {A.MAKE_MODEL, A.MAKE_BOTH}
    idle = IDLE | folder | make | {A.EDIT_MODEL}
    making = ready.with_open(model=None).with_making(is_under_way=True)
    table: list[tuple[State, set[ActionId]]] = [
        (State(), IDLE),
        (State(work=Activity.STARTING), OPENING),
        (State(work=Activity.OPENING).with_open(pending_model=Path("m.distill")), OPENING),
        (State(work=Activity.SCANNING).with_open(pending_sounds=(Path("kicks"),)), OPENING | {A.STOP}),
        (State(work=Activity.CLEARING), OPENING),
        (State(work=Activity.WORKING), OPENING),
        (ready.with_open(dataset=None), IDLE | folder | {A.EDIT_MODEL}),
        (ready.with_open(model=None), IDLE | make),
        (ready, idle | {A.TRAIN}),
        (nonsense, idle - {A.MAKE_BOTH}),
        (read_only, idle - {A.EDIT_MODEL} | {A.TRAIN}),
        (replace(ready, listen=Activity.SCANNING), idle | {A.TRAIN}),
        (_at(ready, Activity.PREPARING), folder | ends),
        (_at(ready, Activity.TRAINING), folder | ends),
        (_at(making, Activity.PREPARING), ends),
        (_at(making, Activity.TRAINING), ends),
        (_at(making, Activity.STOPPING), set()),
        (_at(making, Activity.SAVING), set()),
        (_at(flagged, Activity.TRAINING), folder | ends | best | curve),
        (_at(flagged.with_training(is_kept=False), Activity.TRAINING), folder | ends | curve),
        (_at(flagged, Activity.STOPPING), folder | best | curve),
        (replace(ready, beside=BesideModel(with_prior.open.model, False)), idle | {A.TRAIN, A.END_COMPARISON}),
        (_at(ready, Activity.STOPPING), folder),
        (done.with_training(unsaved=True), idle | saving | hear),
        (choose, idle | saving | hear | {A.KEEP_BEST, A.KEEP_LAST}),
        (
            choose.with_training(trained=memorized.keeping(Keep.LAST)),
            idle | saving | hear | {A.KEEP_BEST, A.KEEP_BEFORE_MEMORIZING},
        ),
        (choose.with_training(unsaved=False), idle | {A.TRAIN, A.SAVE_COPY}),
        (_at(choose.with_training(is_choosing=True), Activity.WORKING), OPENING | folder | hear),
        (_at(choose, Activity.SAVING), folder | hear),
        (_at(choose, Activity.SCANNING), OPENING | folder | hear | {A.SAVE_PRIOR, A.SAVE_COPY}),
        (_at(done.with_training(unsaved=True), Activity.SAVING), folder | hear),
        (done.with_training(saved_to=Path("m.distill")), idle | {A.TRAIN, A.SAVE_COPY}),
        (ready.with_training(trained=replace(trained, prior=None)), idle | {A.TRAIN}),
        (unfinished, idle | {A.TRAIN, A.CONTINUE, A.USE_BEST, A.DISCARD}),
        (ready.with_open(unfinished=BEGUN), idle | {A.TRAIN, A.CONTINUE, A.DISCARD}),
        (ready.with_open(unfinished=OLDER), idle | {A.TRAIN, A.USE_BEST, A.DISCARD}),
        (ready.with_open(unfinished=ENDED_RUN), idle | {A.TRAIN, A.USE_BEST, A.DISCARD}),
        (ready.with_open(unfinished_model=MAKING), idle | {A.TRAIN, A.CONTINUE, A.USE_BEST, A.DISCARD}),
        (State().with_open(unfinished_model=replace(MAKING, has_ended=True)), IDLE | {A.USE_BEST, A.DISCARD}),
        (_at(unfinished, Activity.TRAINING), folder | ends),
        (with_prior, idle | hear | curve | {A.TRAIN, A.EXPORT_PLUGIN}),
        (_at(with_prior, Activity.TRAINING), folder | hear | ends | curve | {A.EXPORT_PLUGIN}),
        (with_newer, idle | curve | {A.TRAIN}),
        (shelved, idle | {A.TRAIN, A.SAVE_ALL_TAKES}),
        (shelved.with_takes(chosen=7), idle | {A.TRAIN, A.SAVE_ALL_TAKES, A.SAVE_TAKE, A.DELETE_TAKE}),
        (shelved.with_takes(chosen=8), idle | {A.TRAIN, A.SAVE_ALL_TAKES}),
        (previous, idle | {A.TRAIN, A.RESTORE}),
        (_at(previous, Activity.TRAINING), folder | ends),
        (_at(previous, Activity.SAVING), folder),
    ]
    for state, wanted in table:
        assert _beyond_always(state) == wanted, state


@pytest.mark.parametrize(
    ("activity", "opened", "text"),
    [
        (Activity.STARTING, {}, "Starting the engine…"),
        (Activity.OPENING, {"pending_model": Path("a/drums.distill")}, "Opening drums.distill…"),
        (Activity.SCANNING, {"pending_sounds": (Path("a/kicks"),)}, "Looking through kicks…"),
        (
            Activity.SCANNING,
            {"pending_sounds": (Path("a/kicks"), Path("b/x.wav"))},
            "Looking through kicks and 1 more…",
        ),
        (Activity.PREPARING, {}, "Preparing sounds…"),
        (Activity.TRAINING, {}, "Training: the first epoch is under way."),
        (Activity.STOPPING, {}, "Stopping…"),
        (Activity.SAVING, {}, "Saving…"),
        (Activity.CLEARING, {}, "Clearing the cache…"),
        (Activity.WORKING, {}, "Working…"),
        (Activity.NONE, {"model": None, "dataset": None}, "Drop sounds or a model to begin."),
        (Activity.NONE, {"dataset": None}, "Now add the sounds to learn from."),
        (Activity.NONE, {"model": None}, "Now make a model."),
        (Activity.NONE, {}, "Ready. 6 sounds, about 6 minutes on this computer."),
    ],
)
def test_the_main_sentence(ready: State, activity: Activity, opened: dict[str, object], text: str) -> None:
    assert status.main_text(_at(ready.with_open(**opened), activity), 350.0) == text


def test_the_sentence_while_epochs_go_by(ready: State, an_epoch: Epoch, start_event: Start) -> None:
    state = _at(ready, Activity.TRAINING)
    assert status.main_text(state, None) == "Training: the first epoch is under way."
    state, _ = hear(state, start_event(patience=0), Runner.WORK)
    for epoch in (an_epoch(1, 9.0), an_epoch(2, 8.0), an_epoch(3, 7.0, best=2)):
        state = state.with_epoch(replace(epoch, epoch_time_s=10.0))
    assert status.main_text(state, None) == "Epoch 3 of 50 · 0:30 · 8 min left"
    state, _ = hear(state, start_event(history=state.training.epochs, patience=30), Runner.WORK)
    assert status.main_text(state, None) == "Epoch 3 of 50 · 0:30"
    state = state.with_epoch(replace(an_epoch(4, 7.5, best=2), epoch_time_s=10.0))
    assert status.main_text(state, None) == "Epoch 4 of 50 · 0:40 · 5–8 min left"


@pytest.mark.parametrize(
    ("changes", "of_prior", "can"),
    [
        ({}, {}, True),
        ({"unsaved": False}, {}, False),  # its run is gone
        ({"sounds": ()}, {}, False),
        ({"run_is_gone": True}, {}, False),
        ({}, {"run_id": ""}, False),
        ({}, {"is_kept": False}, False),
        ({}, {"ended": Ended.NO_BETTER}, True),
        ({}, {"ended": Ended.DIVERGED}, False),
    ],
)
def test_when_training_can_go_further(
    ready: State, trained: TrainedPrior, changes: Any, of_prior: Any, can: bool
) -> None:
    on_disk = replace(trained, **{"run_id": "an id", "is_kept": True, "ended": Ended.STOPPED, **of_prior})
    training = {"trained": on_disk, "unsaved": True, "sounds": (Path("kicks"),), **changes}
    assert (A.TRAIN_FURTHER in available(ready.with_training(**training))) == can
    elsewhere = ready.with_open(is_in_use=True).with_training(**training)
    assert A.TRAIN_FURTHER not in available(elsewhere), "another window trains the model"
    unclear = replace(ready, options=replace(ready.options, is_valid=False)).with_training(**training)
    assert A.TRAIN_FURTHER not in available(unclear), "it takes the time limit and the patience from there"


def test_what_a_training_went_on_from_comes_back_unless_that_has_a_result(ready: State, trained: TrainedPrior) -> None:
    former = TrainingState(trained=trained, unsaved=True, epochs=trained.history)
    begun = replace(ready, training=former.going_on)
    assert begun.training.trained is None
    assert begun.training.epochs == former.epochs
    assert begun.done_with(Subject.TRAINING).training is former
    assert begun.done_with(Subject.SOUNDS).training is begun.training
    with_result = begun.with_training(former=None)
    assert with_result.done_with(Subject.TRAINING).training is with_result.training


def test_only_a_look_at_its_own_run_tells_a_training_that_it_is_gone(trained: TrainedPrior) -> None:
    training = TrainingState(trained=replace(trained, run_id="an id"), unsaved=True)
    assert training.knowing_run("an id", is_there=True) is training
    assert training.knowing_run("another", is_there=False) is training
    gone = training.knowing_run("an id", is_there=False)
    assert gone.run_is_gone
    assert gone.knowing_run("an id", is_there=True) == training


def test_options_that_cannot_be_are_pointed_at(ready: State) -> None:
    nonsense = replace(ready, options=Options({"num_heads": 5}, is_valid=False))
    assert status.main_text(nonsense, 350.0) == "One of the options cannot be used; it is marked under Options."


@pytest.mark.parametrize(
    ("ended", "how"),
    [
        (Ended.LAST_EPOCH, "Finished."),
        (Ended.STOPPED, "Stopped."),
        (Ended.NO_BETTER, "Ended: it got no better."),
        (Ended.DIVERGED, "Ended: it diverged again and again."),
        (Ended.TIME_LIMIT, "Ended at its time limit."),
    ],
)
def test_how_a_training_ended_in_words(
    ready: State, make_trained: Make, an_epoch: Epoch, ended: Ended, how: str
) -> None:
    done = ready.with_training(trained=make_trained([an_epoch(3, 8.17), an_epoch(4, 9.0)], ended))
    assert status.main_text(done, None) == f"{how} It knows your sounds well (8.2 of 16). Epoch 3, the best, is kept."


def test_the_sentence_is_of_the_weights_that_are_kept(ready: State, memorized: TrainedPrior) -> None:
    kept = {
        Keep.BEFORE_MEMORIZING: "Finished. It knows your sounds well (4.9 of 16). Epoch 11, the best before "
        "memorizing, is kept.",
        Keep.BEST: "Finished. It knows your sounds by heart (4.5 of 16). Epoch 12, the best, is kept.",
        Keep.LAST: "Finished. It knows your sounds by heart (4.6 of 16). Epoch 13, the last, is kept.",
    }
    assert status.main_text(ready.with_training(trained=memorized), None) == kept[Keep.BEFORE_MEMORIZING]
    for which, text in kept.items():
        assert status.main_text(ready.with_training(trained=memorized.keeping(which)), None) == text


def test_other_sentences_without_a_training_under_way(
    ready: State, make_trained: Make, an_epoch: Epoch, trained: TrainedPrior
) -> None:
    nothing = ready.with_training(trained=TrainedPrior.none(Ended.STOPPED))
    assert status.main_text(nothing, None) == "Stopped before the first epoch: nothing to save."
    assert status.main_text(ready, None) == "Ready. 6 sounds. The first epoch will show how long it takes."
    guessing = ready.with_training(trained=make_trained([an_epoch(1, 30.0)]))
    assert "It knows no more than how common each code is." in status.main_text(guessing, None)
    older = replace(trained, metadata={key: value for key, value in trained.metadata.items() if key != "measure"})
    assert "It has learned your sounds (8.2 of 16, by an older measure)." in status.main_text(
        ready.with_training(trained=older), None
    )


def test_files_that_are_one_sound_are_told_before_training(ready: State) -> None:
    assert ready.open.dataset is not None
    copies = replace(ready.open.dataset, files=(ready.open.dataset.files[0],) * 12)
    assert status.main_text(ready.with_open(dataset=copies), None).endswith(f"it takes. {copies.sameness}")
    assert "All 12 files are one sound" in copies.sameness


def test_what_a_stop_keeps_is_what_the_engine_keeps(make_trained: Make, an_epoch: Epoch) -> None:
    perplexities = [9.0, 4.9, 5.0, 4.5, 4.6, 4.4]
    for begins in range(1, len(perplexities) + 2):
        verdicts = ["memorizing" if number >= begins else "fitting" for number in range(1, len(perplexities) + 1)]
        rows = zip(perplexities, verdicts, strict=True)
        epochs = naming_kept(an_epoch(number, *row) for number, row in enumerate(rows, start=1))
        state = State()
        for count, epoch in enumerate(epochs, start=1):
            state = state.with_epoch(epoch)
            kept = make_trained(epochs[:count]).kept
            assert state.training.kept_epoch == kept, (begins, count)
        assert state.without_training() == State()


def test_the_epoch_that_a_stop_keeps_is_the_one_that_training_names_and_no_other(ready: State, an_epoch: Epoch) -> None:
    state = _at(ready, Activity.TRAINING).with_epoch(an_epoch(1, 9.0))
    table = [
        (an_epoch(2, 5.0, "memorizing", "By heart.", kept=1), 1, "Stop and Keep Epoch 1"),
        (an_epoch(2, 5.0, "memorizing", "By heart.", kept=2), 2, "Stop and Keep Epoch 2"),
        (an_epoch(2, 5.0, "fitting", kept=1), 1, "Stop"),
        (replace(an_epoch(2, 5.0, "memorizing", "By heart."), kept_epoch=0), None, "Stop"),
    ]
    for epoch, kept, text in table:
        now = state.with_epoch(epoch)
        assert (now.training.kept_epoch and now.training.kept_epoch.epoch) == kept
        assert controls.train_button(now).text == text


def test_only_the_verdict_makes_a_training_one_that_memorizes(an_epoch: Epoch) -> None:
    table = [
        (an_epoch(3, 1.5, "memorizing", "by heart"), True, "by heart"),
        (an_epoch(3, 1.5, "siblings", "near-copies"), False, "near-copies"),
        (an_epoch(3, 1.5, "fitting", "below 2.0"), False, "below 2.0"),
        (an_epoch(3, 8.5, "fitting"), False, ""),
    ]
    for epoch, memorizes, warning in table:
        state = State(work=Activity.TRAINING).with_epoch(epoch)
        assert (state.is_memorizing, state.warning) == (memorizes, warning)
        ended = replace(state, work=Activity.NONE)
        assert (ended.is_memorizing, ended.warning) == (False, "")


@pytest.mark.parametrize(
    ("progress", "text"),
    [
        (JobProgress(Phase.SCAN, 3400, 0), "Looking for sounds: 3,400 files so far"),
        (JobProgress(Phase.SCAN, 1, 1), "Looking through 1 file: 1 done"),
        (JobProgress(Phase.ENCODE, 3, 1200), "Preparing the sounds: 3 of 1,200"),
        (JobProgress(Phase.VARIANTS, 12, 536), "Preparing variants of the sounds: 12 of 536"),
    ],
)
def test_progress_in_words(progress: JobProgress, text: str) -> None:
    assert status.progress_text(progress) == text


def test_every_phase_has_words_and_only_the_scan_is_shown_on_the_card() -> None:
    for phase in Phase:
        progress = JobProgress(phase, 1, 2)
        assert phase_words(phase) not in ("", phase), phase
        look = cards.sounds_progress(progress)
        assert (look is not None) == (phase is Phase.SCAN), phase
        assert look is None or look.text == status.progress_text(progress)


@pytest.mark.parametrize(
    ("metadata", "line"),
    [
        ({"best_perplexity": 8.0}, "Has learned your sounds (8.0 of 16, by an older measure)"),
        ({"best_perplexity": 7.0, "final_perplexity": 9.5, "measure": 2}, "Has learned your sounds (9.5 of 16)"),
        (
            {"final_perplexity": 4.5, "measure": 2, "unigram_perplexity": 12.0, "verdict": "fitting"},
            "Knows your sounds well (4.5 of 16)",
        ),
        (
            {"final_perplexity": 1.02, "measure": 2, "verdict": "memorizing"},
            "Knows your sounds by heart (1.0 of 16)",
        ),
        ({"final_perplexity": 1.02, "verdict": "memorizing"}, "Knows your sounds by heart (1.0 of 16)"),
        ({"measure": 2}, "Has learned your sounds"),
        ({"measure": 2, "verdict": "memorizing"}, "Knows your sounds by heart"),
        ({"verdict": "nonsense"}, "Has learned your sounds"),
        ({"measure": 2, "final_perplexity": 0.0, "unigram_perplexity": -3}, "Has learned your sounds"),
    ],
)
def test_the_cards_line_is_of_the_saved_weights(ready: State, metadata: dict[str, object], line: str) -> None:
    assert ready.open.model is not None
    summary = replace(ready.open.model, prior_architecture="flat", prior_is_readable=True, prior_metadata=metadata)
    assert words.model_lines(summary)[1] == line


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (5, "a few seconds"),
        (44, "about 40 seconds"),
        (60, "about 1 minute"),
        (359, "about 6 minutes"),
        (7300, "about 2 hours"),
    ],
)
def test_rough_durations(seconds: float, text: str) -> None:
    assert rough_duration(seconds) == text


@pytest.mark.parametrize(("seconds", "text"), [(12.4, "12 s"), (192, "3 min 12 s"), (7500, "2 h 5 min")])
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("freed", "text"),
    [
        (0, "The cache was empty already."),
        (4096, "Cache cleared: 4 kB freed."),
        (3_250_000, "Cache cleared: 3.2 MB freed."),
    ],
)
def test_what_clearing_the_cache_says(freed: int, text: str) -> None:
    assert words.cleared_text(freed) == text


def test_sounds_turn_the_page_when_they_are_asked_for(shared_tiny_model: Path, shared_sounds_folder: Path) -> None:
    """Those of a session come after its model, whose takes are on the stage by then."""
    dataset, prior = scan(shared_sounds_folder), replace(read_summary(shared_tiny_model), prior_architecture="frames")
    before = State(page=Page.TAKES)
    asked = before.with_open(pending_model=prior.path, pending_sounds=(shared_sounds_folder,)).following(before)
    assert asked.page is Page.SOUNDS
    opened = asked.with_open(model=prior, real_path=prior.path, pending_model=None).following(asked)
    assert opened.page is Page.TAKES
    assert opened.with_open(dataset=dataset, pending_sounds=()).following(opened).page is Page.TAKES
