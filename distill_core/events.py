"""How long work talks to whoever started it: `on_event(event)` and `should_stop()`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from time import monotonic
from typing import TypeAlias, TypeVar

OnEvent: TypeAlias = Callable[[object], object]
ShouldStop: TypeAlias = Callable[[], bool]
_Item = TypeVar("_Item")

_PROGRESS_INTERVAL_S = 0.1


class Stopped(Exception):
    """`should_stop()` turned true: no failure, the caller turns it into a result."""


def ignore(event: object) -> None:
    """Take an event and do nothing."""


def never() -> bool:
    """Answer that work should go on."""
    return False


def stop_point(should_stop: ShouldStop) -> None:
    """Leave the work here when asked to.

    Raises:
        Stopped: `should_stop()` is true.
    """
    if should_stop():
        raise Stopped


def unless_stopped(items: Iterable[_Item], should_stop: ShouldStop) -> Iterator[_Item]:
    """Yield the items, with a stop point before each.

    Raises:
        Stopped: `should_stop()` is true.
    """
    for item in items:
        stop_point(should_stop)
        yield item


@dataclass(frozen=True, slots=True)
class JobProgress:
    """How far a phase has come; `total` is 0 while it is unknown."""

    phase: str
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class SkippedFile:
    """A file that is not used, and why."""

    name: str
    reason: str


class ProgressReporter:
    """Sends `JobProgress` at most ten times a second, and always at the end of a phase."""

    def __init__(self, phase: str, total: int, on_event: OnEvent) -> None:
        self._phase, self._total, self._on_event = phase, total, on_event
        self._next_at = 0.0

    def update(self, done: int) -> None:
        """Report that `done` of the total are finished."""
        now = monotonic()
        if now < self._next_at and done != self._total:
            return
        self._next_at = now + _PROGRESS_INTERVAL_S
        self._on_event(JobProgress(self._phase, done, self._total))
