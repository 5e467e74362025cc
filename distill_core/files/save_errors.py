"""What can go wrong while a file is written, in words: what happened, that nothing is lost, what to do next."""

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
    """Return a file's name in quotes, as it stands in a sentence."""
    return f"“{file_name(path)}”"


def read_only(path: Path) -> ReadOnlyError:
    """Return the words for a place that takes no file."""
    return ReadOnlyError(f"{shown(path)} can't be written here; what was there is unchanged.", ELSEWHERE)


def save_error(error: OSError, path: Path) -> SaveError:
    """Turn a failed write into words, for as long as the file at `path` has not been replaced."""
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
    """Return the words for a save that there is not enough memory for; whoever ran out of it let go of nothing."""
    return SaveError(f"There is not enough memory to save {shown(path)}; nothing was lost.", CLOSE_PROGRAMS)


def unwritable_error(path: Path) -> SaveError:
    """Return the words for values that cannot be put into a file; the loader takes none such, so this is a bug."""
    return SaveError(
        f"{shown(path)} could not be saved: it holds something that can't be written; what was there is unchanged.",
        "Save the prior into another copy of the model that it was trained for.",
    )


def too_large_error(path: Path) -> SaveError:
    """Return the words for a file that would be larger than any model's can be."""
    return SaveError(
        f"{shown(path)} can't be saved: it would be larger than 4 GB, more than Distill opens; "
        "what was there is unchanged.",
        "Train a smaller prior, or choose a smaller model.",
    )


def check_size(path: Path, size: int) -> None:
    """Check that a file of that many bytes can be opened again.

    Raises:
        SaveError: it is larger than 4 GB.
    """
    if size > MAX_FILE_BYTES:
        raise too_large_error(path)


def unsure_error(error: OSError, path: Path, backup: Path) -> SaveError:
    """Return the words for a failure after the new file took its place, but before the disk confirmed that."""
    kept = f"; {shown(backup)} is as it was before" if backup.exists() else ""
    return SaveError(
        f"{shown(path)} was written, but the disk did not confirm it ({error.strerror or error}){kept}.",
        "Save a copy on another disk before you switch off.",
    )


def swap_error(error: OSError, path: Path, backup: Path) -> SaveError:
    """Return the words for a file and its backup that did not change places, or not for good."""
    return SaveError(
        f"{shown(path)} could not be restored ({error.strerror or error}); both versions are still there.",
        f"Look at both: distill inspect {shown(path)} and {shown(backup)}.",
    )


def changed_error(path: Path) -> ChangedOnDiskError:
    """Return the words for a file that is not what was opened."""
    return ChangedOnDiskError(
        f"{shown(path)} was changed by another program since it was opened; nothing was overwritten.",
        "Save a copy, or replace it: a backup then keeps the change.",
    )


def other_codec_error(path: Path) -> SaveError:
    """Return the words for a file whose VQ-VAE is not the one that a prior was trained for."""
    return SaveError(
        f"{shown(path)} holds another VQ-VAE than the one that this prior was trained for; nothing was overwritten.",
        "Put the model that it was trained for back, then save again.",
    )


def _megabytes(size: int) -> str:
    return f"{max(1, round(size / 1e6)):,} MB"


def check_room(path: Path, needed_bytes: int) -> None:
    """Check that a new file of that size fits beside the one at `path`.

    Raises:
        SaveError: it does not; tells both sizes.
        OSError: the file system does not tell.
    """
    free = shutil.disk_usage(path.parent).free
    if free < needed_bytes:
        raise SaveError(
            f"Not enough space to save {shown(path)} (needs {_megabytes(needed_bytes)}, {_megabytes(free)} free).",
            "Free some space, or save a copy elsewhere.",
        )
