"""The axes of the perplexity plot: plain numbers, with room to be read side by side."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pyqtgraph as pg  # type: ignore[import-untyped, unused-ignore]
from PySide6.QtGui import QFont, QFontMetricsF

_MANTISSAS: tuple[tuple[float, ...], ...] = ((1, 1.5, 2, 3, 4, 5, 6, 7, 8, 9), (1, 2, 3, 5, 7), (1, 2, 5), (1,))
_WANTED = 4  # ticks; 1-2-5 is taken if it gives at least these
_LEAST = 3


def _decade_ticks(low: float, high: float, mantissas: Sequence[float], every: int = 1) -> list[float]:
    decades = range(math.floor(low), math.ceil(high) + 1)
    positions = [decade + math.log10(m) for decade in decades if decade % every == 0 for m in mantissas]
    return [position for position in positions if low <= position <= high]


def _fits(positions: Sequence[float], pixels_per_decade: float, least_gap: float) -> bool:
    gaps = (second - first for first, second in pairwise(positions))
    return all(gap * pixels_per_decade >= least_gap for gap in gaps)


def log_ticks(low: float, high: float, pixels: float, least_gap: float = 15.0) -> list[float]:
    """Return tick positions, as log10, between `low` and `high` (log10 too): 1, 2, 5, 10, 20… if they fit."""
    pixels_per_decade = pixels / max(high - low, 1e-9)
    one_two_five = _decade_ticks(low, high, (1, 2, 5))
    finer_first = _MANTISSAS if len(one_two_five) < _WANTED else _MANTISSAS[2:]
    for mantissas in finer_first:
        ticks = _decade_ticks(low, high, mantissas)
        if ticks and _fits(ticks, pixels_per_decade, least_gap):
            return ticks
    every = max(1, math.ceil(least_gap / pixels_per_decade))
    return _decade_ticks(low, high, (1,), every)


def near_ticks(low: float, high: float, pixels: float, least_gap: float = 15.0) -> list[float]:
    """Return tick positions as `log_ticks` does, closer ones where those would be too few to tell a height."""
    ticks = log_ticks(low, high, pixels, least_gap)
    for parts in (2, 5, 10, 20, 50):
        if len(ticks) >= _LEAST:
            break
        mantissas = [1 + part / parts for part in range(9 * parts)]
        closer = _decade_ticks(low, high, mantissas)
        if _fits(closer, pixels / max(high - low, 1e-9), least_gap):
            ticks = closer
    return ticks


def epoch_ticks(low: float, high: float, pixels: float, least_gap: float = 44.0) -> list[int]:
    """Return whole epochs in steps of 1, 2, 5, 10…, the first epoch among them."""
    per_pixel = (high - low) / max(pixels, 1.0)
    steps = (mantissa * 10**power for power in range(7) for mantissa in (1, 2, 5))
    step = next(step for step in steps if step >= per_pixel * least_gap)
    ticks = [epoch for epoch in range(0, math.floor(high) + 1, step) if epoch >= max(low, 1)]
    room_for_first = not ticks or (ticks[0] - 1) / per_pixel >= least_gap * 0.6
    return [1, *ticks] if low <= 1 and room_for_first and 1 not in ticks else ticks


def plain(value: float) -> str:
    """Return a value as 7, 1.5, 200, 10k or 2M."""
    for least, unit, letter in ((1e6, 1e6, "M"), (1e4, 1e3, "k")):
        if value >= least * 0.999:
            return f"{value / unit:.3g}{letter}"
    return f"{value:.3g}" if value < 999 else f"{value:.0f}"


class PerplexityAxis(pg.AxisItem):  # type: ignore[misc]
    """The vertical axis: positions are log10 of a perplexity, or perplexities; ticks are perplexities."""

    def __init__(self, orientation: str) -> None:
        super().__init__(orientation)
        self._is_linear = False
        self.enableAutoSIPrefix(False)  # a narrow range would be titled "(x0.001)"

    def count_evenly(self, is_linear: bool) -> None:
        """Have positions be perplexities, or log10 of them."""
        if is_linear is not self._is_linear:
            self._is_linear = is_linear
            self.picture = None  # the ticks are others also in the same range

    def tickValues(self, minVal: float, maxVal: float, size: float) -> list[tuple[float, list[float]]]:
        """Return one level of ticks."""
        if self._is_linear:
            return list(super().tickValues(minVal, maxVal, size)[:1])
        least_gap = QFontMetricsF(self.style["tickFont"] or QFont()).height()
        return [(1.0, near_ticks(minVal, maxVal, size, least_gap))]

    def tickStrings(self, values: Sequence[float], scale: float, spacing: float) -> list[str]:
        """Return the perplexities."""
        return [plain(value if self._is_linear else 10**value) for value in values]


class EpochAxis(pg.AxisItem):  # type: ignore[misc]
    """The horizontal axis, of whole epochs, or of minutes."""

    def __init__(self, orientation: str) -> None:
        super().__init__(orientation)
        self._counts_minutes = False
        self.enableAutoSIPrefix(False)

    def count_minutes(self, counts_minutes: bool) -> None:
        """Have positions be minutes, or epochs."""
        if counts_minutes is not self._counts_minutes:
            self._counts_minutes = counts_minutes
            self.picture = None

    def tickValues(self, minVal: float, maxVal: float, size: float) -> list[tuple[float, list[Any]]]:
        """Return one level of ticks."""
        if self._counts_minutes:
            return list(super().tickValues(minVal, maxVal, size)[:1])
        least_gap = QFontMetricsF(self.style["tickFont"] or QFont()).horizontalAdvance("10000")
        return [(1.0, epoch_ticks(minVal, maxVal, size, least_gap))]

    def tickStrings(self, values: Sequence[float], scale: float, spacing: float) -> list[str]:
        """Return the epochs, or the minutes."""
        return [f"{value:g}" for value in values]
