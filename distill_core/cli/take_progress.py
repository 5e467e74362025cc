"""The display of takes that are being made: a bar on stderr."""

from __future__ import annotations

from types import TracebackType

from distill_core.cli.bar import Bar
from distill_core.cli.terminal import Terminal
from distill_core.events import JobProgress


class TakeProgress:
    """A listener that shows on stderr how much of all takes is made; its bar is gone while one is told about."""

    def __init__(self, terminal: Terminal, count: int) -> None:
        self._terminal, self._count, self._takes = terminal, count, 0

    def __enter__(self) -> TakeProgress:
        self._takes += 1
        self._bar = Bar(self._terminal, self._terminal.errors)
        self._bar.start()
        self._show(0, None)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def on_event(self, event: object) -> None:
        """Show one event."""
        if isinstance(event, JobProgress):
            self._show(event.done, event.total)

    def _show(self, done: int, total: int | None) -> None:
        self._bar.show(f"Take {self._takes} of {self._count}", done, total)
