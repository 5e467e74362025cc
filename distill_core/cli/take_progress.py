"""The display of takes that are being made: a bar on stderr."""

from __future__ import annotations

import time
from types import TracebackType

from distill_core.cli.bar import REFRESH_S, progress_bar
from distill_core.cli.terminal import Terminal
from distill_core.events import JobProgress


class TakeProgress:
    """A listener that shows on stderr how much of all takes is made; its bar is gone while one is told about."""

    def __init__(self, terminal: Terminal, count: int) -> None:
        self._terminal, self._count, self._takes = terminal, count, 0
        self._next_refresh = 0.0

    def __enter__(self) -> TakeProgress:
        self._takes += 1
        self._bar = progress_bar(self._terminal.errors)
        self._task = self._bar.add_task(f"Take {self._takes} of {self._count}", total=None)
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def on_event(self, event: object) -> None:
        """Show one event."""
        if not isinstance(event, JobProgress):
            return
        self._bar.update(self._task, completed=event.done, total=event.total)
        if time.monotonic() >= self._next_refresh and not self._terminal.is_behind:
            self._bar.refresh()
            self._next_refresh = time.monotonic() + REFRESH_S
