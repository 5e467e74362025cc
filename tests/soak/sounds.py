"""Strange sounds, scanned in a warm process: each is used or skipped with a reason, and none ends the process.

There are mutated ones, awkward ones that are generated, and foreign ones: the test data of mutagen's source package,
which is fetched here, known by its hash, and kept nowhere.
"""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.soak.result import Result, not_run
from tests.soak.sound_door import ANSWER, AWKWARD, FOREIGN, NOW, Tally

ROOT = Path(__file__).parents[2]
PACKAGE = "mutagen==1.48.1 --hash=sha256:8f95637ab9f6f305cec6bd1294e197debe207998e3e068596563c74f86b0a173\n"
_MEMORY = Path("/dev/shm")
_MOST_CONTROL_SOUNDS = 400
_GRACE_SECONDS, _CONTROL_SECONDS, _WEEK_SECONDS, _FETCH_SECONDS = 240.0, 300.0, 7 * 24 * 3600.0, 120.0


def _process(sounds: str, first: int, wanted: int, seconds: float, folder: Path) -> Tally:
    """Run one warm process; one that dies or hangs is a violation of the sound that it was reading."""
    for name in (ANSWER, NOW):
        (folder / name).unlink(missing_ok=True)
    command = [sys.executable, "-m", "tests.soak.sound_door", sounds, *map(str, (first, wanted, seconds, folder))]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    streams = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    try:
        ended = subprocess.run(command, cwd=ROOT, env=environment, timeout=seconds + _GRACE_SECONDS, **streams)
    except subprocess.TimeoutExpired:
        return _dead(folder, first, "it hung")
    if ended.returncode == 0:
        return Tally(**json.loads((folder / ANSWER).read_text()))
    died = signal.Signals(-ended.returncode).name if ended.returncode < 0 else f"exit code {ended.returncode}"
    return _dead(folder, first, f"the process ended: {died}")


def _dead(folder: Path, first: int, sentence: str) -> Tally:
    if not (folder / NOW).exists():
        raise RuntimeError(f"the warm process did not begin: {sentence}")
    number, used, name = (folder / NOW).read_text().strip().split("\n", 2)
    return Tally(int(number) + 1 - first, int(used), [f"{name}: {sentence}"])


def _is_of_memory(violation: str) -> bool:
    return any(words in violation for words in ("MemoryError", "Unable to allocate", "too big", " MB"))


def _scan_all(sounds: str, wanted: int, until: float, folder: Path) -> Tally:
    """Scan in one process after the other: a sound that ends one keeps none of the others from being tried.

    The sounds are all scanned when a process finds none.
    """
    tally = Tally()
    while tally.done < wanted and (not tally.done or time.monotonic() < until):
        seconds = min(max(0.0, until - time.monotonic()), _WEEK_SECONDS)
        found = _process(sounds, tally.done, wanted, seconds, folder)
        if not found.done:
            break
        tally.add(found)
    return tally


def _nothing(folder: Path) -> str:
    return ""


def _harness(name: str, sounds: str, wanted: int, until: float, prepare: Callable[[Path], str] = _nothing) -> Result:
    start = time.monotonic()
    if importlib.util.find_spec("resource") is None:
        return not_run(name, wanted, "This system does not tell a process's memory")
    memory = _MEMORY if os.access(_MEMORY, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="distill-sounds-", dir=memory) as folder:
        if reason := prepare(Path(folder)):
            return not_run(name, wanted, reason)
        believing = _process(f"{sounds}, believed", 0, _MOST_CONTROL_SOUNDS, _CONTROL_SECONDS, Path(folder))
        tally = _scan_all(sounds, wanted, until, Path(folder))
    control = [violation for violation in believing.violations if _is_of_memory(violation)]
    facts = [
        f"{tally.used} of them were used, the others skipped with a reason.",
        f"The slowest took {tally.slowest_seconds:.2f} s of the processor.",
        f"The process, or ffmpeg, took {tally.largest_bytes / 1e6:.0f} MB at most.",
        *(f"Control. A decoder that believes the header: {sentence}." for sentence in control[:3]),
    ]
    seconds = time.monotonic() - start
    return Result(name, wanted, tally.done, tally.violations, bool(control), None, seconds, facts)


def mutated_sounds(wanted: int, until: float) -> Result:
    """Scan `wanted` mutated sounds; the control takes the memory that each header asks for."""
    return _harness("mutated sounds", "mutated", wanted, until)


def awkward_sounds(wanted: int, until: float) -> Result:
    """Scan `wanted` awkward sounds, and train on them; the control takes the memory that each header asks for."""
    return _harness("awkward sounds", "awkward", min(wanted, AWKWARD), until)


def _fetch(folder: Path) -> str:
    """Unpack the foreign files into a folder and return "", or the reason why there are none."""
    (folder / "wanted.txt").write_text(PACKAGE)
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:"]
    command += ["--no-build-isolation", "--require-hashes", "--dest", str(folder), "-r", str(folder / "wanted.txt")]
    try:
        fetched = subprocess.run(command, cwd=folder, capture_output=True, timeout=_FETCH_SECONDS)
    except subprocess.TimeoutExpired:
        return "mutagen's source package could not be fetched in time"
    if fetched.returncode:
        return "mutagen's source package could not be fetched; is this computer offline?"
    (folder / FOREIGN).mkdir()
    (archive,) = folder.glob("*.tar.gz")
    with tarfile.open(archive) as packed:
        for member in packed.getmembers():
            content = packed.extractfile(member) if "/tests/data/" in member.name else None
            if content is not None:
                (folder / FOREIGN / Path(member.name).name).write_bytes(content.read())
    return ""


def foreign_sounds(wanted: int, until: float) -> Result:
    """Scan `wanted` files of mutagen's test data; the control takes the memory that each header asks for."""
    return _harness("foreign sounds", "foreign", wanted, until, _fetch)
