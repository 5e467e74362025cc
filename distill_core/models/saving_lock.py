"""One saver a model: a lock that dies with its process, so that none is ever left behind."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path

from filelock import FileLock, Timeout

from distill_core.errors import SaveError
from distill_core.folders import lock_folder
from distill_core.models.save_errors import shown

logger = logging.getLogger("distill")
WAIT_S = 30.0  # a save of some hundred megabytes to a slow disk


def lock_path(path: Path) -> Path:
    """Return the lock of the file whose real path this is."""
    return lock_folder() / f"{sha256(os.fsencode(os.path.normcase(path))).hexdigest()[:32]}.lock"


@contextmanager
def saving_lock(path: Path, wait_s: float | None = None) -> Iterator[None]:
    """Hold the lock of the file whose real path this is; where none can be made, go on without one.

    It lies in the cache folder and not beside the model, where it would litter and could not be made on every disk.
    It keeps out what this user runs on this computer; against all others there is the comparison before a replacement.

    Raises:
        SaveError: another Distill kept it for longer than `wait_s`, by default `WAIT_S`.
    """
    lock: FileLock | None = None
    try:
        lock = FileLock(lock_path(path), timeout=WAIT_S if wait_s is None else wait_s)
        lock.acquire()
    except Timeout as error:
        raise SaveError(
            f"Another Distill is saving into {shown(path)}; nothing was written by this one.",
            "Wait until it is done, then save again.",
        ) from error
    except (OSError, NotImplementedError) as error:  # there is no place for it, or the file system has no locks
        logger.info("saving without a lock: %s", error)
    try:
        yield
    finally:
        if lock is not None:
            with suppress(OSError):  # what was saved is saved, and the lock ends with the process
                lock.release()
