"""A codec's division of sound into codes `[W, H, Q]`, as a value for the code that reads sound for it."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Geometry:
    """Steps of time, bands and levels of a codec.

    `step_samples` is the distance from one step to the next, `chunk_steps` the number of steps in a one-second chunk. A
    piece of a long sound includes `look_back_steps` before and `look_ahead_samples` after its own steps, so that its
    codes are those of the whole sound.
    """

    sample_rate: int
    step_samples: int
    chunk_steps: int
    bands: int
    levels: int
    look_back_steps: int
    look_ahead_samples: int

    @property
    def codes_per_step(self) -> int:
        """Codes of one step."""
        return self.bands * self.levels

    @property
    def codes_per_second(self) -> int:
        """Codes of a chunk."""
        return self.chunk_steps * self.codes_per_step

    @property
    def step_s(self) -> float:
        """Seconds from one step to the next."""
        return self.step_samples / self.sample_rate

    def steps_of(self, samples: int) -> int:
        """Return the number of steps that begin within `samples` samples; further steps only fill a chunk."""
        return math.ceil(samples / self.step_samples)

    def steps_within(self, seconds: float) -> int:
        """Return the number of steps in `seconds`, including the one under way at their end."""
        return int(seconds * self.sample_rate) // self.step_samples + 1
