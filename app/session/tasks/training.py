"""Training a prior, keeping other weights of it, and taking the best of a training that was never saved."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

from app.session.activity import Activity, Subject
from app.session.state import SaveObstacle, State
from app.session.task import Taken, Task
from app.session.tasks.models import save_obstacle
from distill_core.events import OnEvent, ShouldStop, Stopped, never
from distill_core.training.events import StepMetrics

if TYPE_CHECKING:
    from distill_core.audio.dataset import AudioDataset
    from distill_core.training.prior.events import Keep
    from distill_core.training.prior.trained import TrainedPrior
    from distill_core.training.run_folder.facts import UnfinishedRun

_STEP_INTERVAL_S = 0.1


@dataclass(frozen=True, slots=True)
class SaveChecked:
    """The obstacle to saving into the model, checked again as a training starts."""

    obstacle: SaveObstacle | None


@dataclass(frozen=True, slots=True)
class FoundInUse:
    """The model is being trained in another window, or in the terminal: the training here does not begin."""


def fewer_steps(on_event: OnEvent) -> OnEvent:
    """Pass every event on, but optimizer steps at most ten times a second."""
    next_at = 0.0

    def pass_on(event: object) -> None:
        nonlocal next_at
        if isinstance(event, StepMetrics):
            if monotonic() < next_at and event.step != event.total_steps:
                return
            next_at = monotonic() + _STEP_INTERVAL_S
        on_event(event)

    return pass_on


def _with_history(state: State, trained: TrainedPrior) -> State:
    """Return the state with a training's epochs, if it has told none."""
    for epoch in () if state.training.epochs else trained.history:
        state = state.with_epoch(epoch)
    return state


def _take_trained(state: State, trained: TrainedPrior) -> Taken:
    state = _with_history(state, trained)
    has_prior = trained.prior is not None
    return state.with_training(trained=trained, unsaved=has_prior), [("training_ended", trained)]


@dataclass(frozen=True, slots=True)
class Continuation:
    """The run that a training goes on with; `further`: with patience anew, and more epochs if it has had all."""

    run_id: str
    further: bool = False


def training(
    model: Path,
    dataset: AudioDataset,
    overrides: Mapping[str, Any],
    going_on: Continuation | None = None,
    is_given_up: Callable[[], bool] = never,
) -> Task[TrainedPrior]:
    """Train a prior, or go on with a run; each epoch is kept in the model's run folder.

    If `is_given_up()` is true at the end, the run is discarded, and the state is as if there had been no training.
    """

    def run(on_event: OnEvent, should_stop: ShouldStop) -> TrainedPrior:
        from distill_core import train_prior
        from distill_core.training.kinds import prior_runs
        from distill_core.training.prior.train import load_best

        if prior_runs(model).is_busy():
            on_event(FoundInUse())
            raise Stopped
        on_event(SaveChecked(save_obstacle(model, probe=True)))
        runs = prior_runs(model)
        trained = train_prior(
            model,
            dataset,
            overrides,
            on_event=fewer_steps(on_event),
            should_stop=should_stop,
            run_folder=runs,
            resume=going_on is not None,
            further=going_on is not None and going_on.further,
        )
        if is_given_up():
            runs.discard(run_of(trained))
        elif trained.prior is None and going_on is not None:
            return load_best(runs)  # stopped before its first new epoch: what it went on with is as it was
        return trained

    def run_of(trained: TrainedPrior) -> str:
        return trained.run_id or ("" if going_on is None else going_on.run_id)

    def take(state: State, trained: TrainedPrior) -> Taken:
        if is_given_up():
            return state.without_training(), [("training_given_up", run_of(trained))]
        return _take_trained(state, trained)

    return Task(Activity.PREPARING, Subject.TRAINING, run, take)


def keeping(trained: TrainedPrior, which: Keep) -> Task[TrainedPrior]:
    """Put other weights of its training into a trained prior.

    A network is built and filled, which takes 50 to 400 ms at a width of 512 with 6 layers: too long for the window.
    """

    def run(on_event: OnEvent, should_stop: ShouldStop) -> TrainedPrior:
        return trained.keeping(which)

    def take(state: State, kept: TrainedPrior) -> Taken:
        was_given_up = state.training.trained is not trained
        return (state if was_given_up else state.with_training(trained=kept)), []

    return Task(Activity.WORKING, Subject.WEIGHTS, run, take)


def _take_recovered(state: State, trained: TrainedPrior) -> Taken:
    """Take an unfinished training as if it had just been stopped."""
    older_state, run = state.training.older_state, state.open.unfinished  # the first was told while it was read
    can_go_on = run is not None and not run.is_older and not run.is_best_only
    state = state.without_training()
    if run is not None and can_go_on:
        state = state.with_training(sounds=run.sounds, sounds_left_out=run.left_out)
    state = _with_history(state, trained)
    state = state.with_training(older_state=older_state, trained=trained, unsaved=True)
    return state.with_open(unfinished=None), []


def recovering(model: Path) -> Task[TrainedPrior]:
    """Take the best prior of an unfinished training."""

    def run(on_event: OnEvent, should_stop: ShouldStop) -> TrainedPrior:
        from distill_core.training.kinds import prior_runs
        from distill_core.training.prior.train import load_best

        return load_best(prior_runs(model), on_event)

    return Task(Activity.WORKING, Subject.RUNS, run, _take_recovered)


def _take_unfinished(state: State, unfinished: UnfinishedRun | None) -> Taken:
    return state.with_open(unfinished=unfinished), []


def looking_for_unfinished(model: Path) -> Task[UnfinishedRun | None]:
    """Look for the run of a training that failed."""

    def run(on_event: OnEvent, should_stop: ShouldStop) -> UnfinishedRun | None:
        from distill_core.training.kinds import prior_runs

        return prior_runs(model).unfinished()

    return Task(Activity.WORKING, Subject.RUNS, run, _take_unfinished)
