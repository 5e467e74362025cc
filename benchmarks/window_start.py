"""How soon the window is on the screen: seconds from the start of the interpreter, each time in a new process."""

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

def tell():
    print("shown", flush=True)
    os._exit(0)

class Telling(app.main_window.MainWindow):
    def __init__(self, session):
        super().__init__(session)
        self.shown.connect(tell)

app.main_window.MainWindow = Telling
sys.exit(main([]))
"""


def start_s(folder: Path) -> tuple[float, float]:
    """Return the seconds that one start takes, settings in a folder of its own, and those of a processor.

    The second number is that of a computer with nothing else to do.

    Raises:
        RuntimeError: no window was shown.
    """
    homes = ("HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME")
    environment = {**os.environ, **{name: str(folder) for name in homes}, "PYTHONPATH": str(ROOT)}
    before, began = os.times(), perf_counter()
    with subprocess.Popen([sys.executable, "-c", _PROGRAM], env=environment, stdout=subprocess.PIPE) as program:
        assert program.stdout is not None
        said = program.stdout.readline()
        took = perf_counter() - began
    if said.strip() != b"shown":
        raise RuntimeError("the window was not shown")
    after = os.times()
    return took, sum(after[2:4]) - sum(before[2:4])


def measure(folder: Path) -> dict[str, float]:
    """Return the middle and the longest of some starts; one before them fills the system's caches."""
    start_s(folder)
    seconds, processor_s = zip(*(start_s(folder) for _ in range(STARTS)), strict=True)
    return {
        "p50": round(median(seconds), 2),
        "max": round(max(seconds), 2),
        "processor, p50": round(median(processor_s), 2),
    }
