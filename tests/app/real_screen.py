"""A screen of its own with a window manager, programs on it, and the hand that moves its pointer."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from time import sleep

import pytest

ROOT = Path(__file__).parents[2]
_STEP_PX, _PAUSE_S = 20, 0.04
_NEEDED = ("Xvfb", "openbox", "xdotool")
_HOMES = ("HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME")
Start = Callable[..., subprocess.Popen[str]]


def needs(*programs: str) -> pytest.MarkDecorator:
    """Return the mark of tests that need a screen of their own, and these programs."""
    needed = (*_NEEDED, *programs)
    is_missing = sys.platform != "linux" or any(shutil.which(name) is None for name in needed)
    return pytest.mark.skipif(is_missing, reason=f"needs {', '.join(needed)}")


def _kill(session: int) -> None:
    """End a program with all that it has started: what is left would hold its pipes open."""
    with suppress(ProcessLookupError):
        os.killpg(session, signal.SIGKILL)


@pytest.fixture
def start() -> Iterator[Start]:
    """Return `start(*command, **environment)`, which starts a program that ends with the test."""
    with ExitStack() as ends:

        def begin(*command: str, **environment: str) -> subprocess.Popen[str]:
            program = subprocess.Popen(
                command,
                env={**os.environ, **environment},
                cwd=ROOT,
                stdout=subprocess.PIPE,
                text=True,
                start_new_session=True,
            )
            assert program.stdout is not None
            ends.callback(program.stdout.close)
            ends.callback(program.wait)
            ends.callback(_kill, program.pid)
            return program

        yield begin


@pytest.fixture
def screen(start: Start, tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment of a screen with a window manager, without which nothing can be dragged, and of a new person."""
    screen = start("Xvfb", "-displayfd", "1", "-screen", "0", "1300x760x24", "-nolisten", "tcp")
    display = {"DISPLAY": f":{line(screen)}"}
    start("openbox", **display)
    sleep(0.5)
    homes = {name: str(tmp_path / "person" / name) for name in _HOMES}
    runtime = subprocess.check_output(["mktemp", "-d"], text=True).strip()  # of a short name, as sockets need it
    yield display | homes | {"XDG_RUNTIME_DIR": runtime, "QT_QPA_PLATFORM": "xcb", "PYTHONPATH": str(ROOT)}
    shutil.rmtree(runtime)


def line(program: subprocess.Popen[str]) -> str:
    """Return the next line that a program says, or "" at its end."""
    assert program.stdout is not None
    return program.stdout.readline().strip()


def xdotool(screen: dict[str, str], *words: object) -> None:
    """Move the pointer, or press its buttons and keys."""
    subprocess.run(["xdotool", *map(str, words)], env={**os.environ, **screen}, check=True)


def drag(screen: dict[str, str], source: tuple[int, int], target: tuple[int, int]) -> None:
    """Drag as a hand does: in small steps, each seen by both programs before the next."""
    xdotool(screen, "mousemove", *source)
    xdotool(screen, "mousedown", 1)
    steps = max(abs(target[0] - source[0]), abs(target[1] - source[1])) // _STEP_PX
    for step in range(1, steps + 1):
        where = [round(here + (there - here) * step / steps) for here, there in zip(source, target, strict=True)]
        xdotool(screen, "mousemove", *where)
        sleep(_PAUSE_S)
    sleep(0.5)
    xdotool(screen, "mouseup", 1)
