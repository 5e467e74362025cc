"""The epoch under way: the part of it that is done, from which training goes on bit for bit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any, Generic, Protocol, TypeVar

from torch import Tensor

from distill_core.training.events import EpochMetrics
from distill_core.training.run_folder.checks import is_count, is_within, require

_LARGEST = 1e12  # no rate, time or sum of losses comes near it


class Sums(Protocol):
    """What an epoch has summed up after `step` optimizer steps, the last `bad_in_a_row` of which were not finite."""

    step: int
    bad_in_a_row: int

    def values(self) -> dict[str, Any]:
        """Return the sums as plain values and tensors."""


SumsT = TypeVar("SumsT", bound=Sums)


@dataclass(slots=True)
class EpochUnderWay(Generic[SumsT]):
    """The part of an epoch that is done after a whole optimizer step, of `steps`.

    `order` is the state of the generator of the data's order when the epoch began, `learning_rate` the one of its first
    step; `started` is the time at which it began, by `perf_counter`, or would have begun without a break.
    """

    epoch: int
    steps: int
    learning_rate: float
    order: Tensor
    sums: SumsT
    started: float = field(default_factory=perf_counter)

    @property
    def step(self) -> int:
        """The number of optimizer steps that are done."""
        return self.sums.step

    def values(self, total_epochs: int) -> dict[str, Any]:
        """Return the part as a run holds it."""
        return {
            "epoch": self.epoch,
            "total_epochs": total_epochs,
            "steps": self.steps,
            "learning_rate": self.learning_rate,
            "spent_s": perf_counter() - self.started,
            **self.sums.values(),
        }


def values_under_way(under_way: EpochUnderWay[Any] | None, total_epochs: int) -> dict[str, Any]:
    """Return the part of an epoch as a run holds it, empty before the first optimizer step."""
    return {} if under_way is None or not under_way.step else under_way.values(total_epochs)


def order_of(under_way: EpochUnderWay[Any] | None, now: Tensor) -> Tensor:
    """Return the generator's state from which the epoch under way draws its order, or the next one will: `now`."""
    return now if under_way is None else under_way.order


def next_epoch(under_way: EpochUnderWay[Any] | None, history: Sequence[EpochMetrics]) -> int:
    """Return the epoch that is under way, or the one after the last."""
    if under_way is not None:
        return under_way.epoch
    return 1 + (history[-1].epoch if history else 0)


def going_on_from(values: Mapping[str, Any], sums: SumsT, steps: int, order: Tensor) -> EpochUnderWay[SumsT]:
    """Return the epoch under way of a run's values, and of the sums in them; the epoch has `steps`.

    Raises:
        ModelFileError: it had another number of steps.
    """
    require(values["steps"] == steps)
    return EpochUnderWay(
        values["epoch"],
        steps,
        values["learning_rate"],
        order,
        sums,
        perf_counter() - values["spent_s"],
    )


def check_under_way(values: Mapping[str, Any]) -> None:
    """Check the numbers of an epoch under way that `check_epochs` leaves; tensors may be only described.

    Raises:
        ModelFileError: a number is out of range.
    """
    require(is_count(values["bad_in_a_row"], 0, values["step"]))
    require(all(is_within(values[key], 0, _LARGEST) for key in ("learning_rate", "spent_s")))
