"""Nothing that a person aims at moves while the window tells something."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtCore import QPoint, QRect, QSettings
from PySide6.QtWidgets import QApplication, QWidget
from pytestqt.qtbot import QtBot

from app.main_window import MainWindow
from app.session import Session
from app.session.activity import Activity
from app.session.making import MakingState
from app.session.options import Options
from app.session.problems import Problem
from app.session.state import Page, SaveObstacle, State
from distill_core import read_summary, scan
from distill_core.training.codec.trained import TrainedCodec
from distill_core.training.events import Ended
from distill_core.training.prior.events import PriorEpochMetrics, PriorTrainingStartEvent
from distill_core.training.prior.trained import TrainedPrior
from tests.app.copies_states import LONG, copies_states
from tests.app.driving import ScriptedPrompts, bring_to, session_of, settle

Epoch = Callable[..., PriorEpochMetrics]


@pytest.fixture
def window(qtbot: QtBot, tmp_path: Path) -> Iterator[MainWindow]:
    QSettings.setPath(QSettings.Format.IniFormat, QSettings.Scope.UserScope, str(tmp_path / "settings"))
    session = Session()
    window = MainWindow(session, ScriptedPrompts())
    window.show()
    qtbot.waitExposed(window)
    settle(qtbot, window)
    yield window
    window._may_close = True
    window.close()
    window.deleteLater()
    session.deleteLater()


@pytest.fixture
def states(
    shared_tiny_model: Path,
    shared_sounds_folder: Path,
    make_trained: Callable[..., TrainedPrior],
    an_epoch: Epoch,
    start_event: Callable[..., PriorTrainingStartEvent],
) -> dict[str, State]:
    model, dataset = read_summary(shared_tiny_model), scan(shared_sounds_folder)
    ready = State(options=Options().following(model, dataset)).with_open(model=model, dataset=dataset)
    training = replace(ready, work=Activity.TRAINING, page=Page.LEARNING).with_training(total_epochs=40)
    heart = training.with_epoch(an_epoch(1, 4.9)).with_epoch(an_epoch(2, 4.8, "memorizing", LONG, kept=1))
    slow = [replace(an_epoch(number, 9.0, best=1), epoch_time_s=900.0) for number in (1, 2)]
    hours = training.with_training(started=start_event(), epochs=tuple(slow))
    trained = ready.with_training(trained=make_trained([an_epoch(3, 8.17)]), unsaved=True)
    several = make_trained([an_epoch(1, 9.0), an_epoch(2, 9.2, "memorizing"), an_epoch(3, 8), an_epoch(4, 9.0)])
    lost = MakingState(trained=TrainedCodec.none(Ended.LAST_EPOCH))
    sounds_only = State().with_open(dataset=dataset)
    making = replace(sounds_only.with_making(is_under_way=True), work=Activity.TRAINING, page=Page.LEARNING)
    on_disk = replace(make_trained([an_epoch(3, 30.0)]), run_id="an id", is_kept=True)  # no better than guessing
    return {
        "empty": State(),
        "model only": State().with_open(model=model),
        "sounds only": sounds_only,
        "making": making,
        "stopping it": replace(making, work=Activity.STOPPING),
        "made": ready.with_making(saved_to=model.path),
        "no place for it": replace(sounds_only, problem=Problem(LONG, LONG, is_of_place=True)),
        "opening": State(work=Activity.OPENING).with_open(pending_model=Path("x.distill")),
        "scanning": State(work=Activity.SCANNING).with_open(pending_sounds=(Path("kicks"),)),
        "ready": ready,
        "a wrong drop": ready.with_open(model_refusal=LONG, sounds_refusal=LONG),
        "read-only": ready.with_open(obstacle=SaveObstacle(LONG, is_read_only=True)),
        "preparing": replace(ready, work=Activity.PREPARING),
        "training": training,
        "hours left": hours,
        "can go further": trained.with_training(trained=on_disk, sounds=(Path("kicks"),)),
        "too much alike": training.with_training(sameness=LONG),
        "memorizing": heart,
        "memorizing and alike": heart.with_training(sameness=LONG),
        "stopping": replace(training, work=Activity.STOPPING),
        "unsaved": trained,
        "unsaved, and a model too": replace(trained, making=lost, problem=Problem(LONG, LONG)),
        "epochs to choose from": replace(trained, page=Page.LEARNING).with_training(trained=several),
        "saving": replace(trained, work=Activity.SAVING),
        "failed": replace(trained, problem=Problem(LONG, LONG)),
        "saved": trained.with_training(unsaved=False, saved_to=Path("x.distill")),
        "takes failed": ready.with_takes(problem=LONG),
        **copies_states(ready),
        **{f"page {page}": replace(ready, page=page) for page in Page},
    }


def _places(window: MainWindow) -> dict[str, QRect]:
    regions: dict[str, QWidget] = {
        "sounds": window.chips.sounds_card,
        "model": window.chips.model_card,
        "takes": window.chips.takes_card,
        "notice": window.notices,
        "stage": window.stage.stack,
        "button": window.stage.train_button,
        "player": window.player,
        "generate": window.generate,
        "shelf": window.takes,
    }
    return {name: QRect(part.mapTo(window, QPoint()), part.size()) for name, part in regions.items()}


@pytest.mark.parametrize("size", [(760, 560), (1280, 800), (3840, 2160)])
@pytest.mark.parametrize("drawer", ["closed", "options", "copies"])
def test_no_state_moves_a_region(
    qtbot: QtBot, window: MainWindow, states: dict[str, State], size: tuple[int, int], drawer: str
) -> None:
    window.resize(*size)
    window.drawer.turn_to(drawer)
    known: dict[str, QRect] = {}
    for name, state in states.items():
        bring_to(qtbot, session_of(window), state)
        QApplication.processEvents()
        places = _places(window)
        # The width of the first button is that of its words.
        places["button"] = QRect(places["button"].topLeft(), places["button"].topLeft())
        known = known or places
        assert places == known, name
        assert (window.width(), window.height()) == size, name


def test_the_stage_is_high_enough_in_the_smallest_window(window: MainWindow) -> None:
    window.resize(760, 560)
    QApplication.processEvents()
    assert window.height() == 560
    assert window.stage.height() >= 260


def test_the_drawer_opens_with_a_model_where_there_is_room_and_is_remembered(
    qtbot: QtBot, window: MainWindow, shared_tiny_model: Path
) -> None:
    window.resize(1280, 800)
    window.commands.open_model(shared_tiny_model)
    settle(qtbot, window)
    assert window.drawer.isVisible()
    assert window.stage.width() < window.width() - window.drawer.width()
    window.resize(760, 560)  # nobody asked for it, so it hides nothing
    QApplication.processEvents()
    assert not window.drawer.isVisible()
    window.resize(1280, 800)
    QApplication.processEvents()
    assert window.drawer.isVisible()
    window.chips.inspect_button.click()
    assert not window.drawer.isVisible()
    window.commands.open_model(shared_tiny_model)
    settle(qtbot, window)
    assert not window.drawer.isVisible()
    window.resize(760, 560)
    window.chips.options_button.click()  # asked for: over the stage
    QApplication.processEvents()
    assert window.drawer.isVisible()
    assert window.stage.width() == window.notices.width()
    assert session_of(window).settings.drawer() == "options"
