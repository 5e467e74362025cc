"""A training in a process of its own: what it told, how it ended, and what it came to."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import soundfile

from distill_core import load_model_v2
from tests import warm_python

PROGRAM, ROOT = "tests.soak.training_program", Path(__file__).parents[2]
_HUNG_S = 120.0
_TIMES = ("time", "seconds", "date", "created", "run_id", "_s")  # of facts that no two trainings share
OnTold: TypeAlias = Callable[[dict[str, Any]], object]


@dataclass(slots=True)
class Told:
    """A training's process: what it told, and how it ended; `code` is None if it was killed.

    It `has_hung` if it was not killed at a moment that was planned, but because it had not ended long after.
    """

    events: list[dict[str, Any]] = field(default_factory=list)
    code: int | None = None
    has_hung: bool = False

    @property
    def message(self) -> str:
        """The message of the error that it ended with."""
        return next((str(event["message"]) for event in self.events if event["event"] == "error"), "")

    @property
    def hint(self) -> str:
        """What the error says to do next."""
        return next((str(event.get("hint", "")) for event in self.events if event["event"] == "error"), "")

    def named(self, name: str) -> list[dict[str, Any]]:
        """Return the events of a name."""
        return [event for event in self.events if event["event"] == name]

    @property
    def last_epoch(self) -> int:
        """The last epoch that it told, 0 for none."""
        return max((int(event["epoch"]) for event in self.named("epoch")), default=0)

    @property
    def steps(self) -> list[tuple[int, int]]:
        """The optimizer steps that it told, each an epoch and a number within it."""
        return [(int(event["epoch"]), int(event["step"])) for event in self.named("step")]

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


def _listen(process: subprocess.Popen[str], told: Told, on_event: OnTold) -> None:
    if process.stdout is not None:
        for line in process.stdout:
            if line.endswith("\n"):  # no piece of one within which it was killed
                told.events.append(json.loads(line))
                on_event(told.events[-1])


def _environment(folder: Path) -> dict[str, str]:
    own = {f"XDG_{kind}_HOME": str(folder / kind.lower()) for kind in ("CACHE", "DATA", "STATE")}
    return os.environ | own | {"XDG_RUNTIME_DIR": str(folder / "cache"), "OMP_NUM_THREADS": "1", "TERM": "dumb"}


def _ignore(event: dict[str, Any]) -> None:
    pass


def run_training(
    folder: Path,
    way: str,
    arguments: Sequence[object],
    kill_after_s: float | None = None,
    on_event: OnTold = _ignore,
) -> Told:
    """Run a command whose data is kept in a folder until it ends, or kill it after so many seconds."""
    command = [*warm_python.warm_python(), "-m", PROGRAM, way, *map(str, arguments)]
    streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    told = Told()
    with subprocess.Popen(command, cwd=ROOT, env=_environment(folder), text=True, **streams) as process:
        listener = threading.Thread(target=_listen, args=(process, told, on_event))
        listener.start()
        try:
            told.code = process.wait(_HUNG_S if kill_after_s is None else kill_after_s)
        except subprocess.TimeoutExpired:
            process.kill()
            told.has_hung = kill_after_s is None
        listener.join(_HUNG_S)  # the process itself has the other end of the pipe until it has ended
    return told


def _without_times(values: Any) -> Any:
    if isinstance(values, Mapping):
        return {key: _without_times(value) for key, value in values.items() if not str(key).endswith(_TIMES)}
    return [_without_times(value) for value in values] if isinstance(values, list | tuple) else values


def digest_of(model: Path) -> str:
    """Return a digest of a model's weights, its prior's, and the history of the prior's or codec's training."""
    loaded, digest = load_model_v2(model), hashlib.sha256()
    for network in (loaded.model, *([] if loaded.prior is None else [loaded.prior])):
        for name, value in network.state_dict().items():
            digest.update(name.encode() + value.contiguous().numpy().tobytes())
    digest.update(json.dumps(_without_times(loaded.prior_metadata or {}), sort_keys=True).encode())
    return digest.hexdigest()


def write_sounds(folder: Path, number: int = 6) -> None:
    """Write half-second sounds that differ, as numbers that can hold NaN."""
    folder.mkdir(parents=True)
    for each in range(number):
        seconds_T = np.arange(24_000) / 48_000
        tone_T = 0.4 * np.sin(2 * np.pi * 110 * (each + 1) * seconds_T * (1 + seconds_T))
        noise_T = np.random.default_rng(each).uniform(-0.1, 0.1, len(tone_T))
        soundfile.write(folder / f"{each}.wav", tone_T + noise_T, 48_000, subtype="FLOAT")
