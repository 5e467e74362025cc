"""The numbers behind the plot of a model's error, without Qt."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from distill_core.training.codec.events import CodecEpochMetrics

_FEWEST_SHOWN = 10


@dataclass(slots=True)
class ErrorCurve:
    """The error of each epoch from 1 on, NaN for one without; `mean_frame` and `best_epoch` are 0 for "none"."""

    total_epochs: int = 0
    mean_frame: float = 0.0
    errors: list[float] = field(default_factory=list)
    uses: list[float] = field(default_factory=list)
    best_epoch: int = 0

    def __len__(self) -> int:
        return len(self.errors)

    def add(self, metrics: CodecEpochMetrics) -> None:
        """Append an epoch, which names the best one so far."""
        missing = metrics.epoch - 1 - len(self)  # epochs that diverged were rolled back
        self.errors += [math.nan] * missing + [metrics.val_l1]
        self.uses += [math.nan] * missing + [metrics.codebook_use]
        self.best_epoch = metrics.best_epoch

    def best(self) -> float:
        """Return the error of the best epoch, NaN before there is one."""
        return self.errors[self.best_epoch - 1] if 1 <= self.best_epoch <= len(self) else math.nan

    def read_out(self, epoch: int) -> str:
        """Return "Epoch 31 · error 0.312 · 94% of its codes in use", or "" if there is no such epoch."""
        if not 1 <= epoch <= len(self) or math.isnan(self.errors[epoch - 1]):
            return ""
        return f"Epoch {epoch} · error {self.errors[epoch - 1]:.3f} · {self.uses[epoch - 1]:.0%} of its codes in use"

    def description(self) -> str:
        """Return the whole plot in sentences, for those who cannot see it."""
        sentences = [f"{self.read_out(len(self))}."] if len(self) else []
        if not math.isnan(self.best()):
            sentences.append(f"Best {self.best():.3f} at epoch {self.best_epoch}.")
        if self.mean_frame:
            sentences.append(f"Each sound's average alone is off by {self.mean_frame:.3f}.")
        return " ".join(sentences)

    def last_x(self) -> int:
        """Return the last epoch on the axis, which grows by doubling up to the planned number of epochs."""
        shown = _FEWEST_SHOWN
        while shown < len(self):
            shown *= 2
        return max(2, len(self), min(shown, self.total_epochs) if self.total_epochs else shown)

    def y_range(self) -> tuple[float, float]:
        """Return the lowest and the highest error of the axis, with room for words."""
        values = [value for value in (*self.errors, self.mean_frame) if math.isfinite(value) and value > 0]
        low, high = (min(values), max(values)) if values else (0.1, 1.0)
        margin = max((high / low) ** 0.14, 1.2)
        return low / margin, high * margin
