"""Output that a thread writes, so that no work waits for a reader who pauses."""

from __future__ import annotations

import _thread
import errno
import io
import math
import threading
import time
from collections.abc import Callable

_BLOCK_BYTES = 512  # with larger blocks a slow reader (a line of 9600 baud) would seem to read nothing
_PATIENCE_S = 1.2  # longer than a second, in which a slow reader takes something
_RETRY_S, _FIRST_STEP_S = 0.05, 1.0
_GONE = {errno.EPIPE, errno.ECONNRESET, errno.ESHUTDOWN}
_TERMINAL_GONE = {errno.EIO, errno.ENXIO}  # of a line that hung up


class Background:
    """Work in a thread that ends with the process.

    `Thread.start` would wait for ever if memory is too short for the thread to begin.
    """

    def __init__(self, work: Callable[[], object]) -> None:
        self._work, self._started_at = work, math.inf
        self._has_begun = self._has_ended = False

    @property
    def is_alive(self) -> bool:
        """Whether it works, or was started less than a second ago and has not begun."""
        is_awaited = 0 <= time.monotonic() - self._started_at < _FIRST_STEP_S
        return not self._has_ended and (self._has_begun or is_awaited)

    def start(self) -> None:
        """Start, unless it was started; do nothing if memory is too short for a thread."""
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
        """Wait until the work has ended, for a second at most."""
        end = time.monotonic() + 1
        while self.is_alive and time.monotonic() < end:
            time.sleep(_RETRY_S / 10)


class Outbox(io.RawIOBase):
    """A buffer of output until it is written; after a failed write all output is lost.

    Attributes:
        error: the reason of the loss; None also if only the reader has gone, which is no failure.
    """

    def __init__(self, stream: io.RawIOBase) -> None:
        super().__init__()
        self._stream, self._waiting, self._is_lost = stream, bytearray(), False
        self.error: OSError | None = None
        self._gone = _GONE | (_TERMINAL_GONE if stream.isatty() else set())
        self._changed = threading.Condition()
        self._moved_at = time.monotonic()
        self._turn = threading.Lock()  # of the writer: the thread, or `drain` without a thread
        self._thread = Background(self._write_all)

    def writable(self) -> bool:
        """Return True."""
        return True

    def isatty(self) -> bool:
        """Tell whether the stream that is written to is a terminal."""
        return self._stream.isatty()

    def fileno(self) -> int:
        """Return the file descriptor of the stream that is written to."""
        return self._stream.fileno()

    def write(self, content: bytes | bytearray | memoryview) -> int:  # type: ignore[override]
        """Take all of the content, without waiting, and return its length."""
        with self._changed:
            if not self._is_lost:
                self._moved_at = self._moved_at if self._waiting else time.monotonic()
                self._waiting += content
                self._changed.notify_all()
        self._thread.start()
        return len(content)

    @property
    def is_behind(self) -> bool:
        """Whether output waits to be written."""
        return bool(self._waiting)

    def drain(self, stopped_at: Callable[[], float]) -> None:
        """Wait until all is written; after a stop, give up on a reader who takes nothing for `_PATIENCE_S`.

        `stopped_at` returns the monotonic time of the stop in seconds, infinity without one.
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
        if written is None:  # the stream does not block
            time.sleep(_RETRY_S)
