"""Standard output and error below Python: C decoders report damaged files on the file descriptors 1 and 2."""

from __future__ import annotations

import os
from typing import IO


def file_number(stream: IO[str] | None) -> int | None:
    """Return a stream's file descriptor, None without one: closed, no console, or a test's stand-in."""
    try:
        return None if stream is None else stream.fileno()
    except (OSError, ValueError):
        return None


def send_nowhere(stream: IO[str]) -> None:
    """Discard all writes to a stream until the process ends: the C library may flush its buffer only then."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
