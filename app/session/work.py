"""What the work thread does: engine functions with their arguments, as `(on_event, should_stop) -> result`.

The engine is imported inside, on that thread: it takes seconds, while the window is already there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any, TypeAlias

from app.session.state import SaveObstacle
from distill_core.events import OnEvent, ShouldStop
from distill_core.training.prior.events import PriorStepMetrics

if TYPE_CHECKING:
    from distill_core.audio.dataset import AudioDataset
    from distill_core.models.summary import ModelSummary
    from distill_core.training.prior.trained import TrainedPrior
    from distill_core.training.run_folder.facts import ListedRun, UnfinishedRun

Work: TypeAlias = Callable[[OnEvent, ShouldStop], object]

READ_ONLY_TEXT = "This file is read-only; you'll be asked where to save a copy."
_STEP_INTERVAL_S = 0.1


@dataclass(frozen=True, slots=True)
class Engine:
    """What the engine computes on, and the trainings that were never saved."""

    device: str
    unfinished: tuple[UnfinishedRun, ...]


@dataclass(frozen=True, slots=True)
class OpenedModel:
    """A model's facts, and what can become of its file; the fields are those of `State`."""

    summary: ModelSummary
    obstacle: SaveObstacle | None
    has_previous: bool
    unfinished: UnfinishedRun | None


@dataclass(frozen=True, slots=True)
class Saved:
    """Where a prior is now, the model anew, and the backup where that alone opens in the ancestor now."""

    path: Path
    opened: OpenedModel
    backup: Path | None


@dataclass(frozen=True, slots=True)
class SaveChecked:
    """Whether the model can be saved into, asked anew as a training starts."""

    obstacle: SaveObstacle | None


def load_engine(on_event: OnEvent, should_stop: ShouldStop) -> Engine:
    """Import what takes seconds."""
    import distill_core.models.persistence
    import distill_core.training.prior.train  # noqa: F401
    from distill_core.device import describe_device, resolve_device
    from distill_core.training.run_folder.folder import unfinished_runs

    return Engine(describe_device(resolve_device("auto")), tuple(unfinished_runs()))


def _save_obstacle(path: Path, *, probe: bool) -> SaveObstacle | None:
    """Return what would keep a prior from being saved into the file; `probe` makes a file there for an instant."""
    from distill_core.errors import ReadOnlyError, SaveError
    from distill_core.files.save_check import check_can_save

    try:
        check_can_save(path, probe=probe)
    except ReadOnlyError:
        return SaveObstacle(READ_ONLY_TEXT, is_read_only=True)
    except SaveError as error:
        return SaveObstacle(f"{error.message} {error.hint}", is_read_only=False)
    return None


def _opened(path: Path) -> OpenedModel:
    from distill_core.models.persistence import has_previous_version, read_summary
    from distill_core.training.run_folder.folder import RunFolder

    summary = read_summary(path)
    return OpenedModel(
        summary, _save_obstacle(path, probe=False), has_previous_version(path), RunFolder.of(path).unfinished()
    )


def opening(path: Path) -> Work:
    """Read a model file's facts."""
    return lambda on_event, should_stop: _opened(path)


def scanning(sources: Sequence[Path]) -> Work:
    """Look through folders of sounds and single ones."""

    def run(on_event: OnEvent, should_stop: ShouldStop) -> AudioDataset:
        from distill_core import scan

        return scan(*sources, on_event=on_event, should_stop=should_stop)

    return run


def _fewer_steps(on_event: OnEvent) -> OnEvent:
    """Pass every event on, but steps only ten times a second."""
    next_at = 0.0

    def pass_on(event: object) -> None:
        nonlocal next_at
        if isinstance(event, PriorStepMetrics):
            if monotonic() < next_at and event.step != event.total_steps:
                return
            next_at = monotonic() + _STEP_INTERVAL_S
        on_event(event)

    return pass_on


def training(model: Path, dataset: AudioDataset, overrides: Mapping[str, Any], *, resume: bool = False) -> Work:
    """Train a prior; each epoch is kept in the model's run folder."""

    def run(on_event: OnEvent, should_stop: ShouldStop) -> TrainedPrior:
        from distill_core import train_prior
        from distill_core.training.run_folder.folder import RunFolder

        on_event(SaveChecked(_save_obstacle(model, probe=True)))
        return train_prior(
            model,
            dataset,
            overrides,
            on_event=_fewer_steps(on_event),
            should_stop=should_stop,
            run_folder=RunFolder.of(model),
            resume=resume,
        )

    return run


def recovering(model: Path) -> Work:
    """Take the best prior of an unfinished training."""

    def run(on_event: OnEvent, should_stop: ShouldStop) -> TrainedPrior:
        from distill_core.training.prior.train import load_best
        from distill_core.training.run_folder.folder import RunFolder

        return load_best(RunFolder.of(model), on_event)

    return run


def listing(on_event: OnEvent, should_stop: ShouldStop) -> tuple[ListedRun, ...]:
    """Return every training that was never saved, the newest first."""
    from distill_core.training.run_folder.stored import listed_runs

    return tuple(listed_runs())


def discarding(model: Path, run_id: str) -> Work:
    """Remove the unfinished training of this id, and return those that there are."""

    def run(on_event: OnEvent, should_stop: ShouldStop) -> tuple[ListedRun, ...]:
        from distill_core.training.run_folder.folder import RunFolder

        RunFolder.of(model).discard(run_id)
        return listing(on_event, should_stop)

    return run


def discarding_listed(listed_id: str) -> Work:
    """Remove a listed training, readable or not, and return those that there are."""

    def run(on_event: OnEvent, should_stop: ShouldStop) -> tuple[ListedRun, ...]:
        from distill_core.errors import DistillError
        from distill_core.training.run_folder.stored import StoredRun

        if obstacle := StoredRun.named(listed_id).discard():
            raise DistillError(f"{obstacle} Nothing was removed.", "Try again when that has changed.")
        return listing(on_event, should_stop)

    return run


def saving(model: ModelSummary, trained: TrainedPrior, output: Path | None, *, though_changed: bool) -> Work:
    """Save a trained prior into the model file or into a copy; what the run folder kept is not needed any more."""

    def run(on_event: OnEvent, should_stop: ShouldStop) -> Saved:
        from distill_core.files.backup import backup_of
        from distill_core.models import persistence
        from distill_core.training.run_folder.folder import RunFolder

        if trained.prior is None:
            raise ValueError("there is no prior to save")
        expected = None if though_changed else model.stamp
        path = persistence.save_prior_to_model(
            model.path, trained.prior, trained.config, trained.metadata, output=output, expected=expected
        )
        RunFolder.of(model.path).discard(trained.run_id)
        before, after = model.prior_architecture, trained.prior.architecture
        is_last = output is None and persistence.ends_opening_in_the_ancestor(before, after)
        return Saved(path, _opened(model.path), backup_of(path) if is_last else None)

    return run


def finding_previous(model: Path) -> Work:
    """Read the facts of the version before the last save."""

    def run(on_event: OnEvent, should_stop: ShouldStop) -> ModelSummary:
        from distill_core import read_previous_version

        return read_previous_version(model)

    return run


def restoring(model: Path) -> Work:
    """Let a model and the version before it change places."""

    def run(on_event: OnEvent, should_stop: ShouldStop) -> tuple[Path, OpenedModel]:
        from distill_core import restore_previous_version

        return restore_previous_version(model), _opened(model)

    return run
