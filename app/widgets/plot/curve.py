"""The numbers behind the perplexity plot, without Qt."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field

from app.times import clock
from distill_core.training.events import StepMetrics
from distill_core.training.prior.curve import tells_all
from distill_core.training.prior.events import PriorEpochMetrics, perplexity

_MOST_DOTS = 600  # of batches; with more every second one goes
_NICE_ENDS = (10, 20, 30, 50, 75, 100, 150, 200, 300, 500, 750, 1000)


def finite_perplexity(loss: float) -> float:
    """Return the perplexity of a loss, or NaN if that is not finite."""
    return perplexity(loss) if math.isfinite(loss) else math.nan


def in_words(value: float) -> str:
    """Return a perplexity with three digits or so: 7.42, 68.1, 143."""
    if not math.isfinite(value):
        return "no value"
    return f"{value:.{2 if value < 19.995 else 1 if value < 99.95 else 0}f}"


def _is_value(value: float) -> bool:
    return math.isfinite(value) and value > 0


def _by_epoch(epochs: Sequence[int], losses: Sequence[float]) -> list[float]:
    """Return a perplexity for each epoch up to the last one, NaN for one that is not among them."""
    values = [math.nan] * (epochs[-1] if epochs else 0)
    for epoch, loss in zip(epochs, losses, strict=False):
        values[epoch - 1] = finite_perplexity(loss)
    return values


@dataclass(frozen=True, slots=True)
class CurveLines:
    """What a training's curve is compared with; 0 is "none".

    `unigram` is the perplexity of a prior that knows only how common each code is; a training is very predictable below
    `limit`; `note` is a sentence on the numbers, or "".
    """

    total_epochs: int = 0
    unigram: float = 0.0
    limit: float = 0.0
    note: str = ""


@dataclass(frozen=True, slots=True)
class PlotAxes:
    """The choice of axes: minutes instead of epochs where they are known, and even steps instead of a logarithm."""

    by_time: bool = False
    is_linear: bool = False


@dataclass(slots=True)
class Curve:
    """A perplexity for each epoch from 1 on, NaN for one without; in the other fields 0 is "none".

    `dots` are the perplexities of batches: an epoch's begin right of the number before and end at its own. `known` are
    the epochs that it tells of: of a long training a file has each second or fourth.
    """

    total_epochs: int = 0
    unigram: float = 0.0
    limit: float = 0.0
    validation: list[float] = field(default_factory=list)
    training: list[float] = field(default_factory=list)
    elapsed: list[float] = field(default_factory=list)  # seconds since the start, empty in a saved curve
    best_epoch: int = 0
    memorizing_from: int = 0
    note: str = ""  # a sentence on the numbers
    levels: list[tuple[float, ...]] = field(default_factory=list)  # validation by level, empty if unknown
    dots: list[tuple[float, float]] = field(default_factory=list)
    dot_gap: float = 0.0  # in epochs
    known: list[int] = field(default_factory=list)

    @classmethod
    def beside(cls, lines: CurveLines) -> Curve:
        """Return the curve of a training that begins, with the lines to compare it with."""
        curve = cls()
        curve.compare_with(lines)
        return curve

    def compare_with(self, lines: CurveLines) -> None:
        """Take other lines to compare with."""
        self.total_epochs, self.unigram, self.limit, self.note = (
            lines.total_epochs,
            lines.unigram,
            lines.limit,
            lines.note,
        )

    @classmethod
    def saved(
        cls,
        epochs: Sequence[int],
        val_losses: Sequence[float],
        train_losses: Sequence[float],
        best_epoch: int | None,
        unigram: float | None,
    ) -> Curve:
        """Return the curve of a model file, from losses in nats and the number of each one's epoch."""
        curve = cls(total_epochs=epochs[-1] if epochs else 0, unigram=unigram or 0.0, best_epoch=best_epoch or 0)
        curve.validation = _by_epoch(epochs, val_losses)
        curve.training, curve.known = _by_epoch(epochs, train_losses), [*epochs]
        if not 1 <= curve.best_epoch <= len(curve) or math.isnan(curve.best()):
            curve.best_epoch = 0
        return curve

    def __len__(self) -> int:
        return len(self.validation)

    @property
    def is_empty(self) -> bool:
        """Whether there is neither an epoch nor a dot."""
        return not self.validation and not self.dots

    @property
    def has_times(self) -> bool:
        """Whether it is known when each epoch ended; a file does not tell."""
        return bool(self.elapsed) and (len(self.known) == len(self) or tells_all(self.known))

    def add_step(self, step: StepMetrics) -> None:
        """Add the dot of a batch, unless it stands too near to the last one; it never becomes slower."""
        x, value = step.epoch - 1 + step.step / max(1, step.total_steps), finite_perplexity(step.train_loss)
        if not _is_value(value) or (self.dots and x - self.dots[-1][0] < self.dot_gap):
            return
        self.dots.append((x, value))
        if len(self.dots) > _MOST_DOTS:
            self.dots = self.dots[::2]
            self.dot_gap = (self.dots[-1][0] - self.dots[0][0]) / (len(self.dots) - 1)

    def add(self, metrics: PriorEpochMetrics) -> None:
        """Append an epoch, which names the best one so far and the first that memorizes."""
        while len(self) < metrics.epoch - 1:  # an epoch that diverged was rolled back
            self._append(math.nan, math.nan, 0.0)
        self._append(finite_perplexity(metrics.val_loss), finite_perplexity(metrics.train_loss), metrics.epoch_time_s)
        self.known.append(metrics.epoch)
        self.levels[-1] = metrics.level_perplexities
        self.total_epochs = max(self.total_epochs, metrics.total_epochs)
        self.best_epoch = metrics.best_epoch if metrics.best_epoch <= len(self) else 0
        self.memorizing_from = metrics.memorizing_from

    def _append(self, validation: float, training: float, seconds: float) -> None:
        self.validation.append(validation)
        self.training.append(training)
        self.levels.append(())
        self.elapsed.append(seconds + (self.elapsed[-1] if self.elapsed else 0.0))

    def best(self) -> float:
        """Return the best validation perplexity, NaN before there is one."""
        return self.validation[self.best_epoch - 1] if self.best_epoch else math.nan

    def stepped(self, epoch: int, by: int) -> int:
        """Return the epoch before (-1) or after (1) one, or the nearest there is; 0 has the last one beside it."""
        if not self.known or not epoch:
            return self.known[-1] if self.known else 0
        place = bisect_left(self.known, epoch) - 1 if by < 0 else bisect_right(self.known, epoch)
        return self.known[min(max(place, 0), len(self.known) - 1)]

    def read_out(self, epoch: int) -> str:
        """Return an epoch in words, or "" if there is no such epoch."""
        if not 1 <= epoch <= len(self):
            return ""
        words = [
            f"Epoch {epoch}",
            f"kept aside {in_words(self.validation[epoch - 1])}",
            f"learned from {in_words(self.training[epoch - 1])}",
        ]
        if epoch <= len(self.levels) and len(self.levels[epoch - 1]) > 1:
            words.append(f"levels {' / '.join(map(in_words, self.levels[epoch - 1]))}")
        if self.has_times:
            words.append(clock(self.elapsed[epoch - 1]))
        return " · ".join(words)

    def description(self) -> str:
        """Return the whole plot in sentences, for those who cannot see it."""
        sentences = []
        if len(self):
            sentences = [f"{self.read_out(len(self))}."]
        if self.best_epoch:
            sentences.append(f"Best {in_words(self.best())} at epoch {self.best_epoch}.")
        if self.memorizing_from:
            sentences.append(f"Memorizing since epoch {self.memorizing_from}.")
        if self.limit:
            sentences.append(f"Very predictable below {self.limit:.1f}.")
        if self.unigram:
            sentences.append(f"Whoever knows only how common each code is reaches {in_words(self.unigram)}.")
        return " ".join([*sentences, self.note]).strip()

    def last_x(self) -> int:
        """Return the last epoch on the axis, which grows by stages up to the planned number of epochs."""
        wanted = max(10, math.ceil(len(self) * 1.1))
        end = next((nice for nice in _NICE_ENDS if nice >= wanted), math.ceil(wanted / 500) * 500)
        return max(2, len(self), min(end, self.total_epochs) if self.total_epochs else end)

    def y_range(self, *, is_linear: bool = False, others: Sequence[float] = ()) -> tuple[float, float]:
        """Return the lowest and the highest perplexity of the axis, which has room for all values and for words."""
        import numpy as np  # it comes with the drawing: a window without a curve does without

        dots = [value for _, value in self.dots]
        drawn = np.array([*self.validation, *self.training, *dots, *others, self.unigram, self.limit])
        values = drawn[(drawn > 0) & (drawn < math.inf)]
        low, high = (float(values.min()), float(values.max())) if len(values) else (1.0, 100.0)
        if is_linear:
            margin = 0.1 * (high - low) or 0.35 * high
            return max(0.0, low - margin), high + margin
        margin = max((high / low) ** 0.14, 1.35)
        return low / margin, high * margin


@dataclass(frozen=True, slots=True)
class Beside:
    """The curve of another model's file, drawn beside: the model's name, and a sentence on how both compare."""

    name: str
    curve: Curve
    words: str

    def read_out(self, epoch: int) -> str:
        """Return " · kicks 8.01", or "" if the file tells of no such epoch."""
        return f" · {self.name} {in_words(self.curve.validation[epoch - 1])}" if epoch in self.curve.known else ""

    def description(self) -> str:
        """Return the curve in sentences, for those who cannot see it."""
        best = f" best {in_words(self.curve.best())} at epoch {self.curve.best_epoch}" if self.curve.best_epoch else ""
        return f"Beside it {self.name}:{best or f' {len(self.curve)} epochs'}. {self.words}"
