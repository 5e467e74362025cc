"""The name and the version of this program, and of what it computes with."""

from __future__ import annotations

from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version


def software() -> str:
    """Return Distill's name and version."""
    with suppress(PackageNotFoundError):
        return f"Distill {version('distill')}"
    return "Distill"
