"""Holding sleep off while something trains, if the system offers it; the log says if it does not."""

from __future__ import annotations

import ctypes
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_ES_CONTINUOUS, _ES_SYSTEM_REQUIRED = 0x80000000, 0x00000001
_END_WAIT_S = 1.0

logger = logging.getLogger("distill")


def _holder_command() -> list[str]:
    """Return the program that holds sleep off for as long as it runs; each ends by itself when this process does."""
    if sys.platform == "darwin":
        return ["caffeinate", "-i", "-w", str(os.getpid())]
    # `cat` ends when its input does, that is with this process, however it ends.
    return ["systemd-inhibit", "--what=idle:sleep", "--who=Distill", "--why=Training", "--mode=block", "cat"]


def _start_holder() -> subprocess.Popen[bytes] | None:
    command = _holder_command()
    try:
        return subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,  # a Ctrl-C is for the training alone, which takes a while to save
        )
    except OSError as error:
        logger.info("sleep is not held off: %s: %s", command[0], error.strerror)
        return None


def _end_holder(holder: subprocess.Popen[bytes]) -> None:
    """End the program; if it has ended by itself, it held nothing off, and the log says why."""
    has_failed = holder.poll() is not None
    if not has_failed:
        holder.terminate()
    try:
        _, told = holder.communicate(timeout=_END_WAIT_S)
    except subprocess.TimeoutExpired:
        holder.kill()
        holder.communicate()
        return
    if has_failed:
        logger.info("sleep was not held off: %s", told.decode(errors="replace").strip())


class Awake:
    """Keeps the computer awake after `hold(True)`, until `hold(False)`; a repeated call changes nothing.

    On Windows the thread that calls is what keeps it awake, so it is one and the same that calls.
    """

    def __init__(self) -> None:
        self._is_held = False
        self._holder: subprocess.Popen[bytes] | None = None

    def hold(self, wanted: bool) -> None:
        """Keep the computer awake, or let it sleep."""
        if wanted == self._is_held:
            return
        self._is_held = wanted
        if sys.platform == "win32":
            flags = _ES_CONTINUOUS | (_ES_SYSTEM_REQUIRED if wanted else 0)
            ctypes.windll.kernel32.SetThreadExecutionState(flags)
        elif wanted:
            self._holder = _start_holder()
        elif self._holder is not None:
            with suppress(OSError):
                _end_holder(self._holder)
            self._holder = None


@contextmanager
def awake() -> Iterator[None]:
    """Keep the computer awake during the body."""
    keeper = Awake()
    keeper.hold(True)
    try:
        yield
    finally:
        keeper.hold(False)
