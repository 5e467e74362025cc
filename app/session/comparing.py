"""The kept epochs of a training side by side, as a part of the state: a take of each from one seed, and its verdict."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from app.session.takes import TakeOptions

if TYPE_CHECKING:
    from app.session.slots import Playable
    from distill_core.generation.request import Sample
    from distill_core.generation.takes.verdict import TakeVerdict
    from distill_core.training.loop import KeptWeights
    from distill_core.training.prior.events import Keep
    from distill_core.training.prior.trained import TrainedPrior


@dataclass(frozen=True, slots=True)
class EpochKey:
    """The take of a kept epoch in the player: by the run, the epoch and the seed."""

    run_id: str
    epoch: int
    seed: int


@dataclass(frozen=True, slots=True, eq=False)
class EpochTake:
    """The take of a kept epoch; `verdict` is None until it is judged, `sample` has the codes to judge by."""

    playable: Playable
    sample: Sample
    verdict: TakeVerdict | None = None


@dataclass(frozen=True, slots=True)
class ComparingState:
    """The comparison of the kept epochs of one training.

    `of` are that training's weights to choose from, None before anything was compared: the same ones as long as it is
    there, whichever of them are in its prior. `options` are those of all takes, `takes` the ones that are made, and
    `making` names those under way.
    """

    of: Mapping[Keep, KeptWeights] | None = None
    options: TakeOptions = field(default_factory=TakeOptions)
    takes: Mapping[Keep, EpochTake] = field(default_factory=dict)
    making: frozenset[Keep] = frozenset()

    def is_of(self, trained: TrainedPrior | None) -> bool:
        """Tell whether it compares the epochs of this training."""
        return trained is not None and self.of is trained.weights

    def missing(self, choices: Collection[Keep]) -> list[Keep]:
        """Return those of the choices whose takes are neither made nor under way."""
        return [which for which in choices if which not in self.takes and which not in self.making]

    def begun(self, choices: Collection[Keep]) -> ComparingState:
        """Return the state with more takes under way."""
        return replace(self, making=self.making.union(choices))

    def with_take(self, which: Keep, take: EpochTake) -> ComparingState:
        """Return the state with a take that is made, or judged."""
        return replace(self, takes={**self.takes, which: take}, making=self.making - {which})
