"""The true peak of a sound: that of the curve through its samples, which a converter plays and samples may miss."""

# TorchScript makes no types of `from __future__ import annotations`, and knows no global constants.
import math
from functools import cache

import torch
from torch import Tensor, nn

from distill_core.audio.torchaudio_import import Resample

LOUDEST = 10 ** (-1 / 20)  # −1 dBFS: room for the peaks that a lossy format adds
_OVERSAMPLING = 4
_WIDTH = 24  # zero crossings on either side: reads 20 kHz to within 0.02 dB, where torchaudio's default of 6 loses 0.6
_CONTEXT = 32
_BLOCK = 1 << 17
_GAIN_BITS = 16  # the last bits of a peak depend on the processor and its threads; a file must not


class PeakMeter(nn.Module):
    """A meter of true peaks, by 4× oversampling: ITU-R BS.1770-4, annex 2."""

    def __init__(self) -> None:
        super().__init__()
        self.oversample = Resample(1, _OVERSAMPLING, lowpass_filter_width=_WIDTH)
        self._loudest, self._context, self._block, self._gain_bits = LOUDEST, _CONTEXT, _BLOCK, _GAIN_BITS
        self._edge = _OVERSAMPLING * _CONTEXT

    def _around(self, waveform_T: Tensor, is_loop: bool) -> Tensor:
        """Return a sound with what its curve depends on beyond its ends: silence, or the loop's other end."""
        silence_T = torch.zeros(2 * self._context)  # the curve also swings beyond the ends of a sound
        before_T = waveform_T[-self._context :] if is_loop else silence_T
        after_T = waveform_T[: self._context] if is_loop else silence_T
        return torch.cat([before_T, waveform_T, after_T])

    def true_peak(self, waveform_T: Tensor, is_loop: bool) -> float:
        """Return the true peak of a sound; see the function of this name."""
        if len(waveform_T) == 0:
            return 0.0
        peak = float(waveform_T.abs().max())
        around_T = self._around(waveform_T, is_loop)
        for start in range(0, len(around_T) - 2 * self._context, self._block):  # memory does not grow with the length
            block_T = around_T[start : start + self._block + 2 * self._context]
            peak = max(peak, float(self.oversample(block_T)[self._edge : -self._edge].abs().max()))
        return peak

    def safe_gain(self, waveform_T: Tensor, is_loop: bool, rounding: float) -> float:
        """Return the gain for a sound; see the function of this name."""
        peak, loudest = self.true_peak(waveform_T, is_loop), self._loudest - rounding
        if peak <= loudest:
            return 1.0
        mantissa, exponent = math.frexp(loudest / peak)
        bits = self._gain_bits
        return math.ldexp(float(math.floor(math.ldexp(mantissa, bits))), exponent - bits)


@cache
def _meter() -> PeakMeter:
    return PeakMeter()


def true_peak(waveform_T: Tensor, is_loop: bool = False) -> float:
    """Return the largest absolute value of a sound between its samples and at them."""
    return _meter().true_peak(waveform_T, is_loop)


def safe_gain(waveform_T: Tensor, is_loop: bool = False, rounding: float = 0.0) -> float:
    """Return the gain that brings the true peak to −1 dBFS or below: 1, or less.

    `rounding` is what a number format may add to the peak.
    """
    return _meter().safe_gain(waveform_T, is_loop, rounding)
