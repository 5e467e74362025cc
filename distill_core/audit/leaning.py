"""How much of a take lies in each of the sounds that its prior learned from."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from distill_core.events import ShouldStop, never, unless_stopped
from distill_core.training.data.codes import SplitCodes
from distill_core.training.data.sound_codes import SoundCodes


def _most_equal(codes_WC: Tensor, known_WC: Tensor) -> int:
    """Return the largest number of codes that agree, at any shift by whole steps."""
    steps, lanes = codes_WC.shape
    gap_WC = known_WC.new_full((steps - 1, lanes), -1)
    windows_SCW = torch.cat([gap_WC, known_WC, gap_WC]).unfold(0, steps, 1)
    return int((windows_SCW == codes_WC.T).sum((1, 2)).max())


def leanings(sounds: Sequence[SoundCodes], codes: SplitCodes, should_stop: ShouldStop = never) -> list[float]:
    """Return for each training sound the share of a take's codes that agree with it, or with one of its variants.

    Raises:
        Stopped: `should_stop()` turned true.
    """
    count = sum(sound.count for sound in sounds)
    found = []
    for versions in unless_stopped(codes.versions, should_stop):
        known = [version.sound_WHQ.flatten(1) for version in versions]
        equal = [max(_most_equal(sound.sound_WHQ.flatten(1), known_WC) for known_WC in known) for sound in sounds]
        found.append(sum(equal) / count)
    return found
