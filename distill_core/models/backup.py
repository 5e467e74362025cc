"""The version before: every file that is replaced is kept as `FILE.bak`, and can change places with it again."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from distill_core.models.file_replacement import copy_attributes, flush_file, flush_folder, replace_file
from distill_core.models.temporaries import leftovers, second_name, swap_name, temporary_beside


def backup_of(path: Path) -> Path:
    """Return where the version before the one at `path` (its real path) is kept."""
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
    """Have the file under a second name, in place of what bears it: a link where the disk knows links, else a copy."""
    link = second_name(source)
    try:
        os.link(source, link)
    except OSError:
        _copy(source, target, source)
        return
    try:
        replace_file(link, target)
    finally:
        link.unlink(missing_ok=True)  # of two names of one file, a rename keeps both


def keep_previous(path: Path) -> None:
    """Keep the file as it is as its backup, in place of an older one. The caller holds the lock.

    Raises:
        OSError: the backup could not be made; nothing else changed.
    """
    _keep_also_as(path, backup_of(path))


def swap_with_backup(path: Path) -> None:
    """Let a file and its backup change places; without a file, a copy of the backup takes its place.

    The caller holds the lock. Of a backup that is a link the contents are copied: what it leads to is someone's
    archive, and stays as it is.
    A crash between the steps loses neither: `finish_swap` ends what it began.

    Raises:
        OSError: it could not be done; both are there, under one name or the other.
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
    """End a change of places that a crash interrupted. The caller holds the lock."""
    backup, waiting = backup_of(path), swap_name(path)
    if not waiting.exists():
        return
    if backup.exists():  # the file itself is still in its place
        waiting.unlink()
    else:
        replace_file(waiting, backup)


def has_leftovers(path: Path) -> bool:
    """Tell whether something beside the file is, or was, part of a save."""
    return swap_name(path).exists() or bool(leftovers(path))


def remove_leftovers(path: Path) -> None:
    """Remove what savers that died left beside the file. The caller holds the lock.

    Raises:
        OSError: something could not be removed.
    """
    finish_swap(path)
    for leftover in leftovers(path):
        leftover.unlink(missing_ok=True)
