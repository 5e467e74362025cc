"""A save in a process of its own, which can be struck: forked, so that torch is imported once for all of them."""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Callable
from statistics import median

import torch

from distill_core import DistillError

# A process forked after torch used its threads hangs in its first parallel operation.
torch.set_num_threads(1)

LONGEST_SECONDS = 30.0


def _tell(pipe: int, words: str) -> None:
    # writev, which no save uses: a failure injected into the save's write never strikes this one.
    os.writev(pipe, [words.replace("\n", " ").encode() + b"\n"])


def _save_and_tell(save: Callable[[], object], wait: Callable[[], object], pipe: int) -> None:
    try:
        _tell(pipe, "begin")
        wait()
        save()
        _tell(pipe, "saved")
    except DistillError as error:
        _tell(pipe, f"refused: {error.message}")
    except BaseException as error:  # noqa: BLE001 - whatever a person would see as a traceback
        _tell(pipe, f"traceback {type(error).__name__}: {error}")
    finally:
        os._exit(0)


class Saver:
    """A process that tells "begin", waits as it is told to, saves, and tells "saved", "refused: …" or "traceback …"."""

    def __init__(self, save: Callable[[], object], wait: Callable[[], object] = lambda: None) -> None:
        self._reading, writing = os.pipe()
        self._told = b""
        self.status: int | None = None
        self.pid = os.fork()
        if self.pid == 0:
            _save_and_tell(save, wait, writing)
        os.close(writing)

    def _read(self, until: float) -> bool:
        """Add what was told and return True, or return False at the end or when the time is over."""
        if not select.select([self._reading], [], [], max(0.0, until - time.monotonic()))[0]:
            return False
        words = os.read(self._reading, 4096)
        self._told += words
        return bool(words)

    def wait_for_begin(self) -> None:
        """Return once the process has announced its save."""
        until = time.monotonic() + LONGEST_SECONDS
        while not self._told and self._read(until):
            pass

    def send(self, number: int) -> None:
        """Send a signal; a process that has ended does not mind."""
        os.kill(self.pid, number)

    def end(self) -> str:
        """Wait for the process to end and return its last word; one that hangs is killed and its word is "hung"."""
        until = time.monotonic() + LONGEST_SECONDS
        while self._read(until):
            pass
        is_hung = time.monotonic() >= until
        if is_hung:
            self.send(signal.SIGKILL)
        os.close(self._reading)
        self.status = os.waitpid(self.pid, 0)[1]
        return "hung" if is_hung else self._told.decode().splitlines()[-1] if self._told else ""


def save_seconds(save: Callable[[], object], tries: int = 3) -> float:
    """Return how long a save in a process of its own takes, in seconds: the median."""
    seconds = []
    for _ in range(tries):
        saver = Saver(save)
        saver.wait_for_begin()
        start = time.monotonic()
        if (told := saver.end()) != "saved":
            raise RuntimeError(f"A save that nothing struck ended with {told}")
        seconds.append(time.monotonic() - start)
    return median(seconds)


def kill_at(saver: Saver, seconds: float) -> str:
    """Kill a saver that many seconds after its beginning and return its last word, "begin" if it was in the save."""
    saver.wait_for_begin()
    time.sleep(seconds)
    saver.send(signal.SIGKILL)
    return saver.end()
