"""Sounds that are nearly the same: one recording at another gain, later or cut by whole steps, or in a like format.

Held-out sounds whose copies were learned from say nothing about new sound (Barz & Denzler 2020, "Do we train on test
data? Purging CIFAR of near-duplicates"), so such sounds stay on one side of a split. Two sounds are compared at every
shift by whole steps, but only if they have enough codes in common to agree at any: `copy_candidates.py` finds those.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from distill_core.events import ShouldStop, never, unless_stopped
from distill_core.training.data.code_store import Sounds
from distill_core.training.data.copy_candidates import CopyCandidates, Pairs, heard_steps
from distill_core.training.data.sound_codes import SoundCodes, in_blocks

# From this share of equal codes on, two sounds are nearly the same. Of 240 sounds of drums, basses and pads, different
# ones of more than one step agreed in .88 at most; a copy at half the gain in .99, one as MP3 of 192 kbit/s in .94, one
# as OGG in .82 (medians of 24): of lossy copies many are missed.
NEAR_COPIES = 0.95
LEAST_LENGTH = 0.25  # of the longer sound: one far shorter is a part of it, if anything, and no copy
_MOST_COMPARED = 32  # sounds that one is compared with at every shift, those with the most codes in common
_ANCHORS, _BEST_SHIFTS = 64, 4  # steps of a long sound that tell at which shifts all of it is compared


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


class _Groups:
    """Groups of sounds that hang together, each known by one of its members (union-find)."""

    def __init__(self, count: int) -> None:
        self._known_as = np.arange(count)

    def of(self, number: int) -> int:
        known_as = self._known_as
        while known_as[number] != number:
            known_as[number] = known_as[known_as[number]]
            number = int(known_as[number])
        return number

    def join(self, one: int, other: int) -> None:
        self._known_as[self.of(other)] = self.of(one)

    def of_several(self) -> tuple[tuple[int, ...], ...]:
        """Return the groups of more than one sound, as numbers in ascending order."""
        groups: dict[int, list[int]] = {}
        for number in range(len(self._known_as)):
            groups.setdefault(self.of(number), []).append(number)
        return tuple(tuple(members) for members in groups.values() if len(members) > 1)


def _counts_of_heard(sounds: Sequence[SoundCodes], silence_WHQ: Tensor | None) -> NDArray[np.int64]:
    """Return the number of heard steps of each sound."""
    found = [
        torch.zeros_like(block.lengths_N).index_add_(0, block.sound_P, heard_steps(block, silence_WHQ).long())
        for block in in_blocks(sounds)
    ]
    return torch.cat(found).numpy()


def _join_equal(sounds: Sequence[SoundCodes], heard_N: NDArray[np.int64], groups: _Groups) -> list[int]:
    """Join the sounds with the same codes, and return the numbers of those that are left to be compared."""
    first_with: dict[bytes, int] = {}
    left = []
    for number, sound in enumerate(sounds):
        digest = blake2b(sound.sound_WHQ.numpy().tobytes(), digest_size=16).digest()
        if heard_N[number] and (first := first_with.setdefault(digest, number)) != number:
            groups.join(first, number)
        elif heard_N[number]:
            left.append(number)
    return left


def _chosen(sounds: Sequence[SoundCodes], numbers: Sequence[int]) -> Sequence[SoundCodes]:
    if isinstance(sounds, Sounds):
        return Sounds(sounds.store, sounds.numbers_N[[*numbers]])
    return [sounds[number] for number in numbers]


def near_copies(
    sounds: Sequence[SoundCodes], silence_WHQ: Tensor | None = None, should_stop: ShouldStop = never
) -> tuple[tuple[int, ...], ...]:
    """Return the groups of sounds that are nearly the same, as numbers in ascending order; most sounds are in none.

    Two sounds are if `NEAR_COPIES` of the shorter one's heard codes agree at any shift by whole steps; a group holds
    what hangs together. Steps of silence, whose codes are `silence_WHQ`, never count. Time and memory grow with the
    number of sounds, not with that of pairs.

    Raises:
        Stopped: `should_stop()` turned true.
    """
    if not sounds:
        return ()
    heard_N, groups = _counts_of_heard(sounds, silence_WHQ), _Groups(len(sounds))
    numbers = _join_equal(sounds, heard_N, groups)
    if len(numbers) > 1:
        distinct = _chosen(sounds, numbers)
        search = CopyCandidates(distinct, silence_WHQ, heard_N[numbers], NEAR_COPIES, LEAST_LENGTH)
        _join_near(distinct, numbers, silence_WHQ, search.pairs(should_stop), groups, should_stop)
    return groups.of_several()


def _join_near(
    sounds: Sequence[SoundCodes],
    numbers: Sequence[int],
    silence_WHQ: Tensor | None,
    pairs: Pairs,
    groups: _Groups,
    should_stop: ShouldStop,
) -> None:
    """Join those of the pairs that are near-copies; `numbers` are those by which the groups know the sounds."""
    compared, last = 0, -1
    for first, other in unless_stopped(zip(pairs.firsts_M.tolist(), pairs.others_M.tolist(), strict=True), should_stop):
        if first != last:
            compared, last, heard = 0, first, _heard(sounds[first], silence_WHQ)
        one, two = numbers[first], numbers[other]
        if compared < _MOST_COMPARED and groups.of(one) != groups.of(two):
            compared += 1
            if _are_near(heard, _heard(sounds[other], silence_WHQ)):
                groups.join(one, two)
