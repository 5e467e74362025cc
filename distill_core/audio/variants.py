"""Variants of a sound that a prior learns from beside the sound itself: a little higher or lower, a little later."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction

import torch
from torch import Tensor

from distill_core.audio.dataset import AudioFile
from distill_core.audio.io import SILENCE_PEAK, read_blocks
from distill_core.audio.spectrogram import FRAMES_PER_STEP, SpectrogramConfig
from distill_core.events import ShouldStop, unless_stopped

_HIGHEST_GAIN = 100.0  # +40 dB: more would make sound of what is noise
_MOST_SAMPLES_HELD = 16 * 2**20  # 64 MB, six minutes


@dataclass(frozen=True, slots=True)
class Variant:
    """A sound played `speed` times as fast, which begins `delay` of the codec's steps later."""

    speed: Fraction = Fraction(1)
    delay: float = 0.0


ORIGINAL = Variant()
# A semitone or a tone up or down (just intervals: ratios that the resampler is quick with), and between two steps.
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


def sound_samples(file: AudioFile, config: SpectrogramConfig, variant: Variant = ORIGINAL) -> int:
    """Return a sound's length at the model's rate; the silence that a delay puts in front belongs to it."""
    decoded = round(file.duration_s * file.sample_rate)
    samples = math.ceil(Fraction(decoded * config.sample_rate, file.sample_rate) / variant.speed)
    return samples + _delay_samples(config, variant)


def steps_of(samples: int, config: SpectrogramConfig) -> int:
    """Return how many of the codec's steps have a mel frame that is centred within so many samples.

    What follows them only fills a chunk or a second, and is neither learned from nor counted.
    """
    return math.ceil(samples / (FRAMES_PER_STEP * config.hop_length))


def total_steps(files: Iterable[AudioFile], config: SpectrogramConfig) -> int:
    """Return how many of the codec's steps sounds have together, as they are."""
    return sum(steps_of(sound_samples(file, config), config) for file in files)


def _delay_samples(config: SpectrogramConfig, variant: Variant) -> int:
    return round(variant.delay * FRAMES_PER_STEP * config.hop_length)


def read_variant(
    file: AudioFile, config: SpectrogramConfig, should_stop: ShouldStop, variant: Variant = ORIGINAL
) -> Iterator[Tensor]:
    """Yield a variant's blocks `[t]` at the model's rate.

    Raises:
        UnreadableSoundError: the file cannot be opened (any more).
        Stopped: `should_stop()` turned true.
    """
    if variant.delay:
        yield torch.zeros(_delay_samples(config, variant))
    yield from read_blocks(file.path, config.sample_rate, file.channel, variant.speed, should_stop)


def _gain(peak: float) -> float:
    return min(1 / peak, _HIGHEST_GAIN) if peak > SILENCE_PEAK else 1.0


def _peak(blocks: Iterable[Tensor]) -> float:
    return max((float(block_T.abs().max()) for block_T in blocks if len(block_T)), default=0.0)


def read_with_one_gain(
    file: AudioFile, config: SpectrogramConfig, should_stop: ShouldStop, variant: Variant = ORIGINAL
) -> Iterator[Tensor]:
    """Yield a variant's blocks `[t]`, all divided by the peak of them together; the gain is at most 40 dB.

    A long file is decoded twice, so that hours of sound need no more memory than minutes.

    Raises:
        UnreadableSoundError: the file cannot be opened (any more).
        Stopped: `should_stop()` turned true.
    """
    is_long = sound_samples(file, config, variant) > _MOST_SAMPLES_HELD
    held = () if is_long else tuple(read_variant(file, config, should_stop, variant))
    gain = _gain(_peak(read_variant(file, config, should_stop, variant) if is_long else held))
    blocks = read_variant(file, config, should_stop, variant) if is_long else unless_stopped(held, should_stop)
    yield from (block_T * gain for block_T in blocks)
