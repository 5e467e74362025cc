"""The round trip through Opus, as libsndfile writes it; its compression level sets the rate, which is measured."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import soundfile
import torch
from torch import Tensor

from benchmarks.sound_error import RATE

KBITS = (64, 24)
_MOST_SAMPLES = 20 * RATE
_HALVINGS = 7  # of the 250 kbit/s that the level spans


@dataclass(frozen=True)
class OpusRate:
    """A compression level from 0 to 1, and the kbit/s that it takes, headers included."""

    level: float
    kbits: float


def _encoded(waveform_T: Tensor, level: float) -> io.BytesIO:
    file = io.BytesIO()
    settings = {"format": "OGG", "subtype": "OPUS", "compression_level": level}
    soundfile.write(file, waveform_T.numpy(), RATE, **settings)
    file.seek(0)
    return file


def opus_round_trip(waveform_T: Tensor, level: float) -> Tensor:
    """Return what Opus makes of a sound `[T]`; as long."""
    read, _ = soundfile.read(_encoded(waveform_T, level), dtype="float32")
    heard_T = torch.from_numpy(read)[: len(waveform_T)]
    return torch.cat([heard_T, torch.zeros(len(waveform_T) - len(heard_T))])


def _kbits(waveform_T: Tensor, level: float) -> float:
    return 8 * len(_encoded(waveform_T, level).getvalue()) / len(waveform_T) * RATE / 1000


def _levels(waveform_T: Tensor, kbits: float) -> Iterator[OpusRate]:
    """Yield ever better levels; a higher one takes fewer bits."""
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        yield OpusRate(middle, found := _kbits(waveform_T, middle))
        low, high = (middle, high) if found > kbits else (low, middle)


def rate_for(sounds: Sequence[Tensor], kbits: float) -> OpusRate:
    """Return the level whose rate is nearest to `kbits`, measured on the beginning of sounds one after another.

    In one row, because the headers of a file as short as a drum would be most of it.
    """
    joined_T = torch.cat([*sounds])[:_MOST_SAMPLES]
    return min(_levels(joined_T, kbits), key=lambda rate: abs(rate.kbits - kbits))
