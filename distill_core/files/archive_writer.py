"""Values into a `.distill` file: a new file takes the old one's place in a single step.

The file is precious, so that step comes last, after the new file was written, flushed, and read back as the loader
reads it; the old file stays as the backup.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from distill_core.errors import SaveError
from distill_core.events import ShouldStop, never, stop_point
from distill_core.files.archive import OpenArchive
from distill_core.files.backup import backup_of, has_leftovers, keeping_previous, remove_leftovers
from distill_core.files.packed_archive import PackedArchive, Read
from distill_core.files.replacing import (
    copy_attributes,
    flush_file,
    flush_folder,
    new_file_mode,
    real_path,
    replace_file,
)
from distill_core.files.save_errors import (
    changed_error,
    check_room,
    memory_error,
    read_only,
    save_error,
    unsure_error,
)
from distill_core.files.temporaries import saving_lock, second_name, temporary_beside
from distill_core.memory import is_short_of_memory, let_go


@dataclass(frozen=True, slots=True)
class SaveTarget:
    """The target of a save: a locked real path, and its status when the lock was taken (None: no file)."""

    path: Path
    status: os.stat_result | None

    def check_unchanged(self) -> None:
        """Check that the file is as it was when the lock was taken.

        Raises:
            ChangedOnDiskError: a program that does not know the lock has changed it.
        """
        now = _status_if_there(self.path)
        if _identity(now) != _identity(self.status):
            raise changed_error(self.path)


def _identity(status: os.stat_result | None) -> tuple[int, ...] | None:
    return None if status is None else (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)


def _status_if_there(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except FileNotFoundError:
        return None


@contextmanager
def saving_into(path: Path) -> Iterator[SaveTarget]:
    """Hold the lock of the file at `path` (a link's target), after removing the remains of savers that died.

    Raises:
        SaveError: no file can be written there, or another Distill is saving into it.
    """
    path = real_path(path)
    try:
        with saving_lock(path):
            with suppress(OSError):
                remove_leftovers(path)
            status = _status_if_there(path)
            if status is not None and not os.access(path, os.W_OK):
                raise read_only(path)  # a rename would work, but nobody who protects a file wants that
            yield SaveTarget(path, status)
    except Exception as error:
        if is_short_of_memory(error):
            let_go(error)
            raise memory_error(path) from error
        if isinstance(error, OSError):
            raise save_error(error, path) from error
        raise


def clean_up(path: Path) -> None:
    """Remove the remains of dead savers beside the file, unless a saver is at work or the folder is read-only."""
    with suppress(OSError, RuntimeError, ValueError, SaveError):  # ValueError: a name with a null byte
        path = path.resolve()
        if has_leftovers(path):
            with saving_lock(path, wait_s=0):
                remove_leftovers(path)


def write_archive(
    target: SaveTarget,
    values: dict[str, Any],
    read: Read,
    opened: OpenArchive | None = None,
    should_stop: ShouldStop = never,
    *,
    keeps_backup: bool = False,
) -> Path:
    """Put `values` into the target's file in one step, keep the old file as its backup, and return the real path.

    With `keeps_backup` a backup that is there stays, and the old file goes.

    `read` reads the new file as the loader does; a file that it refuses is not saved. The bytes of tensors that are not
    built come from `opened`, which is closed before the new file takes its place. On return, the new file outlasts a
    power cut.

    Raises:
        ChangedOnDiskError: another program changed the file meanwhile; it is as that program left it.
        SaveError: it could not be written, or would not open again; the old file is unchanged.
        Stopped: `should_stop()` turned true before the new file was in its place; the old file is unchanged.
    """
    path = target.path
    try:
        archive = PackedArchive.of(values, opened, path, should_stop)
        check_room(path, archive.needed_bytes())
        with temporary_beside(path) as temporary:
            archive.write(temporary.descriptor, should_stop)
            if target.status is None:
                _set_mode(temporary.descriptor, temporary.path, path)
            else:
                copy_attributes(path, temporary.descriptor)
            stop_point(should_stop)
            flush_file(temporary.descriptor)
            temporary.close()
            stop_point(should_stop)
            archive.verify(temporary.path, read, path, should_stop)
            if opened is not None:
                opened.close()
            target.check_unchanged()
            is_replaced = target.status is not None and not (keeps_backup and backup_of(path).is_file())
            with keeping_previous(path) if is_replaced else nullcontext():
                replace_file(temporary.path, path)
    except OSError as error:
        if is_short_of_memory(error):
            raise
        raise save_error(error, path) from error
    _confirm(path)
    return path


def _set_mode(descriptor: int, path: Path, model: Path) -> None:
    with suppress(OSError):
        os.chmod(descriptor if os.chmod in os.supports_fd else path, new_file_mode(second_name(model)))


def _confirm(path: Path) -> None:
    try:
        flush_folder(path.parent)
    except OSError as error:
        raise unsure_error(error, path, backup_of(path)) from error
