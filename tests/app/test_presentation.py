"""The looks of cards, button and bar, as tables."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from app import words
from app.presentation import cards, controls
from app.presentation.notices import begins_to_warn
from app.session.activity import Activity
from app.session.available import ActionId
from app.session.options import Options
from app.session.state import SaveObstacle, State
from app.widgets.card.look import CardLook
from distill_core import read_summary, scan
from distill_core.events import SkippedFile
from distill_core.generation.request import GenerateRequest
from distill_core.generation.takes.folder import Take
from distill_core.training.events import Ended, StepMetrics
from distill_core.training.prior.events import PriorEpochMetrics
from distill_core.training.prior.trained import TrainedPrior

Epoch = Callable[..., PriorEpochMetrics]
Make = Callable[..., TrainedPrior]


@pytest.fixture
def ready(shared_tiny_model: Path, shared_sounds_folder: Path) -> State:
    model, dataset = read_summary(shared_tiny_model), scan(shared_sounds_folder)
    return State(options=Options().following(model, dataset)).with_open(model=model, dataset=dataset)


def test_the_models_card(ready: State) -> None:
    assert cards.model_card(State()).kind == "empty"
    assert cards.model_card(ready.with_open(pending_model=Path("a/b.distill"))) == CardLook(
        "busy", "Opening b.distill…"
    )
    filled = cards.model_card(ready)
    assert (filled.kind, filled.text, filled.button) == ("filled", "tiny.distill", "Open Another…")
    assert filled.lines[0] == "Hasn't learned your sounds yet"
    assert filled.short == "Not trained yet"


def test_the_models_chip_tells_of_the_training_here(ready: State, make_trained: Make, an_epoch: Epoch) -> None:
    learning = cards.model_card(replace(ready, work=Activity.TRAINING))
    assert (learning.lines[0], learning.short) == ("Is learning your sounds…", "Learning…")
    trained = make_trained([an_epoch(3, 8.17)])
    unsaved = cards.model_card(ready.with_training(trained=trained, unsaved=True))
    assert unsaved.lines[0] == words.knows_of(trained.metadata, ready.open.model.codebook_size)
    assert unsaved.lines[0] != "Hasn't learned your sounds yet"


def test_the_sounds_card(ready: State) -> None:
    assert cards.sounds_card(State()).kind == "empty"
    pending = ready.with_open(pending_sounds=(Path("a/kicks"), Path("b")))
    assert cards.sounds_card(pending) == CardLook(
        "busy", "Looking through kicks and 1 more…", link=(cards.CANCEL, "Cancel")
    )
    filled = cards.sounds_card(ready)
    assert filled == CardLook("filled", "sounds", ("6 sounds · 9 s", "A small set"), button="Choose Others…")
    chosen = Options({"hidden_size": 256, "effort": "thorough"}).following(ready.open.model, ready.open.dataset)
    assert cards.sounds_card(replace(ready, options=chosen)).lines[1] == "A small set", "the sounds are the same"
    assert len(cards.sounds_card(ready.with_open(model=None)).lines) == 1
    skipped = replace(ready.open.dataset, skipped=(SkippedFile("a.wav", "empty"),))
    assert "1 file skipped" in cards.sounds_card(ready.with_open(dataset=skipped)).lines


def test_the_chip_of_the_takes(ready: State) -> None:
    takes = tuple(
        Take(number, 7, 5.0, number < 3, Path(f"{number}.wav"), {}, GenerateRequest()) for number in range(1, 6)
    )
    assert cards.takes_card(ready).kind == "empty"
    assert cards.takes_card(ready.with_takes(takes=takes)).lines == ("5", "★ 2")


def test_what_is_refused_comes_before_what_lasts(ready: State) -> None:
    lasting = ready.with_open(obstacle=SaveObstacle("read-only", is_read_only=True))
    assert cards.model_refusal(ready) == ""
    assert cards.model_refusal(lasting) == "read-only"
    assert cards.model_refusal(lasting.with_open(model_refusal="one at a time")) == "one at a time"
    assert cards.model_refusal(lasting.with_open(pending_model=Path("m"))) == ""
    left_out = (SkippedFile("a.wav", "gone"), SkippedFile("b.wav", "changed"), SkippedFile("c.wav", "changed"))
    one, three = (ready.with_training(left_out=left_out[:count]) for count in (1, 3))
    assert cards.sounds_refusal(ready) == ""
    assert cards.sounds_refusal(one) == "Left out of the training: a.wav (gone)."
    assert cards.sounds_refusal(three) == "Left out of the training: a.wav (gone), and 2 more files."
    assert cards.sounds_refusal(three.with_open(sounds_refusal="no sound")) == "no sound"
    assert cards.sounds_refusal(three.with_open(pending_sounds=(Path("kicks"),))) == ""


def test_the_button(ready: State, make_trained: Make, an_epoch: Epoch) -> None:
    trained = ready.with_training(trained=make_trained([an_epoch(3, 8.17)]))
    memorizing = ready.with_epoch(an_epoch(1, 4.9)).with_epoch(an_epoch(2, 4.8, "memorizing", "By heart.", kept=1))
    table = [
        (State(), ("Train", False, False)),
        (ready, ("Train", True, True)),
        (replace(ready, options=Options(is_valid=False)), ("Train", False, True)),
        (replace(ready, work=Activity.OPENING), ("Train", False, True)),
        (replace(ready, work=Activity.SCANNING).with_open(pending_sounds=(Path("a"),)), ("Train", False, True)),
        (replace(ready, work=Activity.PREPARING), ("Stop", True, False)),
        (replace(ready, work=Activity.TRAINING), ("Stop", True, False)),
        (replace(memorizing, work=Activity.TRAINING), ("Stop and Keep Epoch 1", True, False)),
        (replace(ready, work=Activity.STOPPING), ("Stopping…", False, False)),
        (trained, ("Train Again", True, False)),
        (ready.with_training(trained=TrainedPrior.none(Ended.STOPPED)), ("Train", True, True)),
    ]
    for state, wanted in table:
        shown = controls.train_button(state)
        assert (shown.text, shown.is_enabled, shown.is_primary) == wanted, state.work
        assert shown.action is (ActionId.STOP if state.is_training else ActionId.TRAIN)
        assert controls.footer(state)[0] == shown


def test_the_bar() -> None:
    table = {
        Activity.NONE: (False, False, False, False),
        Activity.STARTING: (True, True, False, False),
        Activity.OPENING: (False, True, False, False),
        Activity.SCANNING: (False, True, True, True),
        Activity.CLEARING: (False, True, False, False),
        Activity.WORKING: (False, True, False, False),
        Activity.PREPARING: (True, True, True, True),
        Activity.TRAINING: (True, False, False, True),
        Activity.STOPPING: (True, False, False, False),
        Activity.SAVING: (True, True, False, False),
    }
    asked = (controls.has_bar, controls.bar_has_no_numbers, controls.bar_counts_progress, controls.tells_progress)
    for activity in Activity:
        assert tuple(ask(State(work=activity)) for ask in asked) == table[activity], activity


def test_the_share_that_is_done() -> None:
    state = State().with_training(total_epochs=4)
    assert controls.share_done(state, StepMetrics(3, 5, 10, 1.0, 1e-3, 0.1)) == pytest.approx(2.5 / 4)
    assert controls.share_done(State(), StepMetrics(1, 10, 10, 1.0, 1e-3, 0.1)) == 1.0


def test_the_saved_file_is_offered_while_nothing_runs() -> None:
    saved = State().with_training(saved_to=Path("m.distill"))
    offered = [
        ActionId.SHOW_IN_FOLDER in [button.action for button in controls.footer(state)]
        for state in (saved, replace(saved, work=Activity.SAVING), State())
    ]
    assert offered == [True, False, False]


def test_a_warning_is_new_in_the_first_epoch_of_several(an_epoch: Epoch) -> None:
    state, begins = State(), []
    for number, message in enumerate(["", "by heart", "by heart", "", "by heart"], start=1):
        state = state.with_epoch(an_epoch(number, 2.0, message=message))
        begins.append(begins_to_warn(state.training))
    assert begins == [False, True, False, False, True]
    assert not begins_to_warn(State().training)
    assert begins_to_warn(State().with_epoch(an_epoch(1, 2.0, message="by heart")).training)
