"""The replacement of a file, in one step and for good, on each operating system."""

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

_WINDOWS_BUSY = (5, 32, 33)  # access denied, sharing violation, lock violation: by a virus scanner, for example
_WINDOWS_WAIT_S, _WINDOWS_PAUSE_S = 10.0, 0.1
_UNSUPPORTED = (errno.EINVAL, errno.ENOTSUP, errno.ENOSYS, errno.EBADF)
_NEW_FILE_MODE = 0o666
_STATUS_BLOCK_BYTES = 512  # the unit of `st_blocks` on every disk


def real_path(path: Path) -> Path:
    """Return a path with its links resolved.

    Raises:
        SaveError: no file can be there, or a device or folder is, which a rename would replace.
    """
    try:
        path = path.resolve()
        is_other = path.exists() and not path.is_file()
    except (OSError, RuntimeError, ValueError) as error:  # too long, a link to itself, a null character
        raise SaveError(f"{shown(path)} can't be saved: no file can be there.", "Choose another name.") from error
    if is_other:
        raise SaveError(f"{shown(path)} is not a file; nothing was written.", "Choose another name.")
    return path


def allocated_bytes(status: os.stat_result) -> int:
    """Return the room that a file takes, which is less than its size if it has holes."""
    blocks = getattr(status, "st_blocks", None)
    return status.st_size if blocks is None else min(status.st_size, blocks * _STATUS_BLOCK_BYTES)


def flush_file(descriptor: int) -> None:
    """Write a file through to the disk, in one attempt: after a failure, the system may call lost pages clean.

    macOS leaves the data in the drive's cache unless it gets F_FULLFSYNC.
    """
    if sys.platform == "darwin":
        import fcntl

        try:
            fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
            return
        except OSError as error:  # network disks know only fsync
            if error.errno not in (*_UNSUPPORTED, errno.ENOTTY):
                raise
    os.fsync(descriptor)


def flush_folder(folder: Path) -> None:
    """Make renames in a folder outlast a power cut; Windows and some network disks cannot and need not."""
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
    """Put `source` in the place of `target` in one step; on Windows, wait for programs that have it open."""
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
    """Return the mode of new files, from one that is made under an unused name and removed.

    The process's mask can only be read by setting it for a moment, for all threads.
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
        with suppress(OSError):  # members of a group may set it
            os.chown(descriptor, -1, source.st_gid)


def _copy_extended(source: Path, descriptor: int) -> None:
    """Copy extended attributes, access lists among them; Python knows them on Linux only."""
    if sys.platform != "linux":
        return
    with suppress(OSError):
        for name in os.listxattr(source):
            with suppress(OSError):
                os.setxattr(descriptor, name, os.getxattr(source, name))


def copy_attributes(source: Path, descriptor: int) -> None:
    """Give an open file the owner, mode and extended attributes of another, as far as the disk allows."""
    status = source.stat()
    if os.name == "nt":
        return
    _copy_owner(status, descriptor)
    with suppress(OSError):
        os.chmod(descriptor, stat.S_IMODE(status.st_mode))
    _copy_extended(source, descriptor)
