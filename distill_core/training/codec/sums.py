"""The losses of an epoch of a codec, summed up exactly: they round once, at the end, as `math.fsum` does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import torch
from torch import Tensor

from distill_core.training.loop import BAD_STEPS_IN_A_ROW, diverged
from distill_core.training.run_folder.checks import is_count, is_within, require

_LARGEST = 1e12  # no sum of losses comes near it
_MOST_PARTS = 64  # of 53 bits each: more than a double's exponents span


def _parts_of(total: Fraction) -> list[float]:
    """Return floats whose exact sum is the total."""
    parts = []
    while total:
        parts.append(float(total))
        total -= Fraction(parts[-1])
    return parts


def _sum_of(parts: Sequence[float]) -> Fraction:
    return sum(map(Fraction, parts), Fraction())


@dataclass(slots=True)
class CodecSums:
    """The sums after `step` optimizer steps, of which `taken` moved the weights.

    `drawn` is the state of the generator of order and variants after the last of them.
    """

    drawn: Tensor
    step: int = 0
    taken: int = 0
    loss: Fraction = Fraction()
    commit: Fraction = Fraction()
    bad_in_a_row: int = 0

    def add(self, taken: tuple[float, float] | None, drawn: Tensor) -> None:
        """Count an optimizer step with its loss and commitment loss, None if it was not finite.

        Raises:
            TrainingError: it is the third in a row that was not finite.
        """
        self.bad_in_a_row = 0 if taken else self.bad_in_a_row + 1
        if self.bad_in_a_row == BAD_STEPS_IN_A_ROW:
            raise diverged()
        if taken:
            self.loss, self.commit = self.loss + Fraction(taken[0]), self.commit + Fraction(taken[1])
            self.taken += 1
        self.step, self.drawn = self.step + 1, drawn

    @property
    def means(self) -> tuple[float, float]:
        """The mean loss and the mean commitment loss of the steps taken.

        Raises:
            TrainingError: none was taken.
        """
        if not self.taken:
            raise diverged()
        return float(self.loss) / self.taken, float(self.commit) / self.taken

    def values(self) -> dict[str, Any]:
        """Return the sums as plain values and a tensor."""
        exact = {"loss": _parts_of(self.loss), "commit": _parts_of(self.commit)}
        return {"drawn": self.drawn, "step": self.step, "taken": self.taken, "bad_in_a_row": self.bad_in_a_row, **exact}

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> CodecSums:
        """Return the sums in a run's values.

        Raises:
            RuntimeError, TypeError: `drawn` is no state of a generator.
        """
        torch.Generator().set_state(values["drawn"])
        return cls(
            values["drawn"],
            values["step"],
            values["taken"],
            _sum_of(values["loss"]),
            _sum_of(values["commit"]),
            values["bad_in_a_row"],
        )


def check_sums(values: Mapping[str, Any]) -> None:
    """Check the sums in a run's values.

    Raises:
        ModelFileError: a number is out of range.
    """
    require(is_count(values["taken"], 0, values["step"]))
    for parts in (values["loss"], values["commit"]):
        require(isinstance(parts, list) and len(parts) <= _MOST_PARTS)
        require(all(is_within(part, -_LARGEST, _LARGEST) for part in parts))
