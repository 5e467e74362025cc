"""How near sounds lie to those that were learned, as statistics: of sounds that are no copies, and against them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from distill_core.audit.verdict import Baseline, Common

_QUANTILE = 0.99
_CELLS, _FEWEST_IN_CELL = 4, 5
_Numbers: TypeAlias = np.ndarray[Any, Any]


def baseline_of(points: Sequence[Common]) -> Baseline:
    """Return the baseline of what known sounds have in common with all other files."""
    if not points:
        return Baseline.none()
    numbers_N3 = np.array([[point.agreement, point.run, point.likeness] for point in points])
    return Baseline(len(points), *np.quantile(numbers_N3, _QUANTILE, axis=0).tolist())


def _mann_whitney(ours: _Numbers, theirs: _Numbers) -> float:
    """Return the U of how far ours lie, in standard deviations from equality, ties counted; farther: a lower number."""
    m, n = len(ours), len(theirs)
    farther = (ours[:, None] < theirs).sum() + 0.5 * (ours[:, None] == theirs).sum()
    _, ties = np.unique(np.concatenate([ours, theirs]), return_counts=True)
    total = m + n
    variance = m * n / 12 * (total + 1 - float((ties.astype(float) ** 3 - ties).sum()) / (total * (total - 1)))
    return float((farther - m * n / 2) / math.sqrt(variance)) if variance > 0 else 0.0


def data_copying_z(samples: Sequence[Common], baseline: Sequence[Common]) -> float:
    """Return the data-copying statistic C of agreements (Meehan et al. 2020); below zero, samples are nearer.

    It is the mean of the Mann–Whitney Z of cells: of how far samples, and sounds that are no copies, lie from the
    sounds that were learned. A cell has sounds of about one length, for short ones agree more by chance, and counts by
    its share of the baseline, which stands for the paper's held-out sample. Without a cell that has enough of both, all
    are one cell; NaN where that has too few.
    """
    ours, theirs = (np.array([(each.active, each.agreement) for each in part]) for part in (samples, baseline))
    if min(len(ours), len(theirs)) < _FEWEST_IN_CELL:
        return math.nan
    borders = np.quantile(theirs[:, 0], np.linspace(0, 1, _CELLS + 1)[1:-1])
    cell_of_ours, cell_of_theirs = (np.searchsorted(borders, part[:, 0], side="right") for part in (ours, theirs))
    cells = [(ours[cell_of_ours == cell, 1], theirs[cell_of_theirs == cell, 1]) for cell in range(_CELLS)]
    enough = [cell for cell in cells if min(map(len, cell)) >= _FEWEST_IN_CELL] or [(ours[:, 1], theirs[:, 1])]
    return float(np.average([_mann_whitney(*cell) for cell in enough], weights=[len(other) for _, other in enough]))
