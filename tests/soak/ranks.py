"""Trainings on several processes: ranks killed at random moments, and two machines that are network namespaces.

The machines have a link of their own and reach nothing else; making them takes root and `ip`.
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
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from tests.soak.result import Result, not_run

KILLED, MACHINES = "killed ranks", "two machines"
PROGRAM, UNAVERAGED = "distill_core.cli", "tests.soak.unaveraged"
ROOT = Path(__file__).parents[2]
SOUNDS, RATE, EPOCHS = 12, 48_000, 40
# Nothing is drawn by chance that another number of ranks would draw otherwise.
SMALL = ["--hidden-size", "32", "--layers", "2", "--heads", "2", "--batch-size", "2", "--no-audit", "--patience", "0"]
SMALL += ["--dropout", "0", "--token-dropout", "0", "--precision", "float32", "--device", "cpu", "--no-cache"]
NOISE = 0.03  # of a best perplexity; of a curve on the same codes, only rounding
ROUNDING = 1e-3
LONGEST_S = 300
FROM_NOTHING = "It began again from nothing"
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """The end of a training: its epochs as they were told, and those that it knew each time it began.

    `errors` is its standard error, and says at its end whether it hung.
    """

    code: int
    epochs: list[dict[str, Any]]
    known_at_starts: list[int]
    errors: str
    kills: int = 0

    @property
    def restarts(self) -> int:
        """How often it began again."""
        return len(self.known_at_starts) - 1

    @property
    def best(self) -> float:
        """The best perplexity."""
        return float(self.epochs[-1]["best_perplexity"]) if self.epochs else math.nan

    @property
    def curve(self) -> list[float]:
        """Both losses of each epoch; NaN, which no JSON has, in the place of those that are no numbers."""
        losses = [epoch[name] for epoch in self.epochs for name in ("train_loss", "val_loss")]
        return [math.nan if loss is None else float(loss) for loss in losses]


class Subject:
    """A model and sounds in a folder, and trainings on them with caches and runs of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.sounds = folder, folder / "sounds"
        self.sounds.mkdir()
        draw = np.random.default_rng(0)
        for number in range(SOUNDS):
            seconds_T = np.arange(RATE * (1 + number % 3)) / RATE
            tone_T = np.sin(2 * np.pi * 110 * 2 ** (number / 12) * seconds_T) * np.exp(-2 * seconds_T)
            soundfile.write(self.sounds / f"{number}.wav", 0.5 * tone_T + draw.uniform(-0.02, 0.02, len(tone_T)), RATE)
        self._model = folder / "model.distill"
        codec = ["--codebook-size", "16", "--refiner-width", "8", "--epochs", "1", "--device", "cpu"]
        words = [sys.executable, "-m", PROGRAM, "train", str(self.sounds), "-o", str(self._model), *codec]
        subprocess.run(words, check=True, capture_output=True, cwd=ROOT, timeout=LONGEST_S)
        self._trainings = 0

    def words(self, program: str = PROGRAM) -> tuple[list[str], dict[str, str]]:
        """Return the words of a training into a fresh copy of the model, and its environment."""
        self._trainings += 1
        place = self.folder / str(self._trainings)
        place.mkdir()
        model = shutil.copy(self._model, place / "model.distill")
        words = ["-m", program, "train-prior", str(model), str(self.sounds), *SMALL, "--epochs", str(EPOCHS), "--json"]
        return words, os.environ | {"XDG_DATA_HOME": str(place), "XDG_CACHE_HOME": str(place)}


