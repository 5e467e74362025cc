"""Short memory: with less and less of it, each command does its work or says that there is not enough of it.

A command runs in a forked process whose address space may grow by a random number of bytes, from nothing to what it
needs. No intact file may be called damaged, nothing may end with a traceback, and the model and the unfinished
training stay whole.

`python -m tests.soak.memory WANTED SECONDS FOLDER` is the warm process that they are forked from; it writes ANSWER.
"""

from __future__ import annotations

import json
import math
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import soundfile
import torch

from distill_core import DistillError, PriorEpochMetrics, load_model_v2, train_prior
from distill_core.cli import main
from distill_core.training.kinds import prior_runs
from tests.soak.result import Result, not_run
from tests.soak.subject import write_model

NAME = "short memory"
ROOT = Path(__file__).parents[2]
SEED = 20_261_126
_MOST_CONTROL_TRIALS = 100
_KEPT_VIOLATIONS = 50
_HUNG_SECONDS, _CONTROL_SECONDS = 120.0, 600.0
_WEEK_SECONDS = 7 * 24 * 3600.0  # "without end" is more than a process can be waited for
_ANSWER = "answer.json"
# What is let go of goes back to the system, so that the next piece has to be asked for. OpenMP, which ends a process
# in which it can start no thread, starts none. A process forked after torch used its threads would hang, too.
_ENVIRONMENT = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536", "MALLOC_TOP_PAD_": "0"}
_ENVIRONMENT |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
_TRACEBACK = 99
_MODEL, _NEW, _SOUNDS = "model.distill", "new.distill", "sounds"
_SETTINGS: dict[str, Any] = {"max_epochs": 2, "hidden_size": 256, "num_layers": 2, "num_heads": 2, "variants": 0}
_FLAGS = ["--epochs", "2", "--hidden-size", "256", "--layers", "2", "--heads", "2", "--variants", "0"]
_CODEC_FLAGS = ["--epochs", "1", "--codebook-size", "16", "--levels", "1", "--no-augment"]
# What each command is, and which folder it finds: one with an unfinished training, with a version before, or neither.
COMMANDS: dict[str, tuple[list[str], str]] = {
    "inspect": (["inspect", _MODEL], "fresh"),
    "inspect --verify": (["inspect", _MODEL, "--verify"], "fresh"),
    "train-prior": (["train-prior", _MODEL, _SOUNDS, *_FLAGS, "--no-cache"], "fresh"),
    "train-prior --resume": (["train-prior", _MODEL, _SOUNDS, "--resume", "--no-cache"], "unfinished"),
    "train-prior --use-best": (["train-prior", _MODEL, _SOUNDS, "--use-best", "--save-worse"], "unfinished"),
    "train": (["train", _SOUNDS, "--output", _NEW, *_CODEC_FLAGS], "fresh"),
    "restore": (["restore", _MODEL], "saved"),
    "runs": (["runs"], "unfinished"),
}
# Who asks whether an exception is one of too little memory.
_USERS = (
    "memory",
    "files.archive",
    "files.archive_writer",
    "training.run_folder.checks",
    "training.batch_parts",
    "audio.decoding.samples",
    "audio.decoding.sound",
    "cli.terminal",
)
_MEMORY_CODES = (3, 4)  # the second where it struck a save
_WRONG_WORDS = ("damaged", "Traceback", "went wrong inside")
Words = tuple[int, str]  # an exit code, or a signal's number below 0, and all that was said


