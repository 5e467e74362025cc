"""A take dragged with a real pointer from the window into another program, on a screen of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from time import sleep

import pytest

from distill_core import load_model_v2
from distill_core.generation.generate import generate
from distill_core.generation.request import GenerateRequest
from distill_core.generation.takes.shelf import TakeShelf
from tests.app.test_generating import shared_model  # noqa: F401 - fixture

ROOT = Path(__file__).parents[2]
NEEDED = ("Xvfb", "openbox", "xdotool")
STEP_PX, PAUSE_S = 20, 0.04
Start = Callable[..., subprocess.Popen[str]]

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or any(shutil.which(name) is None for name in NEEDED), reason=f"needs {', '.join(NEEDED)}"
)


@pytest.fixture
def start() -> Iterator[Start]:
    """Return `start(*command, **environment)`, which starts a program that ends with the test."""
    with ExitStack() as ends:

        def begin(*command: str, **environment: str) -> subprocess.Popen[str]:
            program = subprocess.Popen(
                command, env={**os.environ, **environment}, cwd=ROOT, stdout=subprocess.PIPE, text=True
            )
            assert program.stdout is not None
            ends.callback(program.stdout.close)
            ends.callback(program.wait)
            ends.callback(program.terminate)
            return program

        yield begin


@pytest.fixture
def screen(start: Start) -> dict[str, str]:
    """The environment of a screen with a window manager, without which nothing can be dragged."""
    screen = start("Xvfb", "-displayfd", "1", "-screen", "0", "1300x760x24", "-nolisten", "tcp")
    assert screen.stdout is not None
    display = {"DISPLAY": f":{screen.stdout.readline().strip()}"}
    start("openbox", **display)
    sleep(0.5)
    return display | {"QT_QPA_PLATFORM": "xcb", "PYTHONPATH": str(ROOT)}


def _line(program: subprocess.Popen[str]) -> str:
    assert program.stdout is not None
    return program.stdout.readline().strip()


def _xdotool(screen: dict[str, str], *words: object) -> None:
    subprocess.run(["xdotool", *map(str, words)], env={**os.environ, **screen}, check=True)


def _drag(screen: dict[str, str], source: tuple[int, int], target: tuple[int, int]) -> None:
    """Drag as a hand does: in small steps, each seen by both programs before the next."""
    _xdotool(screen, "mousemove", *source)
    _xdotool(screen, "mousedown", 1)
    steps = max(abs(target[0] - source[0]), abs(target[1] - source[1])) // STEP_PX
    for step in range(1, steps + 1):
        where = [round(here + (there - here) * step / steps) for here, there in zip(source, target, strict=True)]
        _xdotool(screen, "mousemove", *where)
        sleep(PAUSE_S)
    sleep(0.5)
    _xdotool(screen, "mouseup", 1)


def test_a_take_is_dragged_into_another_program(
    start: Start,
    screen: dict[str, str],
    shared_model: Path,  # noqa: F811
    tmp_path: Path,
) -> None:
    model = Path(shutil.copy(shared_model, tmp_path / "drums.distill"))
    TakeShelf(model).add(generate(load_model_v2(model), GenerateRequest(seconds=0.25, seed=41)))
    target = start(sys.executable, "-m", "tests.app.drop_target", **screen)
    if _line(target) != "ready":
        pytest.skip("Qt's libraries for X11 are missing")
    window = start(sys.executable, "-m", "tests.app.drag_source", str(model), **screen)
    x, y = map(int, _line(window).split())
    _drag(screen, (x, y), (1050, 250))
    dropped = Path(_line(target))
    assert dropped.name.startswith("drums_take")
    assert dropped.name.endswith(".wav")
    kept = {take.wav.read_bytes() for take in TakeShelf(model).takes()}
    assert dropped.read_bytes() in kept
