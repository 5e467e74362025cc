"""The points of a curve that are drawn: joined where a file tells of each second epoch alone, fewer where too many."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    Values = np.ndarray[Any, np.dtype[np.float64]]
    Places = np.ndarray[Any, np.dtype[np.int64]]

_SECONDS = 60.0  # in a minute


def drawn_epochs(known: Sequence[int]) -> Places:
    """Return the known epochs, which a line joins, and one more in each gap.

    A gap is where they stand further apart than before it and after it.
    """
    if not known or known[-1] - known[0] + 1 == len(known):
        return np.arange(known[0], known[-1] + 1) if known else np.arange(0)
    known_E = np.array(known, dtype=np.int64)
    steps = np.diff(known_E)
    beside = np.maximum(np.concatenate([[0], steps[:-1]]), np.concatenate([steps[1:], [0]]))
    has_gap = np.flatnonzero(steps > np.maximum(beside, 1))
    return np.insert(known_E, has_gap + 1, known_E[has_gap] + 1)


def thinned(values_N: Values, parts: int, always: Sequence[int] | Places = ()) -> Places:
    """Return the places to draw of values: of each of equal parts the lowest and the highest, the first, the last.

    Those in `always` are among them. A part that is all NaN keeps one, and stays a gap. Few values are all drawn.
    """
    count = len(values_N)
    if count <= 2 * parts:
        return np.arange(count)
    length = -(-count // parts)
    starts = np.arange(0, count, length)
    padded = np.full(len(starts) * length, np.nan)
    padded[:count] = values_N
    by_part = padded.reshape(-1, length)
    is_missing = np.isnan(by_part)
    lowest = np.where(is_missing, np.inf, by_part).argmin(axis=1)
    highest = np.where(is_missing, -np.inf, by_part).argmax(axis=1)
    drawn: Places = np.concatenate([starts + lowest, starts + highest, [0, count - 1, *always]]).astype(np.int64)
    return np.unique(drawn)


def minutes_at(elapsed_s: Sequence[float], positions: Values) -> Values:
    """Return the minutes at positions in epochs, by the seconds at each epoch's end; beyond the last at their mean."""
    ends = np.concatenate([[0.0], elapsed_s]) / _SECONDS
    last = len(elapsed_s)
    minutes: Values = np.interp(positions, np.arange(last + 1), ends)
    minutes += np.maximum(positions - last, 0.0) * ends[-1] / max(last, 1)
    return minutes
