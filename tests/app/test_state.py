"""The table of what may be done when, and the sentences that go with it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from app import words
from app.state import ALWAYS, ActionId, Activity, State, available
from distill_core import read_summary, scan
from distill_core.training.checkpoint import UnfinishedRun
from distill_core.training.metrics import PriorEpochMetrics
from distill_core.training.prior_loop import TrainedPrior

A = ActionId
OPENING = {A.OPEN_MODEL, A.CHOOSE_SOUNDS, A.TRY_DEMO}
IDLE = OPENING | {A.CLEAR_CACHE}
EPOCH = PriorEpochMetrics(3, 50, 2.0, 2.1, 8.17, 7.5, False, "", 1.5, 1e-3)
RUN = UnfinishedRun("an id", Path("m.distill"), Path("kicks"), 31, 100, 29, 7.42, False)
FLAGGED = replace(EPOCH, is_memorizing=True, memorization_message="Validation perplexity 1.5 is below 2.0.")


@pytest.fixture
def ready(shared_tiny_model: Path, shared_sounds_folder: Path) -> State:
    return State(model=read_summary(shared_tiny_model), dataset=scan(shared_sounds_folder))


@pytest.fixture
def trained() -> TrainedPrior:
    from distill_core import CodePrior

    return TrainedPrior(CodePrior(16, 2, 96, 32, 1, 2), {}, {}, (EPOCH,), False)


def _beyond_always(state: State) -> set[ActionId]:
    assert available(state) >= ALWAYS
    return set(available(state) - ALWAYS)


def test_what_may_be_done_in_each_state(ready: State, trained: TrainedPrior) -> None:
    done = replace(ready, trained=trained, last_epoch=EPOCH, best_epoch=EPOCH)
    folder = {A.SHOW_IN_FOLDER}
    table: list[tuple[State, set[ActionId]]] = [
        (State(), IDLE),
        (State(activity=Activity.STARTING), OPENING),
        (State(activity=Activity.OPENING, pending_model=Path("m.distill")), OPENING),
        (State(activity=Activity.SCANNING, pending_folder=Path("kicks")), OPENING | {A.STOP}),
        (State(model=ready.model), IDLE | folder),
        (State(dataset=ready.dataset), IDLE),
        (ready, IDLE | folder | {A.TRAIN}),
        (replace(ready, activity=Activity.PREPARING), folder | {A.STOP}),
        (replace(ready, activity=Activity.TRAINING), folder | {A.STOP}),
        (replace(ready, activity=Activity.TRAINING, last_epoch=FLAGGED), folder | {A.STOP}),
        (replace(ready, activity=Activity.STOPPING), folder),
        (replace(done, unsaved=True), IDLE | folder | {A.TRAIN, A.SAVE_PRIOR, A.SAVE_COPY}),
        (replace(done, unsaved=True, activity=Activity.SAVING), folder),
        (replace(done, saved_to=Path("m.distill")), IDLE | folder | {A.TRAIN, A.SAVE_COPY}),
        (replace(ready, trained=replace(trained, prior=None)), IDLE | folder | {A.TRAIN}),
        (replace(ready, unfinished=RUN), IDLE | folder | {A.TRAIN, A.CONTINUE, A.USE_BEST, A.DISCARD}),
        (replace(ready, unfinished=RUN, activity=Activity.TRAINING), folder | {A.STOP}),
        (replace(ready, has_previous=True), IDLE | folder | {A.TRAIN, A.RESTORE}),
        (replace(ready, has_previous=True, activity=Activity.TRAINING), folder | {A.STOP}),
        (replace(ready, has_previous=True, activity=Activity.SAVING), folder),
    ]
    for state, wanted in table:
        assert _beyond_always(state) == wanted, state.activity


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"activity": Activity.STARTING}, "Starting the engine…"),
        ({"activity": Activity.OPENING, "pending_model": Path("a/drums.distill")}, "Opening drums.distill…"),
        ({"activity": Activity.SCANNING, "pending_folder": Path("a/kicks")}, "Looking through kicks…"),
        ({"activity": Activity.PREPARING}, "Preparing sounds…"),
        ({"activity": Activity.STOPPING}, "Finishing this step…"),
        ({"activity": Activity.SAVING}, "Saving…"),
        ({"model": None, "dataset": None}, "Drop a Distill model and a folder of sounds to begin."),
        ({"dataset": None}, "Now add the folder of sounds to learn from."),
        ({"model": None}, "Now add the model (.distill) to train."),
        ({}, "Ready. 6 sounds, about 6 minutes on this computer."),
    ],
)
def test_the_main_sentence(ready: State, changes: dict[str, object], text: str) -> None:
    assert words.main_text(replace(ready, **changes), 350.0) == text


def test_sentences_of_a_finished_training(ready: State, trained: TrainedPrior) -> None:
    done = replace(ready, trained=trained, last_epoch=EPOCH, best_epoch=EPOCH)
    assert words.main_text(done, None) == "Finished: best perplexity 8.17 at epoch 3."
    assert words.main_text(replace(done, trained=replace(trained, stopped_early=True)), None).startswith(
        "Stopped: best"
    )
    nothing = replace(ready, trained=replace(trained, prior=None))
    assert words.main_text(nothing, None) == "Stopped before the first epoch: nothing to save."
    assert words.main_text(ready, None) == "Ready. 6 sounds. The first epoch will show how long it takes."


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(5, "less than a minute"), (60, "about 1 minute"), (359, "about 6 minutes"), (7300, "about 2 hours")],
)
def test_rough_durations(seconds: float, text: str) -> None:
    assert words.rough_duration(seconds) == text


@pytest.mark.parametrize(("seconds", "text"), [(12.4, "12 s"), (192, "3 min 12 s"), (7500, "2 h 5 min")])
def test_durations(seconds: float, text: str) -> None:
    assert words.duration(seconds) == text


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
