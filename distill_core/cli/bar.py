"""The bar that every command with long work shows."""

from __future__ import annotations

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

REFRESH_S = 0.1


def progress_bar(console: Console) -> Progress:
    """Return a bar with the time left, which is shown on a terminal only, and refreshed by its caller."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        redirect_stdout=False,  # else the JSON lines would go to stderr too
        auto_refresh=False,
        disable=not console.is_terminal,
    )
