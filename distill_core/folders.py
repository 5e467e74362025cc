"""Distill's own folders: logs, caches, locks, unfinished trainings and takes."""

from __future__ import annotations

import errno
import logging
import os
import stat
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from platformdirs import user_cache_path, user_data_path, user_log_path, user_runtime_path

# A folder that can hold nothing: writing into it fails as on a full disk.
NOWHERE = Path(os.devnull, "distill")

logger = logging.getLogger("distill")


@contextmanager
def convenience(what: str) -> Iterator[None]:
    """Log any exception in the body and go on: `what` is only convenient."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - nobody could list its ways to fail
        logger.info("going on without %s: %s: %s", what, type(error).__name__, error)


def _of_this_user(find: Callable[..., Path]) -> Path:
    """Return a folder of this user, or `NOWHERE` if there is none: no HOME, and a user number that nobody knows."""
    with convenience("a folder of this user"):
        return find("distill", appauthor=False)
    return NOWHERE


def log_folder() -> Path:
    """Return the folder of the log files, which it makes if need be.

    Raises:
        OSError: it can't be made.
    """
    folder = _of_this_user(user_log_path)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def cache_folder() -> Path:
    """Return the folder for files that may be deleted at any time; it need not exist."""
    return _of_this_user(user_cache_path)


def run_folders() -> Path:
    """Return the folder of the run folders, one for each model; it need not exist."""
    return _of_this_user(user_data_path) / "runs"


def takes_folder() -> Path:
    """Return the folder of the takes of all models; it need not exist."""
    return _of_this_user(user_data_path) / "takes"


def dragged_folder() -> Path:
    """Return the folder of the copies of takes that were dragged into other programs; it need not exist."""
    return _of_this_user(user_data_path) / "dragged"


def _runtime_folder() -> Path:
    with warnings.catch_warnings():  # platformdirs warns when it falls back on a temporary folder
        warnings.simplefilter("ignore")
        return user_runtime_path("distill", appauthor=False)


def _own(folder: Path) -> Path:
    """Make a folder, if need be, into which nobody else can put anything.

    Raises:
        OSError: it can't be made, or belongs to somebody else.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or (hasattr(os, "getuid") and status.st_uid != os.getuid()):
        raise PermissionError(errno.EPERM, "it is somebody else's", str(folder))
    return folder


def _temporary_folder() -> Path:
    """Return a folder of this user's own in the system's temporary folder.

    Raises:
        OSError: it can't be made, or belongs to somebody else.
    """
    return _own(Path(tempfile.gettempdir()) / f"distill-{os.getuid() if hasattr(os, 'getuid') else ''}")


def runtime_folder() -> Path:
    """Return a folder of this user's own for what lasts no longer than a process; its path is short, as sockets' are.

    Raises:
        OSError: none can be made.
    """
    with convenience("the system's runtime folder"):
        return _own(_runtime_folder())
    return _temporary_folder()


def lock_folder() -> Path:
    """Return the folder of the locks that savers hold, which it makes if need be.

    It lies in the first of these that can be written: the cache, the system's runtime folder, the temporary folder; in
    `NOWHERE` if none can.
    """
    for place in (cache_folder, _runtime_folder, _temporary_folder):
        with convenience(f"locks in {place.__name__}"):
            folder = place() / "locks"
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if os.access(folder, os.W_OK):
                return folder
    return NOWHERE / "locks"


def is_gone(path: Path) -> bool:
    """Tell whether there is no file at a path; one that cannot be looked for counts as present."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return True
    except OSError:
        return False
    return False
