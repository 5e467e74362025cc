"""Wrong files against the one door: mutated, crafted, flipped and cut ones, each kind in a warm process of its own.

Every harness takes how many files are wanted and a moment of `time.monotonic()` at which to stop, and answers with
`name`, `wanted`, `done`, `violations`, `control_failed`, `skipped`, `seconds` and `facts`. Its control is the same
harness with a check removed, in a process of its own that is thrown away.
"""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PYTHON = [sys.executable]
EVERY = 10**9  # more lengths than any file has
_GRACE_SECONDS = 60.0  # for the start of the process, and a last file
_CONTROL_SECONDS = 600.0
_WEEK_SECONDS = 7 * 24 * 3600.0  # "without end" is more than a process can be waited for
_MEMORY = Path("/dev/shm")


def _run(module: str, *arguments: object, seconds: float) -> subprocess.CompletedProcess[str]:
    command = [*PYTHON, "-m", f"tests.soak.{module}", *map(str, arguments)]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=seconds)


def _process(name: str, wanted: int, seconds: float, folder: Path) -> dict[str, Any]:
    """Run one warm process; one that dies or hangs is itself a violation, of the file that it was opening."""
    try:
        ended = _run("warm_process", name, wanted, seconds, folder, seconds=seconds + _GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        return _dead(folder, "it hung")
    if ended.returncode != 0:
        last_line = (ended.stderr.strip().splitlines() or [""])[-1]
        died = signal.Signals(-ended.returncode).name if ended.returncode < 0 else last_line
        return _dead(folder, f"the process ended: {died}")
    answer: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return answer


def _dead(folder: Path, sentence: str) -> dict[str, Any]:
    now = folder / "now"
    done, _, name = now.read_text().strip().partition("\n") if now.exists() else ("0", "", "before the first file")
    return {"done": int(done), "violations": [f"{name}: {sentence}"]}


def _control(name: str, folder: Path) -> list[str]:
    """Return what each part of the control opened or executed; a part that did neither, or a dead process, is ""."""
    try:
        ended = _run("loading_controls", name, folder, seconds=_CONTROL_SECONDS)
        return list(json.loads(ended.stdout.splitlines()[-1]))
    except (subprocess.TimeoutExpired, ValueError, IndexError):
        return [""]


def _facts(answer: dict[str, Any]) -> list[str]:
    if "opened" not in answer:
        return []
    return [
        f"{answer['opened']} of them could still be opened.",
        f"The slowest took {answer['slowest_seconds']:.2f} s of the processor.",
        f"The process grew by {answer['grown_bytes'] / 1e6:.0f} MB.",
    ]


def _harness(name: str, wanted: int, until: float) -> dict[str, Any]:
    started = time.monotonic()
    outcome: dict[str, Any] = {"name": name, "wanted": wanted, "done": 0, "violations": [], "control_failed": False}
    outcome |= {"skipped": None, "facts": []}
    if importlib.util.find_spec("resource") is None:
        return outcome | {"skipped": "this system does not tell a process's memory", "seconds": 0.0}
    memory = _MEMORY if os.access(_MEMORY, os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        control = _control(name, Path(folder))
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        answer = _process(name, wanted, min(max(0.0, until - time.monotonic()), _WEEK_SECONDS), Path(folder))
    if wanted >= EVERY:
        outcome["wanted"] = answer.get("model_bytes", wanted)
    outcome |= {
        "done": answer["done"],
        "violations": answer["violations"],
        "control_failed": bool(control) and all(control),
    }
    facts = [f"Control. {sentence}" for sentence in control if sentence] + _facts(answer)
    return outcome | {"facts": facts, "seconds": time.monotonic() - started}


def mutated_files(wanted: int, until: float) -> dict[str, Any]:
    """Open files changed at random: each is refused with `ModelFileError`, or is a model."""
    return _harness("mutated files", wanted, until)


def attack_corpus(wanted: int, until: float) -> dict[str, Any]:
    """Open every crafted file: each is refused with `ModelFileError`."""
    return _harness("attack corpus", wanted, until)


def bit_flips(wanted: int, until: float) -> dict[str, Any]:
    """Load the model with one bit of its weights flipped: each is refused."""
    return _harness("bit flips", wanted, until)


def truncation(wanted: int, until: float) -> dict[str, Any]:
    """Open the model cut to a length (0 or `EVERY` for each one): each is refused."""
    return _harness("truncation", wanted or EVERY, until)
