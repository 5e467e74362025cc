"""Samples in the order in which they are heard: to their end, round and round, or as far as they have come."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np

Samples: TypeAlias = np.ndarray[tuple[int, ...], np.dtype[np.float32]]

CEILING = 10 ** (-1 / 20)  # −1 dBFS
_RAMP_S = 0.02


def _peak(samples_T: Samples) -> float:
    return float(np.abs(samples_T).max()) if len(samples_T) else 0.0


class Ceiling:
    """A gain that keeps a stream's peaks below −1 dBFS: it only ever falls, over 20 ms before the peak.

    These 20 ms are what it holds back of the stream.
    """

    def __init__(self, sample_rate: int) -> None:
        self.gain, self._is_fresh = 1.0, True
        self._ramp = round(_RAMP_S * sample_rate)
        self._waiting_T: Samples = np.zeros(0, np.float32)

    def passed(self, block_T: Samples) -> Samples:
        """Take the next block `[t]`, and return what can be heard now."""
        waiting_T = np.concatenate([self._waiting_T, block_T])
        if len(waiting_T) < 2 * self._ramp:
            self._waiting_T = waiting_T
            return np.zeros(0, np.float32)
        gain = min(self.gain, CEILING / max(CEILING, _peak(waiting_T)))
        gains_T = np.full(len(waiting_T), gain, np.float32)
        if not self._is_fresh:
            gains_T[: self._ramp] = np.linspace(self.gain, gain, self._ramp)
        self.gain, self._is_fresh, self._waiting_T = gain, False, waiting_T[-self._ramp :]
        return np.clip((waiting_T * gains_T)[: -self._ramp], -CEILING, CEILING)


class Reel:
    """Mono samples with a cursor; while it is open, more of them can come."""

    def __init__(self, samples_T: Samples, sample_rate: int, *, is_open: bool = False) -> None:
        self.sample_rate, self.is_open, self.loops, self.cursor = sample_rate, is_open, False, 0
        self._held_T, self._length = samples_T, len(samples_T)
        self._blend_T: Samples = np.zeros(0, np.float32)

    @classmethod
    def empty(cls) -> Reel:
        """Return a reel without a sound."""
        return cls(np.zeros(0, np.float32), 1)

    @property
    def samples_T(self) -> Samples:
        """The samples so far."""
        return self._held_T[: self._length]

    @property
    def is_at_end(self) -> bool:
        """Whether nothing more will come after the cursor."""
        return not self.is_open and self.cursor >= self._length and not (self.loops and self._length)

    def append(self, block_T: Samples) -> None:
        """Add the next samples to an open reel."""
        end = self._length + len(block_T)
        if end > len(self._held_T):  # twice as much room each time: a long take comes in hundreds of blocks
            held_T, self._held_T = self.samples_T, np.zeros(2 * end, np.float32)
            self._held_T[: self._length] = held_T
        self._held_T[self._length : end] = block_T
        self._length = end

    def finish(self, samples_T: Samples) -> None:
        """Put a finished sound in the place of what came so far, with 20 ms from one to the other at the cursor."""
        here = slice(self.cursor, self.cursor + round(_RAMP_S * self.sample_rate))
        old_T, new_T = self.samples_T[here], samples_T[here]
        both = min(len(old_T), len(new_T))
        rising_T = np.linspace(0, 1, both, dtype=np.float32)
        self._blend_T = old_T[:both] * (1 - rising_T) + new_T[:both] * rising_T
        self._held_T, self._length, self.is_open = samples_T, len(samples_T), False

    def jump(self, cursor: int) -> None:
        """Go on from there."""
        self.cursor, self._blend_T = min(max(0, cursor), self._length), np.zeros(0, np.float32)

    def take(self, count: int) -> tuple[int, Samples]:
        """Return the place and the next samples, at most `count` and none beyond the end; the next call goes on."""
        if self.loops and not self.is_open and self.cursor >= self._length:
            self.cursor = 0
        first = self.cursor
        if len(self._blend_T):
            taken_T, self._blend_T = self._blend_T[:count], self._blend_T[count:]
        else:
            taken_T = self.samples_T[first : first + count]
        self.cursor = first + len(taken_T)
        return first, taken_T
