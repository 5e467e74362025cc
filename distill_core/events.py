"""The two callables through which long work talks to its caller: `on_event(event)` and `should_stop()`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from time import monotonic
from typing import TypeAlias, TypeVar

OnEvent: TypeAlias = Callable[[object], object]
ShouldStop: TypeAlias = Callable[[], bool]
_Item = TypeVar("_Item")

_PROGRESS_INTERVAL_S = 0.1


class Stopped(Exception):
    """The end of work because `should_stop()` turned true: the caller makes a result of it, not a failure."""


def ignore(event: object) -> None:
    """Drop an event."""


def never() -> bool:
    """Return False: work goes on."""
    return False


def stop_point(should_stop: ShouldStop) -> None:
    """Stop the work here on request.

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


class Phase(StrEnum):
    """The phases of work that report their progress in numbers."""

    SCAN = "scan"
    READ = "read"
    ENCODE = "encode"
    VARIANTS = "variants"
    CODES = "codes"
    FIT = "fit"
    SAMPLE = "sample"
    COMPARE = "compare"


@dataclass(frozen=True, slots=True)
class JobProgress:
    """The progress of a phase; `total` is 0 while it is unknown."""

    phase: Phase
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class SkippedFile:
    """A file that is left out, and the reason."""

    name: str
    reason: str


class ProgressReporter:
    """A sender of `JobProgress`: at most ten times a second, and always at the end of a phase."""

    def __init__(self, phase: Phase, total: int, on_event: OnEvent) -> None:
        self._phase, self._total, self._on_event = phase, total, on_event
        self._next_at = 0.0

    def update(self, done: int) -> None:
        """Report that `done` of the total are finished."""
        now = monotonic()
        if now < self._next_at and done != self._total:
            return
        self._next_at = now + _PROGRESS_INTERVAL_S
        self._on_event(JobProgress(self._phase, done, self._total))
