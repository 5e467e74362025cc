"""One run's folder on disk: its newest state and the one before, written as a model file is.

The folder's name is the run's `run_id`, in former versions a hash of the model's path.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from distill_core.errors import ModelFileError
from distill_core.events import OnEvent, ShouldStop, ignore, never
from distill_core.files.archive import FileStamp, read_archive, read_facts
from distill_core.files.archive_writer import clean_up, saving_into, write_archive
from distill_core.files.backup import backup_of
from distill_core.files.save_errors import save_error
from distill_core.files.temporaries import lock_path
from distill_core.folders import lock_folder, run_folders
from distill_core.training.events import OlderStateTaken
from distill_core.training.run_folder.checks import NewerRunError
from distill_core.training.run_folder.facts import UnfinishedRun
from distill_core.training.run_folder.format import FORMAT, LATEST_MOMENT, VERSION
from distill_core.training.run_folder.kind import RunKinds, check_run, check_run_tensors, facts_of

_FILE = "run.distill-run"
# A look at a run holds its lock for an instant, so a training waits longer than a look does.
WAIT_S, LOOKING_S = 5.0, 0.2


def _read(path: Path, kinds: RunKinds) -> tuple[dict[str, Any], FileStamp]:
    values, stamp = read_archive(path, partial(check_run, kinds=kinds))
    check_run_tensors(values, path.name, kinds)
    return values, stamp


def _look_at(path: Path, kinds: RunKinds) -> UnfinishedRun | None:
    """Return the facts of a state, None if it cannot be read.

    Raises:
        NewerRunError: a newer Distill made it.
    """
    try:
        values, _ = read_facts(path)
        check_run(values, path.name, kinds)
        return facts_of(values, kinds)
    except NewerRunError:
        raise
    except ModelFileError:
        return None


def _lock_path(name: str) -> Path:
    return lock_folder() / f"{name}.run.lock"


@contextmanager
def locked(name: str, wait_s: float, taken: str) -> Iterator[str]:
    """Hold a lock of trainings; yield "", or the obstacle: `taken` if another training holds it."""
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
    """A run's folder, which need not exist; `kinds` are all kinds of run on disk."""

    def __init__(self, folder: Path, kinds: RunKinds) -> None:
        self.folder, self._kinds = folder, kinds
        self.file = folder / _FILE
        self._is_torn = False  # only the state before the newest could be read

    @classmethod
    def named(cls, run_id: str, kinds: RunKinds) -> StoredRun:
        """Return the run of an id."""
        return cls(run_folders() / run_id, kinds)

    @property
    def id(self) -> str:
        """The name of the folder."""
        return self.folder.name

    @property
    def exists(self) -> bool:
        """Whether the run has a state, readable or not."""
        return self.file.is_file() or backup_of(self.file).is_file()

    def in_use(self, wait_s: float = WAIT_S) -> AbstractContextManager[str]:
        """Return a context that keeps other trainings out; it yields "", or the obstacle."""
        return locked(self.id, wait_s, "Another training is at this run.")

    def is_busy(self) -> bool:
        """Tell whether a training uses the run."""
        with self.in_use(LOOKING_S) as obstacle:
            return bool(obstacle)

    def save(self, values: dict[str, Any], should_stop: ShouldStop = never) -> None:
        """Write a state; the one before stays beside it. The training holds the lock.

        Raises:
            SaveError: it could not be written; the files are unchanged.
            Stopped: `should_stop()` turned true; the files are unchanged.
        """
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise save_error(error, self.file) from error
        if self._is_torn:  # the damaged state would take the place of the good one before it
            _unlink(self.file)
            self._is_torn = False
        with saving_into(self.file) as target:
            read = partial(_read, kinds=self._kinds)
            write_archive(target, {"format": FORMAT, "version": VERSION, **values}, read, should_stop=should_stop)

    def load(self, on_event: OnEvent = ignore) -> dict[str, Any]:
        """Return the newest state; if that is damaged or missing, send `OlderStateTaken` and return the one before.

        Raises:
            ModelFileError: no state can be read.
            NewerRunError: a newer Distill made it.
        """
        try:
            return _read(self.file, self._kinds)[0]
        except NewerRunError:
            raise
        except ModelFileError as error:
            try:
                values, _ = _read(backup_of(self.file), self._kinds)
            except NewerRunError:
                raise
            except ModelFileError:
                raise error from None
            self._is_torn = True
            on_event(OlderStateTaken(facts_of(values, self._kinds).latest, is_missing=not self.file.exists()))
            return values

    def _asides(self) -> list[tuple[Path, Path]]:
        """Return the files of both states, each with the place where it is kept apart."""
        return [(file, file.with_name(f"{file.name}.aside")) for file in (self.file, backup_of(self.file))]

    def set_aside(self) -> None:
        """Keep both states apart from those that follow: by links, or by copies on a disk without links.

        If there is no room for that, none is kept. The caller holds the lock.
        """
        self.forget_aside()
        try:
            for file, aside in self._asides():
                if file.is_file():
                    _link_or_copy(file, aside)
        except OSError:
            self.forget_aside()

    def go_back(self) -> None:
        """Put the states that were kept apart in the place of those that followed. The caller holds the lock."""
        with suppress(OSError):
            if any(aside.is_file() for _, aside in self._asides()):
                for file, aside in self._asides():
                    if aside.is_file():
                        aside.replace(file)
                    else:
                        _unlink(file)
        self.forget_aside()

    def forget_aside(self) -> None:
        """Remove what is kept apart. The caller holds the lock."""
        for _, aside in self._asides():
            _unlink(aside)

    def look(self) -> UnfinishedRun | None:
        """Return the facts of the run, also of one in use; None if this Distill cannot read it."""
        with suppress(NewerRunError):
            return self._look()
        return None

    def _look(self) -> UnfinishedRun | None:
        return _look_at(self.file, self._kinds) or _look_at(backup_of(self.file), self._kinds)

    def newer(self) -> NewerRunError | None:
        """Return the error of a state that a newer Distill made, even if the state before is readable, else None."""
        try:
            self._look()
        except NewerRunError as error:
            return error
        return None

    def size(self) -> int:
        """Return the bytes that the folder takes on disk."""
        return sum(status.st_size for status in _statuses(self.folder))

    def written(self) -> float:
        """Return the time of the last write, in seconds since 1970."""
        files = (self.file, backup_of(self.file))
        newest = max((file.stat().st_mtime for file in files if file.is_file()), default=0.0)
        return min(max(newest, 0.0), LATEST_MOMENT)

    def renamed(self, run_id: str) -> StoredRun:
        """Rename a folder of a former version to the run's id and return it; unchanged if that fails or is taken.

        The caller holds the locks of both names.
        """
        target = StoredRun.named(run_id, self._kinds)
        if self.id == run_id or target.folder.exists():
            return self
        try:
            self.folder.rename(target.folder)
        except OSError:
            return self
        target._is_torn = self._is_torn
        return target

    def remove(self) -> None:
        """Remove the folder, and the lock of the run's id, which no other run gets. The caller holds its lock.

        The lock of a folder of a former version is its model's, and stays: a training may hold it.
        """
        file, facts = self.file.resolve(), self.look()
        shutil.rmtree(self.folder, ignore_errors=True)
        with suppress(OSError):  # Windows removes no lock that is held
            lock_path(file).unlink(missing_ok=True)
            if facts is not None and facts.run_id == self.id:
                _lock_path(self.id).unlink(missing_ok=True)

    def discard(self) -> str:
        """Remove the folder, readable or not, and return "", or the obstacle."""
        with self.in_use(LOOKING_S) as obstacle:
            if not obstacle:
                self.remove()
        if not obstacle and self.exists:
            return "Its folder can't be removed."
        return obstacle

    def discard_states_of(self, run_id: str) -> None:
        """Remove the states of the run of an id; a run in use and an unreadable state stay.

        An unreadable state may be a newer Distill's. If only the state before it can be read, that is removed alone.
        """
        with self.in_use() as obstacle:
            if obstacle or self.newer() is not None:
                return
            newest, before = (_look_at(file, self._kinds) for file in (self.file, backup_of(self.file)))
            if self.file.exists() and newest is None:
                if before is not None and before.run_id == run_id:
                    _unlink(backup_of(self.file))
            elif (found := newest or before) is not None and found.run_id == run_id:
                self.remove()

    def remove_if_empty(self) -> None:
        """Remove the folder of a training that ended while it wrote its first state."""
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


def _link_or_copy(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _unlink(path: Path) -> None:
    with suppress(OSError):
        path.unlink()
