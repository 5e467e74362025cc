"""One training's folder on disk: its newest state and the one before, written as a model file is.

It bears the run's `run_id`; those of former versions bear a hash of their model's path.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from distill_core.errors import DistillError, ModelFileError
from distill_core.events import OnEvent, ShouldStop, ignore, never
from distill_core.files.archive import FileStamp, read_archive, read_facts
from distill_core.files.archive_writer import clean_up, saving_into, write_archive
from distill_core.files.backup import backup_of
from distill_core.files.save_errors import save_error
from distill_core.files.temporaries import lock_path
from distill_core.folders import lock_folder, run_folders
from distill_core.models.persistence import read_codec_digest
from distill_core.training.events import OlderStateTaken
from distill_core.training.run_folder.facts import Kind, ListedRun, RunState, UnfinishedRun
from distill_core.training.run_folder.format import FORMAT, LATEST_MOMENT, VERSION, NewerRunError
from distill_core.training.run_folder.kinds import check_run, check_run_tensors, facts_of

_FILE = "run.distill-run"
# Whoever only looks at a run holds its lock for an instant; for that a training waits longer than one who looks.
WAIT_S, LOOKING_S = 5.0, 0.2


def _read(path: Path) -> tuple[dict[str, Any], FileStamp]:
    values, stamp = read_archive(path, check_run)
    check_run_tensors(values, path.name)
    return values, stamp


def _look_at(path: Path) -> UnfinishedRun | None:
    """Return what a state tells, None for nothing that can be read.

    Raises:
        NewerRunError: it is a newer Distill's.
    """
    try:
        values, _ = read_facts(path)
        check_run(values, path.name)
        return facts_of(values)
    except NewerRunError:
        raise
    except ModelFileError:
        return None


def _lock_path(name: str) -> Path:
    return lock_folder() / f"{name}.run.lock"


@contextmanager
def locked(name: str, wait_s: float, taken: str) -> Iterator[str]:
    """Hold a lock of trainings; yields "", or why that cannot be: `taken` where another holds it."""
    try:
        lock = FileLock(_lock_path(name), timeout=wait_s)
        lock.acquire()
    except Timeout:
        yield taken
        return
    except (OSError, NotImplementedError) as error:  # the second: a file system without locks
        yield f"Its lock can't be made ({getattr(error, 'strerror', None) or error})."
        return
    try:
        yield ""
    finally:
        with suppress(OSError):
            lock.release()


class StoredRun:
    """A run's folder, which need not exist."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / _FILE
        self._is_torn = False  # the newest state could not be read, and the one before it could

    @classmethod
    def named(cls, run_id: str) -> StoredRun:
        """Return the folder of the run of that id."""
        return cls(run_folders() / run_id)

    @property
    def id(self) -> str:
        """What it is called by: the folder's name."""
        return self.folder.name

    @property
    def exists(self) -> bool:
        """Whether a state is there, readable or not."""
        return self.file.is_file() or backup_of(self.file).is_file()

    def in_use(self, wait_s: float = WAIT_S) -> AbstractContextManager[str]:
        """Return a context that keeps other trainings out; it yields "", or why that cannot be."""
        return locked(self.id, wait_s, "Another training is at this run.")

    def is_busy(self) -> bool:
        """Tell whether a training is at it."""
        with self.in_use(LOOKING_S) as obstacle:
            return bool(obstacle)

    def save(self, values: dict[str, Any], should_stop: ShouldStop = never) -> None:
        """Write a state; the one before stays beside it. Whoever trains holds the lock.

        Raises:
            SaveError: it could not be written; what was there is unchanged.
            Stopped: `should_stop()` turned true; what was there is unchanged.
        """
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise save_error(error, self.file) from error
        if self._is_torn:  # it would take the place of the good one before it
            _unlink(self.file)
            self._is_torn = False
        with saving_into(self.file) as target:
            write_archive(target, {"format": FORMAT, "version": VERSION, **values}, _read, should_stop=should_stop)

    def load(self, on_event: OnEvent = ignore) -> dict[str, Any]:
        """Return the newest state, or the one before it where that is damaged or gone, which `OlderStateTaken` tells.

        Raises:
            ModelFileError: there is none that can be read.
            NewerRunError: a newer Distill made it.
        """
        try:
            return _read(self.file)[0]
        except NewerRunError:
            raise
        except ModelFileError as error:
            try:
                values, _ = _read(backup_of(self.file))
            except NewerRunError:
                raise
            except ModelFileError:
                raise error from None
            self._is_torn = True
            on_event(OlderStateTaken(facts_of(values).epoch, is_missing=not self.file.exists()))
            return values

    def look(self) -> UnfinishedRun | None:
        """Return what is there, whether a training is at it or not; None for nothing that can be read here."""
        with suppress(NewerRunError):
            return self._look()
        return None

    def _look(self) -> UnfinishedRun | None:
        return _look_at(self.file) or _look_at(backup_of(self.file))

    def newer(self) -> NewerRunError | None:
        """Return what is told of a state that a newer Distill made: the version before it is none to go on with."""
        try:
            self._look()
        except NewerRunError as error:
            return error
        return None

    def size(self) -> int:
        """Return how many bytes it takes on disk."""
        return sum(status.st_size for status in _statuses(self.folder))

    def written(self) -> float:
        """Return when it was last written, in seconds since 1970."""
        files = (self.file, backup_of(self.file))
        newest = max((file.stat().st_mtime for file in files if file.is_file()), default=0.0)
        return min(max(newest, 0.0), LATEST_MOMENT)

    def renamed(self, run_id: str) -> StoredRun:
        """Return it under the name of its id, which former versions did not give; as it is where that is taken.

        Whoever calls holds the locks of both names.
        """
        target = StoredRun.named(run_id)
        if self.id == run_id or target.folder.exists():
            return self
        try:
            self.folder.rename(target.folder)
        except OSError:
            return self
        target._is_torn = self._is_torn
        return target

    def remove(self) -> None:
        """Remove all of it, with the lock that bears its id: nothing does so again. Whoever calls holds its lock.

        The lock of one that former versions named is its model's, and stays: a training may hold it.
        """
        file, facts = self.file.resolve(), self.look()
        shutil.rmtree(self.folder, ignore_errors=True)
        with suppress(OSError):  # Windows removes no lock that is held
            lock_path(file).unlink(missing_ok=True)
            if facts is not None and facts.run_id == self.id:
                _lock_path(self.id).unlink(missing_ok=True)

    def discard(self) -> str:
        """Remove all of it, also what cannot be read; return "", or why that cannot be."""
        with self.in_use(LOOKING_S) as obstacle:
            if not obstacle:
                self.remove()
        if not obstacle and self.exists:
            return "Its folder can't be removed."
        return obstacle

    def discard_states_of(self, run_id: str) -> None:
        """Remove the states of that run; one that a training is at stays, and what cannot be read: it may be a newer's.

        The one before is removed alone where it alone can be read.
        """
        with self.in_use() as obstacle:
            if obstacle or self.newer() is not None:
                return
            newest, before = _look_at(self.file), _look_at(backup_of(self.file))
            if self.file.exists() and newest is None:
                if before is not None and before.run_id == run_id:
                    _unlink(backup_of(self.file))
            elif (found := newest or before) is not None and found.run_id == run_id:
                self.remove()

    def remove_if_empty(self) -> None:
        """Remove what a training that ended while it wrote its first state left."""
        with self.in_use(wait_s=0) as obstacle:
            if not obstacle and not self.exists:
                clean_up(self.file)
                with suppress(OSError):
                    self.folder.rmdir()


