"""The words for exceptions, and the log that keeps their details."""

from __future__ import annotations

import faulthandler
import logging
import os
import sys
import threading
import traceback
from dataclasses import dataclass
from logging.handlers import RotatingFileHandler
from types import TracebackType
from typing import IO

from PySide6.QtCore import QObject, Signal

from distill_core.errors import BUG_MESSAGE, ChangedOnDiskError, DistillError, SaveError
from distill_core.folders import convenience, log_folder
from distill_core.memory import is_short_of_memory, not_enough_memory
from distill_core.streams import file_number, send_nowhere

logger = logging.getLogger("distill")
_LOG_BYTES = 1_000_000
_fault_file: IO[str] | None = None  # faulthandler writes to it when the process dies, so it stays open


@dataclass(frozen=True, slots=True)
class Problem:
    """A failure, in words; `details` is the traceback of a bug, "" for an expected failure.

    `may_replace`: another program changed the file before the save; it can be replaced, with a backup. `may_rename`:
    so it was before other texts were saved, which can go into the file as it is. `is_of_place`: a new model could not
    be written where it was to be, and another place may do.
    """

    message: str
    hint: str = ""
    details: str = ""
    may_replace: bool = False
    may_rename: bool = False
    is_of_place: bool = False

    @property
    def sentence(self) -> str:
        """The message with the hint."""
        return f"{self.message} {self.hint}".strip()


def problem_from(error: BaseException, details: str = "") -> Problem:
    """Turn an exception into words; anything but a DistillError is a bug and keeps its traceback."""
    if is_short_of_memory(error):
        error = not_enough_memory(error)
    if isinstance(error, DistillError):
        may_replace, is_of_place = isinstance(error, ChangedOnDiskError), isinstance(error, SaveError)
        return Problem(error.message, error.hint, may_replace=may_replace, is_of_place=is_of_place)
    logger.error("unexpected error\n%s", details or error)
    return Problem(
        BUG_MESSAGE,
        "Details are in the log: Help ▸ Troubleshooting ▸ Open Log Folder.",
        details or "".join(traceback.format_exception(error)),
    )


def keep_streams() -> None:
    """Keep stdout and stderr for Python alone: decoders print about damaged files, which is for nobody to see."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if (number := file_number(stream)) is not None:
            stream.flush()
            own = open(os.dup(number), "w", 1, stream.encoding, stream.errors)  # noqa: SIM115 - open until the end
            setattr(sys, name, own)
            send_nowhere(stream)
    if faulthandler.is_enabled() and sys.stderr is not None:
        faulthandler.enable(sys.stderr)


def start_logging() -> None:
    """Write the log and a native crash's stacks into files; go on without them if nothing can be written."""
    global _fault_file
    logger.setLevel(logging.INFO)
    logging.raiseExceptions = False  # a disk that is full later must not fill a terminal with tracebacks
    with convenience("a log"):
        folder = log_folder()
        handler = RotatingFileHandler(folder / "distill.log", "a", _LOG_BYTES, backupCount=2, encoding="utf-8")
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(threadName)s %(message)s"))
        logger.addHandler(handler)
        _fault_file = (folder / "crash.log").open("a", encoding="utf-8")
        faulthandler.enable(_fault_file)


class ExceptionHook(QObject):
    """Catches exceptions that nothing else caught, on any thread; only the window's thread opens a dialog."""

    caught = Signal(object)

    def install(self) -> None:
        """Become Python's exception hook, for threads too."""
        sys.excepthook = self._on_exception
        threading.excepthook = self._on_thread_exception

    def _on_exception(self, kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if issubclass(kind, KeyboardInterrupt):
            sys.__excepthook__(kind, error, trace)
            return
        self.caught.emit(problem_from(error, "".join(traceback.format_exception(kind, error, trace))))

    def _on_thread_exception(self, arguments: threading.ExceptHookArgs) -> None:
        if arguments.exc_value is not None:
            self._on_exception(arguments.exc_type, arguments.exc_value, arguments.exc_traceback)
