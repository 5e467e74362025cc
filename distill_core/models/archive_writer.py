"""Values into a `.distill` file: a new one takes the old one's place in a single step.

The file is precious, so that step comes after the new one was written, flushed, and read back through the loader's
door; and the old one stays as the backup.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

import torch
from torch import Tensor

from distill_core.errors import ModelFileError, SaveError
from distill_core.models.archive import FileStamp
from distill_core.models.backup import backup_of, has_leftovers, keeping_previous, remove_leftovers
from distill_core.models.file_replacement import (
    copy_attributes,
    flush_file,
    flush_folder,
    new_file_mode,
    replace_file,
)
from distill_core.models.save_errors import (
    changed_error,
    check_room,
    read_only,
    save_error,
    shown,
    unsure_error,
    unwritable_error,
)
from distill_core.models.saving_lock import saving_lock
from distill_core.models.temporaries import second_name, temporary_beside

Read = Callable[[Path], tuple[dict[str, Any], FileStamp]]
_INTEGERS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}


@dataclass(frozen=True, slots=True)
class SaveTarget:
    """Where to save: a real path, under its lock, and what was there when the lock was taken (None: nothing)."""

    path: Path
    status: os.stat_result | None

    def check_unchanged(self) -> None:
        """Check that the file is the one that was there when the lock was taken.

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


def real_path(path: Path) -> Path:
    """Return the target of a link.

    Raises:
        SaveError: no file can be there, or what is there is no file: a rename would replace a device.
    """
    try:
        path = path.resolve()
        is_other = path.exists() and not path.is_file()
    except (OSError, RuntimeError, ValueError) as error:  # too long; a link to itself; a zero in it
        raise SaveError(f"{shown(path)} can't be saved: no file can be there.", "Choose another name.") from error
    if is_other:
        raise SaveError(f"{shown(path)} is not a file; nothing was written.", "Choose another name.")
    return path


@contextmanager
def saving_into(path: Path) -> Iterator[SaveTarget]:
    """Hold the lock of the file at `path` (a link's target), with what savers that died left there cleaned up.

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
                raise read_only(path)  # a rename would get around that, which nobody who set it wants
            yield SaveTarget(path, status)
    except OSError as error:
        raise save_error(error, path) from error


def clean_up(path: Path) -> None:
    """Remove what savers that died left beside the file, unless one is at work or nothing can be removed there."""
    with suppress(OSError, RuntimeError, ValueError, SaveError):  # a name with a null byte is a ValueError
        path = path.resolve()
        if has_leftovers(path):
            with saving_lock(path, wait_s=0):
                remove_leftovers(path)


class _Output:
    """A file for `torch.save`, which would turn a full disk into a RuntimeError without a reason: this keeps it."""

    def __init__(self, descriptor: int) -> None:
        self.error: OSError | None = None
        self._descriptor = descriptor

    def write(self, data: Any) -> int:
        """Write all of a buffer, in as many pieces as the system takes it."""
        left = memoryview(data).cast("B")
        size = len(left)
        try:
            while left:
                written = os.write(self._descriptor, left)
                if not written:
                    raise OSError(errno.EIO, os.strerror(errno.EIO))
                left = left[written:]
        except OSError as error:
            self.error = self.error or error
            raise
        return size

    def flush(self) -> None:
        """Nothing is held back."""


def _pack(values: dict[str, Any], descriptor: int, path: Path) -> None:
    output = _Output(descriptor)
    try:
        torch.save(values, cast(IO[bytes], output))
    except Exception as error:
        raise output.error or unwritable_error(path) from error
    if output.error is not None:
        raise output.error


def _is_same(written: Any, read: Any) -> bool:
    """Tell whether a value came back bit for bit; numbers that are not numbers are the same as themselves here."""
    if isinstance(written, Tensor):
        if not isinstance(read, Tensor) or (written.dtype, written.shape) != (read.dtype, read.shape):
            return False
        return torch.equal(_bits(written), _bits(read))
    if isinstance(written, dict):
        return (
            isinstance(read, dict)
            and list(written) == list(read)
            and all(_is_same(value, read[key]) for key, value in written.items())
        )
    if isinstance(written, list | tuple):
        return (
            type(written) is type(read)
            and len(written) == len(read)
            and all(_is_same(*pair) for pair in zip(written, read, strict=True))
        )
    return type(written) is type(read) and (written == read or written != written)


def _bits(tensor: Tensor) -> Tensor:
    """Return the numbers as integers of their size, which are equal only if all bits are."""
    return tensor.detach().contiguous().reshape(-1).view(_INTEGERS[tensor.itemsize])


def _verify(temporary: Path, values: dict[str, Any], read: Read, path: Path) -> None:
    """Load the new file by its name, as it will be loaded, and compare."""
    try:
        found, _ = read(temporary)
    except ModelFileError as error:
        reason = error.message.replace(temporary.name, path.name)
        raise SaveError(f"Nothing was saved, for it would not open again: {reason}", error.hint) from error
    if not _is_same(values, found):
        raise SaveError(
            f"{shown(path)} did not read back as written; what was there is unchanged.", "Save a copy on another disk."
        )


def _tensor_bytes(value: Any) -> int:
    if isinstance(value, Tensor):
        return value.nbytes
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()
    return sum(map(_tensor_bytes, inner))


def write_archive(target: SaveTarget, values: dict[str, Any], read: Read) -> Path:
    """Put `values` into the target's file in one step, keep what was there as its backup, and return the real path.

    `read` is the loader's door: what it refuses is not saved. When this returns, the new file outlasts a power cut.

    Raises:
        ChangedOnDiskError: another program changed the file meanwhile; it is as that program left it.
        SaveError: it could not be written, or would not open again; whatever was there is unchanged.
    """
    path = target.path
    try:
        check_room(path, _tensor_bytes(values))
        with temporary_beside(path) as temporary:
            _pack(values, temporary.descriptor, path)
            if target.status is None:
                _set_mode(temporary.descriptor, temporary.path, path)
            else:
                copy_attributes(path, temporary.descriptor)
            flush_file(temporary.descriptor)
            temporary.close()
            _verify(temporary.path, values, read, path)
            target.check_unchanged()
            with keeping_previous(path) if target.status is not None else nullcontext():
                replace_file(temporary.path, path)
    except OSError as error:
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
