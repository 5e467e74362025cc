"""The lock and the temporary files of a save; the files' names show who may remove them.

A saver holds the model's lock. Its next holder therefore knows that files with its own mark were left by a process that
died. Marks differ between computers and between users, who do not share locks.
"""

from __future__ import annotations

import logging
import os
import platform
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from uuid import uuid4

from filelock import FileLock, Timeout

from distill_core.errors import SaveError
from distill_core.files.save_errors import shown
from distill_core.folders import lock_folder

logger = logging.getLogger("distill")
WAIT_S = 30.0  # as long as a save of some hundred megabytes to a slow disk
_NAME_PART = 40  # characters of the file's name: all of a long one would exceed the longest name of a file
_SUFFIX = ".tmp"


@dataclass(slots=True)
class Temporary:
    """A new file beside another one, open for writing; `descriptor` is -1 after it is closed."""

    path: Path
    descriptor: int

    def close(self) -> None:
        """Close the file: Windows renames no open file, and some systems report a failed write only now."""
        if self.descriptor >= 0:
            descriptor, self.descriptor = self.descriptor, -1
            os.close(descriptor)


def _prefix(path: Path, kind: str) -> str:
    maker = "\0".join((platform.node(), str(lock_folder()), path.name))
    mark = sha256(os.fsencode(maker)).hexdigest()[:12]
    return f".{path.name[:_NAME_PART]}.distill-{kind}-{mark}"


def second_name(path: Path) -> Path:
    """Return an unused name beside a file, for itself or another file that waits for its rename."""
    return path.with_name(f"{_prefix(path, 'save')}-{os.getpid()}-{uuid4().hex[:8]}{_SUFFIX}")


def swap_name(path: Path) -> Path:
    """Return the one name under which a file waits during the swap with its backup."""
    return path.with_name(f"{_prefix(path, 'swap')}{_SUFFIX}")


def older_name(path: Path) -> Path:
    """Return the one name under which a file's older backup waits until a save has replaced it."""
    return path.with_name(f"{_prefix(path, 'older')}{_SUFFIX}")


@contextmanager
def temporary_beside(path: Path) -> Iterator[Temporary]:
    """Make an empty file, readable by its owner only, in the folder of `path`; remove it unless the body renames it."""
    prefix = f"{_prefix(path, 'save')}-{os.getpid()}-"
    descriptor, name = tempfile.mkstemp(prefix=prefix, suffix=_SUFFIX, dir=path.parent)
    temporary = Temporary(Path(name), descriptor)
    try:
        yield temporary
    finally:
        with suppress(OSError):
            temporary.close()
        with suppress(OSError):
            os.unlink(name)


def leftovers(path: Path) -> list[Path]:
    """Return the temporary files in its folder of saves of this model, by this user on this computer."""
    prefix = f"{_prefix(path, 'save')}-"
    with os.scandir(path.parent) as entries:
        names = [entry.name for entry in entries if entry.name.startswith(prefix) and entry.name.endswith(_SUFFIX)]
    return [path.with_name(name) for name in names]


def lock_path(path: Path) -> Path:
    """Return the path of the lock of a file, given its real path."""
    return lock_folder() / f"{sha256(os.fsencode(os.path.normcase(path))).hexdigest()[:32]}.lock"


@contextmanager
def saving_lock(path: Path, wait_s: float | None = None) -> Iterator[None]:
    """Hold the lock of a file, given its real path; go on without one if none can be made.

    It lies in the cache folder: beside the model it would litter, and could not be made on every disk. It keeps out
    this user's programs on this computer; the comparison before a replacement finds changes by all others.

    Raises:
        SaveError: another Distill held it for longer than `wait_s`, by default `WAIT_S`.
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
    except (OSError, NotImplementedError) as error:  # no place for it, or a file system without locks
        logger.info("saving without a lock: %s", error)
    try:
        yield
    finally:
        if lock is not None:
            with suppress(OSError):  # the save is done, and the lock ends with the process
                lock.release()