def _kilobytes(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


def _exit_code_of(work: Callable[[], object]) -> int:
    try:
        work()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:  # noqa: BLE001 - whatever a person would see as a traceback
        traceback.print_exc()
        return _TRACEBACK
    return 0


def _become(folder: Path, budget: int | None) -> None:
    """Take a folder for everything, give the streams to a file in it, and be allowed so many more bytes."""
    import resource

    os.environ.update({f"XDG_{kind}_HOME": str(folder / kind.lower()) for kind in ("CACHE", "DATA", "STATE")})
    os.chdir(folder)
    told = os.open("told", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for stream in (1, 2):
        os.dup2(told, stream)
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})  # training takes a thread a core
    signal.alarm(int(_HUNG_SECONDS))
    if budget is not None:
        limit = 1024 * _kilobytes("VmSize") + budget
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def _in_fork(folder: Path, work: Callable[[], object], budget: int | None = None) -> Words:
    """Do some work in a forked process and return how it ended."""
    sys.stdout.flush()
    process = os.fork()
    if process == 0:
        code = _TRACEBACK
        try:
            _become(folder, budget)
            code = _exit_code_of(work)
            sys.stdout.flush()
        finally:
            os._exit(code)
    code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    return code, (folder / "told").read_text(errors="replace")


def _command(name: str) -> None:
    sys.argv = ["distill", *COMMANDS[name][0]]
    main()


def _train_one_epoch() -> None:
    has_epoch: list[object] = []

    def listen(event: object) -> None:
        has_epoch.extend([event] if isinstance(event, PriorEpochMetrics) else [])

    folder = prior_runs(_MODEL)
    train_prior(_MODEL, _SOUNDS, _SETTINGS, on_event=listen, should_stop=lambda: bool(has_epoch), run_folder=folder)


def judge(words: Words) -> list[str]:
    """Return what a person should not have seen of a command that there was too little memory for."""
    code, told = words
    last = next((line for line in told.splitlines()[::-1] if line.strip() and "/" not in line), "nothing")[:200]
    if found := [wrong for wrong in _WRONG_WORDS if wrong in told]:
        return [f"said “{found[0]}” and ended with {code}: {last}"]
    if code == 0 or (code in _MEMORY_CODES and "not enough memory" in told):
        return []
    return [f"ended with {code} and said nothing of memory: {last}"]


class Trials:
    """A model, sounds and an unfinished training in a folder that is put back before each trial."""

    def __init__(self, folder: Path) -> None:
        self.now, self._kept = folder / "now", folder / "kept"
        (self.now / _SOUNDS).mkdir(parents=True)
        write_model(self.now / _MODEL)
        for number in range(3):
            self._write_sound(number)
        self._warm_up()
        write_model(self.now / _MODEL)
        for made in (f"{_MODEL}.bak", _NEW):
            (self.now / made).unlink(missing_ok=True)
        shutil.copytree(self.now, self._kept / "fresh")
        shutil.copytree(self.now, self._kept / "saved")
        shutil.copy(self.now / _MODEL, self._kept / "saved" / f"{_MODEL}.bak")
        _in_fork(self.now, _train_one_epoch)
        shutil.copytree(self.now, self._kept / "unfinished")
        self.needed = {name: self._needed(name) for name in COMMANDS}

    def _write_sound(self, number: int) -> None:
        seconds_T = np.arange(24_000 * (number + 1)) / 48_000
        tone_T = 0.4 * np.sin(2 * np.pi * 220 * (number + 1) * seconds_T * (1 + 0.1 * np.sin(5 * seconds_T)))
        soundfile.write(self.now / _SOUNDS / f"{number}.wav", tone_T.astype(np.float32), 48_000)

    def put(self, name: str) -> None:
        """Set the folder back to what a command finds."""
        shutil.rmtree(self.now)
        shutil.copytree(self._kept / COMMANDS[name][1], self.now)

    def _warm_up(self) -> None:
        """Run commands in this very process: then what they import late is imported in all forks of it."""
        _become(self.now, None)
        for name in ("train-prior", "train", "inspect --verify"):
            if _exit_code_of(lambda name=name: _command(name)):
                raise RuntimeError(f"{name} with all the memory there is: {(self.now / 'told').read_text()}")
        signal.alarm(0)

    def _needed(self, name: str) -> int:
        """Return by how many bytes a command's address space grows."""
        self.put(name)

        def work() -> None:
            before = _kilobytes("VmSize")
            _exit_code_of(lambda: _command(name))
            (self.now / "grown").write_text(str(1024 * (_kilobytes("VmPeak") - before)))

        _in_fork(self.now, work)
        return int((self.now / "grown").read_text())

    def strike(self, name: str, budget: int) -> tuple[int, list[str]]:
        """Let a command run with a budget; return its exit code and what is wrong afterwards."""
        self.put(name)
        words = _in_fork(self.now, lambda: _command(name), budget)
        wrong = judge(words)
        try:
            load_model_v2(self.now / _MODEL)
        except DistillError as error:
            wrong.append(f"left a model that does not open: {error}")
        if words[0] and COMMANDS[name][1] == "unfinished" and not list(self.now.rglob("*.distill-run")):
            wrong.append("lost the unfinished training")
        return words[0], [f"{name} with {budget / 1e6:.1f} MB {sentence}" for sentence in wrong]


