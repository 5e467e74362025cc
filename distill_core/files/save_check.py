"""The check that a file can be saved, made before hours of training and not after."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from distill_core.errors import SaveError
from distill_core.files.backup import backup_of
from distill_core.files.replacing import allocated_bytes, real_path
from distill_core.files.save_errors import check_room, check_size, read_only, save_error, shown
from distill_core.files.temporaries import temporary_beside
from distill_core.files.zip_container import ZIP_MAGIC

MARGIN_BYTES = 32 * 1024**2  # for a first prior, or one that is larger than the file's


def _may_be_a_model(backup: Path) -> bool:
    try:
        with backup.open("rb") as file:
            return file.read(len(ZIP_MAGIC)) == ZIP_MAGIC
    except OSError:  # it is someone else's
        return True


def _check_backup(path: Path) -> None:
    backup = backup_of(path)
    try:
        mode = backup.lstat().st_mode
    except FileNotFoundError:
        return
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            reason = f"with “.bak” for the version before, the name of {shown(path)} is too long"
            raise SaveError(f"{reason}.", "Choose a shorter name.") from error
        raise save_error(error, path) from error
    if stat.S_ISDIR(mode):
        raise SaveError(
            f"{shown(backup)} is a folder, so the version before a save of {shown(path)} could not be kept.",
            "Rename that folder, or save a copy elsewhere.",
        )
    if stat.S_ISREG(mode) and not _may_be_a_model(backup):
        raise SaveError(
            f"{shown(backup)} holds no model, and a save of {shown(path)} would put the version before in its place.",
            "Rename that file, or save a copy elsewhere.",
        )


def check_can_save(path: str | Path, *, probe: bool = True) -> None:
    """Check that the file at `path` (a link's target) can be replaced or made, and its version before kept.

    With `probe`, a file is made beside it and removed; without, the system's permissions are believed, which does for
    opening a file. The room has to suffice for twice the file's size and `MARGIN_BYTES`.

    Raises:
        ReadOnlyError: the file or its folder cannot be written; a copy can be saved elsewhere.
        SaveError: no such folder, no room, no file at that path, or a model near 4 GB.
    """
    path = real_path(Path(path))
    folder = path.parent
    if not folder.is_dir():
        raise SaveError(f"There is no folder “{folder}” to save into.", "Make it first, or choose another.")
    if path.exists() and not os.access(path, os.W_OK):
        raise read_only(path)
    _check_backup(path)
    if not os.access(folder, os.W_OK | os.X_OK):
        raise read_only(path)
    try:
        if probe:
            with temporary_beside(path):
                pass
        check_room(path, (2 * allocated_bytes(path.stat()) if path.exists() else 0) + MARGIN_BYTES)
        if path.exists():
            check_size(path, path.stat().st_size + MARGIN_BYTES)
    except OSError as error:
        raise save_error(error, path) from error
