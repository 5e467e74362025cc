"""The longest run: one process does the whole job over and over, and nothing of it may stay behind.

A round scans new sounds, trains a codec and a prior, stops at a random moment, goes on, saves or gives up, makes a
take and audits the prior. After a few rounds descriptors, threads, child processes, temporary files and run folders are
as many as before, the cache keeps to its limit, and memory does not grow from round to round.

`python -m tests.soak.rounds ROUNDS SECONDS FOLDER [leaking]` is that process; it writes ANSWER into the folder.
"""

from __future__ import annotations

import ctypes
import gc
import json
import math
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from statistics import linear_regression, median
from typing import Any
from unittest.mock import patch

import numpy as np
import soundfile
import torch

from distill_core import DistillError, GenerateRequest, load_model_v2, scan, train_prior
from distill_core.audit.audit import audit
from distill_core.audit.record import AuditSettings
from distill_core.folders import cache_folder, run_folders
from distill_core.generation.generate import generate_takes
from distill_core.training.codec.train import train_codec
from distill_core.training.data import code_cache
from distill_core.training.events import StepMetrics
from distill_core.training.kinds import codec_runs, prior_runs
from distill_core.training.prior.saving import save_and_finish
from tests.soak.result import Result, not_run

NAME = "the whole job over and over"
ROOT, ANSWER = Path(__file__).parents[2], "answer.json"
SEED, WARM_UP = 20_261_204, 3
_LEAST_ROUNDS, _FULL_SECONDS, _GRACE_SECONDS = WARM_UP + 3, 30 * 60.0, 600.0
_CACHE_BYTES = 200_000
# Of growing memory: bytes in all that a few rounds differ by, and bytes a leak takes at least in each round.
_NOISE_BYTES, _LEAKED_BYTES = 24 * 2**20, 16 * 2**20
_CODEC: dict[str, Any] = {"max_epochs": 3, "codebook_size": 8, "num_quantizers": 2, "components": 8}
_CODEC |= {"refiner_width": 8, "refiner_depth": 1}
_PRIOR: dict[str, Any] = {"hidden_size": 32, "num_layers": 1, "num_heads": 2, "max_epochs": 3, "patience": 0}
_PRIOR |= {"variants": 1}
_ENVIRONMENT = {"MALLOC_ARENA_MAX": "1", "MALLOC_TRIM_THRESHOLD_": "65536", "OMP_NUM_THREADS": "1"}
Counts = dict[str, int]


def _children() -> int:
    tasks = Path("/proc/self/task").iterdir()
    return sum(len((task / "children").read_text().split()) for task in tasks)


