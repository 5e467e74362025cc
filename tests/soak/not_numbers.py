"""NaN and infinity put into trainings: into losses, gradients, weights, moments, codes' features and sounds.

Each comes in at a random optimizer step of a real training, through torch's own hooks. None of it may be in weights
that an optimizer step leaves behind, unless it was put there, nor in any state or result; and the training ends with
its best epoch, or with a sentence.
"""

from __future__ import annotations

import math
import os
import random
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import soundfile
import torch
from torch import Tensor
from torch.nn.modules.module import register_module_forward_hook
from torch.optim.optimizer import Optimizer, register_optimizer_step_post_hook

from distill_core import DistillError, load_model_v2, scan, train_prior
from distill_core.audio.dataset import AudioDataset
from distill_core.training.codec.train import train_codec
from distill_core.training.events import StepMetrics
from distill_core.training.kinds import codec_runs, prior_runs
from distill_core.training.prior.saving import save_and_finish
from tests.soak.result import Result
from tests.soak.subject import write_model
from tests.soak.training_process import write_sounds

NAME = "injected NaN and infinity"
_SEED, _KEPT_VIOLATIONS, _MOST_CONTROL_TRIALS, _SOUNDS = 20_261_203, 50, 20, 6
_VALUES = (math.nan, math.inf, -math.inf)
_SMALL: dict[str, Any] = {"hidden_size": 32, "num_layers": 1, "num_heads": 2, "max_epochs": 4, "patience": 0}
_KLT: dict[str, Any] = {"codebook_size": 8, "num_quantizers": 2, "components": 8, "refiner_width": 8}
_KLT |= {"refiner_depth": 1, "max_epochs": 5, "patience": 0}
_V2: dict[str, Any] = {"codebook_size": 8, "num_quantizers": 2, "codebook_dim": 8, "max_epochs": 3, "augmentation": 2}
PLACES = ("loss", "gradient", "weight", "moment", "features", "sound", "sound with the old stamp")
_HARMLESS_TO_WEIGHTS = ("loss", "gradient")  # an optimizer step must not be taken with one of these


def _set_one(value: Tensor, chance: random.Random, wrong: float) -> None:
    with torch.no_grad():
        value.view(-1)[chance.randrange(value.numel())] = wrong


def _are_finite(tensors: Any) -> bool:
    if isinstance(tensors, Tensor):
        return not tensors.is_floating_point() or bool(tensors.isfinite().all())
    inner = tensors.values() if isinstance(tensors, dict) else tensors if isinstance(tensors, list | tuple) else ()
    return all(map(_are_finite, inner))


