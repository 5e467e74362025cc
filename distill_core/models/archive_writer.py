"""Values into a `.distill` file: a new one takes the old one's place in a single step.

The file is precious, so that step comes after the new one was written, flushed and read back.
"""

from __future__ import annotations

import errno
import io
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import torch

from distill_core.errors import ModelFileError, SaveError
from distill_core.models.archive import unpack

_DEFAULT_MODE = 0o666
_NAME_PART = 40


def save_error(error: OSError, path: Path) -> SaveError:
    """Turn a failed write into words: nothing is lost, and what to do next."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return SaveError(
            f"Not enough space to save “{path.name}”; what was there is unchanged.",
            "Free some space, or save a copy elsewhere.",
        )
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return SaveError(
            f"“{path.name}” can't be written here; what was there is unchanged.",
            "Save a copy in a folder of your own.",
        )
    return SaveError(
        f"“{path.name}” could not be saved ({error.strerror}); what was there is unchanged.",
        "Save a copy elsewhere.",
    )


@contextmanager
def _temporary_beside(path: Path) -> Iterator[Path]:
    # A part of the name only: with all of a long one it would be longer than names can be.
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name[:_NAME_PART]}.", suffix=".tmp", dir=path.parent)
    os.close(descriptor)
    try:
        yield Path(name)
    finally:
        with suppress(FileNotFoundError):
            os.unlink(name)


def _new_file_mode() -> int:
    umask = os.umask(0)
    os.umask(umask)
    return _DEFAULT_MODE & ~umask


def _write_flushed(path: Path, content: memoryview, mode: int) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.chmod(path, mode)
        os.fsync(file.fileno())


def _flush_folder(folder: Path) -> None:
    """Make a rename last through a power cut; Windows cannot and need not."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _real_path(path: Path) -> Path:
    """Return the target of a link; what is there and no file is refused, for a rename would replace a device."""
    try:
        path = path.resolve()
        is_other = path.exists() and not path.is_file()
    except (OSError, RuntimeError) as error:  # Python 3.11 and 3.12 tell a link to itself as a RuntimeError
        raise SaveError(f"“{path.name}” can't be saved: no file can be there.", "Choose another name.") from error
    if is_other:
        raise SaveError(f"“{path.name}” is not a file; nothing was written.", "Choose another name.")
    return path


def _refuse_unreadable(content: bytes, path: Path) -> None:
    try:
        unpack(content, path.name)
    except ModelFileError as error:
        raise SaveError(f"Nothing was saved into “{path.name}”: it would not open again.") from error


def keep_backup(path: Path) -> Path:
    """Keep the file as it is under its name with .bak added, in place of an older backup, and return that path.

    Raises:
        SaveError: the backup could not be made; nothing else changed.
    """
    path = path.resolve()
    backup = path.with_name(f"{path.name}.bak")
    try:
        with _temporary_beside(backup) as temporary:
            shutil.copy2(path, temporary)
            os.replace(temporary, backup)
            _flush_folder(path.parent)
    except OSError as error:
        raise save_error(error, backup) from error
    return backup


def write_archive(path: Path, values: dict[str, Any]) -> Path:
    """Put `values` into the file at `path` (a link's target) in one step and return that path.

    Raises:
        SaveError: it could not be written; whatever was at `path` is unchanged.
    """
    path = _real_path(path)
    packed = io.BytesIO()
    torch.save(values, packed)
    try:
        mode = stat.S_IMODE(path.stat().st_mode) if path.exists() else _new_file_mode()
        with _temporary_beside(path) as temporary:
            _write_flushed(temporary, packed.getbuffer(), mode)
            if temporary.read_bytes() != packed.getbuffer():
                raise SaveError(f"“{path.name}” did not read back as written; what was there is unchanged.")
            _refuse_unreadable(packed.getvalue(), path)
            os.replace(temporary, path)
            _flush_folder(path.parent)
    except OSError as error:
        raise save_error(error, path) from error
    return path
