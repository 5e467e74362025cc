"""Variants of a sound for a prior to learn from besides the sound itself: a little higher or lower, or later."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction

import torch
from torch import Tensor

from distill_core.audio.dataset import AudioFile
from distill_core.audio.geometry import Geometry
from distill_core.audio.io import SILENCE_PEAK, read_blocks
from distill_core.events import ShouldStop, unless_stopped

_HIGHEST_GAIN = 100.0  # +40 dB: more would make noise loud
_MOST_SAMPLES_HELD = 16 * 2**20  # 64 MB, six minutes


@dataclass(frozen=True, slots=True)
class Variant:
    """A sound that plays `speed` times as fast and begins `delay` steps of the codec later."""

    speed: Fraction = Fraction(1)
    delay: float = 0.0

    def delay_samples(self, geometry: Geometry) -> int:
        """Return the number of silent samples before the sound."""
        return round(self.delay * geometry.step_samples)


ORIGINAL = Variant()
# A semitone or a tone up or down (just intervals, whose ratios resample fast), and delays by parts of a step.
VARIANTS = (
    Variant(delay=0.5),
    Variant(Fraction(16, 15), 0.25),
    Variant(Fraction(15, 16), 0.75),
    Variant(Fraction(9, 8)),
    Variant(Fraction(8, 9), 0.5),
    Variant(delay=0.25),
    Variant(Fraction(10, 9), 0.75),
    Variant(Fraction(9, 10), 0.25),
)


def variant_of(number: int) -> Variant:
    """Return the variant of a number from 1 on, for 0 the sound as it is."""
    return VARIANTS[number - 1] if number else ORIGINAL


def semitones_of(number: int) -> int:
    """Return the transposition in semitones of the variant of a number, 0 for the sound as it is."""
    return round(12 * math.log2(variant_of(number).speed))


def sound_samples(file: AudioFile, geometry: Geometry, variant: Variant = ORIGINAL) -> int:
    """Return a variant's length in samples at the model's rate, its delay included."""
    decoded = round(file.duration_s * file.sample_rate)
    # Whole numbers, rounded up: a fraction each would take 30 ms for 5,000 sounds.
    entering, leaving = file.sample_rate * variant.speed.numerator, geometry.sample_rate * variant.speed.denominator
    return -(-decoded * leaving // entering) + (variant.delay_samples(geometry) if variant.delay else 0)


def total_steps(files: Iterable[AudioFile], geometry: Geometry) -> int:
    """Return the number of steps that the unvaried sounds have together."""
    return sum(geometry.steps_of(sound_samples(file, geometry)) for file in files)


def read_variant(
    file: AudioFile, geometry: Geometry, should_stop: ShouldStop, variant: Variant = ORIGINAL
) -> Iterator[Tensor]:
    """Yield a variant's blocks `[t]` at the model's rate.

    Raises:
        UnreadableSoundError: the file cannot be opened, or no longer.
        Stopped: `should_stop()` turned true.
    """
    if variant.delay:
        yield torch.zeros(variant.delay_samples(geometry))
    yield from read_blocks(file.path, geometry.sample_rate, file.channel, variant.speed, should_stop)


def gain_of(peak: float) -> float:
    """Return the gain by which a codec hears a sound with a peak: to full level, but by 40 dB at most."""
    return min(1 / peak, _HIGHEST_GAIN) if peak > SILENCE_PEAK else 1.0


def _peak(blocks: Iterable[Tensor]) -> float:
    return max((float(block_T.abs().max()) for block_T in blocks if len(block_T)), default=0.0)


def read_with_one_gain(
    file: AudioFile, geometry: Geometry, should_stop: ShouldStop, variant: Variant = ORIGINAL
) -> Iterator[Tensor]:
    """Yield a variant's blocks `[t]` divided by the peak of all of them; the gain is at most 40 dB.

    A long file is decoded twice, so that hours of sound need no more memory than minutes.

    Raises:
        UnreadableSoundError: the file cannot be opened, or no longer.
        Stopped: `should_stop()` turned true.
    """
    is_long = sound_samples(file, geometry, variant) > _MOST_SAMPLES_HELD
    held = () if is_long else tuple(read_variant(file, geometry, should_stop, variant))
    gain = gain_of(_peak(read_variant(file, geometry, should_stop, variant) if is_long else held))
    blocks = read_variant(file, geometry, should_stop, variant) if is_long else unless_stopped(held, should_stop)
    yield from (block_T * gain for block_T in blocks)
