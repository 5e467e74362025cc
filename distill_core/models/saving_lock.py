"""One saver a model: a lock that dies with its process, so that none is ever left behind."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path

from filelock import FileLock, Timeout

from distill_core.errors import SaveError
from distill_core.folders import lock_folder
from distill_core.models.save_errors import shown

WAIT_S = 30.0  # a save of some hundred megabytes to a slow disk


@contextmanager
def saving_lock(path: Path, wait_s: float | None = None) -> Iterator[None]:
    """Hold the lock of the file whose real path this is.

    It lies in the cache folder and not beside the model, where it would litter and could not be made on every disk.
    It keeps out what this user runs on this computer; against all others there is the comparison before a replacement.

    Raises:
        SaveError: another Distill kept it for longer than `wait_s`, by default `WAIT_S`.
        OSError: the lock could not be made.
    """
    name = sha256(os.fsencode(os.path.normcase(path))).hexdigest()[:32]
    lock = FileLock(lock_folder() / f"{name}.lock", timeout=WAIT_S if wait_s is None else wait_s)
    try:
        lock.acquire()
    except Timeout as error:
        raise SaveError(
            f"Another Distill is saving into {shown(path)}; nothing was written by this one.",
            "Wait until it is done, then save again.",
        ) from error
    try:
        yield
    finally:
        with suppress(OSError):  # what was saved is saved, and the lock ends with the process
            lock.release()
