"""Where Distill keeps what is its own: logs now, caches and run folders later."""

from __future__ import annotations

from pathlib import Path

from platformdirs import user_log_path


def log_folder() -> Path:
    """Return the folder of the log files, made if need be."""
    return user_log_path("distill", appauthor=False, ensure_exists=True)
