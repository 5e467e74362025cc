"""The host of tasks: it has them run on other threads, holds the one state, and signals the changes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from PySide6.QtCore import QObject, Signal, Slot

from app.session.activity import Activity, Runner, Subject
from app.session.heard import hear
from app.session.jobs import Job, JobOutcome, JobRunner
from app.session.problems import Problem, problem_from
from app.session.signals import News, SessionSignals
from app.session.state import State
from app.session.task import Task
from distill_core.events import Stopped

_TRAININGS = (Subject.TRAINING, Subject.MAKING)
_PRECIOUS = (*_TRAININGS, Subject.SAVING, Subject.SAVING_MODEL, Subject.NAMING)
_GIVEN_UP_BY_STOP = (Subject.TAKE, Subject.EPOCHS, Subject.HEARING)


def _problem_of(outcome: JobOutcome) -> Problem | None:
    """Return what went wrong, in words; nobody waits any more for a sound that was given up."""
    if outcome.error is None or isinstance(outcome.error, Stopped):
        return None
    problem = problem_from(outcome.error, outcome.details)
    job = outcome.job
    return None if job.task.subject in _GIVEN_UP_BY_STOP and job.stop.is_set() else problem


class TaskHost(SessionSignals):
    """Holds the state, which only its tasks and its subclasses change.

    Signals beside those that tasks ask for: `state_changed(State)` after every change, `failed(Subject, Problem)`, and
    after all others `ended(Task, Problem | None)`, which comes for each task, also for one that was stopped.
    """

    state_changed = Signal(object)
    failed = Signal(object, object)
    ended = Signal(object, object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._state = State()
        self._is_signalling = self._is_closed = False
        self._runners: dict[Runner, JobRunner] = {}
        self._runner(Runner.WORK)

    def _runner(self, which: Runner) -> JobRunner:
        """Return a runner, whose thread starts when it is first needed."""
        if which not in self._runners:
            runner = self._runners[which] = JobRunner(self, which)
            runner.started.connect(self._on_job_started)
            runner.reported.connect(self._on_event)
            runner.ended.connect(self._on_job_ended)
        return self._runners[which]

    @property
    def state(self) -> State:
        """The present state."""
        return self._state

    @property
    def is_busy(self) -> bool:
        """Whether a task runs or waits."""
        return any(runner.is_busy for runner in self._runners.values())

    def do(self, task: Task[Any]) -> None:
        """Run a task, and show its activity at once: a second click must find the button gone."""
        self.do_later(task)
        self._become(self._state.doing(task.runner, task.activity))

    def do_later(self, task: Task[Any]) -> Job:
        """Run a task after those under way, and show its activity when it begins."""
        return self._runner(task.runner).submit(task)

    @property
    def has_ended(self) -> bool:
        """Whether no thread runs any more."""
        return not any(runner.is_alive for runner in self._runners.values())

    def close(self, wait_ms: int) -> bool:
        """End the threads, idle ones too; return False if one did not end in time.

        What a job tells after that is for nobody, and begins no other.
        """
        self._is_closed = True
        have_ended = [runner.close(wait_ms) for runner in self._runners.values()]
        return all(have_ended)

    def _become(self, state: State) -> None:
        """Set the state and signal it; a change that a slot makes is signalled after the present one, not within it."""
        self._state = state.following(self._state)
        if self._is_signalling:
            return
        self._is_signalling, signalled = True, None
        while signalled is not self._state:
            signalled = self._state
            self.state_changed.emit(signalled)
        self._is_signalling = False

    def _send(self, news: Sequence[News]) -> None:
        for signal, value in news:
            getattr(self, signal).emit(value)

    @Slot(object)
    def _on_job_started(self, job: Job) -> None:
        if self._is_closed:
            return
        runner = self._runner(job.task.runner)
        if job.task.subject not in _PRECIOUS and any(map(runner.has, _PRECIOUS)):
            return  # the state says already that a training or a save is on its way: nothing may be opened meanwhile
        is_stopping = job.task.subject in _TRAININGS and job.stop.is_set()
        self._become(self._state.doing(job.task.runner, Activity.STOPPING if is_stopping else job.task.activity))

    @Slot(object, object)
    def _on_event(self, event: object, runner: Runner) -> None:
        if self._is_closed:
            return
        state, news = hear(self._state, event, runner)
        if state is not self._state:
            self._become(state)
        self._send(news)

    @Slot(object)
    def _on_job_ended(self, outcome: JobOutcome) -> None:
        if self._is_closed:
            return
        task, state = outcome.job.task, self._state
        runner = self._runner(task.runner)
        if not runner.is_busy:
            state = state.doing(task.runner, Activity.NONE)
        news: list[News] = []
        if outcome.error is None:
            state, news = task.take(state, outcome.result)
        if not runner.has(task.subject):
            state = state.done_with(task.subject)
        problem = _problem_of(outcome)
        self._become(state if problem is None else state.with_problem(task.subject, problem))
        self._send(news)
        if problem is not None:
            self.failed.emit(task.subject, problem)
        self.ended.emit(task, problem)
