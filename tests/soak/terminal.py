"""Blocked terminals: training is told to stop while nobody reads what it prints, in a pipe or on a terminal.

`python -m tests.soak.terminal ARGUMENTS` is the control: `distill ARGUMENTS` as it would be without the outbox, and
with a signal handler that prints.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from types import FrameType

from distill_core import DistillError, read_summary
from tests import warm_python
from tests.soak.result import Result, not_run
from tests.soak.subject import write_model

NAME = "blocked terminal"
PROGRAM, CONTROL = "distill_core.cli", "tests.soak.terminal"
_SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")
_ENDLESS = ["--epochs", "100000", "--hidden-size", "32", "--layers", "1", "--heads", "2"]
_PIPE_BYTES = 4096
_HUNG_S = 30
_CONTROL_HUNG_S = 5  # it prints no more than it saves, and a save takes a tenth of a second
Stop = Callable[[subprocess.Popen[bytes]], None]
_PAUSE = b"\x13"  # Ctrl-S
_WRITE_CALLS = {"x86_64": b"1 ", "aarch64": b"64 "}
# A terminal hangs up those only whose controlling one it is.
_WITH_TERMINAL = (
    "import fcntl, os, sys, termios; fcntl.ioctl(1, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"
)


@dataclass(frozen=True, slots=True)
class Case:
    """What training prints into, and how it is told to stop."""

    stream: str
    signal: str
    as_json: bool

    def stop(self, process: subprocess.Popen[bytes]) -> None:
        """Send the signal."""
        process.send_signal(getattr(signal, self.signal))

    def __str__(self) -> str:
        return f"{self.stream}, {self.signal}{', --json' * self.as_json}"


CASES = tuple(
    Case(*case)
    for case in (
        *product(("pipe", "paused terminal"), _SIGNALS, (False, True)),
        *product(("line that hangs up",), ("SIGHUP",), (False, True)),
    )
)


def is_possible() -> bool:
    """Tell whether this system says what a process is doing; else nobody knows when it is blocked."""
    return sys.platform == "linux" and os.uname().machine in _WRITE_CALLS and os.access("/proc/self/syscall", os.R_OK)


@contextmanager
def _stream(case: Case) -> Iterator[tuple[int, int]]:
    """Yield the end that is read and the one that is printed into, which may be closed meanwhile."""
    import fcntl
    import pty

    ours, theirs = os.pipe() if case.stream == "pipe" else pty.openpty()
    if case.stream == "pipe":
        fcntl.fcntl(theirs, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
    try:
        yield ours, theirs
    finally:
        for end in (ours, theirs):
            with suppress(OSError):
                os.close(end)


def _read_until(ours: int, words: bytes, process: subprocess.Popen[bytes]) -> None:
    """Read what is printed up to some words; no more than the pipe holds is read too much."""
    seen = b""
    while words not in seen:
        ready, _, _ = select.select([ours], [], [], _HUNG_S)
        if not ready or process.poll() is not None:
            raise RuntimeError(f"it never came to “{words.decode()}”, but said: {seen[-500:]!r}")
        seen += os.read(ours, 256)


def _is_in_write(name: str) -> bool:
    """Tell whether a process that has the file of that name open is inside a write."""
    call = _WRITE_CALLS[os.uname().machine]
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if all(os.readlink(file) != name for file in (process / "fd").iterdir()):
                continue
            if any((task / "syscall").read_bytes().startswith(call) for task in (process / "task").iterdir()):
                return True
    return False


def _wait_until_stuck(theirs: int) -> None:
    """Wait until printing blocks, and goes on doing so."""
    name, end, stuck = os.readlink(f"/proc/self/fd/{theirs}"), time.monotonic() + _HUNG_S, 0
    while stuck < 3:
        if time.monotonic() > end:
            raise RuntimeError("it never blocked")
        time.sleep(0.05)
        stuck = stuck + 1 if _is_in_write(name) else 0


def _command(case: Case, program: str, folder: Path) -> list[str]:
    training = ["train-prior", "--no-audit", str(folder / "model.distill"), str(folder / "sounds"), *_ENDLESS]
    command = [*warm_python.warm_python(), "-m", program, *training, *["--json"] * case.as_json]
    return [sys.executable, "-ESsc", _WITH_TERMINAL, *command] if case.stream == "line that hangs up" else command


def _let_block(case: Case, ours: int, theirs: int, process: subprocess.Popen[bytes]) -> None:
    """Let one epoch be told, read no more, and wait until the process is blocked in a write."""
    _read_until(ours, b"Epoch 1/", process)
    if case.stream == "paused terminal":
        os.write(ours, _PAUSE)
    _wait_until_stuck(theirs)


def _judge(case: Case, code: int | None, model: Path) -> list[str]:
    if code is None:
        return [f"{case}: hung"]
    wrong = [f"{case}: exit code {code}"] if code else []
    try:
        return wrong if read_summary(model).has_prior else [*wrong, f"{case}: nothing was saved"]
    except DistillError as error:
        return [*wrong, f"{case}: {error.message}"]


def blocked(
    case: Case, folder: Path, program: str = PROGRAM, hung_s: float = _HUNG_S, stop: Stop | None = None
) -> list[str]:
    """Stop a training in `folder` whose output nobody reads, by the case's signal, and return what went wrong."""
    import shutil

    model = Path(shutil.copy(folder / "empty.distill", folder / "model.distill"))
    environment = os.environ | {"TERM": "xterm", "XDG_DATA_HOME": str(folder / "data")}
    with _stream(case) as (ours, theirs):
        command, streams = _command(case, program, folder), {"stdout": theirs, "stderr": theirs}
        with subprocess.Popen(command, env=environment, start_new_session=True, **streams) as process:
            try:
                _let_block(case, ours, theirs, process)
                if case.stream == "line that hangs up":
                    os.close(theirs)
                    os.close(ours)
                else:
                    (stop or case.stop)(process)
                code = process.wait(hung_s)
            except subprocess.TimeoutExpired:
                code = None
            finally:
                process.kill()
    return _judge(case, code, model)


