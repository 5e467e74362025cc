"""How soon the window is on the screen, and the engine ready: each time in a new process.

The window by the clock, from the start of the interpreter; the engine in seconds of a processor, from the first paint
until a model can be opened, and until a take of one can be made.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from statistics import median
from time import perf_counter

ROOT = Path(__file__).parents[1]
STARTS = 5
# The program itself, which says when its window was painted for the first time, and ends there.
_PROGRAM = """
import os, sys, app.main_window
from app.__main__ import main

from time import process_time

WITH_ENGINE = bool(os.environ.get("WITH_ENGINE"))
at = []

def tell():
    print("shown", flush=True)
    at.append(process_time())
    if not WITH_ENGINE:
        os._exit(0)

class Telling(app.main_window.MainWindow):
    def __init__(self, session):
        super().__init__(session)
        self.shown.connect(tell)
        session.device_known.connect(lambda device: at.append(process_time()))
        session.ended.connect(lambda task, problem: self.told(session))

    def told(self, session):
        if len(at) > 1 and not session.is_busy:
            print(at[1] - at[0], process_time() - at[0], flush=True)
            os._exit(0)

app.main_window.MainWindow = Telling
sys.exit(main([]))
"""


def _environment(folder: Path, **more: str) -> dict[str, str]:
    """Return the environment of a program whose settings and compiled modules lie in a folder of its own.

    Where Python was told to keep none, as on machines that build, a start would compile every module, which no second
    start of a person's does.
    """
    homes = ("HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME")
    usual = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    places = {name: str(folder) for name in (*homes, "PYTHONPYCACHEPREFIX")}
    return {**usual, **places, "PYTHONPATH": str(ROOT), **more}


def start_s(folder: Path) -> tuple[float, float]:
    """Return the seconds that one start takes, and those of a processor.

    The second number is that of a computer with nothing else to do.

    Raises:
        RuntimeError: no window was shown.
    """
    command, before, began = [sys.executable, "-c", _PROGRAM], os.times(), perf_counter()
    with subprocess.Popen(command, env=_environment(folder), stdout=subprocess.PIPE) as program:
        assert program.stdout is not None
        said = program.stdout.readline()
        took = perf_counter() - began
    if said.strip() != b"shown":
        raise RuntimeError("the window was not shown")
    after = os.times()
    return took, sum(after[2:4]) - sum(before[2:4])


def engine_s(folder: Path) -> tuple[float, float]:
    """Return the seconds of a processor from the first paint until a model can be opened, and until a take is made."""
    command, environment = [sys.executable, "-c", _PROGRAM], _environment(folder, WITH_ENGINE="1")
    told = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True, text=True).stdout.splitlines()
    opens, makes = map(float, told[-1].split())
    return opens, makes


def measure(folder: Path) -> dict[str, dict[str, float]]:
    """Return the middle and the longest of some starts; one before them fills the system's caches."""
    start_s(folder)
    engine_s(folder)
    seconds, processor_s = zip(*(start_s(folder) for _ in range(STARTS)), strict=True)
    opens_s, makes_s = zip(*(engine_s(folder) for _ in range(STARTS)), strict=True)
    start = {"p50": median(seconds), "max": max(seconds), "processor, p50": median(processor_s)}
    engine = {"opens, p50": median(opens_s), "makes takes, p50": median(makes_s), "max": max(makes_s)}
    rounded = [{name: round(value, 2) for name, value in figures.items()} for figures in (start, engine)]
    return {"start_s": rounded[0], "engine_processor_s": rounded[1]}
