"""The contenders of `bench sound`: a codec that had N CPU seconds, and the default prior that had N / 4 on its codes.

CPU seconds are those of the process. A codec's begin with the call, a prior's with its first step: the sounds are
encoded by then, their variants are not. A training that has nothing usable yet goes on until it has, at most four times
as long.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import process_time

from benchmarks.rival_codec import train_rival
from distill_core.audio.dataset import AudioDataset
from distill_core.errors import ModelFileError, TrainingError
from distill_core.models.persistence import LoadedVQModel, load_model_v2, save_prior_to_model
from distill_core.training.codec.train import train_codec
from distill_core.training.prior.events import Keep, PriorTrainingStartEvent
from distill_core.training.prior.train import train_prior

OURS, V2 = "ours", "v2"
PRIOR_SHARE = 0.25
_PATIENCE = 4  # budgets


class Clock:
    """The end of a training after some CPU seconds, and the time of its first result.

    It begins with the call, or with the first event of a class.
    """

    def __init__(self, cpu_s: float, begins_with: type | None = None) -> None:
        self._cpu_s, self._begins_with = cpu_s, begins_with
        self._begun = process_time() if begins_with is None else None
        self.usable_cpu_s: float | None = None

    @property
    def spent_s(self) -> float:
        """CPU seconds since it began."""
        return 0.0 if self._begun is None else process_time() - self._begun

    def on_event(self, event: object) -> None:
        """Note the beginning, and the first event with a held-out loss or error."""
        if self._begun is None and self._begins_with is not None and isinstance(event, self._begins_with):
            self._begun = process_time()
        if self.usable_cpu_s is None and (hasattr(event, "val_l1") or hasattr(event, "val_loss")):
            self.usable_cpu_s = self.spent_s

    def should_stop(self) -> bool:
        """Tell whether the time is up."""
        budget_s = self._cpu_s * (_PATIENCE if self.usable_cpu_s is None else 1)
        return self.spent_s >= budget_s


@dataclass(frozen=True)
class Contender:
    """A codec with its prior, the CPU seconds they had, and those until the codec could first be used.

    The prior is None where the codec left nothing to learn from.
    """

    loaded: LoadedVQModel
    codec_cpu_s: float
    usable_cpu_s: float
    prior_cpu_s: float
    prior_epochs: int


def _train_ours(known: AudioDataset, architecture: str | None, seed: int, cpu_s: float, path: Path) -> Clock:
    """Train the product's codec; `architecture` None is its default.

    Raises:
        TrainingError: there was none within four times the budget.
    """
    clock = Clock(cpu_s)
    train = partial(train_codec, on_event=clock.on_event, should_stop=clock.should_stop)
    trained = train(known, {"seed": seed}, architecture=architecture)
    if trained.model is None:
        raise TrainingError(f"There was no codec after {clock.spent_s:.0f} CPU seconds.", "Allow for more of them.")
    trained.save(path)
    return clock


def _with_prior(path: Path, known: AudioDataset, seed: int, cpu_s: float, codec_s: tuple[float, float]) -> Contender:
    clock = Clock(cpu_s, begins_with=PriorTrainingStartEvent)
    train = partial(train_prior, on_event=clock.on_event, should_stop=clock.should_stop, use_cache=False)
    try:
        trained = train(path, known, {"seed": seed}).keeping(Keep.BEST)
    except ModelFileError as error:  # a codec that gives all sounds the same codes
        print(f"  {error}", flush=True)
        return Contender(load_model_v2(path), *codec_s, clock.spent_s, 0)
    if trained.prior is not None:
        save_prior_to_model(path, trained.prior, trained.config, trained.metadata)
    return Contender(load_model_v2(path), *codec_s, clock.spent_s, len(trained.history))


def make_ours(known: AudioDataset, architecture: str | None, seed: int, cpu_s: float, folder: Path) -> Contender:
    """Return the product's codec and prior, each by its defaults.

    Raises:
        TrainingError: there was no codec within four times the budget.
    """
    path = folder / f"{OURS}.distill"
    clock = _train_ours(known, architecture, seed, cpu_s, path)
    spent_s = clock.spent_s
    codec_s = (spent_s, spent_s if clock.usable_cpu_s is None else clock.usable_cpu_s)
    return _with_prior(path, known, seed, PRIOR_SHARE * cpu_s, codec_s)


def make_v2(known: AudioDataset, seed: int, cpu_s: float, folder: Path) -> Contender:
    """Return the ancestor's codec by its recipe, and the product's default prior on its codes."""
    rival = train_rival(known, seed, cpu_s)
    codec_s = (rival.spent_s, rival.usable_cpu_s)
    return _with_prior(rival.save(folder / f"{V2}.distill"), known, seed, PRIOR_SHARE * cpu_s, codec_s)
