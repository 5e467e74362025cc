"""Sounds that are nearly the same: one recording at another gain, later or cut by whole steps, or in a like format.

Held-out sounds whose copies were learned from say nothing about new sound (Barz & Denzler 2020, "Do we train on test
data? Purging CIFAR of near-duplicates"), so such sounds stay on one side of a split. Two sounds are compared at every
shift by whole steps, but only if they have enough codes in common to agree at any.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from distill_core.events import ShouldStop, never, unless_stopped
from distill_core.training.data.sound_codes import SoundCodes

# From this share of equal codes on, two sounds are nearly the same. Of 240 sounds of drums, basses and pads, different
# ones of more than one step agreed in .88 at most; a copy at half the gain in .99, one as MP3 of 192 kbit/s in .94, one
# as OGG in .82 (medians of 24): of lossy copies many are missed.
NEAR_COPIES = 0.95
LEAST_LENGTH = 0.25  # of the longer sound: one far shorter is a part of it, if anything, and no copy
# Codes of a sound are counted in so many buckets: first in few, which tell most sounds apart, then in many.
_FEW_BUCKETS, _MANY_BUCKETS = 128, 1024
_ROWS = 128  # sounds that are compared with all others at once: 2.5 MB of results for 5,000
_MOST_COMPARED = 32  # sounds that one is compared with at every shift, those with the most codes in common
_ANCHORS, _BEST_SHIFTS = 64, 4  # steps of a long sound that tell at which shifts all of it is compared
_LEAST_COMMON = NEAR_COPIES - 1e-4  # of two near-copies' histograms; less by what rounding may change


@dataclass(frozen=True, slots=True)
class _Heard:
    """A sound's codes `[W, C]` (float32), which of its steps are heard, and how many."""

    codes_WC: Tensor
    is_heard_W: Tensor
    count: int


def _heard(sound: SoundCodes, silence_WHQ: Tensor | None) -> _Heard:
    """Return a sound for comparison; without the codes of silence all of it counts as heard."""
    codes_WC = sound.sound_WHQ.flatten(1).float()
    is_heard_W = torch.ones(len(codes_WC), dtype=torch.bool) if silence_WHQ is None else sound.differs_W(silence_WHQ)
    return _Heard(codes_WC, is_heard_W, int(is_heard_W.sum()))


def _histogram(sound: _Heard) -> Tensor:
    """Return `[buckets]`, the number of heard codes in each; a code's place in its step has a part in its bucket.

    So two sounds agree, at any shift, in no more codes than their histograms have in common.
    """
    codes_PC = sound.codes_WC[sound.is_heard_W].long()
    buckets_PC = (codes_PC * 40_503 + torch.arange(codes_PC.shape[1]) * 10_007) % _MANY_BUCKETS
    return torch.bincount(buckets_PC.flatten(), minlength=_MANY_BUCKETS).float()


def _shares(one_BD: Tensor, other_ND: Tensor) -> Tensor:
    """Return `[B, N]`, the share of the shorter sound's codes that two histograms have in common; 0 for no copies.

    The distance of histograms is twice what they do not have in common, besides the difference of their sizes.
    """
    one_B1, other_N = one_BD.sum(1, keepdim=True), other_ND.sum(1)
    shorter_BN, longer_BN = torch.minimum(one_B1, other_N), torch.maximum(one_B1, other_N)
    common_BN = (one_B1 + other_N - torch.cdist(one_BD, other_ND, p=1)) / 2
    may_be_copies_BN = (shorter_BN > 0) & (shorter_BN >= LEAST_LENGTH * longer_BN)
    return (common_BN / shorter_BN.clamp(min=1)).where(may_be_copies_BN, 0.0)


def _candidates(sounds: Sequence[_Heard]) -> Iterator[tuple[int, Tensor]]:
    """Yield sounds' numbers, each with those of later sounds that may be near-copies of it, the likeliest first."""
    many_ND = torch.stack([_histogram(sound) for sound in sounds])
    few_ND = many_ND.unflatten(1, (-1, _FEW_BUCKETS)).sum(1)
    for rows in torch.arange(len(sounds)).split(_ROWS):
        first = int(rows[0])
        may_be_near_BN = (_shares(few_ND[rows], few_ND[first:]) >= _LEAST_COMMON).triu(1)
        for row in may_be_near_BN.any(1).nonzero()[:, 0].tolist():
            others = may_be_near_BN[row].nonzero()[:, 0] + first
            shares_N = _shares(many_ND[first + row][None], many_ND[others])[0]
            order = shares_N.argsort(descending=True, stable=True)
            yield first + row, others[order[shares_N[order] >= _LEAST_COMMON]]


