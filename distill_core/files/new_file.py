"""A new file, whole or not at all: it replaces another one only on request, whoever else writes there."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from distill_core.errors import SaveError
from distill_core.files.replacing import (
    copy_attributes,
    flush_file,
    flush_folder,
    new_file_mode,
    real_path,
    replace_file,
)
from distill_core.files.save_errors import check_room, read_only, save_error, shown
from distill_core.files.temporaries import Temporary, second_name, temporary_beside


def exists_error(path: Path) -> SaveError:
    """Return the error for a name that is taken."""
    return SaveError(f"{shown(path)} exists already; nothing was overwritten.", "Choose another name.")


def _is_same(path: Path, other: Path) -> bool:
    try:
        return path.samefile(other)
    except OSError:  # one of them is not there
        return False


def _checked(path: Path, replace: bool, source: Path | None) -> Path:
    if source is not None and _is_same(path, source):
        raise SaveError(f"{shown(path)} is the model itself; nothing was written.", "Choose another name.")
    path = real_path(path)
    if not path.parent.is_dir():
        raise SaveError(f"There is no folder “{path.parent}” to save into.", "Make it first, or choose another.")
    if path.exists():
        if not replace:
            raise exists_error(path)
        if not os.access(path, os.W_OK):
            raise read_only(path)  # a rename would work, but nobody who protects a file wants that
    return path


def check_new_file(path: Path, needed_bytes: int = 0, *, replace: bool = False, source: Path | None = None) -> None:
    """Check, before the work on its content, that a file can be written; with `replace`, in the place of another.

    That is never `source`, the model that it is made from, whatever links lead there.

    Raises:
        ReadOnlyError: the file or its folder cannot be written.
        SaveError: there is a file, no such folder, no room for `needed_bytes`, or no file can be there.
    """
    path = _checked(path, replace, source)
    try:
        with temporary_beside(path):
            pass
        check_room(path, needed_bytes)
    except OSError as error:
        raise save_error(error, path) from error


def _write_all(temporary: Temporary, data: bytes, path: Path) -> None:
    with os.fdopen(os.dup(temporary.descriptor), "wb") as file:
        file.write(data)
    if path.exists():
        copy_attributes(path, temporary.descriptor)
    else:
        with suppress(OSError):
            mode = new_file_mode(second_name(path))
            os.chmod(temporary.descriptor if os.chmod in os.supports_fd else temporary.path, mode)
    flush_file(temporary.descriptor)
    temporary.close()


def _put_where_nothing_is(source: Path, target: Path) -> None:
    """Give a file its name in one step that fails if the name is taken.

    Raises:
        FileExistsError: it is taken.
    """
    if os.name == "nt":
        os.rename(source, target)
        return
    try:
        os.link(source, target)
    except FileExistsError:
        raise
    except OSError:  # a disk without links: the name is taken first, and replaced then
        os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL))
        replace_file(source, target)


def write_new_file(path: Path, data: bytes, *, replace: bool = False, source: Path | None = None) -> Path:
    """Write a file in one step and return its real path; on return it outlasts a power cut.

    With `replace` it takes the place of another, but never of `source`, the model that it is made from.

    Raises:
        ReadOnlyError: the file or its folder cannot be written.
        SaveError: there is a file and not `replace`, no room, no such folder, or no file can be there; what was there
            is unchanged.
    """
    path = _checked(path, replace, source)
    try:
        with temporary_beside(path) as temporary:
            _write_all(temporary, data, path)
            (replace_file if replace else _put_where_nothing_is)(temporary.path, path)
        flush_folder(path.parent)
    except FileExistsError as error:
        raise exists_error(path) from error
    except OSError as error:
        raise save_error(error, path) from error
    return path
