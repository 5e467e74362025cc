"""The terminal that all commands share: text or JSON lines, errors in words, and a first and a second Ctrl-C."""

from __future__ import annotations

import io
import json
import math
import os
import signal
import stat
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, redirect_stderr
from dataclasses import asdict, is_dataclass
from datetime import datetime
from pathlib import Path
from types import FrameType
from typing import IO, Any, TextIO, cast

import typer
from rich.console import Console
from rich.text import Text

from distill_core.cli.outbox import Background, Outbox
from distill_core.errors import BUG_MESSAGE, DistillError, LostRankError, SaveError
from distill_core.folders import convenience, log_folder
from distill_core.launch import is_first_rank
from distill_core.memory import is_short_of_memory, not_enough_memory
from distill_core.streams import file_number, send_nowhere
from distill_core.text import printable

EXIT_BUG, EXIT_INTERRUPTED = 70, 130
STOP_SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")


def _plain(value: Any) -> Any:
    """Return a value with dataclasses, paths and numbers that JSON lacks replaced by JSON's own."""
    if is_dataclass(value) and not isinstance(value, type):
        value = asdict(value)
    if isinstance(value, dict):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Path):
        return os.fsencode(value).decode("utf-8", "replace")
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value


Handler = Callable[[int, FrameType | None], None]


class Terminal:
    """The output to a person or, with `as_json`, to a program on stdout and to the person on stderr.

    No output waits for its reader: a paused terminal delays neither training nor its stop. Of a training's ranks the
    first one alone says what happens; another says what the first cannot know.

    Attributes:
        stop: is set once the work should stop.
        is_done: the work is done, so that signals no longer harm it.
        tells: this process is the rank that says what happens.
        at_end: the contexts to leave once all output is written.
    """

    def __init__(self, as_json: bool) -> None:
        self.as_json, self.stop, self.is_done, self.at_end = as_json, threading.Event(), False, ExitStack()
        self.tells = is_first_rank()
        self._stopped_at = math.inf
        self._outboxes: dict[object, Outbox] = {}
        self._stdout, self.stderr = self._boxed(sys.stdout), self._boxed(sys.stderr)
        for own, shared in ((self._stdout, sys.stdout), (self.stderr, sys.stderr)):
            if own is not shared:
                send_nowhere(shared)
        self.errors = Console(file=self.stderr, stderr=True, highlight=False, soft_wrap=True)
        self.console = self.errors if as_json else Console(file=self._stdout, highlight=False, soft_wrap=True)

    def _boxed(self, stream: TextIO) -> TextIO:
        """Return a stream of our own to the same place; streams to one place share an outbox, which keeps the order."""
        number = file_number(stream)
        if number is None:
            return stream
        status = os.fstat(number)
        place = (status.st_dev, status.st_ino) if status.st_ino else number
        if place not in self._outboxes:
            raw = open(os.dup(number), "wb", buffering=0)  # noqa: SIM115 - open until the process ends
            self._outboxes[place] = Outbox(raw)
        box = self._outboxes[place]
        return io.TextIOWrapper(cast(IO[bytes], box), stream.encoding, "backslashreplace", write_through=True)

    def _box_of(self, stream: IO[str]) -> Outbox | None:
        number = file_number(stream)
        return next((box for box in self._outboxes.values() if box.fileno() == number), None)

    @property
    def is_behind(self) -> bool:
        """Whether some of the person's output is not written yet."""
        box = self._box_of(self.console.file)
        return box is not None and box.is_behind

    def stop_now(self) -> None:
        """Ask the work to stop; from now on wait about a second at most for a reader who takes nothing."""
        self._stopped_at = min(self._stopped_at, time.monotonic())
        self.stop.set()

    def drain(self) -> None:
        """Wait until readers have taken all output; after a signal, only while they take some.

        Signals are counted from the start again: another one after a stop must not lose the path of the saved file.

        Raises:
            KeyboardInterrupt: a second signal came while it waited.
        """
        has_come = list[int]()

        def on_signal(number: int, frame: FrameType | None) -> None:
            if has_come:
                raise KeyboardInterrupt
            has_come.append(number)
            self.stop_now()

        if any(box.is_behind for box in self._outboxes.values()):
            with _signals_answered(on_signal):
                for box in self._outboxes.values():
                    box.drain(lambda: self._stopped_at)

    def lost_output(self) -> SaveError | None:
        """Return the error of output that could not be written to stdout; None if only the reader has gone."""
        box = self._box_of(self._stdout)
        if box is None or box.error is None:
            return None
        reason = box.error.strerror or str(box.error)
        return SaveError(f"The output could not be written: {reason}.", "The work is done; only its output is lost.")

    def say(self, text: str, style: str = "") -> None:
        """Print a line for people."""
        if self.tells:
            self._print(self.console, text, style)

    def _print(self, console: Console, text: str, style: str = "") -> None:
        console.print(Text(printable(text), style=style))

    def emit(self, event: str, values: Any = None, **more: Any) -> None:
        """Print one JSON object with the event's name, the fields of `values` and `more`; do nothing without --json."""
        self.print_object({"event": event, **_plain(values or {}), **more})

    def print_object(self, values: dict[str, Any]) -> None:
        """Print one JSON object on one line; do nothing without --json."""
        if self.as_json and self.tells:
            print(json.dumps(_plain(values), allow_nan=False, default=str), file=self._stdout, flush=True)

    def fail(self, error: DistillError) -> None:
        """Print an error: what happened, then what to do next."""
        self.emit("error", message=error.message, hint=error.hint, exit=error.exit_code)
        self._print(self.errors, error.message, "red")
        if error.hint:
            self._print(self.errors, error.hint)


