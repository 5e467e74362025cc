"""The outline of a sound in a file: the largest amplitude in each of equal parts, as small pictures show it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from distill_core.audio.decoding.samples import Samples
from distill_core.audio.decoding.sound import open_sound
from distill_core.audio.io import to_mono
from distill_core.events import ShouldStop, never, unless_stopped


def _raise_peaks(peaks_C: Samples, samples_T: Samples, begin: int, total: int) -> None:
    """Raise the peaks of the parts that a block of a sound lies in; `begin` is its place among `total` samples."""
    columns, end = len(peaks_C), begin + len(samples_T)
    first, last = (min(columns - 1, place * columns // total) for place in (begin, end - 1))
    starts = -(-np.arange(first, last + 1) * total // columns) - begin  # rounded up
    found = np.maximum.reduceat(np.abs(samples_T), np.clip(starts, 0, len(samples_T) - 1))
    peaks_C[first : last + 1] = np.maximum(peaks_C[first : last + 1], found)


def peaks_of(
    path: Path, duration_s: float, channel: int | None, columns: int, should_stop: ShouldStop = never
) -> tuple[float, ...]:
    """Return the largest amplitude in each of `columns` equal parts of a sound that lasts `duration_s`.

    A file is decoded block by block, at its own rate; memory does not grow with its length.

    Raises:
        UnreadableSoundError: it gives no sound, or no longer.
        Stopped: `should_stop()` turned true.
    """
    peaks_C, done = np.zeros(columns, np.float32), 0
    with open_sound(path, should_stop) as sound:
        total = max(1, round(duration_s * sound.sample_rate))
        for block in unless_stopped(sound.blocks, should_stop):
            samples_T = to_mono(block, channel)
            if len(samples_T):
                _raise_peaks(peaks_C, samples_T, done, total)
            done += len(samples_T)
    return tuple(map(float, peaks_C))