@dataclass(slots=True)
class Injection:
    """One wrong number, which comes in at a place at the optimizer step of a number; `is_in` once it has."""

    place: str
    step: int
    wrong: float
    chance: random.Random
    is_in: bool = False
    steps: int = 0
    forwards: int = 0
    optimizer: Optimizer | None = None
    violations: list[str] = field(default_factory=list)
    _handles: list[Any] = field(default_factory=list)

    @property
    def _is_due(self) -> bool:
        return not self.is_in and self.steps == self.step

    @property
    def _weights(self) -> list[Tensor]:
        groups = [] if self.optimizer is None else self.optimizer.param_groups
        return [weight for group in groups for weight in group["params"]]

    def _on_step(self, optimizer: Optimizer, *_: object) -> None:
        self.optimizer = optimizer
        if self._is_due and self.place == "moment":
            moments = [value for state in optimizer.state.values() for value in state.values()]
            _set_one(self.chance.choice([each for each in moments if each.numel() > 1]), self.chance, self.wrong)
            self.is_in = True

    def _on_forward(self, module: torch.nn.Module, _: object, output: object) -> object:
        if not isinstance(output, Tensor) or not output.is_floating_point() or not output.numel():
            return None
        self.forwards += not module.training
        is_loss = self.place == "loss" and self._is_due and module.training
        is_feature = self.place == "features" and not self.is_in and self.forwards > self.step
        if not is_loss and not (is_feature and not module.training):
            return None
        self.is_in = True
        return output * self.wrong

    def _on_gradient(self, gradient: Tensor) -> Tensor:
        if not self._is_due:
            return gradient
        self.is_in = True
        return gradient * self.wrong

    def on_event(self, event: object) -> None:
        """Count optimizer steps, judge the weights after each, and put a wrong number into them if that is due."""
        if not isinstance(event, StepMetrics):
            return
        if self.place in _HARMLESS_TO_WEIGHTS and not _are_finite(self._weights):
            self.violations.append("an optimizer step left weights that are not numbers")
        self.steps += 1
        if self._is_due and self.place == "weight":
            _set_one(self.chance.choice(self._weights), self.chance, self.wrong)
            self.is_in = True
        if self.place == "gradient" and not self._handles and self._weights:
            self._handles = [self.chance.choice(self._weights).register_hook(self._on_gradient)]

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Have the hooks in place during the body."""
        handles = [register_module_forward_hook(self._on_forward), register_optimizer_step_post_hook(self._on_step)]
        try:
            yield
        finally:
            for handle in (*handles, *self._handles):
                handle.remove()


@dataclass(frozen=True, slots=True)
class Training:
    """A training by its name, with its model and its settings; `architecture` is the prior's, or the codec's."""

    name: str
    architecture: str
    settings: dict[str, Any]
    model: str = ""


TRAININGS = (
    Training("a frames prior", "frames", _SMALL | {"architecture": "frames", "variants": 1}, "klt.distill"),
    Training("a klt codec", "klt", _KLT),
    Training("a flat prior", "flat", _SMALL | {"architecture": "flat"}, "v2.distill"),
    Training("a v2 codec", "v2", _V2),
)


class Bench:
    """Sounds and models, on which trainings run with a wrong number in them."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._sounds, self._now = folder, folder / "sounds", folder / "now"
        write_sounds(self._sounds, _SOUNDS)
        write_model(folder / "v2.distill")
        train_codec(self._sounds, _KLT).save(folder / "klt.distill")
        self._steps: dict[str, int] = {}

    def _put(self) -> AudioDataset:
        shutil.rmtree(self._now, ignore_errors=True)
        shutil.copytree(self._sounds, self._now / "sounds")
        return scan(self._now / "sounds")

    def _train(self, training: Training, dataset: AudioDataset, injection: Injection) -> None:
        """Train and save as a program does, and judge all that is kept."""
        run_folder: Any
        with injection.at_work():
            if training.model:
                model = Path(shutil.copy(self._folder / training.model, self._now / "model.distill"))
                run_folder = prior_runs(model)
                listener = _Judging(injection, run_folder)
                given = {"on_event": listener, "run_folder": run_folder, "use_cache": False}
                trained = train_prior(model, dataset, training.settings, **given)
            else:
                model = self._now / "model.distill"
                run_folder = codec_runs(model)
                listener = _Judging(injection, run_folder)
                given = {"on_event": listener, "run_folder": run_folder, "architecture": training.architecture}
                trained = train_codec(dataset, training.settings, **given)
        listener.judge_state()
        network = trained.prior if training.model else trained.model
        if network is None:
            return
        if not _are_finite(network.state_dict()):
            injection.violations.append("the result holds values that are not numbers")
        if training.model:
            save_and_finish(trained, model, run_folder=run_folder)
        else:
            trained.save(model)
        load_model_v2(model)

    def steps_of(self, training: Training) -> int:
        """Return the optimizer steps of a training without a wrong number."""
        if training.name not in self._steps:
            injection = Injection("nowhere", -1, 0.0, random.Random(0))
            self._train(training, self._put(), injection)
            self._steps[training.name] = injection.steps
        return self._steps[training.name]

    def _damage_sound(self, injection: Injection) -> None:
        """Put a wrong number into a sound that was scanned already, which its stamp may hide."""
        path = self._now / "sounds" / f"{injection.chance.randrange(_SOUNDS)}.wav"
        before = path.stat()
        samples, _ = soundfile.read(path, dtype="float32")
        samples[injection.chance.randrange(len(samples))] = injection.wrong
        with path.open("r+b") as file:  # in place, as a program does that keeps the file's identity
            content = file.read()
            file.seek(len(content) - samples.nbytes)
            file.write(samples.tobytes())
        if injection.place.endswith("stamp"):
            os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        injection.is_in = True

    def strike(self, training: Training, place: str, chance: random.Random) -> Injection:
        """Train with a wrong number that comes in at a place."""
        step = chance.randrange(1, self.steps_of(training))
        injection = Injection(place, step, chance.choice(_VALUES), chance)
        dataset = self._put()
        if place.startswith("sound"):
            self._damage_sound(injection)
        try:
            self._train(training, dataset, injection)
        except DistillError:
            pass
        except Exception as error:  # noqa: BLE001 - whatever a person would see as a traceback
            injection.violations.append(f"it ended with {type(error).__name__}: {error}")
        return injection


