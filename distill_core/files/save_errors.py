"""The errors of saving in words: the event, that nothing is lost, and the next thing to do."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path

from distill_core.errors import ChangedOnDiskError, ReadOnlyError, SaveError
from distill_core.memory import CLOSE_PROGRAMS
from distill_core.text import file_name

MAX_FILE_BYTES = 4 * 1024**3  # a place in a zip has 32 bits
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
NOT_ALLOWED = (errno.EACCES, errno.EPERM, errno.EROFS)
ELSEWHERE = "Save a copy in a folder of your own."


def shown(path: Path) -> str:
    """Return a file's name in quotes, fit for a sentence."""
    return f"“{file_name(path)}”"


def read_only(path: Path) -> ReadOnlyError:
    """Return the error for a place that cannot be written."""
    return ReadOnlyError(f"{shown(path)} can't be written here; what was there is unchanged.", ELSEWHERE)


def save_error(error: OSError, path: Path) -> SaveError:
    """Return the error for a failed write, before the file at `path` is replaced."""
    if error.errno in NO_ROOM:
        return SaveError(
            f"Not enough space to save {shown(path)}; what was there is unchanged.",
            "Free some space, or save a copy elsewhere.",
        )
    if error.errno in NOT_ALLOWED:
        return read_only(path)
    return SaveError(
        f"{shown(path)} could not be saved ({error.strerror or error}); what was there is unchanged.",
        "Save a copy elsewhere.",
    )


def memory_error(path: Path) -> SaveError:
    """Return the error for a save without enough memory."""
    return SaveError(f"There is not enough memory to save {shown(path)}; nothing was lost.", CLOSE_PROGRAMS)


def unwritable_error(path: Path) -> SaveError:
    """Return the error for values that cannot be written; the loader accepts no such values, so this is a bug."""
    return SaveError(
        f"{shown(path)} could not be saved: it holds something that can't be written; what was there is unchanged.",
        "Save the prior into another copy of the model that it was trained for.",
    )


def too_large_error(path: Path) -> SaveError:
    """Return the error for a file that would exceed the largest size of a model's."""
    return SaveError(
        f"{shown(path)} can't be saved: it would be larger than 4 GB, more than Distill opens; "
        "what was there is unchanged.",
        "Train a smaller prior, or choose a smaller model.",
    )


def check_size(path: Path, size: int) -> None:
    """Check that a file of `size` bytes can be opened again.

    Raises:
        SaveError: it is larger than 4 GB.
    """
    if size > MAX_FILE_BYTES:
        raise too_large_error(path)


def unsure_error(error: OSError, path: Path, backup: Path) -> SaveError:
    """Return the error for a failure after the new file took its place, but before the disk confirmed it."""
    kept = f"; {shown(backup)} is as it was before" if backup.exists() else ""
    return SaveError(
        f"{shown(path)} was written, but the disk did not confirm it ({error.strerror or error}){kept}.",
        "Save a copy on another disk before you switch off.",
    )


def swap_error(error: OSError, path: Path, backup: Path) -> SaveError:
    """Return the error for a swap of a file and its backup that failed, or was not confirmed."""
    return SaveError(
        f"{shown(path)} could not be restored ({error.strerror or error}); both versions are still there.",
        f"Look at both: distill inspect {shown(path)} and {shown(backup)}.",
    )


def changed_error(path: Path) -> ChangedOnDiskError:
    """Return the error for a file that has changed since it was opened."""
    return ChangedOnDiskError(
        f"{shown(path)} was changed by another program since it was opened; nothing was overwritten.",
        "Save a copy, or replace it: a backup then keeps the change.",
    )


def other_codec_error(path: Path) -> SaveError:
    """Return the error for a file with another codec than the one that a prior was trained for."""
    return SaveError(
        f"{shown(path)} holds another codec than the one that this prior was trained for; nothing was overwritten.",
        "Put the model that it was trained for back, then save again.",
    )


def _megabytes(size: int) -> str:
    return f"{max(1, round(size / 1e6)):,} MB"


def check_room(path: Path, needed_bytes: int) -> None:
    """Check that a new file of `needed_bytes` fits beside the one at `path`.

    Raises:
        SaveError: it does not; names both sizes.
        OSError: the file system does not report its free space.
    """
    free = shutil.disk_usage(path.parent).free
    if free < needed_bytes:
        raise SaveError(
            f"Not enough space to save {shown(path)} (needs {_megabytes(needed_bytes)}, {_megabytes(free)} free).",
            "Free some space, or save a copy elsewhere.",
        )
