"""Variants of a sound for training: a little faster or slower, later, softer, brighter or darker, with some noise.

All of it is arithmetic on several sounds at once, well under a millisecond for a second of sound.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from distill_core.events import ShouldStop, never, unless_stopped

_LARGEST_PITCH_SHIFT_OCTAVES = 1 / 6
_LONGEST_DELAY = 0.1  # as a share of the chunk
_LOUDEST_GAIN_DB, _SOFTEST_GAIN_DB = 1.0, -6.0
_LARGEST_TILT = 0.3
_AT_ONCE = 8  # sounds between two stop points
_LOUDEST_NOISE_DB, _SOFTEST_NOISE_DB = -50.0, -90.0


def _uniform_B1(count: int, low: float, high: float, generator: torch.Generator) -> Tensor:
    return torch.rand(count, 1, generator=generator) * (high - low) + low


def resample_linearly(waveforms_BT: Tensor, speed_B1: Tensor, delay_B1: Tensor) -> Tensor:
    """Return the waveforms played `speed` times as fast and `delay` samples later, with silence outside of them."""
    length = waveforms_BT.shape[1]
    positions_BT = torch.arange(length) * speed_B1 - delay_B1
    inside_BT = (positions_BT >= 0) & (positions_BT <= length - 1)
    before_BT = positions_BT.clamp(0, length - 2).floor().long()
    lower_BT, upper_BT = waveforms_BT.gather(1, before_BT), waveforms_BT.gather(1, before_BT + 1)
    return torch.lerp(lower_BT, upper_BT, positions_BT - before_BT) * inside_BT


def tilt(waveforms_BT: Tensor, amount_B1: Tensor) -> Tensor:
    """Return the waveforms darker (amount above 0) or brighter (below): each sample plus a share of the one before."""
    return waveforms_BT + amount_B1 * functional.pad(waveforms_BT, (1, -1))


def augment(waveforms_BT: Tensor, generator: torch.Generator, should_stop: ShouldStop = never) -> Tensor:
    """Return a variant `[B, T]` of each waveform; the CPU generator alone decides which.

    Raises:
        Stopped: `should_stop()` turned true.
    """
    count, length = waveforms_BT.shape
    octaves = _LARGEST_PITCH_SHIFT_OCTAVES
    speed_B1 = torch.exp2(_uniform_B1(count, -octaves, octaves, generator))
    delay_B1 = _uniform_B1(count, 0, _LONGEST_DELAY * length, generator)
    tilt_B1 = _uniform_B1(count, -_LARGEST_TILT, _LARGEST_TILT, generator)
    gain_B1 = 10 ** (_uniform_B1(count, _SOFTEST_GAIN_DB, _LOUDEST_GAIN_DB, generator) / 20)
    noise_level_B1 = 10 ** (_uniform_B1(count, _SOFTEST_NOISE_DB, _LOUDEST_NOISE_DB, generator) / 20)
    noise_T = torch.randn(length, generator=generator)  # one for all sounds: drawing it costs the most
    variants_BT = torch.empty_like(waveforms_BT)
    for rows in unless_stopped(torch.arange(count).split(_AT_ONCE), should_stop):
        moved_BT = tilt(resample_linearly(waveforms_BT[rows], speed_B1[rows], delay_B1[rows]), tilt_B1[rows])
        variants_BT[rows] = moved_BT * gain_B1[rows] + noise_T * noise_level_B1[rows]
    return variants_BT
