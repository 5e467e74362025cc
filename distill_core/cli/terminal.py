"""What all commands share: people's text or JSON lines, errors in words, and a first and a second Ctrl-C."""

from __future__ import annotations

import json
import logging
import math
import os
import signal
import stat
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from pathlib import Path
from types import FrameType
from typing import IO, Any

import typer
from rich.console import Console
from rich.text import Text

from distill_core.errors import DistillError, SaveError
from distill_core.folders import log_folder
from distill_core.text import printable

EXIT_BUG, EXIT_INTERRUPTED = 70, 130
STOP_SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")


def _plain(value: Any) -> Any:
    """Turn dataclasses, paths and numbers that JSON lacks into what JSON has."""
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


def _take_stdout() -> IO[str]:
    """Return a stdout for this program alone; what decoder libraries print there about damaged files goes nowhere.

    It stays so until the process ends, for the C library may write what it holds back only then.
    """
    try:
        number, encoding = sys.stdout.fileno(), sys.stdout.encoding
    except (AttributeError, OSError):  # closed, or the stand-in of a test
        return sys.stdout
    own = open(os.dup(number), "w", encoding=encoding, errors="backslashreplace")  # noqa: SIM115
    _discard(sys.stdout)
    return own


def _discard(stream: IO[str]) -> None:
    """Send what a stream still gets nowhere, so that its failing is met once and not again at exit."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


class _Console(Console):
    """A console whose reader may go away: Rich would end the program with exit code 1."""

    def on_broken_pipe(self) -> None:
        _discard(self.file)

    def say(self, text: str, style: str = "") -> None:
        """Print a line; a terminal that has gone away must not end hours of training."""
        try:
            self.print(Text(printable(text), style=style))
        except OSError:
            _discard(self.file)


class Terminal:
    """Talks to a person or, with `as_json`, to a program on stdout and to the person on stderr."""

    def __init__(self, as_json: bool) -> None:
        self.as_json = as_json
        self._stdout = _take_stdout()
        self.errors = _Console(stderr=True, highlight=False, soft_wrap=True)
        self.console = self.errors if as_json else _Console(file=self._stdout, highlight=False, soft_wrap=True)

    def say(self, text: str, style: str = "") -> None:
        """Print a line for people."""
        self.console.say(text, style)

    def emit(self, event: str, values: Any = None, **more: Any) -> None:
        """Print one JSON object with the event's name, the fields of `values` and `more`; nothing without --json."""
        self.print_object({"event": event, **_plain(values or {}), **more})

    def print_object(self, values: dict[str, Any]) -> None:
        """Print one JSON object on one line; nothing without --json."""
        if not self.as_json:
            return
        try:
            print(json.dumps(_plain(values), allow_nan=False, default=str), file=self._stdout, flush=True)
        except OSError:
            _discard(self._stdout)

    def fail(self, error: DistillError) -> None:
        """Say what happened and what to do next."""
        self.emit("error", message=error.message, hint=error.hint, exit=error.exit_code)
        self.errors.say(error.message, "red")
        if error.hint:
            self.errors.say(error.hint)


def _log_bug(error: Exception) -> Path:
    path = log_folder() / "distill.log"
    handler = logging.FileHandler(path, encoding="utf-8")
    logger = logging.getLogger("distill")
    logger.addHandler(handler)
    logger.error("unexpected error", exc_info=error)
    handler.close()
    return path


@contextmanager
def terminal_session(as_json: bool) -> Iterator[Terminal]:
    """Turn errors into sentences and exit codes for as long as a command runs."""
    terminal = Terminal(as_json)
    try:
        yield terminal
    except DistillError as error:
        terminal.fail(error)
        raise typer.Exit(error.exit_code) from error
    except KeyboardInterrupt as error:
        raise typer.Exit(EXIT_INTERRUPTED) from error
    except typer.Exit:
        raise
    except Exception as error:
        bug = DistillError("Something went wrong inside Distill; your files are unchanged.", "")
        bug.exit_code, bug.hint = EXIT_BUG, f"Details are in {_log_bug(error)}; please report them."
        terminal.fail(bug)
        raise typer.Exit(EXIT_BUG) from error


def say_settings(terminal: Terminal, config: Any, overrides: Mapping[str, Any], otherwise: str = "auto") -> None:
    """Tell each setting and where it comes from; `otherwise` says it of those that were not given."""
    for name, value in asdict(config).items():
        origin = "override" if name in overrides else otherwise
        terminal.say(f"  {name}: {value} ({origin})")


def _stop_signals() -> list[int]:
    return [getattr(signal, name) for name in STOP_SIGNALS if hasattr(signal, name)]


def ignore_stop_signals() -> None:
    """Let nothing spoil the exit code of work that is done: leaving takes Python a moment, with all of torch loaded."""
    for number in _stop_signals():
        signal.signal(number, signal.SIG_IGN)


@contextmanager
def stop_on_signals(terminal: Terminal) -> Iterator[threading.Event]:
    """Set the event at the first Ctrl-C, SIGTERM or SIGHUP; a second one interrupts at once."""
    stop = threading.Event()

    def on_signal(number: int, frame: FrameType | None) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()
        terminal.say("Stopping after this step; the best epoch is kept. Once more quits at once.", "yellow")

    before = {number: signal.signal(number, on_signal) for number in _stop_signals()}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def check_output(output: Path, force: bool) -> None:
    """Refuse, before any work, an output that exists or that no file can be.

    Raises:
        SaveError: says which, and what to do.
    """
    try:
        mode = output.stat().st_mode
    except FileNotFoundError:
        return
    except OSError as error:
        reason = os.strerror(error.errno or 0)
        raise SaveError(f"“{output}” can't be: {reason}; nothing was written.", "Choose another name.") from error
    if not stat.S_ISREG(mode):
        raise SaveError(f"“{output}” is not a file; nothing was written.", "Name a file that ends in .distill.")
    if not force:
        raise SaveError(f"“{output}” exists already; nothing was written.", "Choose another name, or add --force.")


def check_writable(path: Path) -> None:
    """Refuse, before hours of training, a place where nothing can be saved.

    Raises:
        SaveError: the folder is missing or not writable, the file is read-only, or there is no room.
    """
    from distill_core.models.save_check import check_can_save

    try:
        check_can_save(path)
    except SaveError as error:
        raise SaveError(error.message, f"{error.hint} --output FILE names another place.") from error