def write_subject(folder: Path) -> None:
    """Write a model without a prior, and sounds to train one on."""
    import numpy as np
    import soundfile

    (folder / "sounds").mkdir(parents=True)
    for number in range(4):
        hertz, seconds_T = 110 * (number + 2), np.arange(48_000) / 48_000
        soundfile.write(folder / "sounds" / f"{number}.wav", 0.5 * np.sin(2 * np.pi * hertz * seconds_T), 48_000)
    write_model(folder / "empty.distill")


def blocked_terminals(wanted: int, until: float) -> Result:
    """Stop `wanted` trainings that are blocked; the control prints without an outbox, also in its signal handler."""
    if not is_possible():
        return not_run(NAME, wanted, "This system does not tell when a process is blocked")
    start, done, violations = time.monotonic(), 0, []
    with tempfile.TemporaryDirectory(prefix="distill-terminal-") as name:
        folder = Path(name)
        write_subject(folder)
        try:
            control = blocked(CASES[0], folder, CONTROL, _CONTROL_HUNG_S)
            while done < wanted and (done == 0 or time.monotonic() < until):
                violations += blocked(CASES[done % len(CASES)], folder)
                done += 1
        finally:
            warm_python.stop()
    facts = [f"{len(CASES)} cases in turn: {'; '.join(map(str, CASES))}.", f"Control. {'; '.join(control)}."]
    return Result(NAME, wanted, done, violations, bool(control), None, time.monotonic() - start, facts)


@contextmanager
def _stop_and_print(terminal: object) -> Iterator[threading.Event]:
    stop = threading.Event()

    def on_signal(number: int, frame: FrameType | None) -> None:
        stop.set()
        print("Stopping after this step.", file=sys.stderr, flush=True)  # noqa: T201

    for name in _SIGNALS:
        signal.signal(getattr(signal, name), on_signal)
    yield stop


def _run_control() -> None:
    from unittest.mock import patch

    from distill_core.cli import app
    from distill_core.cli.terminal import Terminal

    train_prior = sys.modules["distill_core.cli.train_prior"]
    with (
        patch.object(Terminal, "_boxed", lambda terminal, stream: stream),
        patch.object(train_prior, "stop_on_signals", _stop_and_print),
    ):
        app()


if __name__ == "__main__":
    _run_control()