def _bytes_below(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _memory_bytes() -> int:
    """Return the memory in use, once what was let go of has gone back to the system."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("RssAnon:"))


def _counts(folder: Path) -> Counts:
    """Return what there is of each thing that may stay behind."""
    memory = _memory_bytes()
    is_temporary = [path.name.endswith(".tmp") or path.parent == folder / "tmp" for path in folder.rglob("*")]
    return {
        "bytes of memory": memory,
        "descriptors": len(os.listdir("/proc/self/fd")),
        "threads": len(os.listdir("/proc/self/task")),
        "child processes": _children(),
        "temporary files": sum(is_temporary),
        "run folders": len([*run_folders().iterdir()]) if run_folders().is_dir() else 0,
        "bytes of cache": _bytes_below(cache_folder() / "codes"),
    }


class _StopAfter:
    """A listener and the wish to stop after so many optimizer steps."""

    def __init__(self, steps: float) -> None:
        self._left = steps

    def on_event(self, event: object) -> None:
        """Count optimizer steps."""
        self._left -= isinstance(event, StepMetrics)

    def should_stop(self) -> bool:
        """Tell whether there were so many."""
        return self._left <= 0

    def both(self) -> dict[str, Any]:
        """Return the two callables as an engine's arguments."""
        return {"on_event": self.on_event, "should_stop": self.should_stop}


class Rounds:
    """The whole job, each time on new sounds, in one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._chance = folder, random.Random(SEED)
        self.done, self.violations = 0, list[str]()

    def _write_sounds(self, sounds: Path) -> None:
        shutil.rmtree(sounds, ignore_errors=True)
        sounds.mkdir()
        for number in range(5):
            seconds_T = np.arange(24_000) / 48_000
            hertz = self._chance.uniform(80, 800)
            tone_T = 0.4 * np.sin(2 * np.pi * hertz * seconds_T * (1 + seconds_T))
            noise_T = np.random.default_rng(self.done * 10 + number).uniform(-0.1, 0.1, len(tone_T))
            name, form = (f"{number}.wav", "WAV") if number % 2 else (f"{number}.flac", "FLAC")
            soundfile.write(sounds / name, tone_T + noise_T, 48_000, format=form)
        (sounds / "damaged.wav").write_bytes(b"RIFF" + self._chance.randbytes(500))
        (sounds / "unknown.m4a").write_bytes(b"\0\0\0\x20ftypM4A " + self._chance.randbytes(500))

    def _make_model(self, sounds: Path, model: Path) -> None:
        """Train a codec, which is stopped in some rounds and goes on, and save it."""
        run_folder, stop = codec_runs(model), _StopAfter(self._chance.choice((math.inf, self._chance.randrange(1, 3))))
        trained = train_codec(sounds, _CODEC, run_folder=run_folder, **stop.both())
        if trained.stopped_early and run_folder.look() is not None:
            trained = train_codec(sounds, run_folder=run_folder, resume=True)
        if trained.model is None:
            trained = train_codec(sounds, _CODEC, run_folder=run_folder)
        trained.save(model)
        run_folder.discard(trained.run_id)

    def _make_prior(self, sounds: Path, model: Path) -> None:
        """Train a prior, which is stopped in some rounds and goes on, or is given up."""
        run_folder, stop = prior_runs(model), _StopAfter(self._chance.choice((math.inf, self._chance.randrange(1, 12))))
        settings = _PRIOR | {"architecture": self._chance.choice(("frames", "flat"))}
        trained = train_prior(model, sounds, settings, run_folder=run_folder, **stop.both())
        if trained.stopped_early and run_folder.look() is not None:
            if self._chance.random() < 0.3:
                run_folder.discard()
            else:
                trained = train_prior(model, sounds, run_folder=run_folder, resume=True)
        if trained.prior is None or not run_folder.has(trained.run_id):
            trained = train_prior(model, sounds, settings, run_folder=run_folder)
        save_and_finish(trained, model, run_folder=run_folder)

    def _use(self, sounds: Path, model: Path) -> None:
        loaded = load_model_v2(model)
        for _ in generate_takes(loaded, GenerateRequest(seconds=0.5, seed=self.done, count=2)):
            pass
        audit(loaded, scan(sounds), AuditSettings(samples=8))

    def round(self) -> None:
        """Do the whole job once."""
        sounds, model = self._folder / "sounds", self._folder / "model.distill"
        self._write_sounds(sounds)
        for path in self._folder.glob("model.distill*"):
            path.unlink()
        try:
            self._make_model(sounds, model)
            self._make_prior(sounds, model)
            self._use(sounds, model)
        except DistillError as error:
            self.violations.append(f"round {self.done}: {error.message} {error.hint}")
        self.done += 1


_kept: list[object] = []


def _leak(folder: Path) -> None:
    """Leave one of each thing behind, as the control does."""
    _kept.append(np.ones(_LEAKED_BYTES // 8))
    _kept.append(os.open(folder, os.O_RDONLY))
    thread = threading.Thread(target=time.sleep, args=(3600,), daemon=True)
    thread.start()
    _kept.append(subprocess.Popen(["sleep", "3600"], stdin=subprocess.DEVNULL))
    tempfile.mkstemp(dir=folder / "tmp")
    left = run_folders() / f"left-{len(_kept)}"
    left.mkdir(parents=True)
    (left / "run.distill-run").write_bytes(b"unreadable")
    _kept.append(thread)
    (cache_folder() / "codes").mkdir(parents=True, exist_ok=True)
    (cache_folder() / "codes" / f"left-{len(_kept)}").write_bytes(bytes(2 * _CACHE_BYTES))


def _do_nothing(folder: Path) -> None:
    pass


def _growing(name: str, values: Sequence[int]) -> str:
    """Return a sentence about a number that grew after the first rounds, "" if it did not."""
    half = len(values) // 2
    if name == "bytes of cache":
        grew = max(values) > _CACHE_BYTES + 4096
    elif name == "bytes of memory":
        slope = linear_regression(range(len(values)), values).slope
        grew = slope * len(values) > _NOISE_BYTES and median(values[half:]) > median(values[:half])
    else:
        grew = min(values[half:]) > min(values[:half])
    return f"{name}: {values[0]:,} after {WARM_UP} rounds, {values[-1]:,} in the end" if grew else ""


def judge(counts: Sequence[Counts]) -> list[str]:
    """Return what stayed behind, by the counts after each round; the first rounds count for nothing."""
    after = counts[WARM_UP:]
    return [sentence for name in after[0] if (sentence := _growing(name, [each[name] for each in after]))]


@contextmanager
def _small_cache() -> Iterator[None]:
    with patch.object(code_cache, "CodeCache", partial(code_cache.CodeCache, max_bytes=_CACHE_BYTES)):
        yield


def run(wanted: int, seconds: float, folder: Path, leak: Callable[[Path], None]) -> dict[str, Any]:
    """Do rounds until there are enough, but at least a few, or until the time is over."""
    rounds, counts, until = Rounds(folder), list[Counts](), time.monotonic() + seconds
    with _small_cache():
        while rounds.done < _LEAST_ROUNDS or (rounds.done < wanted and time.monotonic() < until):
            rounds.round()
            leak(folder)
            counts.append(_counts(folder))
    return {
        "done": rounds.done,
        "violations": rounds.violations + judge(counts),
        "first": counts[WARM_UP],
        "last": counts[-1],
    }


def _process(wanted: int, seconds: float, *leaking: str) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="distill-rounds-") as name:
        folder = Path(name)
        (folder / "tmp").mkdir()
        own = {f"XDG_{kind}_HOME": str(folder / kind.lower()) for kind in ("CACHE", "DATA", "STATE")}
        own |= {"TMPDIR": str(folder / "tmp"), "XDG_RUNTIME_DIR": str(folder / "cache"), "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-m", "tests.soak.rounds", str(wanted), str(seconds), name, *leaking]
        streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
        environment = os.environ | own | _ENVIRONMENT
        limit = seconds + _GRACE_SECONDS
        ended = subprocess.run(command, cwd=ROOT, env=environment, text=True, timeout=limit, **streams)
        if ended.returncode:
            raise RuntimeError(f"the rounds ended with {ended.returncode}: {ended.stderr[-500:]}")
        answer: dict[str, Any] = json.loads((folder / ANSWER).read_text())
        return answer


def whole_jobs(wanted: int, until: float) -> Result:
    """Do the whole job `wanted` times, 0: for half an hour; the control leaves one of each thing behind in a round."""
    start = time.monotonic()
    if sys.platform != "linux":
        return not_run(NAME, wanted, "Only Linux tells what a process has open")
    control = _process(_LEAST_ROUNDS, 0.0, "leaking")
    seconds = max(0.0, min(_FULL_SECONDS, until - time.monotonic()))
    answer = _process(wanted or sys.maxsize, seconds)
    facts = [
        f"{name.capitalize()}: {answer['first'][name]:,}, then {answer['last'][name]:,}." for name in answer["first"]
    ]
    facts += [f"Control. {sentence}." for sentence in control["violations"]]
    saw_each = all(any(name in sentence for sentence in control["violations"]) for name in control["first"])
    seconds = time.monotonic() - start
    return Result(NAME, wanted, answer["done"], answer["violations"], saw_each, None, seconds, facts)


if __name__ == "__main__":
    torch.set_num_threads(1)
    place, is_leaking = Path(sys.argv[3]), len(sys.argv) > 4
    answer = run(int(sys.argv[1]), float(sys.argv[2]), place, _leak if is_leaking else _do_nothing)
    (place / ANSWER).write_text(json.dumps(answer))
    for each in _kept:
        if isinstance(each, subprocess.Popen):
            each.kill()
