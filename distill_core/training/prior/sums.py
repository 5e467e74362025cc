"""The loss of an epoch of a prior, summed up over its codes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from distill_core.training.loop import BAD_STEPS_IN_A_ROW, diverged
from distill_core.training.run_folder.checks import is_count, is_within, require

_LARGEST, _MOST_CODES = 1e18, 10**15  # nats, which no sum comes near; codes


@dataclass(slots=True)
class PriorSums:
    """The loss in nats of the codes `seen` in `step` optimizer steps, without those that were not finite."""

    step: int = 0
    loss: float = 0.0
    seen: int = 0
    bad_in_a_row: int = 0

    def add(self, loss: float, codes: int, *, has_moved: bool) -> None:
        """Count an optimizer step on some codes with its mean loss.

        Raises:
            TrainingError: it is the third in a row that was not finite; one without any code is none.
        """
        if has_moved:
            self.loss, self.seen, self.bad_in_a_row = self.loss + loss * codes, self.seen + codes, 0
        elif codes:
            self.bad_in_a_row += 1
            if self.bad_in_a_row == BAD_STEPS_IN_A_ROW:
                raise diverged()
        self.step += 1

    @property
    def mean(self) -> float:
        """The mean loss of the codes, NaN without any."""
        return self.loss / self.seen if self.seen else math.nan

    def values(self) -> dict[str, Any]:
        """Return the sums as plain values."""
        return asdict(self)

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> PriorSums:
        """Return the sums in a run's values."""
        return cls(values["step"], values["loss"], values["seen"], values["bad_in_a_row"])


def check_sums(values: Mapping[str, Any]) -> None:
    """Check the sums in a run's values.

    Raises:
        ModelFileError: a number is out of range.
    """
    require(is_within(values["loss"], 0, _LARGEST) and is_count(values["seen"], 0, _MOST_CODES))