class Training:
    """A training under way, whose output is read as it comes; it is killed if it takes longer than `longest_s`."""

    def __init__(
        self, words: Sequence[str], environment: dict[str, str], folder: Path, longest_s: float = LONGEST_S
    ) -> None:
        self._errors = tempfile.TemporaryFile("w+", dir=folder)  # noqa: SIM115 - read at the end
        self._process = subprocess.Popen(
            words, env=environment, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=self._errors, bufsize=1
        )
        self._lines: list[str] = []
        self._hung, self._kills = "", 0
        self._watchdog = threading.Timer(longest_s, self._kill_all, (longest_s,))
        self._watchdog.daemon = True
        self._watchdog.start()

    def _kill_all(self, after_s: float) -> None:
        """Kill the training and its ranks, which torchrun starts in sessions of their own; so the reading ends."""
        self._hung = f"It hung: it had not ended after {after_s:.0f} s"
        for process in [self._process.pid, *self.ranks()]:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)

    def until_epochs(self, count: int) -> None:
        """Read on until so many more epochs are told, or all is."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.append(line)
            count -= '"event": "epoch"' in line
            if count <= 0:
                return

    def ranks(self) -> list[int]:
        """Return the processes that train, children of torchrun's."""
        listed = subprocess.run(["ps", "-o", "pid=", "--ppid", str(self._process.pid)], capture_output=True, text=True)
        return [int(word) for word in listed.stdout.split()]

    def end(self) -> Outcome:
        """Read the rest, wait for the end, and return what was told."""
        self.until_epochs(10**9)
        code = self._process.wait(LONGEST_S)
        self._watchdog.cancel()
        events = [json.loads(line) for line in self._lines if line.startswith("{")]
        epochs = [event for event in events if event["event"] == "epoch"]
        starts = [len(event["history"]) for event in events if event["event"] == "start"]
        assert self._process.stdout is not None
        with self._process.stdout, self._errors:
            self._errors.seek(0)
            return Outcome(code, epochs, starts, self._errors.read() + self._hung, self._kills)

    def kill_a_rank(self, draw: random.Random) -> None:
        """Kill one of the ranks, if there are any left."""
        with suppress(ProcessLookupError, IndexError):
            os.kill(draw.choice(self.ranks()), signal.SIGKILL)
            self._kills += 1


def _alone(subject: Subject) -> Outcome:
    words, environment = subject.words()
    return Training([sys.executable, *words], environment, subject.folder).end()


def _killed(subject: Subject, seed: int, *, keeps_runs: bool = True) -> Outcome:
    """Train on two ranks, of which one is killed after some epochs, and once more while it begins again or later."""
    draw = random.Random(seed)
    words, environment = subject.words()
    if not keeps_runs:
        environment["XDG_DATA_HOME"] = os.devnull
    training = Training([*TORCHRUN, "2", "--standalone", "--max-restarts", "2", *words], environment, subject.folder)
    for _ in range(2):
        training.until_epochs(draw.randint(2, 12))
        time.sleep(draw.uniform(0, 0.3))
        training.kill_a_rank(draw)
    return training.end()


def judge_killed(outcome: Outcome, whole: Outcome) -> list[str]:
    """Return what is wrong with a training of which ranks were killed."""
    wrong = []
    if outcome.code != 0:
        wrong.append(f"It ended with {outcome.code}: {outcome.errors[-500:]}")
    if not 0 < outcome.restarts <= outcome.kills:
        wrong.append(f"It began again {outcome.restarts} times after {outcome.kills} kills")
    if any(not known for known in outcome.known_at_starts[1:]):
        wrong.append(f"{FROM_NOTHING}: {outcome.known_at_starts}")
    if not abs(outcome.best / whole.best - 1) <= NOISE:
        wrong.append(f"Its best perplexity is {outcome.best:.4f}, of the whole training {whole.best:.4f}")
    return wrong


def killed_ranks(wanted: int, until: float) -> Result:
    """Kill a rank, twice in each of `wanted` trainings; the control has no run folder to go on from."""
    start, done, violations, restarts, kills = time.monotonic(), 0, list[str](), 0, 0
    with tempfile.TemporaryDirectory(prefix="distill-ranks-") as folder:
        subject = Subject(Path(folder))
        whole = _alone(subject)
        of_control = judge_killed(_killed(subject, 0, keeps_runs=False), whole)
        control_failed = any(sentence.startswith(FROM_NOTHING) for sentence in of_control)
        worst = 0.0
        while done < wanted and (done == 0 or time.monotonic() < until):
            outcome = _killed(subject, done)
            violations += judge_killed(outcome, whole)
            restarts, kills = restarts + outcome.restarts, kills + outcome.kills
            worst = max(worst, abs(outcome.best / whole.best - 1))
            done += 1
    facts = [f"{restarts} restarts after {kills} kills; the best perplexity differed by {worst:.2%} at most."]
    return Result(KILLED, wanted, done, violations, control_failed, None, time.monotonic() - start, facts)


