"""One engine function at a time on a thread of its own, in the order they were asked for."""

from __future__ import annotations

import gc
import queue
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import ClassVar, TypeAlias

from PySide6.QtCore import QObject, QThread, QTimer, Signal, Slot

from distill_core.events import OnEvent, ShouldStop

JobFunction: TypeAlias = Callable[[OnEvent, ShouldStop], object]
_COLLECT_INTERVAL_MS = 200


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """An engine function to run; `stop` asks this job, and no other, to end."""

    name: str
    function: JobFunction
    stop: threading.Event = field(default_factory=threading.Event)


@dataclass(frozen=True, slots=True)
class JobOutcome:
    """What a job returned, or the exception that ended it with its traceback."""

    job: Job
    result: object = None
    error: BaseException | None = None
    details: str = ""


class _CollectorPin:
    """Keeps Python's own collections away for as long as anybody holds one of these."""

    _holders: ClassVar[set[int]] = set()

    def hold(self) -> None:
        """Take the collector from Python."""
        self._holders.add(id(self))
        gc.disable()

    def release(self) -> None:
        """Give it back, unless somebody else holds it; again changes nothing."""
        self._holders.discard(id(self))
        if not self._holders:
            gc.enable()


class GarbageGuard(QObject):
    """Lets Python's cycle collector run on this thread only.

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
            return JobOutcome(job, job.function(self.reported.emit, job.stop.is_set))
        except BaseException as error:  # noqa: BLE001 - nothing may be lost on this thread; the Session sorts it
            return JobOutcome(job, error=error, details=traceback.format_exc())


def _end(thread: _JobThread, waiting: list[Job], pin: _CollectorPin) -> None:
    """End a thread whose runner goes away without having been closed: Qt aborts the process over one that runs on."""
    for job in waiting:
        job.stop.set()
    thread.jobs.put(None)
    thread.wait()
    pin.release()


class JobRunner(QObject):
    """Runs submitted jobs one after another; its signals arrive on the thread it lives in.

    Signals: `started(Job)`, `reported(object)` each event from inside a job, `ended(JobOutcome)`.
    """

    started = Signal(object)
    reported = Signal(object)
    ended = Signal(object)

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._waiting: list[Job] = []
        self._guard = GarbageGuard(self)
        self._guard.start()  # for good: the thread still runs some Python after it has told of a job's end
        self._thread = _JobThread(self)
        self._thread.started_job.connect(self._on_started)
        self._thread.reported.connect(self.reported)
        self._thread.ended_job.connect(self._on_ended)
        self.destroyed.connect(partial(_end, self._thread, self._waiting, self._guard.pin))
        self._thread.start()

    @property
    def is_busy(self) -> bool:
        """Whether a job runs or waits."""
        return bool(self._waiting)

    @property
    def is_alive(self) -> bool:
        """Whether the thread is there."""
        return self._thread.isRunning()

    def has(self, name: str) -> bool:
        """Tell whether a job of this name runs or waits."""
        return any(job.name == name for job in self._waiting)

    def submit(self, name: str, function: JobFunction) -> Job:
        """Run a function after those submitted before."""
        job = Job(name, function)
        self._waiting.append(job)
        self._thread.jobs.put(job)
        return job

    def stop(self) -> None:
        """Ask the running job to end at its next step and those waiting not to begin; returns at once."""
        for job in self._waiting:
            job.stop.set()

    def close(self, wait_ms: int) -> bool:
        """Stop everything and wait for the thread; False if it did not end in time."""
        self.stop()
        self._thread.jobs.put(None)
        has_ended = self._thread.wait(wait_ms)
        self._guard.stop()
        return has_ended

    @Slot(object)
    def _on_started(self, job: Job) -> None:
        self.started.emit(job)

    @Slot(object)
    def _on_ended(self, outcome: JobOutcome) -> None:
        self._waiting.remove(outcome.job)
        self.ended.emit(outcome)
