"""What the state becomes when a job has succeeded, and what is told of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from app.session.state import State
from distill_core.training.run_folder.facts import recoverable

if TYPE_CHECKING:
    from app.session.work import Engine, OpenedModel, Saved
    from distill_core.training.prior.trained import TrainedPrior
    from distill_core.training.run_folder.facts import ListedRun

# The name of a signal of the Session, and what it tells.
News: TypeAlias = tuple[
    Literal[
        "model_changed", "dataset_changed", "training_ended", "saved", "backed_up", "previous_found", "restored",
        "runs_listed", "device_known",
    ],
    object,
]  # fmt: skip
Taken: TypeAlias = tuple[State, list[News]]


def take(state: State, job: str, result: Any) -> Taken:
    """Return the state after a job's result, and the signals to send once it is set, in their order."""
    match job:
        case "model":
            return _take_model(state.without_training(), result)
        case "sounds":
            kept = state.trained if state.unsaved else None  # what is saved makes room for "Ready"
            return replace(state, dataset=result, trained=kept), [("dataset_changed", result)]
        case "training":
            return replace(state, trained=result, unsaved=result.prior is not None), [("training_ended", result)]
        case "recovering":
            return _take_recovered(state, result), []
        case "saving":
            return _take_saved(state, result)
        case "previous":
            return state, [("previous_found", result)]
        case "restoring":
            return _take_restored(state, *result)
        case "engine":
            return _take_engine(state, result)
        case "discarding" | "listing":
            return _take_runs(state, result)
    raise ValueError(f"no such job: {job}")


def _take_model(state: State, opened: OpenedModel) -> Taken:
    state = replace(
        state,
        model=opened.summary,
        obstacle=opened.obstacle,
        has_previous=opened.has_previous,
        unfinished=opened.unfinished,
        may_replace=False,
    )
    return state, [("model_changed", opened.summary)]


def _take_recovered(state: State, trained: TrainedPrior) -> State:
    """Let an unfinished training be one that has just been stopped."""
    older_state = state.older_state  # it was told while the training was read
    state = state.without_training()
    for epoch in trained.history:
        state = state.with_epoch(epoch)
    return replace(state, older_state=older_state, trained=trained, unsaved=True, unfinished=None)


def _take_saved(state: State, saved: Saved) -> Taken:
    state, news = _take_model(replace(state, unsaved=False, saved_to=saved.path), saved.opened)
    news.append(("saved", saved.path))
    if saved.backup is not None:
        news.append(("backed_up", saved.backup))
    return state, news


def _take_restored(state: State, path: Path, opened: OpenedModel) -> Taken:
    state, news = _take_model(state, opened)
    return state, [*news, ("restored", path)]


def _take_runs(state: State, runs: tuple[ListedRun, ...]) -> Taken:
    """Take the list of unfinished trainings; the open model's may have been given up in it."""
    ids = {run.facts.run_id for run in runs if run.facts is not None}
    unfinished = state.unfinished if state.unfinished is not None and state.unfinished.run_id in ids else None
    return replace(state, recoverable=recoverable(runs), unfinished=unfinished), [("runs_listed", runs)]


def _take_engine(state: State, engine: Engine) -> Taken:
    return replace(state, recoverable=engine.unfinished), [("device_known", engine.device)]
