"""A thread that runs one task at a time, in the order of their submission."""

from __future__ import annotations

import gc
import queue
import threading
import traceback
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar

from PySide6.QtCore import QObject, QThread, QTimer, Signal, Slot

from app.session.activity import Runner, Subject
from app.session.task import Task

_COLLECT_INTERVAL_MS = 200


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """A task in a runner's queue, running or waiting; `stop` asks this one and no other to end."""

    task: Task[Any]
    stop: threading.Event = field(default_factory=threading.Event)


@dataclass(frozen=True, slots=True)
class JobOutcome:
    """The end of a job: its result, or the exception with its traceback."""

    job: Job
    result: object = None
    error: BaseException | None = None
    details: str = ""


class _CollectorPin:
    """A hold on Python's cycle collector: while any pin is held, Python starts no collection by itself."""

    _holders: ClassVar[set[int]] = set()

    def hold(self) -> None:
        """Take the collector from Python."""
        self._holders.add(id(self))
        gc.disable()

    def release(self) -> None:
        """Give the collector back, unless another pin is held; a second call changes nothing."""
        self._holders.discard(id(self))
        if not self._holders:
            gc.enable()


class GarbageGuard(QObject):
    """Runs Python's cycle collector on this thread only.

    A collection on the training thread that frees a Qt object kills the process, or stops this thread's timers.
    """

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self.pin = _CollectorPin()
        self._timer = QTimer(self)
        self._timer.setInterval(_COLLECT_INTERVAL_MS)
        self._timer.timeout.connect(self._collect)

    def start(self) -> None:
        """Take the collector over."""
        self.pin.hold()
        self._timer.start()

    def stop(self) -> None:
        """Give the collector back to Python."""
        self._timer.stop()
        self.pin.release()

    @Slot()
    def _collect(self) -> None:
        for generation in (2, 1, 0):
            if gc.get_count()[generation] > gc.get_threshold()[generation]:
                gc.collect(generation)
                return


class _JobThread(QThread):
    """Takes jobs from a queue until it finds None."""

    started_job = Signal(object)
    reported = Signal(object)
    ended_job = Signal(object)

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self.jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()

    def run(self) -> None:
        while (job := self.jobs.get()) is not None:
            self.started_job.emit(job)
            self.ended_job.emit(self._outcome_of(job))

    def _outcome_of(self, job: Job) -> JobOutcome:
        try:
            return JobOutcome(job, job.task.run(self.reported.emit, job.stop.is_set))
        except BaseException as error:  # noqa: BLE001 - nothing may be lost on this thread; the Session sorts it
            return JobOutcome(job, error=error, details=traceback.format_exc())


def _end(thread: _JobThread, waiting: list[Job], pin: _CollectorPin) -> None:
    """End the thread of a runner that was deleted without `close`: Qt aborts the process over a running one."""
    for job in waiting:
        job.stop.set()
    thread.jobs.put(None)
    thread.wait()
    pin.release()


class JobRunner(QObject):
    """Runs submitted tasks one after another; its signals arrive on the thread it lives in.

    Signals: `started(Job)`, `reported(object, Runner)` each event from inside a job with the runner that it comes from,
    `ended(JobOutcome)`.
    """

    started = Signal(object)
    reported = Signal(object, object)
    ended = Signal(object)

    def __init__(self, parent: QObject, which: Runner) -> None:
        super().__init__(parent)
        self._which = which
        self._waiting: list[Job] = []
        self._guard = GarbageGuard(self)
        self._guard.start()  # for good: the thread still runs some Python after it has signalled a job's end
        self._thread = _JobThread(self)
        self._thread.started_job.connect(self._on_started)
        self._thread.reported.connect(self._on_reported)
        self._thread.ended_job.connect(self._on_ended)
        self.destroyed.connect(partial(_end, self._thread, self._waiting, self._guard.pin))
        self._thread.start()

    @property
    def is_busy(self) -> bool:
        """Whether a job runs or waits."""
        return bool(self._waiting)

    @property
    def is_alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.isRunning()

    def has(self, subject: Subject) -> bool:
        """Tell whether a task of this subject runs or waits."""
        return any(job.task.subject is subject for job in self._waiting)

    def submit(self, task: Task[Any]) -> Job:
        """Run a task after those submitted before."""
        job = Job(task)
        self._waiting.append(job)
        self._thread.jobs.put(job)
        return job

    def stop(self) -> None:
        """Ask the running job to end at its next stop point, and the waiting ones at their first; return at once."""
        for job in self._waiting:
            job.stop.set()

    def close(self, wait_ms: int) -> bool:
        """Stop every job and wait for the thread; return False if it did not end in time."""
        self.stop()
        self._thread.jobs.put(None)
        has_ended = self._thread.wait(wait_ms)
        self._guard.stop()
        return has_ended

    @Slot(object)
    def _on_started(self, job: Job) -> None:
        self.started.emit(job)

    @Slot(object)
    def _on_reported(self, event: object) -> None:
        self.reported.emit(event, self._which)

    @Slot(object)
    def _on_ended(self, outcome: JobOutcome) -> None:
        self._waiting.remove(outcome.job)
        self.ended.emit(outcome)
