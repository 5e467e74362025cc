"""The version before: a replaced file is kept as `FILE.bak`, and can change places with its successor."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from distill_core.files.replacing import copy_attributes, flush_file, flush_folder, replace_file
from distill_core.files.temporaries import leftovers, older_name, second_name, swap_name, temporary_beside


def backup_of(path: Path) -> Path:
    """Return the path of the backup of the file at `path` (its real path)."""
    return path.with_name(f"{path.name}.bak")


def _copy(source: Path, target: Path, model: Path) -> None:
    with temporary_beside(model) as temporary:
        with source.open("rb") as file, os.fdopen(os.dup(temporary.descriptor), "wb") as copy:
            shutil.copyfileobj(file, copy, 1 << 20)
        copy_attributes(source, temporary.descriptor)
        flush_file(temporary.descriptor)
        temporary.close()
        replace_file(temporary.path, target)


def _keep_also_as(source: Path, target: Path) -> None:
    """Give a file a second name, taken from any file that has it: by a link, or by a copy on a disk without links."""
    link = second_name(source)
    try:
        os.link(source, link)
    except OSError:
        _copy(source, target, source)
        return
    try:
        replace_file(link, target)
    finally:
        link.unlink(missing_ok=True)  # a rename between two names of one file keeps both


def _finish_save(path: Path) -> None:
    """Restore the older backup if a save ended before the new file was in its place; else remove it."""
    backup, older = backup_of(path), older_name(path)
    if not os.path.lexists(older):
        return
    if os.path.lexists(backup) and not (path.exists() and backup.exists() and path.samefile(backup)):
        older.unlink()
    else:
        replace_file(older, backup)


@contextmanager
def keeping_previous(path: Path) -> Iterator[None]:
    """Keep the file as its backup while the body puts another in its place; an older backup is removed after that.

    If the body fails or the process dies in it, the older backup is restored, unless the disk has no links. The caller
    holds the lock.

    Raises:
        OSError: the backup could not be made; nothing else changed.
    """
    backup, older = backup_of(path), older_name(path)
    had_backup = os.path.lexists(backup)
    older.unlink(missing_ok=True)
    with suppress(OSError, NotImplementedError):  # Windows cannot link a link
        os.link(backup, older, follow_symlinks=False)
    try:
        _keep_also_as(path, backup)
        yield
    except BaseException:
        _finish_save(path)
        if not had_backup:
            backup.unlink(missing_ok=True)
        raise
    with suppress(OSError):  # no failure: the new file is in its place, and the next save tidies up
        older.unlink(missing_ok=True)


def swap_with_backup(path: Path) -> None:
    """Swap a file with its backup; without a file, a copy of the backup takes its place.

    The caller holds the lock. A backup that is a link is copied: the link's target is someone's archive, and stays as
    it is. A crash in the middle loses neither file: `finish_swap` ends the swap.

    Raises:
        OSError: the swap failed; both files are there, under one name or the other.
    """
    backup, waiting = backup_of(path), swap_name(path)
    if not path.exists():
        _copy(backup, path, path)
        flush_folder(path.parent)
        return
    if backup.is_symlink():
        _copy(backup, backup, path)
    _keep_also_as(path, waiting)
    flush_folder(path.parent)
    replace_file(backup, path)
    replace_file(waiting, backup)
    flush_folder(path.parent)


def finish_swap(path: Path) -> None:
    """End a swap that a crash interrupted; the caller holds the lock."""
    backup, waiting = backup_of(path), swap_name(path)
    if not waiting.exists():
        return
    if backup.exists():  # the file is still in its place
        waiting.unlink()
    else:
        replace_file(waiting, backup)


def has_leftovers(path: Path) -> bool:
    """Tell whether a file beside this one belongs to a save, finished or not."""
    return swap_name(path).exists() or os.path.lexists(older_name(path)) or bool(leftovers(path))


def remove_leftovers(path: Path) -> None:
    """Remove the remains of dead savers beside the file; the caller holds the lock.

    Raises:
        OSError: a file could not be removed.
    """
    finish_swap(path)
    _finish_save(path)
    for leftover in leftovers(path):
        leftover.unlink(missing_ok=True)