class Machine:
    """A network namespace with one end of a link."""

    def __init__(self, name: str, address: str) -> None:
        self.name, self.address, self.link = name, address, f"{name}-0"

    def command(self, words: Sequence[str], is_host: bool) -> list[str]:
        """Return the words that start one of two nodes on this machine."""
        meeting = ["--rdzv-backend", "c10d", "--rdzv-endpoint", f"{FIRST}:29477", "--rdzv-id", self.name[:-1]]
        own = ["--rdzv-conf", f"is_host={int(is_host)}", "--local-addr", self.address]
        return ["ip", "netns", "exec", self.name, *TORCHRUN, "1", "--nnodes", "2", *meeting, *own, *words]


FIRST, SECOND = "10.77.13.1", "10.77.13.2"


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, timeout=30)


@contextmanager
def machines() -> Iterator[tuple[Machine, Machine]]:
    """Make two machines that reach each other alone, and remove them."""
    name = f"distill{os.getpid()}"
    pair = Machine(f"{name}a", FIRST), Machine(f"{name}b", SECOND)
    with ExitStack() as stack:
        for machine in pair:
            _ip("netns", "add", machine.name)
            stack.callback(_ip, "netns", "del", machine.name)
        one, two = pair
        one.link, two.link = "distill0", "distill1"
        _ip("link", "add", one.link, "netns", one.name, "type", "veth", "peer", "name", two.link, "netns", two.name)
        for machine in pair:
            _ip("-n", machine.name, "addr", "add", f"{machine.address}/24", "dev", machine.link)
            for link in ("lo", machine.link):
                _ip("-n", machine.name, "link", "set", link, "up")
        yield pair


def _on_machines(subject: Subject, program: str = PROGRAM) -> Outcome:
    words, environment = subject.words(program)
    with machines() as pair:
        trainings = [
            Training(
                machine.command(words, is_host=machine is pair[0]),
                environment | {"GLOO_SOCKET_IFNAME": machine.link},
                subject.folder,
            )
            for machine in pair
        ]
        outcomes = [training.end() for training in trainings]
    told = [outcome for outcome in outcomes if outcome.epochs]  # whichever torchrun made the first rank
    return (
        told[0] if told and not any(outcome.code for outcome in outcomes) else max(outcomes, key=lambda one: one.code)
    )


def judge_curve(outcome: Outcome, alone: Outcome) -> list[str]:
    """Return what is wrong with a curve that must be that of one process."""
    if outcome.code != 0:
        return [f"It ended with {outcome.code}: {outcome.errors[-500:]}"]
    if len(outcome.curve) != len(alone.curve):
        return [f"It told {len(outcome.epochs)} epochs instead of {len(alone.epochs)}"]
    apart = [abs(one / other - 1) for one, other in zip(outcome.curve, alone.curve, strict=True)]
    # NaN is the greatest of numbers to no `max`.
    wrong = [each for each in apart if not each <= ROUNDING] if apart else [math.nan]
    return [f"Its curve is {wrong[0]:.1%} apart from that of one process"] if wrong else []


def two_machines(wanted: int, until: float) -> Result:
    """Train on two machines over TCP, `wanted` times; in the control no gradient is averaged."""
    if os.name != "posix" or os.geteuid() or shutil.which("ip") is None:
        return not_run(MACHINES, wanted, "Network namespaces take root and ip")
    try:
        with machines():
            pass
    except (OSError, subprocess.SubprocessError) as error:
        return not_run(MACHINES, wanted, f"No network namespaces here: {error}")
    start, done, violations = time.monotonic(), 0, list[str]()
    with tempfile.TemporaryDirectory(prefix="distill-machines-") as folder:
        subject = Subject(Path(folder))
        alone = _alone(subject)
        control_failed = bool(judge_curve(_on_machines(subject, UNAVERAGED), alone))
        while done < wanted and (done == 0 or time.monotonic() < until):
            violations += judge_curve(_on_machines(subject), alone)
            done += 1
    facts = [f"{EPOCHS} epochs each; rounding is {ROUNDING:.1%}."]
    return Result(MACHINES, wanted, done, violations, control_failed, None, time.monotonic() - start, facts)
