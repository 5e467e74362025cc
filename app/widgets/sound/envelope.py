"""The outline of a waveform: its lowest and highest sample in each of some columns."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np

Samples: TypeAlias = np.ndarray[Any, np.dtype[np.float32]]


def envelope(samples_T: Samples, columns: int) -> tuple[Samples, Samples]:
    """Return the lowest and the highest sample in each of at most `columns` equal parts of a waveform, in order."""
    count = min(columns, len(samples_T))
    if not count:
        return samples_T[:0], samples_T[:0]
    starts = np.linspace(0, len(samples_T), count, endpoint=False).astype(np.intp)
    return np.minimum.reduceat(samples_T, starts), np.maximum.reduceat(samples_T, starts)