def _likely_shifts(short: _Heard, long: _Heard) -> list[int]:
    """Return the shifts at which a sound's heard steps, or some of many, have the most codes in common with another."""
    heard = short.is_heard_W.nonzero()[:, 0]
    anchors_A = heard[torch.linspace(0, len(heard) - 1, min(len(heard), _ANCHORS)).round().long()]
    differing_AW = torch.cdist(short.codes_WC[anchors_A], long.codes_WC, p=0)
    equal_AW = (short.codes_WC.shape[1] - differing_AW) * long.is_heard_W
    before = len(short.codes_WC) - 1  # added, so that no shift is below 0
    shifts_AW = torch.arange(len(long.codes_WC)) - anchors_A[:, None] + before
    equal_S = torch.zeros(before + len(long.codes_WC)).index_add_(0, shifts_AW.flatten(), equal_AW.flatten())
    return [shift - before for shift in equal_S.topk(min(_BEST_SHIFTS, len(equal_S))).indices.tolist()]


def _agreement_at(shift: int, short: _Heard, long: _Heard) -> float:
    """Return the share of a sound's heard codes that another has, heard too, `shift` steps later."""
    first, end = max(0, -shift), min(len(short.codes_WC), len(long.codes_WC) - shift)
    own, others = slice(first, end), slice(first + shift, end + shift)
    both_W = short.is_heard_W[own] & long.is_heard_W[others]
    equal = (short.codes_WC[own] == long.codes_WC[others])[both_W].sum()
    return int(equal) / (short.count * short.codes_WC.shape[1])


def _are_near(one: _Heard, other: _Heard) -> bool:
    """Tell whether enough codes of the sound of which less is heard agree with the other's, at any shift."""
    short, long = sorted((one, other), key=lambda sound: sound.count)
    return any(_agreement_at(shift, short, long) >= NEAR_COPIES for shift in _likely_shifts(short, long))


def _groups_of_equal_codes(sounds: Sequence[_Heard]) -> Tensor:
    """Return `[N]`, for each sound the number of the first with the same codes, so that one of them is compared."""
    first_with: dict[bytes, int] = {}
    firsts = [first_with.setdefault(sound.codes_WC.numpy().tobytes(), number) for number, sound in enumerate(sounds)]
    return torch.tensor([first if sounds[first].count else number for number, first in enumerate(firsts)])


def near_copies(
    sounds: Sequence[SoundCodes], silence_WHQ: Tensor | None = None, should_stop: ShouldStop = never
) -> tuple[tuple[int, ...], ...]:
    """Return the groups of sounds that are nearly the same, as numbers in ascending order; most sounds are in none.

    Two sounds are if `NEAR_COPIES` of the shorter one's heard codes agree at any shift by whole steps; a group holds
    what hangs together. Steps of silence, whose codes are `silence_WHQ`, never count. It takes 0.1 s for 250 sounds of
    a second or two.

    Raises:
        Stopped: `should_stop()` turned true.
    """
    heard = [_heard(sound, silence_WHQ) for sound in sounds]
    group_N = _groups_of_equal_codes(heard)
    distinct_M = group_N.unique()
    candidates = _candidates([heard[number] for number in distinct_M.tolist()])
    for index, found in unless_stopped(candidates, should_stop):
        number, others = int(distinct_M[index]), distinct_M[found]
        for other in others[group_N[others] != group_N[number]][:_MOST_COMPARED].tolist():
            if group_N[other] != group_N[number] and _are_near(heard[number], heard[other]):
                group_N[group_N == group_N[other]] = int(group_N[number])
    groups: dict[int, list[int]] = {}
    for number, group in enumerate(group_N.tolist()):
        groups.setdefault(group, []).append(number)
    return tuple(tuple(members) for members in groups.values() if len(members) > 1)
