"""What C libraries print past Python: decoders tell of damaged files on the file descriptors 1 and 2."""

from __future__ import annotations

import os
from typing import IO


def file_number(stream: IO[str] | None) -> int | None:
    """Return a stream's file descriptor; None where it has none: closed, no console, or the stand-in of a test."""
    try:
        return None if stream is None else stream.fileno()
    except (OSError, ValueError):
        return None


def send_nowhere(stream: IO[str]) -> None:
    """Send nowhere what others write into a stream until the process ends.

    The C library may write what it holds back only then.
    """
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
