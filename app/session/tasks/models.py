"""Opening a model, and exchanging it with the version before its last save."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from app.session.activity import Activity, Subject
from app.session.copying import CopyingState
from app.session.making import MakingState
from app.session.state import SaveObstacle, State
from app.session.takes import TakesState
from app.session.task import Taken, Task
from distill_core.errors import DistillError, ReadOnlyError, SaveError
from distill_core.events import OnEvent, ShouldStop

if TYPE_CHECKING:
    from distill_core.models.summary import ModelSummary
    from distill_core.training.run_folder.facts import UnfinishedRun

READ_ONLY_TEXT = "This file is read-only; you'll be asked where to save a copy."


@dataclass(frozen=True, slots=True)
class OpenedModel:
    """The facts of a model and of its file; the fields are those of `OpenFiles`."""

    summary: ModelSummary
    real_path: Path
    obstacle: SaveObstacle | None
    has_previous: bool
    unfinished: UnfinishedRun | None
    is_in_use: bool = False


def save_obstacle(path: Path, *, probe: bool) -> SaveObstacle | None:
    """Return the obstacle to saving a prior into the file, or None; `probe` makes a file beside it for an instant."""
    from distill_core.files.save_check import check_can_save

    try:
        check_can_save(path, probe=probe)
    except ReadOnlyError:
        return SaveObstacle(READ_ONLY_TEXT, is_read_only=True)
    except SaveError as error:
        return SaveObstacle(f"{error.message} {error.hint}", is_read_only=False)
    return None


def look_at(path: Path) -> OpenedModel:
    """Return the facts of a model, of its file, and of its trainings."""
    from distill_core.models.persistence import read_summary
    from distill_core.models.previous_version import has_previous_version
    from distill_core.training.kinds import prior_runs

    runs = prior_runs(path)
    return OpenedModel(
        read_summary(path),
        path.resolve(),
        save_obstacle(path, probe=False),
        has_previous_version(path),
        runs.unfinished(),
        runs.is_busy(),
    )


def take_model(state: State, opened: OpenedModel) -> Taken:
    """Take a model's facts; the problem goes, unless it may be that of a trained prior."""
    state = state.with_open(
        model=opened.summary,
        real_path=opened.real_path,
        obstacle=opened.obstacle,
        has_previous=opened.has_previous,
        is_in_use=opened.is_in_use,
        may_replace=False,
        model_refusal="",
    ).offering(opened.unfinished)
    problem = state.problem if state.training.trained is not None else None
    return replace(state, problem=problem), [("model_changed", opened.summary)]


def take_opened(state: State, opened: OpenedModel) -> Taken:
    """Take the facts of a model in place of another, whose training and takes go, and what is known of copies."""
    state = replace(state.without_training(), making=MakingState(), copying=CopyingState(), beside=None)
    state = state.with_open(unfinished_model=None)
    state = state.with_takes_state(TakesState(options=replace(state.takes.options, start=None)))
    state, news = take_model(state, opened)
    return state, [("model_opened", opened.summary), *news]


def opening(path: Path) -> Task[OpenedModel]:
    """Read a model file's facts, and remove the temporary files of savers that died."""

    def run(on_event: OnEvent, should_stop: ShouldStop) -> OpenedModel:
        from distill_core.files.archive_writer import clean_up

        clean_up(path)
        return look_at(path)

    return Task(Activity.OPENING, Subject.MODEL, run, take_opened)


def _take_reread(state: State, summary: ModelSummary) -> Taken:
    return state, [("reread", summary)]


def rereading(model: ModelSummary) -> Task[ModelSummary]:
    """Read a model's facts again, or return the known ones if that fails: the save then says what is wrong."""

    def run(on_event: OnEvent, should_stop: ShouldStop) -> ModelSummary:
        from distill_core import read_summary

        try:
            return read_summary(model.path)
        except DistillError:
            return model

    return Task(Activity.OPENING, Subject.VERSIONS, run, _take_reread)


def _take_previous(state: State, previous: ModelSummary) -> Taken:
    return state, [("previous_found", previous)]


def finding_previous(model: Path) -> Task[ModelSummary]:
    """Read the facts of the version before the last save."""

    def run(on_event: OnEvent, should_stop: ShouldStop) -> ModelSummary:
        from distill_core import read_previous_version

        return read_previous_version(model)

    return Task(Activity.OPENING, Subject.VERSIONS, run, _take_previous)


def _take_restored(state: State, result: tuple[Path, OpenedModel]) -> Taken:
    path, opened = result
    state, news = take_model(state.without_saved_training(), opened)  # what was saved is no longer in the file
    return state, [*news, ("restored", path)]


def restoring(model: Path) -> Task[tuple[Path, OpenedModel]]:
    """Exchange a model with the version before it."""

    def run(on_event: OnEvent, should_stop: ShouldStop) -> tuple[Path, OpenedModel]:
        from distill_core import restore_previous_version

        return restore_previous_version(model), look_at(model)

    return Task(Activity.SAVING, Subject.VERSIONS, run, _take_restored)