def _log_bug(error: Exception) -> str:
    """Log a bug and return the sentence that asks for a report: it names the log, or the error if there is no log."""
    with convenience("a log"):
        path = log_folder() / "distill.log"
        with path.open("a", encoding="utf-8") as log:
            log.write(f"{datetime.now():%Y-%m-%d %H:%M:%S} unexpected error\n")
            log.writelines(traceback.format_exception(error))
        return f"Details are in {path}; please report them."
    return f"There is no place for a log, so please report this: {type(error).__name__}: {error}"


def _tell(terminal: Terminal, error: Exception) -> int:
    """Print the error that ended a command, and return its exit code."""
    if isinstance(error, typer.Exit):
        return error.exit_code
    is_shared = isinstance(error, DistillError) and not isinstance(error, LostRankError)
    if is_short_of_memory(error):
        error, is_shared = not_enough_memory(error), False
    if not isinstance(error, DistillError):
        error = DistillError(BUG_MESSAGE, _log_bug(error))
        error.exit_code = EXIT_BUG
    if terminal.tells or not is_shared:
        terminal.fail(error)
    return error.exit_code


@contextmanager
def terminal_session(as_json: bool) -> Iterator[Terminal]:
    """Turn a command's errors, and the loss of its output, into sentences and exit codes."""
    terminal, code = Terminal(as_json), 0
    cause: BaseException | None = None
    try:
        with terminal.at_end:
            try:
                with redirect_stderr(terminal.stderr):  # libraries' warnings must not wait for a reader either
                    yield terminal
            except Exception as error:  # noqa: BLE001 - a command ends with a sentence, whatever is raised
                code, cause = _tell(terminal, error), error
            terminal.drain()
            if not code and (lost := terminal.lost_output()):
                code = _tell(terminal, lost)
                terminal.drain()
    except KeyboardInterrupt as error:
        code, cause = EXIT_INTERRUPTED, error
    if code:
        raise typer.Exit(code) from cause


def say_settings(terminal: Terminal, config: Any, overrides: Mapping[str, Any], otherwise: str = "auto") -> None:
    """Print each setting and its origin; `otherwise` is that of settings that were not given."""
    for name, value in asdict(config).items():
        origin = "override" if name in overrides else otherwise
        terminal.say(f"  {name}: {value} ({origin})")


def _stop_signals() -> list[int]:
    return [getattr(signal, name) for name in STOP_SIGNALS if hasattr(signal, name)]


def ignore_stop_signals() -> None:
    """Keep signals from changing the exit code of finished work: Python takes a moment to exit with torch loaded."""
    for number in _stop_signals():
        signal.signal(number, signal.SIG_IGN)


@contextmanager
def _signals_answered(handler: Handler) -> Iterator[None]:
    """Handle the stop signals; a signal that the parent process ignores (nohup, a background job) stays ignored."""
    answered = [number for number in _stop_signals() if signal.getsignal(number) != signal.SIG_IGN]
    before = {number: signal.signal(number, handler) for number in answered}
    try:
        yield
    finally:
        for number, former in before.items():
            signal.signal(number, former)


@contextmanager
def stop_on_signals(terminal: Terminal, kept: str = "the best epoch is kept") -> Iterator[threading.Event]:
    """Set the terminal's `stop` at the first Ctrl-C, SIGTERM or SIGHUP; a second one interrupts at once.

    `kept` says what a stop keeps. Once the work is done, signals do nothing until all output is written: they would
    lose the path of the saved file.
    A handler may run in the middle of printing, so a thread prints the note on the first signal.
    """
    has_come, wakes = list[int](), threading.Event()

    def on_signal(number: int, frame: FrameType | None) -> None:
        if terminal.is_done:
            return
        if has_come:
            raise KeyboardInterrupt
        has_come.append(number)
        terminal.stop_now()
        wakes.set()

    def tell() -> None:
        wakes.wait()
        if has_come:
            terminal.say(f"Stopping; {kept}. Once more quits at once.", "yellow")

    teller = Background(tell)
    teller.start()
    terminal.at_end.enter_context(_signals_answered(on_signal))
    try:
        yield terminal.stop
    finally:
        terminal.is_done = True
        wakes.set()
        teller.wait()


def check_output(output: Path, force: bool, ending: str = ".distill") -> None:
    """Refuse, before any work, an output that exists or that no file can be; `ending` is that of its name.

    Raises:
        SaveError: the output exists, or no file can have its path.
    """
    try:
        mode = output.stat().st_mode
    except FileNotFoundError:
        return
    except OSError as error:
        reason = os.strerror(error.errno or 0)
        raise SaveError(f"“{output}” can't be: {reason}; nothing was written.", "Choose another name.") from error
    if not stat.S_ISREG(mode):
        raise SaveError(f"“{output}” is not a file; nothing was written.", f"Name a file that ends in {ending}.")
    if not force:
        raise SaveError(f"“{output}” exists already; nothing was written.", "Choose another name, or add --force.")


def check_writable(path: Path) -> None:
    """Refuse, before hours of training, a place where nothing can be saved.

    Raises:
        SaveError: the folder is missing or not writable, the file is read-only, or there is no room.
    """
    from distill_core.files.save_check import check_can_save

    try:
        check_can_save(path)
    except SaveError as error:
        raise SaveError(error.message, f"{error.hint} --output FILE names another place.") from error
