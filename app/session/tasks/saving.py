"""Saving a trained prior, and a model's name and notes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from app.session.activity import Activity, Subject
from app.session.state import State
from app.session.task import Taken, Task
from app.session.tasks.models import OpenedModel, look_at, take_model
from distill_core.events import OnEvent, ShouldStop

if TYPE_CHECKING:
    from distill_core.models.summary import ModelSummary
    from distill_core.training.prior.trained import TrainedPrior


@dataclass(frozen=True, slots=True)
class Saved:
    """The file with the prior, the open model after the save, and the backup if only that opens in the ancestor."""

    path: Path
    opened: OpenedModel
    backup: Path | None


def _take(state: State, saved: Saved) -> Taken:
    state, news = take_model(state.with_training(unsaved=False, saved_to=saved.path), saved.opened)
    news.append(("saved", saved.path))
    if saved.backup is not None:
        news.append(("backed_up", saved.backup))
    return state, news


def saving(model: ModelSummary, trained: TrainedPrior, output: Path | None, *, though_changed: bool) -> Task[Saved]:
    """Save a trained prior into the model file or into a copy, and remove its run."""

    def run(on_event: OnEvent, should_stop: ShouldStop) -> Saved:
        from distill_core.training.kinds import prior_runs
        from distill_core.training.prior.saving import save_and_finish

        expected, runs = None if though_changed else model.stamp, prior_runs(model.path)
        saved = save_and_finish(trained, model.path, run_folder=runs, output=output, expected=expected)
        return Saved(saved.path, look_at(model.path), saved.backup)

    return Task(Activity.SAVING, Subject.SAVING, run, _take)


def take_same_prior(state: State, opened: OpenedModel) -> Taken:
    """Take the model after a save of other facts: its prior, and so what was measured in it, is the same."""
    before, trained = state.open.model, state.training.trained
    if trained is not None and trained.file_prior is not None and before is not None:
        measured = trained.file_prior
        if measured.sha256 == before.stamp.sha256:
            measured = replace(measured, sha256=opened.summary.stamp.sha256)
        state = state.with_training(trained=replace(trained, file_prior=measured))
    return take_model(state, opened)


def _take_named(state: State, opened: OpenedModel) -> Taken:
    """Take the model with its new texts; the rest of the file, and so what was measured in it, is the same."""
    state, news = take_same_prior(state, opened)
    return state, [*news, ("named", opened.summary)]


def _take_named_anew(state: State, opened: OpenedModel) -> Taken:
    """Take the model with its new texts; whatever else another program has changed in it."""
    state, news = take_model(state, replace(opened, unfinished=state.open.unfinished))
    return state, [*news, ("named", opened.summary)]


def naming(model: ModelSummary, changes: Mapping[str, str], *, though_changed: bool = False) -> Task[OpenedModel]:
    """Save another name, other notes or both into the model file, on request as another program left it."""

    def run(on_event: OnEvent, should_stop: ShouldStop) -> OpenedModel:
        from distill_core import save_metadata

        save_metadata(model.path, changes, expected=None if though_changed else model.stamp)
        return look_at(model.path)

    return Task(Activity.SAVING, Subject.NAMING, run, _take_named_anew if though_changed else _take_named)
