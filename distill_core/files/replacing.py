"""What the operating systems ask for so that a file is replaced whole, and for good."""

from __future__ import annotations

import errno
import os
import stat
import sys
from contextlib import suppress
from pathlib import Path
from time import monotonic, sleep

from distill_core.errors import SaveError
from distill_core.files.save_errors import shown

_WINDOWS_BUSY = (5, 32, 33)  # access denied, sharing violation, lock violation: a virus scanner is looking
_WINDOWS_WAIT_S, _WINDOWS_PAUSE_S = 10.0, 0.1
_UNSUPPORTED = (errno.EINVAL, errno.ENOTSUP, errno.ENOSYS, errno.EBADF)
_NEW_FILE_MODE = 0o666
_STATUS_BLOCK_BYTES = 512  # what `st_blocks` counts, whatever the disk's blocks are


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


def allocated_bytes(status: os.stat_result) -> int:
    """Return how much room a file takes, which is less than its size if there are holes in it."""
    blocks = getattr(status, "st_blocks", None)
    return status.st_size if blocks is None else min(status.st_size, blocks * _STATUS_BLOCK_BYTES)


def flush_file(descriptor: int) -> None:
    """Have a file on the disk itself. Once: after a failure, the system may call lost pages clean.

    macOS keeps the data in the drive's cache unless it is asked for more.
    """
    if sys.platform == "darwin":
        import fcntl

        try:
            fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
            return
        except OSError as error:  # network disks know only the other one
            if error.errno not in (*_UNSUPPORTED, errno.ENOTTY):
                raise
    os.fsync(descriptor)


def flush_folder(folder: Path) -> None:
    """Make renames in a folder last through a power cut; Windows and some network disks cannot and need not."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise
    finally:
        os.close(descriptor)


def replace_file(source: Path, target: Path) -> None:
    """Put `source` in the place of `target` in one step; on Windows, wait for programs that are looking at it."""
    give_up_at = monotonic() + _WINDOWS_WAIT_S
    while True:
        try:
            os.replace(source, target)
            return
        except OSError as error:
            if getattr(error, "winerror", None) not in _WINDOWS_BUSY or monotonic() > give_up_at:
                raise
        sleep(_WINDOWS_PAUSE_S)


def new_file_mode(unused: Path) -> int:
    """Return the mode that new files have there, seen on one of an unused name, which is gone again.

    Asking for the process's mask would set it for a moment, for every thread.
    """
    descriptor = os.open(unused, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _NEW_FILE_MODE)
    try:
        return stat.S_IMODE(os.fstat(descriptor).st_mode)
    finally:
        os.close(descriptor)
        unused.unlink()


def _copy_owner(source: os.stat_result, descriptor: int) -> None:
    own = os.fstat(descriptor)
    if (source.st_uid, source.st_gid) == (own.st_uid, own.st_gid):
        return
    try:
        os.chown(descriptor, source.st_uid, source.st_gid)
    except OSError:
        with suppress(OSError):  # a group may be given by those who are in it
            os.chown(descriptor, -1, source.st_gid)


def _copy_extended(source: Path, descriptor: int) -> None:
    """Copy extended attributes, access lists among them, where Python knows them: on Linux."""
    if sys.platform != "linux":
        return
    with suppress(OSError):
        for name in os.listxattr(source):
            with suppress(OSError):
                os.setxattr(descriptor, name, os.getxattr(source, name))


def copy_attributes(source: Path, descriptor: int) -> None:
    """Give an open file the owner, mode and extended attributes of another; what the disk refuses is left out."""
    status = source.stat()
    if os.name == "nt":
        return
    _copy_owner(status, descriptor)
    with suppress(OSError):
        os.chmod(descriptor, stat.S_IMODE(status.st_mode))
    _copy_extended(source, descriptor)
