"""The trainings that were never saved, of all models: listing them, and discarding one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from app.session.activity import Activity, Runner, Subject
from app.session.state import State
from app.session.task import Taken, Task
from distill_core.errors import DistillError
from distill_core.events import OnEvent, ShouldStop
from distill_core.training.run_folder.facts import recoverable
from distill_core.training.words import not_removed_words

if TYPE_CHECKING:
    from distill_core.training.run_folder.facts import ListedRun, UnfinishedRun


def _listed() -> tuple[ListedRun, ...]:
    """Return every training that was never saved, the newest first."""
    from distill_core.training.kinds import listed_runs

    return tuple(listed_runs())


def _with_runs(state: State, runs: tuple[ListedRun, ...]) -> State:
    """Return the state with these trainings; those that it offers may have been discarded in the list."""
    ids = {run.facts.run_id for run in runs if run.facts is not None}

    def still_there(run: UnfinishedRun | None) -> UnfinishedRun | None:
        return run if run is not None and run.run_id in ids else None

    trained = state.training.trained
    if trained is not None and trained.run_id:
        training = state.training.knowing_run(trained.run_id, is_there=trained.run_id in ids)
        state = replace(state, training=training)
    had, unfinished = state.open.unfinished, still_there(state.open.unfinished)
    state = state.with_open(
        recoverable=recoverable(runs),
        unfinished=unfinished,
        unfinished_model=still_there(state.open.unfinished_model),
    )
    return state.without_cut_off_training() if had is not None and unfinished is None else state


def _take_listed(state: State, runs: tuple[ListedRun, ...]) -> Taken:
    return _with_runs(state, runs), [("runs_listed", runs)]


def listing() -> Task[tuple[ListedRun, ...]]:
    """List the trainings."""
    return Task(Activity.WORKING, Subject.RUNS, lambda on_event, should_stop: _listed(), _take_listed)


def _take_left(state: State, runs: tuple[ListedRun, ...]) -> Taken:
    return _with_runs(state, runs), [("runs_left", runs)]


def discarding(model: Path, run_id: str) -> Task[tuple[ListedRun, ...]]:
    """Remove a model's unfinished training of this id, and return those that are left."""

    def run(on_event: OnEvent, should_stop: ShouldStop) -> tuple[ListedRun, ...]:
        from distill_core.training.kinds import prior_runs

        prior_runs(model).discard(run_id)
        return _listed()

    return Task(Activity.WORKING, Subject.RUNS, run, _take_left)


def discarding_listed(listed_id: str) -> Task[tuple[ListedRun, ...]]:
    """Remove a listed training, readable or not, and return those that are left."""

    def run(on_event: OnEvent, should_stop: ShouldStop) -> tuple[ListedRun, ...]:
        from distill_core.training.kinds import stored_run

        if obstacle := stored_run(listed_id).discard():
            raise DistillError(*not_removed_words(obstacle))
        return _listed()

    return Task(Activity.WORKING, Subject.RUNS, run, _take_left)


@dataclass(frozen=True, slots=True)
class UseOfModel:
    """Whether another window, or the terminal, trains a model now; if not, its training that was never saved.

    `has_run` says whether the run `run_id` is still on disk.
    """

    model: Path
    is_in_use: bool
    unfinished: UnfinishedRun | None
    run_id: str = ""
    has_run: bool = False


def use_of(model: Path, run_id: str = "") -> UseOfModel:
    """Look whether a model is being trained elsewhere, and for the run of an id; the look hinders no training."""
    from distill_core.training.kinds import prior_runs

    runs = prior_runs(model)
    return UseOfModel(model, runs.is_busy(), runs.unfinished(), run_id, runs.has(run_id))


def take_use(state: State, use: UseOfModel) -> State:
    """Return the state after a look, unless it is about a former model, or a training of this window's own."""
    model = state.open.model
    if model is None or model.path != use.model or state.is_training:
        return state
    training = state.training.knowing_run(use.run_id, is_there=use.has_run)
    return replace(state, training=training).with_open(is_in_use=use.is_in_use).offering(use.unfinished)


def looking_for_use(model: Path, run_id: str = "") -> Task[UseOfModel]:
    """Look whether a model is being trained elsewhere, and for the run of an id, beside all other work."""

    def take(state: State, use: UseOfModel) -> Taken:
        return take_use(state, use), []

    return Task(Activity.WORKING, Subject.RUNS, lambda on_event, should_stop: use_of(model, run_id), take, Runner.SHELF)
