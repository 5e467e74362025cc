"""Training a prior, keeping other weights of it, and taking the best of a training that was never saved."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

from app.session.activity import Activity, Subject
from app.session.state import SaveObstacle, State
from app.session.task import Taken, Task
from app.session.tasks.models import save_obstacle
from distill_core.audit.record import AUDIT
from distill_core.errors import DistillError
from distill_core.events import OnEvent, ShouldStop, Stopped, never
from distill_core.training.events import Ended, StepMetrics
from distill_core.training.prior.continuation import Continuation

if TYPE_CHECKING:
    from distill_core.audio.dataset import AudioDataset
    from distill_core.training.prior.config import PriorConfig
    from distill_core.training.prior.events import Keep
    from distill_core.training.prior.trained import TrainedPrior
    from distill_core.training.run_folder.facts import UnfinishedRun
    from distill_core.training.run_folder.folder import RunFolder

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
    """Take the result; without a new epoch it is that of the training which this one went on from."""
    former = state.training.former
    if former is not None and former.trained is not None and len(trained.history) <= len(former.trained.history):
        return replace(state, training=former), [("training_ended", former.trained)]
    state = _with_history(state, trained)
    has_prior = trained.prior is not None
    state = state.with_training(trained=trained, unsaved=has_prior, former=None)
    return state, [("training_ended", trained)]


def further_than(trained: TrainedPrior, chosen: PriorConfig | None) -> Continuation:
    """Return how to go on from the end of a training, with the time limit, the patience and the like of the choices.

    One that was not cut off gets patience and epochs anew.
    """
    was_cut_off = trained.ended in (Ended.STOPPED, Ended.TIME_LIMIT)
    going_on = Continuation(trained.run_id, further=not was_cut_off)
    if chosen is None:
        return going_on
    return replace(
        going_on,
        time_limit_min=chosen.time_limit_min,
        patience=chosen.patience,
        stop_when_memorizing=chosen.stop_when_memorizing,
    )


def _as_it_was(runs: RunFolder, former: str) -> TrainedPrior | None:
    """Return the best of a run whose training stopped before it went on; None before its first epoch has ended."""
    from distill_core.training.prior.train import load_best

    found = runs.look_at(former)
    return load_best(runs, run_id=former) if found is None or found.has_best else None


def training(
    model: Path,
    dataset: AudioDataset,
    overrides: Mapping[str, Any],
    going_on: Continuation | None = None,
    is_given_up: Callable[[], bool] = never,
) -> Task[TrainedPrior]:
    """Train a prior, or go on with a run; each epoch is kept in the model's run folder.

    If `is_given_up()` is true at the end, the run is discarded, or as it was before this training, and so is the state.
    """

    def run(on_event: OnEvent, should_stop: ShouldStop) -> TrainedPrior:
        from distill_core import train_prior
        from distill_core.training.kinds import prior_runs

        runs, former = prior_runs(model), "" if going_on is None else going_on.run_id
        if runs.is_busy():
            on_event(FoundInUse())
            raise Stopped
        on_event(SaveChecked(save_obstacle(model, probe=True)))
        with runs.reversible(former) as go_back:
            trained = train_prior(
                model,
                dataset,
                overrides,
                on_event=fewer_steps(on_event),
                should_stop=should_stop,
                run_folder=runs,
                resume=False if going_on is None else going_on,
            )
            if is_given_up():
                go_back() if former else runs.discard(trained.run_id)
            elif trained.prior is None and former:
                return _as_it_was(runs, former) or trained
        return trained

    def take(state: State, trained: TrainedPrior) -> Taken:
        if is_given_up():
            to_discard = trained.run_id if going_on is None else ""
            has_former = state.training.former is not None or state.training.in_place_of is not None
            before = state if has_former else state.without_training()
            return before.without_going_on(), [("training_given_up", to_discard)]
        return _take_trained(state, trained)

    return Task(Activity.PREPARING, Subject.TRAINING, run, take)


def _without_audit_of(former: TrainedPrior, kept: TrainedPrior) -> TrainedPrior:
    """Return a result without the audit of other weights."""
    if kept.metadata.get("kept_epoch") == former.metadata.get("kept_epoch"):
        return kept
    return replace(kept, metadata={name: fact for name, fact in kept.metadata.items() if name != AUDIT})


def keeping(trained: TrainedPrior, which: Keep) -> Task[TrainedPrior]:
    """Put other weights of its training into a trained prior.

    A network is built and filled, which takes 50 to 400 ms at a width of 512 with 6 layers: too long for the window.
    """

    def run(on_event: OnEvent, should_stop: ShouldStop) -> TrainedPrior:
        return _without_audit_of(trained, trained.keeping(which))

    def take(state: State, kept: TrainedPrior) -> Taken:
        now = state.training.trained  # the same training, also with an audit that was done meanwhile
        is_there = now is not None and now.weights is trained.weights
        return (state.with_training(trained=kept) if is_there else state), []

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
    return state.offering(unfinished), []


def looking_for_unfinished(model: Path) -> Task[UnfinishedRun | None]:
    """Look for the run of a training that failed."""

    def run(on_event: OnEvent, should_stop: ShouldStop) -> UnfinishedRun | None:
        from distill_core.training.kinds import prior_runs

        return prior_runs(model).unfinished()

    return Task(Activity.WORKING, Subject.RUNS, run, _take_unfinished)


@dataclass(frozen=True, slots=True)
class LeftOfRun:
    """What is left on disk of the training that a failed one went on from: whether it is there, and a later best."""

    run_id: str
    is_there: bool
    later: TrainedPrior | None


def _later_than(runs: RunFolder, trained: TrainedPrior) -> TrainedPrior | None:
    """Return the best of a training's run if that has come further than its result, else None."""
    from distill_core.training.prior.train import load_best

    try:
        on_disk = load_best(runs, run_id=trained.run_id)
    except DistillError:  # damaged or in use; what is in memory stays
        return None
    return on_disk if len(on_disk.history) > len(trained.history) else None


def looking_at_run_of(model: Path, trained: TrainedPrior) -> Task[LeftOfRun]:
    """Look what a training that failed has left of the one that it went on from, whose result is in memory."""

    def run(on_event: OnEvent, should_stop: ShouldStop) -> LeftOfRun:
        from distill_core.training.kinds import prior_runs

        runs = prior_runs(model)
        is_there = runs.has(trained.run_id)
        return LeftOfRun(trained.run_id, is_there, _later_than(runs, trained) if is_there else None)

    def take(state: State, left: LeftOfRun) -> Taken:
        state = replace(state, training=state.training.knowing_run(left.run_id, is_there=left.is_there))
        if left.later is None or state.training.trained is not trained:
            return state, []
        for epoch in left.later.history[len(state.training.epochs) :]:
            state = state.with_epoch(epoch)
        return state.with_training(trained=left.later), []

    return Task(Activity.WORKING, Subject.RUNS, run, take)
