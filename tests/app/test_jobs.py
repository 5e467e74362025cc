from __future__ import annotations

import gc
import threading
from collections.abc import Iterator

import pytest
from PySide6.QtCore import QCoreApplication, QObject, QThread, Slot
from pytestqt.qtbot import QtBot

from app.session.activity import Activity, Runner, Subject
from app.session.jobs import JobOutcome, JobRunner
from app.session.problems import problem_from
from app.session.task import Task
from distill_core.errors import DatasetError


def _task(run, subject: Subject = Subject.MODEL) -> Task:
    return Task(Activity.OPENING, subject, run, lambda state, result: (state, []))


class Listener(QObject):
    """Notes each signal, and the thread it arrives on."""

    def __init__(self, runner: JobRunner) -> None:
        super().__init__()
        self.heard: list[object] = []
        self.threads: set[QThread] = set()
        runner.started.connect(self.hear)
        runner.reported.connect(self.hear_report)
        runner.ended.connect(self.hear)

    @Slot(object)
    def hear(self, what: object) -> None:
        self.heard.append(what)
        self.threads.add(QThread.currentThread())

    @Slot(object, object)
    def hear_report(self, event: object, runner: Runner) -> None:
        self.hear((event, runner))

    @property
    def outcomes(self) -> list[JobOutcome]:
        return [heard for heard in self.heard if isinstance(heard, JobOutcome)]


@pytest.fixture
def runner(qapp: QCoreApplication) -> Iterator[JobRunner]:
    parent = QObject()
    runner = JobRunner(parent, Runner.LISTEN)
    yield runner
    assert runner.close(5000)
    assert gc.isenabled()


def test_jobs_run_in_order_on_one_other_thread_and_are_heard_on_this_one(runner: JobRunner, qtbot: QtBot) -> None:
    listener, threads = Listener(runner), []

    def work(on_event, should_stop):
        threads.append(threading.get_ident())
        on_event(f"event {len(threads)}")
        return len(threads)

    jobs = [runner.submit(_task(work)) for _ in range(3)]
    assert runner.is_busy
    assert not gc.isenabled()
    qtbot.waitUntil(lambda: len(listener.outcomes) == 3, timeout=5000)
    assert [outcome.result for outcome in listener.outcomes] == [1, 2, 3]
    assert listener.heard[:3] == [jobs[0], ("event 1", Runner.LISTEN), listener.outcomes[0]]
    assert set(threads) == {threads[0]} != {threading.get_ident()}
    assert listener.threads == {QThread.currentThread()}
    assert not runner.is_busy
    assert not gc.isenabled()  # only this thread may collect, for as long as there is another


def test_errors_of_every_kind_are_outcomes_and_the_thread_goes_on(runner: JobRunner, qtbot: QtBot) -> None:
    listener = Listener(runner)

    def fail_with(error: BaseException):
        def work(on_event, should_stop):
            raise error

        return work

    errors = [DatasetError("no sounds"), ValueError("bug"), SystemExit(3), KeyboardInterrupt()]
    for error in errors:
        runner.submit(_task(fail_with(error)))
    runner.submit(_task(lambda on_event, should_stop: "fine"))
    qtbot.waitUntil(lambda: len(listener.outcomes) == 5, timeout=5000)
    assert [outcome.error for outcome in listener.outcomes] == [*errors, None]
    assert "Traceback" in listener.outcomes[1].details


def test_stop_reaches_running_and_waiting_jobs_but_not_later_ones(runner: JobRunner, qtbot: QtBot) -> None:
    listener, running = Listener(runner), threading.Event()

    def until_stopped(on_event, should_stop):
        running.set()
        while not should_stop():
            threading.Event().wait(0.001)
        return "stopped"

    runner.submit(_task(until_stopped))
    runner.submit(_task(until_stopped))
    assert running.wait(5)
    runner.stop()
    runner.submit(_task(lambda on_event, should_stop: should_stop()))
    qtbot.waitUntil(lambda: len(listener.outcomes) == 3, timeout=5000)
    assert [outcome.result for outcome in listener.outcomes] == ["stopped", "stopped", False]


def test_a_runner_knows_what_its_tasks_are_about(runner: JobRunner, qtbot: QtBot) -> None:
    may_end = threading.Event()
    runner.submit(_task(lambda on_event, should_stop: may_end.wait(5), Subject.MODEL))
    runner.submit(_task(lambda on_event, should_stop: None, Subject.SOUNDS))
    assert [subject for subject in Subject if runner.has(subject)] == [Subject.MODEL, Subject.SOUNDS]
    may_end.set()
    qtbot.waitUntil(lambda: not runner.is_busy, timeout=5000)
    assert not any(map(runner.has, Subject))


def test_an_idle_runner_closes(qapp: QCoreApplication) -> None:
    parent = QObject()
    runner = JobRunner(parent, Runner.LISTEN)
    (thread,) = parent.findChildren(QThread)
    assert thread.isRunning()
    assert runner.close(2000)
    assert thread.isFinished()


def test_a_job_that_runs_out_of_memory_is_told_in_words(runner: JobRunner, qtbot: QtBot) -> None:
    listener = Listener(runner)
    runner.submit(_task(lambda on_event, should_stop: bytearray(2**46)))
    qtbot.waitUntil(lambda: bool(listener.outcomes))
    error = listener.outcomes[0].error
    assert error is not None
    problem = problem_from(error, listener.outcomes[0].details)
    assert "not enough memory" in problem.message
    assert problem.hint
    assert not problem.details
