"""kill −9 at random moments of whole trainings, which then go on until they are killed again, or end.

Four trainings in turn: of a prior for either codec, each of another architecture, and of either codec. A training
that goes on goes on from the last epoch that was told, and ends in the weights of one that nobody killed.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from distill_core import DistillError, load_model_v2
from tests import warm_python
from tests.soak.result import Result, not_run
from tests.soak.subject import write_model

NAME = "kills during training"
PROGRAM, ROOT = "tests.soak.training_program", Path(__file__).parents[2]
_PLACES = ("model.distill", "sounds")  # in the folder of a training
_SEED, _HUNG_S, _MOST_KILLS, _MOST_CONTROL_TRAININGS = 20_261_202, 120.0, 8, 6
_KEPT_VIOLATIONS = 50
_KILLS_OF_CONTROLS = {"without moments": 2, "in place": 8}
_TEMPORARY, _STATES = ".tmp", (".distill-run", ".distill-run.bak")
_NOTHING_TO_GO_ON_WITH = "There is no unfinished training"
_TIMES = ("time", "seconds", "date", "created", "run_id", "_s")  # of facts that no two trainings share


@dataclass(frozen=True, slots=True)
class Training:
    """A training by its name, the model that it finds, if any, and its arguments: afresh, and when it goes on."""

    name: str
    model: str
    afresh: tuple[str, ...]
    going_on: tuple[str, ...]


def _of_prior(name: str, model: str, *settings: str) -> Training:
    given = ("train-prior", "model.distill", "sounds", "--json", "--no-audit")
    sizes = ("--hidden-size", "32", "--layers", "1", "--heads", "2", "--epochs", "6", "--patience", "0")
    return Training(name, model, (*given, *sizes, *settings), (*given, "--resume"))


def _of_codec(name: str, *settings: str) -> Training:
    given = ("train", "sounds", "--output", "model.distill", "--json")
    sizes = ("--codebook-size", "8", "--levels", "2", "--patience", "0")
    return Training(name, "", (*given, *sizes, *settings), (*given, "--resume"))


KLT_CODEC = _of_codec(
    "a klt codec", "--epochs", "8", "--components", "8", "--refiner-width", "8", "--refiner-depth", "1"
)
TRAININGS = (
    _of_prior("a frames prior", "klt.distill", "--architecture", "frames", "--variants", "2"),
    KLT_CODEC,
    _of_prior("a flat prior", "v2.distill", "--architecture", "flat"),
    _of_codec("a v2 codec", "--architecture", "v2", "--epochs", "3", "--codebook-dim", "8", "--augmentation", "2"),
)


@dataclass(slots=True)
class _Process:
    """A training's process: what it told, and how it ended; `code` is None if it was killed."""

    events: list[dict[str, Any]] = field(default_factory=list)
    code: int | None = None

    @property
    def message(self) -> str:
        """The message of the error that it ended with."""
        return next((str(event["message"]) for event in self.events if event["event"] == "error"), "")

    def named(self, name: str) -> list[dict[str, Any]]:
        """Return the events of a name."""
        return [event for event in self.events if event["event"] == name]

    @property
    def last_epoch(self) -> int:
        """The last epoch that it told, 0 for none."""
        return max((int(event["epoch"]) for event in self.named("epoch")), default=0)

    @property
    def losses(self) -> list[float]:
        """The held-out loss of each epoch, of those before it went on, too."""
        before = [each for start in self.named("start") for each in start["history"]]
        return [float(each["val_loss"]) for each in (*before, *self.named("epoch"))]

    @property
    def first_epoch(self) -> int | None:
        """The epoch that it went on from, None if it did not come so far."""
        starts = self.named("start")
        return None if not starts else max((each["epoch"] for each in starts[0]["history"]), default=0)


def _listen(process: subprocess.Popen[str], told: _Process) -> None:
    if process.stdout is not None:
        for line in process.stdout:
            if line.endswith("\n"):  # no piece of one within which it was killed
                told.events.append(json.loads(line))


def _environment(folder: Path) -> dict[str, str]:
    own = {f"XDG_{kind}_HOME": str(folder / kind.lower()) for kind in ("CACHE", "DATA", "STATE")}
    return os.environ | own | {"XDG_RUNTIME_DIR": str(folder / "cache"), "OMP_NUM_THREADS": "1", "TERM": "dumb"}


