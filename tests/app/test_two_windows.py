"""Two windows on one model: the second sees that the first trains it, and is told when that has ended."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pytestqt.qtbot import QtBot

from app.presentation.controls import why_not_train
from app.presentation.notices import notice
from app.session import Session
from app.session.activity import Activity
from app.session.available import ActionId, available
from app.session.state import State
from app.session.tasks.runs import UseOfModel, take_use
from distill_core import read_summary
from distill_core.training.kinds import prior_runs
from tests.app.driving import WAIT_MS, settle_session
from tests.core.test_in_use import another_training

if TYPE_CHECKING:
    from distill_core.training.prior.events import PriorEpochMetrics

pytestmark = pytest.mark.usefixtures("known_codes")

QUICK = {"hidden_size": 32, "num_layers": 1, "num_heads": 2, "max_epochs": 2, "batch_size": 4, "device": "cpu"}


@pytest.fixture
def ready(qtbot: QtBot, session: Session, tiny_model: Path, sounds_folder: Path) -> Session:
    """A Session that could train."""
    session.open_model(tiny_model)
    session.open_dataset(sounds_folder)
    settle_session(qtbot, session)
    session.set_options(QUICK, is_valid=True)
    return session


def test_a_model_that_is_trained_elsewhere_says_so_until_that_ends(
    qtbot: QtBot, session: Session, tiny_model: Path, sounds_folder: Path
) -> None:
    with another_training(tiny_model):
        session.open_model(tiny_model)
        session.open_dataset(sounds_folder)
        settle_session(qtbot, session)
        told = notice(session.state)
        assert told is not None
        assert (told.kind, told.title) == ("info", "This model is being trained in another window.")
        assert told.actions == (("lookAgain", "Look Again"),)
        assert ActionId.TRAIN not in available(session.state)
        assert "another window" in why_not_train(session.state)
    qtbot.waitUntil(lambda: not session.state.open.is_in_use, timeout=WAIT_MS)
    assert ActionId.TRAIN in available(session.state)
    assert why_not_train(session.state) == ""
    assert notice(session.state) is None


def test_a_training_that_began_elsewhere_meanwhile_keeps_one_here_from_beginning(
    qtbot: QtBot, ready: Session, tiny_model: Path
) -> None:
    assert ActionId.TRAIN in available(ready.state)
    begun: list[object] = []
    ready.training_started.connect(begun.append)
    with another_training(tiny_model):
        ready.train()
        settle_session(qtbot, ready)
        assert ready.state.open.is_in_use
        assert ready.state.problem is None
        assert not begun
        ready.look_for_use()
        settle_session(qtbot, ready)
        assert ready.state.open.is_in_use
    ready.look_for_use()
    qtbot.waitUntil(lambda: not ready.state.open.is_in_use, timeout=WAIT_MS)
    ready.train()
    qtbot.waitUntil(lambda: ready.state.training.unsaved, timeout=WAIT_MS)
    assert begun


def test_a_window_that_has_the_model_open_alone_is_no_news(qtbot: QtBot, ready: Session, tiny_model: Path) -> None:
    other = Session()
    other.open_model(tiny_model)
    settle_session(qtbot, other)
    assert not other.state.open.is_in_use
    assert notice(other.state) is None
    assert other.close(WAIT_MS)
    other.deleteLater()


def test_its_own_training_is_no_other_window(
    qtbot: QtBot, ready: Session, an_epoch: Callable[..., PriorEpochMetrics]
) -> None:
    ready.epoch_finished.connect(ready.look_for_use)
    ready.train()
    qtbot.waitUntil(lambda: ready.state.training.unsaved, timeout=WAIT_MS)
    settle_session(qtbot, ready)
    assert not ready.state.open.is_in_use


def test_a_look_at_a_former_model_tells_nothing_of_this_one(tiny_model: Path, tmp_path: Path) -> None:
    state = State().with_open(model=read_summary(tiny_model))
    assert take_use(state, UseOfModel(tmp_path / "former.distill", True, None)) is state
    assert take_use(State(work=Activity.TRAINING), UseOfModel(tiny_model, True, None)) == State(work=Activity.TRAINING)
    assert take_use(state, UseOfModel(tiny_model, True, None)).open.is_in_use


@pytest.fixture
def other(qtbot: QtBot, ready: Session, tiny_model: Path, sounds_folder: Path) -> Iterator[Session]:
    """The Session of a second window on the same model and sounds."""
    other = Session()
    other.open_model(tiny_model)
    other.open_dataset(sounds_folder)
    settle_session(qtbot, other)
    other.set_options({**QUICK, "max_epochs": 3}, is_valid=True)
    yield other
    assert other.close(WAIT_MS)
    other.deleteLater()


def _train(qtbot: QtBot, session: Session) -> None:
    session.train()
    settle_session(qtbot, session)
    assert session.state.training.unsaved


def test_a_model_that_is_trained_elsewhere_is_trained_no_further_here(
    qtbot: QtBot, ready: Session, tiny_model: Path
) -> None:
    _train(qtbot, ready)
    before = ready.state.training
    assert ActionId.TRAIN_FURTHER in available(ready.state)
    with another_training(tiny_model):
        ready.train_further()  # a click before this window knows
        settle_session(qtbot, ready)
        assert ready.state.training == before
        assert ready.state.open.is_in_use
        assert ActionId.TRAIN_FURTHER not in available(ready.state)
        assert ActionId.SAVE_PRIOR in available(ready.state)
    qtbot.waitUntil(lambda: not ready.state.open.is_in_use, timeout=WAIT_MS)
    assert ActionId.TRAIN_FURTHER in available(ready.state)
    assert ready.state.open.unfinished is None


def test_a_window_goes_on_with_its_own_run_or_not_at_all(
    qtbot: QtBot, ready: Session, other: Session, tiny_model: Path
) -> None:
    """The training of the other one removes the run of this one, whose prior is in memory still."""
    _train(qtbot, ready)
    before = ready.state.training.trained
    _train(qtbot, other)
    its_own = other.state.training.trained
    assert its_own is not None
    ready.train_further()
    ready.cancel_training()
    settle_session(qtbot, ready)
    assert ready.state.training.trained is before
    assert ready.state.training.unsaved
    assert ActionId.TRAIN_FURTHER not in available(ready.state)
    assert prior_runs(tiny_model).has(its_own.run_id)
    assert ActionId.TRAIN_FURTHER in available(other.state)
    ready.save_prior()
    settle_session(qtbot, ready)
    assert read_summary(tiny_model).has_prior
