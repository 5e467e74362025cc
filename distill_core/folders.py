"""Where Distill keeps what is its own: logs and caches now, run folders later."""

from __future__ import annotations

from pathlib import Path

from platformdirs import user_cache_path, user_log_path


def log_folder() -> Path:
    """Return the folder of the log files, made if need be."""
    return user_log_path("distill", appauthor=False, ensure_exists=True)


def cache_folder() -> Path:
    """Return the folder of what may be deleted at any time; it need not exist."""
    return user_cache_path("distill", appauthor=False)