def _run(folder: Path, way: str, arguments: tuple[str, ...], kill_after_s: float | None) -> _Process:
    """Run a training until it ends, or kill it after so many seconds."""
    given = [str(folder / each) if each in _PLACES else each for each in arguments]
    command = [*warm_python.warm_python(), "-m", PROGRAM, way, *given]
    streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    told = _Process()
    with subprocess.Popen(command, cwd=ROOT, env=_environment(folder), text=True, **streams) as process:
        listener = threading.Thread(target=_listen, args=(process, told))
        listener.start()
        try:
            told.code = process.wait(_HUNG_S if kill_after_s is None else kill_after_s)
        except subprocess.TimeoutExpired:
            process.kill()
        listener.join(_HUNG_S)  # the process itself has the other end of the pipe until it has ended
    return told


def _without_times(values: Any) -> Any:
    if isinstance(values, Mapping):
        return {key: _without_times(value) for key, value in values.items() if not str(key).endswith(_TIMES)}
    return [_without_times(value) for value in values] if isinstance(values, list | tuple) else values


def _digest(model: Path) -> str:
    """Return a digest of a model's weights, its prior's, and the history of the prior's or codec's training."""
    loaded, digest = load_model_v2(model), hashlib.sha256()
    for network in (loaded.model, *([] if loaded.prior is None else [loaded.prior])):
        for name, value in network.state_dict().items():
            digest.update(name.encode() + value.contiguous().numpy().tobytes())
    digest.update(repr(_without_times(loaded.prior_metadata or {})).encode())
    return digest.hexdigest()


@dataclass(frozen=True, slots=True)
class Whole:
    """What a training comes to that nobody kills: its model's digest, the loss of each epoch, and its seconds."""

    digest: str
    losses: list[float]
    seconds: float


class Bench:
    """A folder with sounds and models, in which a training is killed over and over."""

    def __init__(self, folder: Path, way: str = "whole") -> None:
        self.kept, self.now, self._way = folder / "kept", folder / "now", way
        (self.kept / "sounds").mkdir(parents=True)
        write_model(self.kept / "v2.distill")
        for number in range(6):
            seconds_T = np.arange(24_000) / 48_000
            tone_T = 0.4 * np.sin(2 * np.pi * 110 * (number + 1) * seconds_T * (1 + seconds_T))
            noise_T = np.random.default_rng(number).uniform(-0.1, 0.1, len(tone_T))
            soundfile.write(self.kept / "sounds" / f"{number}.wav", tone_T + noise_T, 48_000)
        self._wholes: dict[str, Whole] = {}
        self.put(KLT_CODEC)
        _run(self.now, "whole", ("runs", "--json"), None)  # starts the warm process, which takes some seconds
        self.whole(KLT_CODEC)
        shutil.copy(self.now / "model.distill", self.kept / "klt.distill")

    def put(self, training: Training) -> None:
        """Set the folder back to what a training finds."""
        shutil.rmtree(self.now, ignore_errors=True)
        shutil.copytree(self.kept / "sounds", self.now / "sounds")
        if training.model:
            shutil.copy(self.kept / training.model, self.now / "model.distill")

    def whole(self, training: Training) -> Whole:
        """Return what a training comes to that nobody kills."""
        if training.name not in self._wholes:
            self.put(training)
            started = time.monotonic()
            process = _run(self.now, "whole", training.afresh, None)
            if process.code:
                raise RuntimeError(f"{training.name} ended with {process.code}: {process.message}")
            seconds = time.monotonic() - started
            self._wholes[training.name] = Whole(_digest(self.now / "model.distill"), process.losses, seconds)
        return self._wholes[training.name]

    def has_saved(self, training: Training) -> bool:
        """Tell whether the model has what the training makes."""
        try:
            return _digest(self.now / "model.distill") == self.whole(training).digest
        except (DistillError, OSError):
            return False

    def left(self, *suffixes: str) -> set[str]:
        """Return the names of the files with one of some suffixes, outside the cache, which removes its own by age."""
        names = (path.relative_to(self.now) for path in self.now.rglob("*") if path.name.endswith(suffixes))
        return {path.name for path in names if path.parts[0] != "cache"}


