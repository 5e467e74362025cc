"""Where Distill keeps what is its own: logs, caches, locks and unfinished trainings."""

from __future__ import annotations

import os
import warnings
from contextlib import suppress
from pathlib import Path

from platformdirs import user_cache_path, user_data_path, user_log_path, user_runtime_path


def log_folder() -> Path:
    """Return the folder of the log files, made if need be."""
    return user_log_path("distill", appauthor=False, ensure_exists=True)


def cache_folder() -> Path:
    """Return the folder of what may be deleted at any time; it need not exist."""
    return user_cache_path("distill", appauthor=False)


def run_folders() -> Path:
    """Return the folder that holds the run folders, one a model; it need not exist."""
    return user_data_path("distill", appauthor=False) / "runs"


def lock_folder() -> Path:
    """Return the folder of the locks that savers hold, made if need be.

    It is in the cache, or where that can't be written, where the system keeps what lasts until it is switched off.

    Raises:
        OSError: neither can be made.
    """
    folder = cache_folder() / "locks"
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
    if not os.access(folder, os.W_OK):
        with warnings.catch_warnings():  # it warns where it has to make do with a temporary folder
            warnings.simplefilter("ignore")
            folder = user_runtime_path("distill", appauthor=False) / "locks"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder
