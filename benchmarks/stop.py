"""How long a stop takes to be answered at 512 × 6, in both architectures: `python3 run.py bench stop`.

A real training – the demo's model, sounds from seeds at 44.1 kHz, the product's settings, its run folder, no cache –
runs two epochs, and each look at `should_stop` is noted with its time. Who asks at a random moment waits for the next
look; of 300 such moments an equal number lies in each phase, so that short phases count as much as long ones. Nothing
is stopped for these figures, and the libraries are loaded before.

Then some trainings are really stopped, each at a random moment of its first epoch and the write after it, and timed
until `train_prior` has returned. After a stop between epochs that takes as long as the run's state takes to write.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import tempfile
import threading
from bisect import bisect_right
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import soundfile

from distill_core import PriorEpochMetrics, load_model_v2, scan, train_prior
from distill_core.audio.dataset import AudioDataset
from distill_core.device import training_threads
from distill_core.events import JobProgress, OnEvent, Phase, ShouldStop, ignore, never
from distill_core.training.kinds import RUN_KINDS, prior_runs
from distill_core.training.prior.events import PriorStepMetrics, PriorTrainingStartEvent
from distill_core.training.prior.number_format import processor_name
from distill_core.training.prior.run_kind import PRIOR_RUNS
from distill_core.training.run_folder.folder import RunFolder

DEMO = Path(__file__).parents[1] / "resources/demo/demo.distill"
SIZES = {"hidden_size": 512, "num_layers": 6, "num_heads": 8}
PHASES = ("prepare", "train", "validate", "write")
BAR_S = 1.0
_SOUNDS, _SECONDS, _RATE = 40, 5, 44_100  # four steps of 32 s an epoch
_EPOCHS = 2


def write_sounds(folder: Path) -> Path:
    """Write struck tones with a little noise, other ones in each file."""
    folder.mkdir()
    for seed in range(_SOUNDS):
        drawn = np.random.default_rng(seed)
        seconds_T = np.arange(_RATE) / _RATE
        struck = [
            np.exp(-4 * seconds_T) * np.sin(2 * np.pi * 110 * 2 ** (drawn.integers(36) / 12) * seconds_T)
            for _ in range(_SECONDS)
        ]
        noisy_T = 0.5 * np.concatenate(struck) + drawn.normal(0, 0.01, _SECONDS * _RATE)
        soundfile.write(folder / f"{seed}.wav", noisy_T.astype(np.float32), _RATE)
    return folder


class MarkedFolder(RunFolder):
    """A run folder that tells when a write begins."""

    def __init__(self, model: Path, on_write: Callable[[], None]) -> None:
        super().__init__(model, PRIOR_RUNS, RUN_KINDS)
        self._on_write = on_write

    def save(self, values: dict[str, Any], should_stop: ShouldStop = never) -> None:
        self._on_write()
        super().save(values, should_stop)


class Looks:
    """Notes when `should_stop` is looked at, and in which phase what follows is."""

    def __init__(self) -> None:
        self.phase = PHASES[0]
        self.epoch_told_at = 0.0
        self.marks: list[tuple[float, str]] = []
        self.should_stop()

    def should_stop(self) -> bool:
        self.marks.append((perf_counter(), self.phase))
        return False

    def on_event(self, event: object) -> None:
        if isinstance(event, PriorTrainingStartEvent):
            self.phase = "train"
        elif isinstance(event, JobProgress):
            self.phase = "train" if event.phase is Phase.VARIANTS and event.done == event.total else "prepare"
        elif isinstance(event, PriorStepMetrics):
            self.phase = "validate" if event.step == event.total_steps else "train"
        elif isinstance(event, PriorEpochMetrics):
            self.epoch_told_at = self.epoch_told_at or perf_counter()
            self.phase = "train"

    def on_write(self) -> None:
        self.phase = "write"
        self.should_stop()

    def gaps(self, phase: str) -> list[float]:
        """Return the times from look to look that begin in a phase."""
        return [after - at for (at, kind), (after, _) in pairwise(self.marks) if kind == phase]


def waits(gaps: list[float], count: int, drawn: random.Random) -> Iterator[float]:
    """Yield how long random moments of these gaps are from their ends."""
    ends = [sum(gaps[: index + 1]) for index in range(len(gaps))]
    for _ in range(count):
        moment = drawn.uniform(0, ends[-1])
        yield ends[min(bisect_right(ends, moment), len(ends) - 1)] - moment


def figures(seconds: list[float]) -> dict[str, float]:
    shares = {"p50": 0.5, "p99": 0.99, "max": 1.0}
    return {
        name: round(sorted(seconds)[min(len(seconds) - 1, int(share * len(seconds)))], 3)
        for name, share in shares.items()
    }


class Trainings:
    """Trainings of one architecture, each from the start."""

    def __init__(self, architecture: str, model: Path, sounds: AudioDataset) -> None:
        self.settings = {"architecture": architecture, "variants": 1, "max_epochs": _EPOCHS, "patience": 0} | SIZES
        self.model, self.sounds = model, sounds

    def train(self, run_folder: RunFolder, on_event: OnEvent, should_stop: ShouldStop) -> float:
        """Train and return when that ended."""
        given = {"on_event": on_event, "should_stop": should_stop, "run_folder": run_folder, "use_cache": False}
        train_prior(self.model, self.sounds, self.settings, **given)
        ended = perf_counter()
        run_folder.discard()
        return ended

    def seconds_to_return(self, moment_s: float) -> float:
        """Stop a training so many seconds after its beginning and return how long it goes on."""
        stop, asked = threading.Event(), [0.0]

        def ask() -> None:
            asked[0] = perf_counter()
            stop.set()

        timer = threading.Timer(moment_s, ask)
        timer.start()
        ended = self.train(prior_runs(self.model), ignore, stop.is_set)
        timer.join()
        return ended - asked[0]


def measure(trainings: Trainings, moments: int, stops: int) -> dict[str, Any]:
    looks, drawn = Looks(), random.Random(0)
    trainings.train(MarkedFolder(trainings.model, looks.on_write), looks.on_event, looks.should_stop)
    gaps = {phase: looks.gaps(phase) for phase in PHASES}
    waited = {phase: [*waits(gaps[phase], moments // len(PHASES), drawn)] for phase in PHASES}
    found: dict[str, Any] = {
        phase: figures(waited[phase]) | {"longest gap": round(max(gaps[phase]), 3), "seconds": round(sum(gaps[phase]))}
        for phase in PHASES
    }
    together = [wait for each in waited.values() for wait in each]
    found["all"] = figures(together)
    first_epoch_s = looks.epoch_told_at - looks.marks[0][0]
    returned = [trainings.seconds_to_return(drawn.uniform(0, first_epoch_s)) for _ in range(stops)]
    return found | {"until it returned": figures(returned)} if returned else found


def show(architecture: str, found: dict[str, Any]) -> None:
    print(f"{architecture} 512×6{'':8}p50 s    p99 s    max s   longest gap s   seconds")
    for name, each in found.items():
        numbers = "".join(f"{each[key]:9.3f}" for key in ("p50", "p99", "max"))
        rest = f"{each['longest gap']:16.3f}{each['seconds']:10d}" if "seconds" in each else ""
        print(f"  {name:17}{numbers}{rest}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(prog="run.py bench stop", description=__doc__)
    parser.add_argument("--moments", type=int, default=300, help="of each architecture")
    parser.add_argument("--stops", type=int, default=12, help="trainings of each that are really stopped")
    parser.add_argument("--sounds", type=Path, help="a folder to train on instead")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="distill-bench-") as temporary:
        folder = Path(temporary)
        model = Path(shutil.copy(DEMO, folder / "model.distill"))
        load_model_v2(model)
        sounds = scan(options.sounds or write_sounds(folder / "sounds"))
        print(f"{processor_name()}, threads: {training_threads()}")
        for architecture in ("frames", "flat"):
            trainings = Trainings(architecture, model, sounds)
            results[architecture] = measure(trainings, options.moments, options.stops)
            show(architecture, results[architecture])
    print(f"Bar: p99 of at most {BAR_S:.0f} s.")
    if options.json:
        print(json.dumps(results))


if __name__ == "__main__":
    main()