class Tally:
    """What the trials did: how many, how each ended, and every one that was not as it must be."""

    def __init__(self, trials: Trials) -> None:
        self.done, self.short, self.violations = 0, 0, list[str]()
        self._trials, self._random = trials, random.Random(SEED)

    def run(self, wanted: int, until: float, enough: int) -> None:
        """Strike one command after the other until so many are done, or wrong, or the time is over."""
        names = list(COMMANDS)
        while self.done < wanted and len(self.violations) < enough and (not self.done or time.monotonic() < until):
            name = names[self.done % len(names)]
            # As many with next to nothing as with barely enough.
            budget = int(self._trials.needed[name] * 1.1 * self._random.random() ** self._random.choice((1, 4)))
            code, wrong = self._trials.strike(name, budget)
            self.done += 1
            self.short += code != 0
            self.violations += wrong


def _control(trials: Trials) -> list[str]:
    """Return what the harness sees where no exception counts as one of too little memory."""
    tally = Tally(trials)
    with ExitStack() as stack:
        for user in _USERS:
            stack.enter_context(patch(f"distill_core.{user}.is_short_of_memory", return_value=False))
        tally.run(_MOST_CONTROL_TRIALS, math.inf, enough=1)
    return tally.violations


def run(wanted: int, seconds: float, folder: Path) -> dict[str, Any]:
    """Do what is wanted until the time is over, after the control."""
    trials = Trials(folder)
    control, tally = _control(trials), Tally(trials)
    tally.run(wanted, time.monotonic() + seconds, _KEPT_VIOLATIONS)
    return {"done": tally.done, "short": tally.short, "violations": tally.violations, "control": control}


def short_memory(wanted: int, until: float) -> Result:
    """Let commands run with too little memory, `wanted` times or until the time is over."""
    start = time.monotonic()
    if sys.platform != "linux":
        return not_run(NAME, wanted, "Only Linux keeps a process to an amount of memory")
    seconds = min(max(0.0, until - start), _WEEK_SECONDS)
    with tempfile.TemporaryDirectory(prefix="distill-memory-") as folder:
        command = [sys.executable, "-m", "tests.soak.memory", str(wanted), str(seconds), folder]
        ended = subprocess.run(
            command,
            cwd=ROOT,
            env=os.environ | _ENVIRONMENT | {"PYTHONPATH": str(ROOT)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            timeout=seconds + _CONTROL_SECONDS + _HUNG_SECONDS,
        )
        if ended.returncode:
            told = Path(folder, "now", "told")
            said = told.read_text(errors="replace") if told.exists() else ended.stderr
            raise RuntimeError(f"the warm process ended with {ended.returncode}: {said[-300:]}")
        answer = json.loads(Path(folder, _ANSWER).read_text())
    facts = [f"{answer['short']} of {answer['done']} commands had too little memory and said so."]
    facts += [f"Control. Without telling short memory from damage: {sentence}" for sentence in answer["control"]]
    seconds = time.monotonic() - start
    return Result(NAME, wanted, answer["done"], answer["violations"], bool(answer["control"]), None, seconds, facts)


if __name__ == "__main__":
    torch.set_num_threads(1)
    place = Path(sys.argv[3]).resolve()
    Path(place, _ANSWER).write_text(json.dumps(run(int(sys.argv[1]), float(sys.argv[2]), place)))
