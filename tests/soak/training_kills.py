"""kill −9 at random moments of whole trainings, which then go on until they are killed again, or end.

Four trainings in turn: of a prior for either codec, each of another architecture, and of either codec. A training
that goes on goes on from the last optimizer step that was told, and ends in the weights of one that nobody killed.
"""

from __future__ import annotations

import random
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from distill_core import DistillError
from tests import warm_python
from tests.soak.result import Result, not_run
from tests.soak.subject import write_model
from tests.soak.training_process import Told, digest_of, run_training, write_sounds

NAME = "kills during training"
_PLACES = ("model.distill", "sounds")  # in the folder of a training
_SEED, _MOST_KILLS, _MOST_CONTROL_TRAININGS = 20_261_202, 8, 12
_KEPT_VIOLATIONS = 50
_KILLS_OF_CONTROLS = {"without moments": 5, "epochs anew": 8, "in place": 8}
_NO_STEP = 0, 0
_TEMPORARY, _STATES = ".tmp", (".distill-run", ".distill-run.bak")
_NOTHING_TO_GO_ON_WITH = "There is no unfinished training"


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
    sizes = ("--codebook-size", "8", "--levels", "2", "--patience", "0", "--batch-size", "2")
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
        write_sounds(self.kept / "sounds")
        write_model(self.kept / "v2.distill")
        self._wholes: dict[str, Whole] = {}
        self.put(KLT_CODEC)
        run_training(self.now, "whole", ("runs", "--json"))  # starts the warm process, which takes some seconds
        self.whole(KLT_CODEC)
        shutil.copy(self.now / "model.distill", self.kept / "klt.distill")

    def placed(self, arguments: tuple[str, ...]) -> list[str]:
        """Return arguments with the places of this folder."""
        return [str(self.now / each) if each in _PLACES else each for each in arguments]

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
            process = run_training(self.now, "whole", self.placed(training.afresh))
            if process.code != 0:
                end = "hung" if process.has_hung else f"ended with {process.code}: {process.message}"
                raise RuntimeError(f"{training.name} {end}")
            seconds = time.monotonic() - started
            self._wholes[training.name] = Whole(digest_of(self.now / "model.distill"), process.losses, seconds)
        return self._wholes[training.name]

    def has_saved(self, training: Training) -> bool:
        """Tell whether the model has what the training makes."""
        try:
            return digest_of(self.now / "model.distill") == self.whole(training).digest
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
        self._told, self._told_step, self._temporaries = 0, _NO_STEP, set[str]()

    def _violate(self, sentence: str) -> None:
        self.violations.append(f"{self._training.name}, after {self.kills} kills: {sentence}")

    def run(self, way: str, most_kills: int) -> None:
        """Kill it at most so many times, and judge its end."""
        whole = self._bench.whole(self._training)
        self._bench.put(self._training)
        arguments = self._training.afresh
        while True:
            moment = self._chance.uniform(0, whole.seconds) if self.kills < most_kills else None
            process = run_training(self._bench.now, way, self._bench.placed(arguments), moment)
            self._judge_start(process, is_going_on=arguments is self._training.going_on)
            if process.has_hung:
                self._violate("it hung")
            if self.violations:
                return
            if process.code is None:
                self.kills += 1
                self._told = max(self._told, process.last_epoch)
                self._told_step = max(self._told_step, *process.steps, _NO_STEP)
                arguments = self._training.going_on
            elif process.code == 0:
                return self._judge_end(process.losses)
            elif self._bench.has_saved(self._training):  # it was killed after its save
                return None
            elif _NOTHING_TO_GO_ON_WITH in process.message and self._told_step == _NO_STEP and not self._told:
                arguments, self.afresh = self._training.afresh, self.afresh + 1
            else:
                return self._violate(f"ended with {process.code} after epoch {self._told} was told: {process.message}")

    def _judge_start(self, process: Told, is_going_on: bool) -> None:
        if process.named("older_state_taken"):
            self._violate("its last state was damaged or missing")
        if is_going_on and process.first_epoch is not None and process.first_epoch < self._told:
            self._violate(f"epoch {self._told} was told, and it went on from epoch {process.first_epoch}")

        if process.steps and process.steps[0] <= self._told_step:
            told, first = (f"step {step} of epoch {epoch}" for epoch, step in (self._told_step, process.steps[0]))
            self._violate(f"{told} was told, and it went on with {first}")

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
    """Kill trainings `wanted` times; the controls lose the optimizer's state, begin epochs anew, and write in place."""
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