class _Judging:
    """A listener that looks at the state on disk after each event that is no step's."""

    def __init__(self, injection: Injection, run_folder: Any) -> None:
        self._injection, self._run_folder = injection, run_folder

    def __call__(self, event: object) -> None:
        self._injection.on_event(event)
        if not isinstance(event, StepMetrics):
            self.judge_state()

    def judge_state(self) -> None:
        """Look at the newest state, if there is one, past the check that the program makes of it."""
        file = self._run_folder.folder / "run.distill-run"
        if file.is_file() and not _are_finite(torch.load(file, weights_only=True)):
            self._injection.violations.append("a state with values that are not numbers was written")


def _strike_all(bench: Bench, wanted: int, until: float, places: tuple[str, ...]) -> tuple[int, list[str]]:
    """Strike until so many wrong numbers came in; return their number and what was wrong."""
    chance, done, tried, violations = random.Random(_SEED), 0, 0, list[str]()
    while done < wanted and len(violations) < _KEPT_VIOLATIONS and (not done or time.monotonic() < until):
        training, place = TRAININGS[tried % len(TRAININGS)], places[tried // len(TRAININGS) % len(places)]
        injection = bench.strike(training, place, chance)
        tried, done = tried + 1, done + injection.is_in
        what = f"{training.name}, {injection.wrong} in a {place} at step {injection.step}"
        violations += [f"{what}: {violation}" for violation in injection.violations]
    return done, violations


def _control(bench: Bench) -> list[str]:
    """Return what the harness sees where neither loss nor gradient's norm is looked at before the weights move."""
    unchecked: Callable[[float], bool] = lambda number: True  # noqa: E731
    number = SimpleNamespace(**{**vars(math), "isfinite": unchecked})
    with ExitStack() as stack:
        for module in ("prior.step", "codec.descent"):
            stack.enter_context(patch(f"distill_core.training.{module}.math", number))
        return _strike_all(bench, _MOST_CONTROL_TRIALS, time.monotonic(), ("gradient",))[1]


def injected_values(wanted: int, until: float) -> Result:
    """Put `wanted` wrong numbers into trainings; the control looks at no gradient's norm."""
    start = time.monotonic()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(prefix="distill-numbers-") as name, patch.dict(os.environ, XDG_DATA_HOME=name):
        bench = Bench(Path(name))
        control = _control(bench)
        done, violations = _strike_all(bench, wanted, until, PLACES)
    facts = [f"Into {', '.join(PLACES)}, in turn; each of {len(TRAININGS)} trainings."]
    facts += [f"Control. Without the check of loss and norm: {sentence}." for sentence in control[:1]]
    return Result(NAME, wanted, done, violations, bool(control), None, time.monotonic() - start, facts)