def _statuses(folder: Path) -> Iterator[Any]:
    with suppress(OSError):
        for path in folder.rglob("*"):
            with suppress(OSError):
                yield path.lstat()


def _unlink(path: Path) -> None:
    with suppress(OSError):
        path.unlink()


def _is_gone(path: Path) -> bool:
    """Tell whether there is no file of that name; one that cannot be looked for counts as there."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return True
    except OSError:
        return False
    return False


def codec_at(model: Path) -> str:
    """Return the digest of a model's codec, "" where it can't be read."""
    with suppress(DistillError):
        return read_codec_digest(model)
    return ""


def has_lost_its_model(facts: UnfinishedRun, codec_at: Callable[[Path], str]) -> bool:
    """Tell whether a run's model is gone from its path, or another codec is there; `codec_at` answers which."""
    if _is_gone(facts.model):
        return True
    return bool(facts.codec_digest) and codec_at(facts.model) not in ("", facts.codec_digest)


def _state(run: StoredRun, facts: UnfinishedRun | None, codec_at: Callable[[Path], str]) -> RunState:
    if run.is_busy():
        return RunState.IN_USE
    if facts is None:
        return RunState.UNREADABLE if run.newer() is None else RunState.NEWER
    if facts.kind is Kind.PRIOR and has_lost_its_model(facts, codec_at):
        return RunState.MODEL_GONE
    if facts.has_ended:
        return RunState.NOT_SAVED
    return RunState.UNFINISHED if facts.can_go_on else RunState.BEST_ONLY


def stored_runs() -> list[StoredRun]:
    """Return the folders that hold a state, readable or not."""
    try:
        folders = sorted(run_folders().iterdir())
    except OSError:
        return []
    return [run for run in map(StoredRun, folders) if run.exists]


def listed_runs() -> list[ListedRun]:
    """Return every run, the newest first."""
    found, codecs = [], cache(codec_at)
    for run in stored_runs():
        facts = run.look()
        written = (facts.written if facts is not None else 0.0) or run.written()
        found.append(ListedRun(run.id, facts, _state(run, facts, codecs), run.size(), written))
    return sorted(found, key=lambda listed: listed.written, reverse=True)
