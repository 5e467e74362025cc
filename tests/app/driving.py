"""The tests' hands on the window: waiting for its Session, bringing that to a state, and answering dialogs."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from PySide6.QtCore import QEventLoop, QTimer
from PySide6.QtWidgets import QWidget
from pytestqt.exceptions import TimeoutError as WaitedTooLongError
from pytestqt.qtbot import QtBot

from app.flows.prompts import Question
from app.main_window import MainWindow
from app.session import Session
from app.session.activity import Activity, Subject
from app.session.state import State
from app.session.task import Task

WAIT_MS = 30_000
_LOOK_MS = 10
_TOUCHES = ("open", "os.listdir", "os.scandir", "os.mkdir", "os.remove", "os.rename", "shutil.copyfile")


class FrugalBot(QtBot):
    """A bot whose `waitUntil` builds one event loop; pytest-qt's builds one for each look, at ten times the cost."""

    def waitUntil(self, callback: Callable[[], bool | None], *, timeout: int = 5000) -> None:
        __tracebackhide__ = True
        loop, tick, end = QEventLoop(), QTimer(), time.monotonic() + timeout / 1000
        tick.timeout.connect(loop.quit)
        tick.start(_LOOK_MS)
        while (missing := _missing(callback)) is not None:
            if time.monotonic() > end:
                raise WaitedTooLongError(f"waitUntil timed out in {timeout} milliseconds") from missing
            loop.exec()


def _missing(callback: Callable[[], bool | None]) -> AssertionError | None:
    """Return None if what is waited for has come: the callback returned True, or asserted and returned nothing."""
    try:
        result = callback()
    except AssertionError as error:
        return error
    if result not in (None, True, False):
        raise ValueError(f"waitUntil() callback must return None, True or False, returned {result!r}")
    return AssertionError("it returned False") if result is False else None


def session_of(window: MainWindow) -> Session:
    """Return the Session that a window shows."""
    return window.commands._session


def make_short_takes(session: Session) -> None:
    """Have takes last half a second: whoever does not look at them need not wait for five seconds of sound."""
    session.set_take_options(replace(session.state.takes.options, seconds=0.5))


def settle_session(qtbot: QtBot, session: Session, activity: Activity = Activity.NONE) -> None:
    """Wait until a Session is at an activity and no task waits; without one, until all tasks are done."""
    qtbot.waitUntil(lambda: session.state.work is activity and not session.is_busy, timeout=WAIT_MS)


def bring_to(qtbot: QtBot, session: Session, state: State) -> None:
    """Have a Session take a state, as a task's result brings one."""
    session.do(
        Task(Activity.OPENING, Subject.ENGINE, lambda on_event, should_stop: None, lambda before, _: (state, []))
    )
    settle_session(qtbot, session, state.work)


def settle(qtbot: QtBot, window: MainWindow, activity: Activity = Activity.NONE) -> None:
    """Wait until a window's Session is at an activity and no task waits; without one, until all are done."""
    settle_session(qtbot, session_of(window), activity)


class ScriptedPrompts:
    """Answers each question by its id, as a person would; an unexpected one fails the test."""

    def __init__(self) -> None:
        self.answers: dict[str, str] = {}
        self.paths: dict[str, Path] = {}
        self.asked: list[Question] = []
        self.withdrawn: list[Question] = []

    def choose_model(self, parent: QWidget, start: Path, answer: Callable[[Path], object], title: str = "") -> None:
        answer(self.paths["model"])

    def choose_folder(self, parent: QWidget, start: Path, answer: Callable[[Path], object]) -> None:
        answer(self.paths["folder"])

    def choose_copy(self, parent: QWidget, suggested: Path, answer: Callable[[Path], object]) -> None:
        if "copy" in self.paths:
            answer(self.paths["copy"])

    def choose_sound(self, parent: QWidget, start: Path, answer: Callable[[Path], object]) -> None:
        answer(self.paths["sound"])

    def choose_take(self, parent: QWidget, suggested: Path, answer: Callable[[Path], object]) -> None:
        self.paths["suggested"] = suggested
        if "take" in self.paths:
            answer(self.paths["take"])

    def choose_target(self, parent: QWidget, start: Path, answer: Callable[[Path], object]) -> None:
        answer(self.paths["target"])

    def choose_card(self, parent: QWidget, suggested: Path, answer: Callable[[Path], object]) -> None:
        self.paths["suggested"] = suggested
        if "card" in self.paths:
            answer(self.paths["card"])

    def choose_plot(self, parent: QWidget, suggested: Path, answer: Callable[[Path], object]) -> None:
        self.paths["suggested"] = suggested
        if "plot" in self.paths:
            answer(self.paths["plot"])

    def choose_plugin(self, parent: QWidget, suggested: Path, answer: Callable[[Path], object]) -> None:
        self.paths["suggested"] = suggested
        if "plugin" in self.paths:
            answer(self.paths["plugin"])

    def choose_models_folder(self, parent: QWidget, start: Path, answer: Callable[[Path], object]) -> None:
        answer(self.paths["models"])

    def ask(self, parent: QWidget, question: Question, answer: Callable[[str], object]) -> None:
        self.asked.append(question)
        assert question.id in self.answers, question
        answer(self.answers[question.id])

    def withdraw(self, parent: QWidget, question: Question) -> None:
        self.withdrawn.append(question)

    @property
    def asked_ids(self) -> list[str]:
        return [question.id for question in self.asked]


class PatientPrompts(ScriptedPrompts):
    """Leaves each question open until the test answers it."""

    def ask(self, parent: QWidget, question: Question, answer: Callable[[str], object]) -> None:
        self.asked.append(question)
        self.answer = answer


def leave_questions_open(window: MainWindow) -> PatientPrompts:
    """Have a window's questions stay open from now on, and return the prompts that know them."""
    patient = PatientPrompts()
    commands = window.commands
    for flow in (commands, commands.saving, commands.cancelling, commands.unfinished, commands.texts):
        flow._prompts = patient
    return patient


class DiskWatch:
    """Notes the threads from which files below some folders are touched."""

    def __init__(self) -> None:
        self.folders: list[Path] = []
        self.threads: set[int] = set()
        sys.addaudithook(self._hook)  # there is no way to take it away again

    def _hook(self, event: str, arguments: tuple[object, ...]) -> None:
        if self.folders and event in _TOUCHES and arguments and isinstance(arguments[0], str | Path):
            path = str(arguments[0])
            if any(path.startswith(str(folder)) for folder in self.folders):
                self.threads.add(threading.get_ident())


DISK_WATCH = DiskWatch()
