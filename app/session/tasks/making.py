"""Making a model from sounds, and saving it as a new file, which is opened in place of another."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.session.activity import Activity, Subject
from app.session.state import State
from app.session.task import Taken, Task
from app.session.tasks.models import OpenedModel, look_at, take_opened
from app.session.tasks.training import fewer_steps
from distill_core.errors import SaveError
from distill_core.events import OnEvent, ShouldStop
from distill_core.text import printable

if TYPE_CHECKING:
    from distill_core.audio.dataset import AudioDataset
    from distill_core.training.codec.trained import TrainedCodec
    from distill_core.training.run_folder.facts import UnfinishedRun

_NEVER_IN_NAMES = re.compile(r'[<>:"/\\|?*\ufffd]')  # on any system: a model is given away
_LONGEST_STEM_BYTES = 120  # of 255 that a name can have
_NAMELESS = "sounds"


@dataclass(frozen=True, slots=True)
class ModelPlace:
    """The file that the model under way is to be saved as."""

    path: Path


@dataclass(frozen=True, slots=True)
class MadeModel:
    """The new file, and its facts."""

    path: Path
    opened: OpenedModel


def model_stem(dataset: AudioDataset) -> str:
    """Return the name of sounds as one that a file can have on any system; of a single sound, without its ending."""
    source = dataset.sources[0]
    is_one_sound = len(dataset.sources) == 1 and any(file.path == source for file in dataset.files)
    name = printable(source.stem) if is_one_sound else dataset.name
    plain = " ".join(_NEVER_IN_NAMES.sub(" ", name).split()).encode(errors="ignore")
    return plain[:_LONGEST_STEM_BYTES].decode(errors="ignore").strip(" .") or _NAMELESS


def _names(path: Path) -> Iterator[Path]:
    """Yield a file's path, then "kicks 2.distill", "kicks 3.distill" and so on."""
    yield path
    yield from (path.with_name(f"{path.stem} {number}{path.suffix}") for number in count(2))


def _is_free(path: Path) -> bool:
    """Tell whether there is no such file, and no training that is to become it."""
    from distill_core.training.kinds import codec_runs

    runs = codec_runs(path)
    return not os.path.lexists(path) and runs.look() is None and runs.newer() is None and not runs.is_busy()


def _make_folder(folder: Path) -> None:
    """Make a folder, unless it is there.

    Raises:
        SaveError: it can't be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        where = printable(str(folder))
        raise SaveError(f"The folder “{where}” can't be made: {error.strerror}.", "Choose another one.") from error


def _new_place(folder: Path, stem: str) -> Path:
    """Return a path in a folder, which is made, where nothing is, and a model can be saved.

    Raises:
        SaveError: none can be.
    """
    from distill_core.files.save_check import check_can_save

    _make_folder(folder)
    path = next(filter(_is_free, _names(folder / f"{stem}.distill")))
    check_can_save(path)
    return path


def _take_trained(state: State, trained: TrainedCodec) -> Taken:
    """Take the result; one that was given up, or that is empty, leaves nothing to save."""
    is_kept = trained.model is not None and not state.making.is_given_up
    return (
        state.with_making(trained=trained if is_kept else None, ended=trained.ended),
        [("making_ended", trained)],
    )


def making(
    dataset: AudioDataset, folder: Path, overrides: Mapping[str, Any], resume: UnfinishedRun | None = None
) -> Task[TrainedCodec]:
    """Train the codec of a new model, which is to be saved in a folder; each epoch is kept in its run folder.

    `resume` is an unfinished training to go on with, with its own place and settings.
    """

    def run(on_event: OnEvent, should_stop: ShouldStop) -> TrainedCodec:
        from distill_core.training.codec.train import train_codec
        from distill_core.training.kinds import codec_runs

        path = _new_place(folder, model_stem(dataset)) if resume is None else resume.model
        on_event(ModelPlace(path))
        return train_codec(
            dataset,
            overrides,
            on_event=fewer_steps(on_event),
            should_stop=should_stop,
            run_folder=codec_runs(path),
            resume=resume is not None,
        )

    return Task(Activity.PREPARING, Subject.MAKING, run, _take_trained)


def recovering(unfinished: UnfinishedRun) -> Task[TrainedCodec]:
    """Take the best codec of a making that was never finished."""

    def run(on_event: OnEvent, should_stop: ShouldStop) -> TrainedCodec:
        from distill_core.training.codec.train import load_best_codec
        from distill_core.training.kinds import codec_runs

        on_event(ModelPlace(unfinished.model))
        return load_best_codec(codec_runs(unfinished.model), on_event)

    return Task(Activity.WORKING, Subject.MAKING, run, _take_trained)


def _save(trained: TrainedCodec, path: Path) -> Path:
    """Save at the path, or at the next name of which there is no file.

    Raises:
        SaveError: it could not be written.
    """
    for name in _names(path):
        try:
            if not os.path.lexists(name):
                return trained.save(name, replace=False)
        except SaveError:
            if not os.path.lexists(name):
                raise
    raise AssertionError("there is always another name")


def _take_made(state: State, made: MadeModel) -> Taken:
    done = replace(state.making, trained=None, saved_to=made.path)
    state, news = take_opened(state, made.opened)
    state = replace(state.with_training(saved_to=made.path), making=done)
    return state, [*news, ("saved", made.path), ("model_made", made.path)]


def saving_model(trained: TrainedCodec, path: Path) -> Task[MadeModel]:
    """Save a made model at a path, or beside it if there is a file, remove its run, and open it."""

    def run(on_event: OnEvent, should_stop: ShouldStop) -> MadeModel:
        from distill_core.training.kinds import codec_runs

        _make_folder(path.parent)
        saved_to = _save(trained, path)
        codec_runs(path).discard(trained.run_id)
        return MadeModel(saved_to, look_at(saved_to))

    return Task(Activity.SAVING, Subject.SAVING_MODEL, run, _take_made)


def _take_unfinished(state: State, unfinished: UnfinishedRun | None) -> Taken:
    return state.with_open(unfinished_model=unfinished), []


def looking_for_unfinished(path: Path) -> Task[UnfinishedRun | None]:
    """Look for the run of a making that failed."""

    def run(on_event: OnEvent, should_stop: ShouldStop) -> UnfinishedRun | None:
        from distill_core.training.kinds import codec_runs

        return codec_runs(path).unfinished()

    return Task(Activity.WORKING, Subject.RUNS, run, _take_unfinished)
