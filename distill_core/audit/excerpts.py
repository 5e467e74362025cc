"""The parts of sounds that are compared: no longer than a take usually is, and which of their cells are heard."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from distill_core.audit.similarity import Excerpt
from distill_core.models.codec import Codec

LONGEST_EXCERPT_S = 5.0
RANGE_DB = 60.0  # what lies further below a sound's peak is silent


def loudness_of(log_mel_FM: Tensor) -> Tensor:
    """Return the power of log-mels in dB above silence, which is `RANGE_DB` below their peak; 0 is silence."""
    power_FM = log_mel_FM.double().expm1()
    below_peak_FM = 10 * (power_FM / power_FM.max()).log10()
    loudness_FM: Tensor = below_peak_FM.add(RANGE_DB).clamp(min=0).nan_to_num(0.0)  # of a sound that is all silence
    return loudness_FM.float()


def _heard_cells(loudness_FM: Tensor, steps: int, bands: int) -> Tensor:
    """Return `[W, H]`, the cells of a sound in which some of its log-mel is heard."""
    frames, mels = loudness_FM.shape
    step_F, band_M = torch.arange(frames) * steps // frames, torch.arange(mels) // math.ceil(mels / bands)
    cell_N = (step_F[:, None] * bands + band_M).flatten()
    heard_N = torch.bincount(cell_N, weights=(loudness_FM > 0).flatten().double(), minlength=steps * bands)
    return (heard_N > 0).view(steps, bands)


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a sound: its codes with the cells that are heard, its loudness `[F, M]`, and the step it begins at."""

    excerpt: Excerpt
    loudness_FM: Tensor
    begin: int

    def between(self, begin: int, end: int) -> Part:
        """Return the part of this part from one of its steps to another."""
        steps, frames = len(self.excerpt.codes_WHQ), len(self.loudness_FM)
        excerpt = Excerpt(self.excerpt.codes_WHQ[begin:end], self.excerpt.active_WH[begin:end])
        inside_FM = self.loudness_FM[begin * frames // steps : end * frames // steps]
        return Part(excerpt, inside_FM, self.begin + begin)

    @property
    def halves(self) -> list[Part]:
        """Its two halves, as far as they are heard; none of a single step."""
        steps = len(self.excerpt.codes_WHQ)
        halves = [self.between(0, steps // 2), self.between(steps // 2, steps)] if steps > 1 else []
        return [half for half in halves if half.excerpt.is_heard_enough]


def parts_of(codec: Codec, codes_WHQ: Tensor, most_steps: int) -> Iterator[Part]:
    """Yield a sound in parts of nearly equal length; one that is hardly heard is none."""
    steps, bands, _ = codes_WHQ.shape
    loudness_FM = loudness_of(codec.log_mel_of(codes_WHQ))
    whole = Part(Excerpt(codes_WHQ, _heard_cells(loudness_FM, steps, bands)), loudness_FM, 0)
    parts = math.ceil(steps / most_steps)
    for number in range(parts):
        part = whole.between(number * steps // parts, (number + 1) * steps // parts)
        if part.excerpt.is_heard_enough:
            yield part


def likeness(part_FM: Tensor, known_FM: Tensor, first: int) -> float:
    """Return the cosine of two sounds' loudness without their means; the part begins at frame `first` of the known.

    The known sound is silent before its beginning and after its end.
    """
    frames = len(part_FM)
    inside_FM = known_FM[max(0, first) : max(0, first + frames)]
    before = min(frames, max(0, -first))
    other_FM = functional.pad(inside_FM, (0, 0, before, frames - before - len(inside_FM)))
    part_N, other_N = ((each - each.mean()).flatten() for each in (part_FM, other_FM))
    return float(functional.cosine_similarity(part_N, other_N, dim=0))
