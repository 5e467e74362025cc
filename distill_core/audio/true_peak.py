"""The true peak of a sound: that of the curve through its samples, which a converter plays and samples may miss."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cache

import torch
from torch import Tensor

from distill_core.audio.torchaudio_import import Resample

LOUDEST = 10 ** (-1 / 20)  # −1 dBFS: room for the peaks that a lossy format adds
_OVERSAMPLING = 4
_WIDTH = 24  # zero crossings on either side: reads 20 kHz to within 0.02 dB, where torchaudio's default of 6 loses 0.6
_CONTEXT = 32
_BLOCK = 1 << 17
_GAIN_BITS = 16  # the last bits of a peak depend on the processor and its threads; a file must not


@cache
def _oversampler() -> Resample:
    return Resample(1, _OVERSAMPLING, lowpass_filter_width=_WIDTH)


def _blocks(waveform_T: Tensor, is_loop: bool) -> Iterator[Tensor]:
    """Yield parts of a sound that overlap by twice the context; around all is silence, or the loop's other end."""
    silence_T = torch.zeros(2 * _CONTEXT)  # the curve also swings beyond the ends of a sound
    before_T, after_T = (waveform_T[-_CONTEXT:], waveform_T[:_CONTEXT]) if is_loop else (silence_T, silence_T)
    around_T = torch.cat([before_T, waveform_T, after_T])
    for start in range(0, len(around_T) - 2 * _CONTEXT, _BLOCK):
        yield around_T[start : start + _BLOCK + 2 * _CONTEXT]


def true_peak(waveform_T: Tensor, is_loop: bool = False) -> float:
    """Return the largest absolute value of a sound between its samples and at them, by 4× oversampling.

    ITU-R BS.1770-4, annex 2. Memory does not grow with the length.
    """
    if not len(waveform_T):
        return 0.0
    peak = float(waveform_T.abs().max())
    edge = _OVERSAMPLING * _CONTEXT
    for block_T in _blocks(waveform_T, is_loop):
        peak = max(peak, float(_oversampler()(block_T)[edge:-edge].abs().max()))
    return peak


def safe_gain(waveform_T: Tensor, is_loop: bool = False, rounding: float = 0.0) -> float:
    """Return the gain that brings the true peak to −1 dBFS or below: 1, or less.

    `rounding` is what a number format may add to the peak.
    """
    peak, loudest = true_peak(waveform_T, is_loop), LOUDEST - rounding
    if peak <= loudest:
        return 1.0
    mantissa, exponent = math.frexp(loudest / peak)
    return math.ldexp(math.floor(math.ldexp(mantissa, _GAIN_BITS)), exponent - _GAIN_BITS)
