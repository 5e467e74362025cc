"""The bar that every command with long work shows."""

from __future__ import annotations

import time

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from distill_core.cli.terminal import Terminal

_REFRESH_S = 0.1


class Bar:
    """A bar with the time left, on a terminal only; drawn ten times a second at most, and not while output waits."""

    def __init__(self, terminal: Terminal, console: Console) -> None:
        self._terminal = terminal
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f} %"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            redirect_stdout=False,  # else the JSON lines would go to stderr too
            auto_refresh=False,
            disable=not (console.is_terminal and terminal.tells),
        )
        self._task: TaskID | None = None
        self._task_name, self._next_refresh = "", 0.0

    def start(self) -> None:
        """Show the bar."""
        self._progress.start()

    def stop(self) -> None:
        """Remove the bar."""
        self._progress.stop()

    def show(self, text: str, done: float, total: float | None, name: str = "") -> None:
        """Show how much is done; work of another name (its text, without one) begins with a time of its own."""
        if self._task is None or self._task_name != (name or text):
            if self._task is not None:
                self._progress.remove_task(self._task)
            self._task, self._task_name = self._progress.add_task(text, total=total), name or text
        self._progress.update(self._task, description=text, completed=done, total=total)
        if time.monotonic() >= self._next_refresh and not self._terminal.is_behind:
            self._progress.refresh()
            self._next_refresh = time.monotonic() + _REFRESH_S
