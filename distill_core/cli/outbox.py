"""A stream that takes what is printed at once and writes it from a thread: a reader who pauses holds no work up."""

from __future__ import annotations

import _thread
import errno
import io
import math
import threading
import time
from collections.abc import Callable

_BLOCK_BYTES = 512  # no more, or a slow reader (a line of 9600 baud) would look as if it read nothing
_PATIENCE_S = 1.2  # whoever takes something once a second is waited for
_RETRY_S, _FIRST_STEP_S = 0.05, 1.0
_GONE = {errno.EPIPE, errno.ECONNRESET, errno.ESHUTDOWN}
_TERMINAL_GONE = {errno.EIO, errno.ENXIO}  # of a line that hung up


class Background:
    """Work in a thread that ends with the process.

    `Thread.start` would wait for ever where there is too little memory for the thread's first step.
    """

    def __init__(self, work: Callable[[], object]) -> None:
        self._work, self._started_at = work, math.inf
        self._has_begun = self._has_ended = False

    @property
    def is_alive(self) -> bool:
        """Whether it works, or was started so recently that it will have its first step yet."""
        is_awaited = 0 <= time.monotonic() - self._started_at < _FIRST_STEP_S
        return not self._has_ended and (self._has_begun or is_awaited)

    def start(self) -> None:
        """Start, unless it was; with too little memory for a thread, nothing is done."""
        if self._started_at == math.inf:
            self._started_at = time.monotonic()
            try:
                _thread.start_new_thread(self._run, ())
            except (RuntimeError, MemoryError):
                self._has_ended = True

    def _run(self) -> None:
        self._has_begun = True
        try:
            self._work()
        finally:
            self._has_ended = True

    def wait(self) -> None:
        """Wait until the work has ended, a second at most."""
        end = time.monotonic() + 1
        while self.is_alive and time.monotonic() < end:
            time.sleep(_RETRY_S / 10)


class Outbox(io.RawIOBase):
    """Keeps what is printed until it is written; once that fails, what is printed is lost.

    Attributes:
        error: why it was lost; None also where only the reader has gone, which is no failure.
    """

    def __init__(self, stream: io.RawIOBase) -> None:
        super().__init__()
        self._stream, self._waiting, self._is_lost = stream, bytearray(), False
        self.error: OSError | None = None
        self._gone = _GONE | (_TERMINAL_GONE if stream.isatty() else set())
        self._changed = threading.Condition()
        self._moved_at = time.monotonic()
        self._turn = threading.Lock()  # of who writes: the thread, or `drain` where there could be none
        self._thread = Background(self._write_all)

    def writable(self) -> bool:
        """Return True."""
        return True

    def isatty(self) -> bool:
        """Tell whether a terminal is what is written to."""
        return self._stream.isatty()

    def fileno(self) -> int:
        """Return the file descriptor that is written to."""
        return self._stream.fileno()

    def write(self, content: bytes | bytearray | memoryview) -> int:  # type: ignore[override]
        """Take all of it; never waits."""
        with self._changed:
            if not self._is_lost:
                self._moved_at = self._moved_at if self._waiting else time.monotonic()
                self._waiting += content
                self._changed.notify_all()
        self._thread.start()
        return len(content)

    @property
    def is_behind(self) -> bool:
        """Whether something still waits to be written."""
        return bool(self._waiting)

    def drain(self, stopped_at: Callable[[], float]) -> None:
        """Wait until all is written; once stopped, give up on a reader who took nothing for `_PATIENCE_S` since then.

        `stopped_at` returns a monotonic time in seconds, infinity where nothing was stopped.
        """
        while self._waiting:
            if self._thread.is_alive:
                with self._changed:
                    self._changed.wait(_RETRY_S)
            else:
                self._write_block()
            if time.monotonic() - max(stopped_at(), self._moved_at) > _PATIENCE_S:
                return

    def _write_all(self) -> None:
        while not self._is_lost:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting)
            self._write_block()

    def _write_block(self) -> None:
        if self._turn.acquire(timeout=_RETRY_S):
            try:
                self._write_in_turn()
            finally:
                self._turn.release()

    def _write_in_turn(self) -> None:
        with self._changed:
            block = bytes(self._waiting[:_BLOCK_BYTES])
        error = None
        try:
            written = self._stream.write(block)
        except OSError as failure:
            written, error = 0, failure
        with self._changed:
            if error is not None:
                self._is_lost, self.error = True, None if error.errno in self._gone else error
            del self._waiting[: None if self._is_lost else written or 0]
            self._moved_at = time.monotonic() if written else self._moved_at
            self._changed.notify_all()
        if written is None:  # whoever made the stream does not let writes wait
            time.sleep(_RETRY_S)
