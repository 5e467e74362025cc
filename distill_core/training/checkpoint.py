"""The run folder: what a training has reached, on disk, so that no crash and no failed save loses it.

One file a model, written at the end of each epoch with the discipline of a model file, whose version before it stays
beside it; read through the same door. It is removed once the prior is saved or given up.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from distill_core.errors import ModelFileError
from distill_core.events import OnEvent, ignore
from distill_core.folders import lock_folder, run_folders
from distill_core.models import schema
from distill_core.models.archive import FileStamp, read_archive, read_facts
from distill_core.models.archive_writer import saving_into, write_archive
from distill_core.models.backup import backup_of
from distill_core.training.metrics import OlderStateTaken
from distill_core.training.prior_config import MOST_VARIANTS, NUMBER_FORMATS

FORMAT, VERSION, OLDER_VERSION = "distill_run", 2, 1
_FILE = "run.distill-run"
_WAIT_S = 5.0  # whoever only looks at a run holds its lock for an instant
# What a run's file holds beside the keys of a prior: its own list, checked at the same door as a model's.
_OLDER_KEYS: dict[str, type | tuple[type, ...]] = {
    "run_id": str,
    "model_path": str,
    "sounds_path": str,
    "codes_digest": str,
    "config": dict,
    "current_state_dict": dict,
    "best_epoch": int,
    "history": list,
    "roll_backs": int,
    "optimizer_states": list,
    "schedule": dict,
    "random_states": list,
}
_KEYS_OF = {
    OLDER_VERSION: _OLDER_KEYS | {"has_ended": bool},
    VERSION: _OLDER_KEYS
    | {
        "ended": str,
        "joined": int,
        "number_format": str,
        "file_prior": (dict, type(None)),
        "last_state_dict": dict,
        "before_memorizing_state_dict": dict,
        "before_memorizing_epoch": int,
    },
}
_OTHER_WEIGHTS = ("current_state_dict", "last_state_dict", "before_memorizing_state_dict")
_GO_ON = ("", "stopped", "time_limit")  # how a run that can be gone on with may have ended


@dataclass(frozen=True, slots=True)
class UnfinishedRun:
    """What is known of a training whose prior is in no model; `has_ended` when only the saving is missing.

    One that an older Distill left (`is_older`) cannot be gone on with, and its perplexity counts padding.
    """

    run_id: str
    model: Path
    sounds: Path
    epoch: int
    total_epochs: int
    best_epoch: int
    best_perplexity: float
    has_ended: bool
    is_older: bool = False

    @property
    def can_go_on(self) -> bool:
        """Whether training can go on where it was."""
        return not self.has_ended and not self.is_older


def older_run() -> ModelFileError:
    """Return the error of going on with a run that an older Distill left."""
    return ModelFileError(
        "The unfinished training was made by an older Distill, which counted padding as sound: it can't be gone on "
        "with. Nothing was changed.",
        "Its best prior can still be saved (Use Best, --use-best); or train afresh.",
    )


def damaged_run() -> ModelFileError:
    """Return the error of a run whose file is of this format, and does not hold what it should."""
    return ModelFileError("The unfinished training can't be read: its file is damaged.", "Train afresh.")


@contextmanager
def reading_a_run() -> Iterator[None]:
    """Answer a value of a run's state that does not fit in words; only what takes such values stands inside.

    Raises:
        ModelFileError: instead of whatever the value led to.
    """
    try:
        yield
    except (ArithmeticError, LookupError, RuntimeError, TypeError, ValueError, AttributeError) as error:
        raise damaged_run() from error


def _facts(values: dict[str, Any]) -> UnfinishedRun:
    last, metadata = values["history"][-1], values["prior_metadata"]
    is_older = values["version"] == OLDER_VERSION
    return UnfinishedRun(
        run_id=values["run_id"],
        model=Path(values["model_path"]),
        sounds=Path(values["sounds_path"]),
        epoch=int(last["epoch"]),
        total_epochs=int(last["total_epochs"]),
        best_epoch=values["best_epoch"],
        best_perplexity=float(metadata["best_perplexity"]),
        has_ended=values["has_ended"] if is_older else values["ended"] not in _GO_ON,
        is_older=is_older,
    )


def _check_version(values: dict[str, Any], name: str) -> None:
    version = values.get("version")
    if values.get("format") != FORMAT or type(version) is not int:
        raise ModelFileError(f"“{name}” holds no unfinished training.", "Train afresh.")
    if version not in _KEYS_OF:
        raise ModelFileError(
            f"“{name}” holds a training of a newer Distill.", "Please update Distill, or train afresh."
        )


def _fits(values: dict[str, Any]) -> bool:
    """Tell whether what a run counts and names is what it can be."""
    return values.get("number_format") in NUMBER_FORMATS and values.get("joined") in range(MOST_VARIANTS + 1)


def _check_run(values: dict[str, Any], name: str) -> None:
    """Check a run's own keys, and its best prior as a model's is checked."""
    _check_version(values, name)
    wrong = [key for key, kind in _KEYS_OF[values["version"]].items() if not isinstance(values.get(key), kind)]
    is_of_range = values["version"] == OLDER_VERSION or _fits(values)
    if wrong or not values["history"] or not is_of_range:
        raise ModelFileError(f"“{name}” can't be opened: it is damaged.", "Train afresh.")
    schema.check_prior_header(values, name)
    with reading_a_run():
        _facts(values)
        if values["best_epoch"] not in [metrics["epoch"] for metrics in values["history"]]:
            raise ValueError("the best epoch is none of those there were")


def _read(path: Path) -> tuple[dict[str, Any], FileStamp]:
    values, stamp = read_archive(path)
    _check_run(values, path.name)
    schema.check_prior_tensors(values, path.name)
    for key in _OTHER_WEIGHTS:
        if values.get(key):
            schema.check_prior_tensors(values | {"prior_state_dict": values[key]}, path.name)
    return values, stamp


def _look_at(path: Path) -> UnfinishedRun | None:
    with suppress(ModelFileError):
        values, _ = read_facts(path)
        _check_run(values, path.name)
        return _facts(values)
    return None


class RunFolder:
    """The place of one model's unfinished training; it need not exist."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._file = folder / _FILE

    @classmethod
    def of(cls, model_path: str | Path) -> RunFolder:
        """Return the folder of a model, whatever links lead to it."""
        real = os.path.normcase(Path(model_path).resolve())
        return cls(run_folders() / sha256(os.fsencode(real)).hexdigest()[:32])

    @contextmanager
    def in_use(self, wait_s: float = _WAIT_S) -> Iterator[str]:
        """Keep other trainings out while this one runs; yields "", or why that cannot be."""
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = FileLock(lock_folder() / f"{self.folder.name}.run.lock", timeout=wait_s)
            lock.acquire()
        except Timeout:
            yield "Another training into this model is under way."
            return
        except OSError as error:
            yield f"The folder for it can't be made ({error.strerror or error})."
            return
        try:
            yield ""
        finally:
            with suppress(OSError):
                lock.release()

    def save(self, values: dict[str, Any]) -> None:
        """Write a run's state; the one before stays beside it.

        Raises:
            SaveError: it could not be written; what was there is unchanged.
        """
        values = {"format": FORMAT, "version": VERSION, "has_prior": True, **values}
        with saving_into(self._file) as target:
            write_archive(target, values, _read)

    def load(self, on_event: OnEvent = ignore) -> dict[str, Any]:
        """Return a run's state, or the one before it where that is damaged, which `OlderStateTaken` tells.

        Raises:
            ModelFileError: there is none that can be read.
        """
        try:
            return _read(self._file)[0]
        except ModelFileError as error:
            with suppress(ModelFileError):
                values, _ = _read(backup_of(self._file))
                on_event(OlderStateTaken(_facts(values).epoch))
                return values
            raise error

    def load_to_resume(self, on_event: OnEvent = ignore) -> dict[str, Any]:
        """Return a run's state, to go on with.

        Raises:
            ModelFileError: there is none that can be read, or an older Distill made it.
        """
        values = self.load(on_event)
        if values["version"] == OLDER_VERSION:
            raise older_run()
        return values

    def look(self) -> UnfinishedRun | None:
        """Return what is there, whether a training is at it or not; None for nothing that can be read."""
        return _look_at(self._file) or _look_at(backup_of(self._file))

    def unfinished(self) -> UnfinishedRun | None:
        """Return what is there to go on with; None for nothing that can be read, or while a training is at it."""
        if not self._file.exists():
            return None
        with self.in_use(wait_s=0) as obstacle:
            return None if obstacle else self.look()

    def is_busy(self) -> bool:
        """Tell whether a training is at it."""
        if not self.folder.exists():
            return False
        with self.in_use(wait_s=0) as obstacle:
            return bool(obstacle)

    def discard(self, run_id: str | None = None) -> None:
        """Remove what is there, or only the run of this id; one that a training is at stays.

        With an id, what cannot be read stays as well: it may be a newer Distill's.
        """
        if not self.folder.exists():
            return
        with self.in_use() as obstacle:
            if obstacle:
                return
            if run_id is None:
                shutil.rmtree(self.folder, ignore_errors=True)
            else:
                self._discard_run(run_id)

    def _discard_run(self, run_id: str) -> None:
        newest, before = _look_at(self._file), _look_at(backup_of(self._file))
        if newest is not None and newest.run_id == run_id:
            shutil.rmtree(self.folder, ignore_errors=True)
        elif newest is None and before is not None and before.run_id == run_id:
            with suppress(OSError):
                backup_of(self._file).unlink()


def unfinished_runs() -> list[UnfinishedRun]:
    """Return what unfinished trainings there are, whose models still exist."""
    try:
        folders = sorted(run_folders().iterdir())
    except OSError:
        return []
    found = [RunFolder(folder).unfinished() for folder in folders]
    return [run for run in found if run is not None and run.model.exists()]
