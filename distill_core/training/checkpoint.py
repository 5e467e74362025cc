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

FORMAT, VERSION = "distill_run", 1
_FILE = "run.distill-run"
_WAIT_S = 5.0  # whoever only looks at a run holds its lock for an instant
# What a run's file holds beside the keys of a prior: its own list, checked at the same door as a model's.
_KEYS: dict[str, type | tuple[type, ...]] = {
    "run_id": str,
    "model_path": str,
    "sounds_path": str,
    "codes_digest": str,
    "config": dict,
    "current_state_dict": dict,
    "best_loss": float,
    "best_epoch": int,
    "history": list,
    "roll_backs": int,
    "optimizer_states": list,
    "schedule": dict,
    "random_states": list,
    "has_ended": bool,
}


@dataclass(frozen=True, slots=True)
class UnfinishedRun:
    """What is known of a training whose prior is in no model; `has_ended` when only the saving is missing."""

    run_id: str
    model: Path
    sounds: Path
    epoch: int
    total_epochs: int
    best_epoch: int
    best_perplexity: float
    has_ended: bool


@contextmanager
def reading_a_run() -> Iterator[None]:
    """Answer what a run's state lacks, or has too much of, in words: it may be another Distill's.

    Raises:
        ModelFileError: instead of whatever its values led to.
    """
    try:
        yield
    except (ArithmeticError, AttributeError, LookupError, RuntimeError, StopIteration, TypeError, ValueError) as error:
        raise ModelFileError(
            "The unfinished training can't be read: another Distill made it.", "Train afresh."
        ) from error


def _facts(values: dict[str, Any]) -> UnfinishedRun:
    last, metadata = values["history"][-1], values["prior_metadata"]
    return UnfinishedRun(
        run_id=values["run_id"],
        model=Path(values["model_path"]),
        sounds=Path(values["sounds_path"]),
        epoch=int(last["epoch"]),
        total_epochs=int(last["total_epochs"]),
        best_epoch=values["best_epoch"],
        best_perplexity=float(metadata["best_perplexity"]),
        has_ended=values["has_ended"],
    )


def _check_run(values: dict[str, Any], name: str) -> None:
    """Check a run's own keys, and its best prior as a model's is checked."""
    if values.get("format") != FORMAT or values.get("version") != VERSION:
        raise ModelFileError(f"“{name}” holds no unfinished training of this Distill.", "Train afresh.")
    wrong = [key for key, kind in _KEYS.items() if not isinstance(values.get(key), kind)]
    if wrong or not values["history"]:
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
