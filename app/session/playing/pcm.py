"""The bytes that a device takes: its channels, its numbers, its rate."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from app.session.playing.reel import Samples

_CONTEXT_PERIODS = 16  # more than the resampler looks around
_LARGEST_INT16, _LARGEST_INT32, _MIDDLE_UINT8 = 32_767, 2_147_483_520, 128  # the second is the largest as a float32


@dataclass(frozen=True, slots=True)
class Pcm:
    """A format: `kind` is the type of a sample, as numpy names it."""

    sample_rate: int
    channels: int = 1
    kind: str = "float32"

    @property
    def frame_bytes(self) -> int:
        """Bytes of one sample of all channels."""
        return self.channels * np.dtype(self.kind).itemsize

    def packed(self, samples_T: Samples) -> bytes:
        """Return mono samples as bytes, the same in each channel."""
        return np.repeat(self._numbers(samples_T), self.channels).tobytes()

    def _numbers(self, samples_T: Samples) -> np.ndarray[tuple[int, ...], np.dtype[np.generic]]:
        clipped_T = np.clip(samples_T, -1, 1)
        match self.kind:
            case "int16":
                return (clipped_T * _LARGEST_INT16).round().astype(np.int16)
            case "int32":
                return (clipped_T * np.float32(_LARGEST_INT32)).astype(np.int32)
            case "uint8":
                return ((clipped_T * (_MIDDLE_UINT8 - 1)).round() + _MIDDLE_UINT8).astype(np.uint8)
        return clipped_T


def source_frames(frames: int, sample_rate: int, target_rate: int) -> int:
    """Return how many samples fill at most so many frames of a device at another rate: whole periods of both rates."""
    ratio = Fraction(sample_rate, target_rate)
    return frames // ratio.denominator * ratio.numerator


def resampled(samples_T: Samples, first: int, count: int, sample_rate: int, target_rate: int) -> Samples:
    """Return a part of a waveform at another rate, for a device that takes no other; parts join without a seam."""
    import torch

    from distill_core.audio.io import resample_blocks

    ratio = Fraction(sample_rate, target_rate)
    context, skipped = _CONTEXT_PERIODS * ratio.numerator, _CONTEXT_PERIODS * ratio.denominator
    around_T = samples_T[max(0, first - context) : first + count + context]
    padded_T = np.pad(around_T, (max(0, context - first), 0))
    blocks = resample_blocks([torch.from_numpy(padded_T)], sample_rate, target_rate)
    part_T: Samples = torch.cat([*blocks]).numpy()[skipped:][: round(count / ratio)]
    return part_T