class KilledTraining:
    """One training that is killed at random moments until it has ended."""

    def __init__(self, bench: Bench, training: Training, chance: random.Random) -> None:
        self._bench, self._training, self._chance = bench, training, chance
        self.kills, self.afresh, self.violations = 0, 0, list[str]()
        self._told, self._temporaries = 0, set[str]()

    def _violate(self, sentence: str) -> None:
        self.violations.append(f"{self._training.name}, after {self.kills} kills: {sentence}")

    def run(self, way: str, most_kills: int) -> None:
        """Kill it at most so many times, and judge its end."""
        whole = self._bench.whole(self._training)
        self._bench.put(self._training)
        arguments = self._training.afresh
        while True:
            moment = self._chance.uniform(0, whole.seconds) if self.kills < most_kills else None
            process = _run(self._bench.now, way, arguments, moment)
            self._judge_start(process, is_going_on=arguments is self._training.going_on)
            if self.violations:
                return
            if process.code is None:
                self.kills += 1
                self._told = max(self._told, process.last_epoch)
                arguments = self._training.going_on
            elif process.code == 0:
                return self._judge_end(process.losses)
            elif self._bench.has_saved(self._training):  # it was killed after its save
                return None
            elif _NOTHING_TO_GO_ON_WITH in process.message and not self._told:
                arguments, self.afresh = self._training.afresh, self.afresh + 1
            else:
                return self._violate(f"ended with {process.code} after epoch {self._told} was told: {process.message}")

    def _judge_start(self, process: _Process, is_going_on: bool) -> None:
        if process.named("older_state_taken"):
            self._violate("its last state was damaged or missing")
        if is_going_on and process.first_epoch is not None and process.first_epoch < self._told:
            self._violate(f"epoch {self._told} was told, and it went on from epoch {process.first_epoch}")

        temporaries = self._bench.left(_TEMPORARY)
        if process.last_epoch and (stale := temporaries & self._temporaries):
            self._violate(f"the next start left {', '.join(stale)}")
        self._temporaries = temporaries

    def _judge_end(self, losses: list[float]) -> None:
        if losses != self._bench.whole(self._training).losses:
            self._violate("its epochs had other losses than those of one that nobody killed")
        if not self._bench.has_saved(self._training):
            self._violate("it ended in other weights than one that nobody killed")
        if left := self._bench.left(_TEMPORARY, *_STATES):
            self._violate(f"it left {', '.join(left)}")


def _control(bench: Bench, way: str) -> str:
    """Return the first violation of trainings that are killed in a careless program, "" without one."""
    chance = random.Random(_SEED)
    for number in range(_MOST_CONTROL_TRAININGS):
        killed = KilledTraining(bench, TRAININGS[number % 2], chance)
        killed.run(way, _KILLS_OF_CONTROLS[way])
        if killed.violations:
            return killed.violations[0]
    return ""


def kills_during_training(wanted: int, until: float) -> Result:
    """Kill trainings `wanted` times; the controls go on without the optimizer's state, and write states in place."""
    if not warm_python._is_possible():
        return not_run(NAME, wanted, "Processes are forked by a warm one here, which needs Linux")
    start, kills, trainings, afresh, violations = time.monotonic(), 0, 0, 0, list[str]()
    chance = random.Random(_SEED)
    with tempfile.TemporaryDirectory(prefix="distill-trainings-") as name:
        bench = Bench(Path(name))
        try:
            controls = [_control(bench, way) for way in _KILLS_OF_CONTROLS]
            while kills < wanted and len(violations) < _KEPT_VIOLATIONS and (not kills or time.monotonic() < until):
                killed = KilledTraining(bench, TRAININGS[trainings % len(TRAININGS)], chance)
                killed.run("whole", min(_MOST_KILLS, wanted - kills))
                kills, trainings, afresh = kills + killed.kills, trainings + 1, afresh + killed.afresh
                violations += killed.violations
        finally:
            warm_python.stop()
    facts = [f"{trainings} trainings, of which {afresh} were killed before there was anything to go on with."]
    facts += [f"Control. {sentence}." for sentence in controls if sentence]
    seconds = time.monotonic() - start
    return Result(NAME, wanted, kills, violations, all(controls), None, seconds, facts)
