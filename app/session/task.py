"""A task: a job of the window on another thread, and the state after it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeAlias, TypeVar

from app.session.activity import Activity, Runner, Subject
from app.session.signals import News
from app.session.state import State
from distill_core.events import OnEvent, ShouldStop

Result = TypeVar("Result")

Taken: TypeAlias = tuple[State, list[News]]


@dataclass(frozen=True, slots=True, eq=False)
class Task(Generic[Result]):
    """A function of the engine to run, and the state after its result.

    `run(on_event, should_stop)` is called on the runner's thread; `activity` is that of the runner meanwhile.
    `take(state, result)` is pure and called on the window's thread: it returns the state after the result, and the
    signals to send once that is set, in their order. `subject` decides who shows its failure.
    """

    activity: Activity
    subject: Subject
    run: Callable[[OnEvent, ShouldStop], Result]
    take: Callable[[State, Result], Taken]
    runner: Runner = Runner.WORK
