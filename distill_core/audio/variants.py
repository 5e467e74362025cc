"""Variants of a sound that a prior learns from beside the sound itself: a little higher or lower, a little later."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import torch
from torch import Tensor

from distill_core.audio.dataset import AudioFile
from distill_core.audio.io import read_blocks
from distill_core.audio.spectrogram import FRAMES_PER_STEP, SpectrogramConfig


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


def read_variant(file: AudioFile, config: SpectrogramConfig, variant: Variant) -> Iterator[Tensor]:
    """Yield a variant's blocks `[t]` at the model's rate.

    Raises:
        UnreadableSoundError: the file cannot be opened (any more).
    """
    if variant.delay:
        yield torch.zeros(round(variant.delay * FRAMES_PER_STEP * config.hop_length))
    yield from read_blocks(file.path, config.sample_rate, file.channel, variant.speed)
