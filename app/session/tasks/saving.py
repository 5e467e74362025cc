"""Saving a trained prior."""

from __future__ import annotations

from dataclasses import dataclass
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
