"""The pairs of sounds that may be near-copies, found without comparing each with all others.

A step's codes are parted into units of a few. Of two near-copies at most a known number of codes differ at their shift,
and each of them spoils one unit: of one unit more than that, whichever they are, one at least is whole, so the other
sound has it too. So a sound's rarest units are looked up among those of all sounds (prefix filtering: Bayardo, Ma and
Srikant 2007, "Scaling up all pairs similarity search"). Of a long sound only some units are kept, those with certain
hashes, the same for all sounds; of two near-copies 19 whole ones are then expected at least, and none in 2 of 10¹³
cases. The pairs found are judged by the codes that they have in common at any shift, and only the likeliest are left.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from distill_core.events import ShouldStop, unless_stopped
from distill_core.training.data.row_table import ranges_of
from distill_core.training.data.scratch import Scratch
from distill_core.training.data.sound_codes import Block, SoundCodes, in_blocks

_Ints = NDArray[Any]
_Hashes = NDArray[Any]
_UNIT_CODES = 8
_HASH_BITS, _BUCKET_BITS = 32, 20  # units that share a hash only make more pairs to judge
_MOST_UNITS = 256  # of a sound; half as many or more of one that has more
# Units of a part of the sounds, in which all sounds are looked up: 2.4 MB, 10 for a moment. Of very many sounds there
# are no more parts than this, so that time grows with their number.
_MOST_INDEXED, _MOST_INDEXES = 300_000, 10
_MOST_AT_ONCE = 32_768  # pairs: 3 MB
# A sound is looked up, by its rarest units first, until it has met so many; the pairs with the most units in common
# are judged, and of them the likeliest are compared. Only sounds that are all alike have more.
_MOST_MET, _MOST_JUDGED, _MOST_KEPT = 4096, 256, 64
_HISTOGRAM_BUCKETS = 1024
_PAIRS_AT_ONCE = 128  # 2 MB of histograms


@dataclass(frozen=True, slots=True)
class Pairs:
    """Pairs of sounds by their numbers, the lower one first, and the share of codes that they may have equal."""

    firsts_M: _Ints
    others_M: _Ints
    shares_M: NDArray[np.float64]


def _hashes(codes_PC: _Ints) -> _Hashes:
    """Return `[P, units]`, the hashes of steps' units (multilinear hashing, of which the high bits are good)."""
    codes = codes_PC.shape[1]
    factors_C = np.random.default_rng(codes).integers(1, 2**64, codes, np.uint64, endpoint=False) | np.uint64(1)
    starts = np.arange(0, codes, _UNIT_CODES)
    places = np.random.default_rng(0).integers(0, 2**64, len(starts), np.uint64, endpoint=False)
    summed = np.add.reduceat(codes_PC.astype(np.uint64) * factors_C, starts, axis=1) + places
    hashes: _Hashes = summed >> np.uint64(64 - _HASH_BITS)
    return hashes


@dataclass(frozen=True, slots=True)
class _Units:
    """The heard units of several sounds, in columns: hashes, and the sounds' numbers."""

    hashes_U: _Hashes
    sounds_U: _Ints

    def where(self, is_kept_U: NDArray[np.bool_]) -> _Units:
        """Return some of the units."""
        return _Units(self.hashes_U[is_kept_U], self.sounds_U[is_kept_U])

    def distinct(self) -> _Units:
        """Return each sound's units once, by ascending hashes."""
        keys_U = np.unique(self.hashes_U.astype(np.uint64) << np.uint64(_HASH_BITS) | self.sounds_U.astype(np.uint64))
        sounds_U = (keys_U & np.uint64(2**_HASH_BITS - 1)).astype(np.int32)
        return _Units((keys_U >> np.uint64(_HASH_BITS)).astype(np.uint32), sounds_U)

    @property
    def buckets_U(self) -> _Ints:
        """The bucket of each, in which it is counted."""
        buckets_U: _Ints = (self.hashes_U >> np.uint32(_HASH_BITS - _BUCKET_BITS)).astype(np.int64)
        return buckets_U


def heard_steps(block: Block, silence_WHQ: Tensor | None) -> Tensor:
    """Return which steps of a block are heard; without the codes of silence, all of them."""
    return block.sound_P >= 0 if silence_WHQ is None else block.differs_P(silence_WHQ)


class CopyCandidates:
    """The search for pairs among sounds, whose heard steps are counted in `heard_N`; `near` is the least agreement."""

    def __init__(
        self, sounds: Sequence[SoundCodes], silence_WHQ: Tensor | None, heard_N: _Ints, near: float, least_length: float
    ) -> None:
        self._sounds, self._silence_WHQ, self._heard_N = sounds, silence_WHQ, heard_N
        self._near, self._least_length = near, least_length
        self._codes = sounds[0].codes_per_step
        # Of a sound so many codes may differ in a copy; a hair more, for rounding.
        may_differ_N = np.floor(heard_N * self._codes * (1 - near) + 1e-6).astype(np.int64)
        units_N = heard_N * -(-self._codes // _UNIT_CODES)
        self._level_N = np.ceil(np.log2(np.maximum(1, units_N / _MOST_UNITS))).astype(np.uint32)
        # Where a copy may be so long that only some of its units are kept, all are looked up.
        may_be_thinned_N = units_N > least_length * _MOST_UNITS
        self._scratch, self._noted = Scratch(), list[tuple[int, int, int]]()
        self._looked_up_N = np.where(may_be_thinned_N, _MOST_UNITS * 4, may_differ_N)

    def pairs(self, should_stop: ShouldStop) -> Pairs:
        """Return the pairs by their first sound, the likeliest first.

        Raises:
            Stopped: `should_stop()` turned true.
        """
        counts_B = self._unit_counts(should_stop)
        judged = [
            self._judged(*met)
            for index in self._indexes()
            for units in unless_stopped(self._units(), should_stop)
            for met in self._met(units, index, counts_B)
        ]
        return _in_order(judged)

    def _units(self) -> Iterator[_Units]:
        """Yield the distinct units of the sounds, of many short ones at once."""
        for hashes_at, sounds_at, count in self._noted:
            hashes_U = np.frombuffer(self._scratch.read(hashes_at, 4 * count), np.uint32)
            yield _Units(hashes_U, np.frombuffer(self._scratch.read(sounds_at, 4 * count), np.int32))

    def _computed(self) -> Iterator[_Units]:
        number = 0
        for block in in_blocks(self._sounds):
            is_heard_P = heard_steps(block, self._silence_WHQ)
            hashes = _hashes(block.codes_PHQ[is_heard_P].flatten(1).numpy())
            sounds_P = block.sound_P[is_heard_P].numpy() + number
            units = _Units(hashes.ravel().astype(np.uint32), sounds_P.repeat(hashes.shape[1]).astype(np.int32))
            left_out_U = (np.uint32(1) << self._level_N[units.sounds_U]) - np.uint32(1)
            yield units.where(units.hashes_U & left_out_U == 0).distinct()
            number += len(block.lengths_N)

    def _unit_counts(self, should_stop: ShouldStop) -> NDArray[np.int32]:
        """Note all units, and return in how many sounds those of each bucket occur."""
        counts_B = np.zeros(2**_BUCKET_BITS, np.int32)
        for units in unless_stopped(self._computed(), should_stop):
            np.add.at(counts_B, units.buckets_U, 1)
            hashes_at, sounds_at = map(self._scratch.append, (units.hashes_U.tobytes(), units.sounds_U.tobytes()))
            self._noted.append((hashes_at, sounds_at, len(units.hashes_U)))
        return counts_B

    def _indexes(self) -> Iterator[_Units]:
        """Yield the distinct units of all sounds, as many at once as memory is meant for."""
        waiting: list[_Units] = []
        most = max(_MOST_INDEXED, sum(count for _, _, count in self._noted) // _MOST_INDEXES)
        for units in self._units():
            waiting.append(units)
            if sum(len(each.hashes_U) for each in waiting) >= most:
                yield _joined(waiting)
                waiting = []
        if waiting:
            yield _joined(waiting)

    def _rarest(self, units: _Units, counts_B: NDArray[np.int32]) -> _Units:
        """Return each sound's units that are looked up, the rarest first."""
        counts_U = counts_B[units.buckets_U]
        order_U = np.lexsort((units.hashes_U, counts_U, units.sounds_U))
        hashes_U, sounds_U = units.hashes_U[order_U], units.sounds_U[order_U]
        chosen_U = _rank_within(sounds_U) <= self._looked_up_N[sounds_U]
        return _Units(hashes_U[chosen_U], sounds_U[chosen_U])

    def _met(self, units: _Units, index: _Units, counts_B: NDArray[np.int32]) -> Iterator[tuple[_Ints, _Ints]]:
        """Yield pairs with a unit in common: the sounds that are looked up, and as long or longer ones of the index."""
        rarest = self._rarest(units, counts_B)
        starts_U = np.searchsorted(index.hashes_U, rarest.hashes_U)
        counts_U = np.searchsorted(index.hashes_U, rarest.hashes_U, "right") - starts_U
        so_far_U = np.cumsum(counts_U) - counts_U
        first_U = np.flatnonzero(np.diff(rarest.sounds_U, prepend=-1))
        before_U = so_far_U[first_U].repeat(np.diff(first_U, append=len(so_far_U)))
        counts_U = np.minimum(counts_U, np.maximum(0, _MOST_MET - (so_far_U - before_U)))
        for part in _parts(rarest.sounds_U, counts_U):
            sounds_M = rarest.sounds_U[part].astype(np.int64).repeat(counts_U[part])
            places_M = ranges_of(starts_U[part], counts_U[part])
            yield self._likeliest(sounds_M, index.sounds_U[places_M])

    def _likeliest(self, shorts_M: _Ints, longs_M: _Ints) -> tuple[_Ints, _Ints]:
        """Return distinct pairs that may be copies by their lengths, for each sound those that met most often."""
        shorter_M, longer_M = self._heard_N[shorts_M], self._heard_N[longs_M]
        fits_M = (shorts_M != longs_M) & (shorter_M <= longer_M) & (shorter_M >= self._least_length * longer_M)
        keys, times = np.unique(shorts_M[fits_M] * len(self._sounds) + longs_M[fits_M], return_counts=True)
        shorts, longs = np.divmod(keys, len(self._sounds))
        order = np.lexsort((longs, -times, shorts))
        shorts, longs = shorts[order], longs[order]
        chosen = _rank_within(shorts) < _MOST_JUDGED
        return shorts[chosen], longs[chosen]

    def _judged(self, shorts_M: _Ints, longs_M: _Ints) -> Pairs:
        """Return the pairs that have enough codes in common at any shift, the likeliest of each shorter sound."""
        parts = range(0, len(shorts_M), _PAIRS_AT_ONCE)
        shares = [self._shares(shorts_M[at : at + _PAIRS_AT_ONCE], longs_M[at : at + _PAIRS_AT_ONCE]) for at in parts]
        shares_M = np.concatenate([np.zeros(0), *shares])
        order_M = np.lexsort((longs_M, -shares_M, shorts_M))
        shorts_M, longs_M, shares_M = shorts_M[order_M], longs_M[order_M], shares_M[order_M]
        kept_M = (shares_M >= self._near - 1e-9) & (_rank_within(shorts_M) < _MOST_KEPT)
        shorts_M, longs_M = shorts_M[kept_M], longs_M[kept_M]
        return Pairs(np.minimum(shorts_M, longs_M), np.maximum(shorts_M, longs_M), shares_M[kept_M])

    def _shares(self, shorts_M: _Ints, longs_M: _Ints) -> NDArray[np.float64]:
        """Return the share of the shorter sounds' codes that the longer ones have too, at any place.

        Two sounds agree, at any shift, in no more codes than their histograms have in common.
        """
        numbers_N, places = np.unique(np.concatenate([shorts_M, longs_M]), return_inverse=True)
        histograms_ND = self._histograms(numbers_N)
        shorts_MD, longs_MD = (histograms_ND[part] for part in np.split(places, 2))
        common_M = np.minimum(shorts_MD, longs_MD).sum(1, dtype=np.int64)
        return np.asarray(common_M / (self._heard_N[shorts_M] * self._codes))

    def _histograms(self, numbers_N: _Ints) -> NDArray[np.int32]:
        """Return `[N, buckets]`, the number of heard codes in each, by the code and its place in its step."""
        found = []
        for block in in_blocks(self._sounds[number] for number in numbers_N.tolist()):
            is_heard_P = heard_steps(block, self._silence_WHQ)
            codes_PC = block.codes_PHQ[is_heard_P].flatten(1).numpy()
            buckets_PC = (codes_PC * 40_503 + np.arange(self._codes) * 10_007) % _HISTOGRAM_BUCKETS
            cells_PC = block.sound_P[is_heard_P].numpy()[:, None] * _HISTOGRAM_BUCKETS + buckets_PC
            counts = np.bincount(cells_PC.ravel(), minlength=len(block.lengths_N) * _HISTOGRAM_BUCKETS)
            found.append(counts.astype(np.int32).reshape(-1, _HISTOGRAM_BUCKETS))
        return np.concatenate(found)


def _joined(units: Sequence[_Units]) -> _Units:
    hashes_U = np.concatenate([each.hashes_U for each in units])
    sounds_U = np.concatenate([each.sounds_U for each in units])
    order_U = np.lexsort((sounds_U, hashes_U))
    return _Units(hashes_U[order_U], sounds_U[order_U])


def _rank_within(sorted_N: _Ints) -> _Ints:
    """Return the place of each value among its equals."""
    first_N = np.flatnonzero(np.diff(sorted_N, prepend=-1))
    return np.arange(len(sorted_N)) - first_N.repeat(np.diff(first_N, append=len(sorted_N)))


def _parts(sounds_U: _Ints, counts_U: _Ints) -> Iterator[slice]:
    """Yield slices of units, each of whole sounds, that meet about as many sounds as memory is meant for."""
    ends = np.append(np.flatnonzero(np.diff(sounds_U)) + 1, len(sounds_U))
    met = np.cumsum(counts_U)
    start, before = 0, 0
    for end in ends.tolist():
        if end > start and (met[end - 1] - before >= _MOST_AT_ONCE or end == len(sounds_U)):
            yield slice(start, end)
            start, before = end, int(met[end - 1])


def _in_order(found: Sequence[Pairs]) -> Pairs:
    """Return pairs once each, by their first sound, the likeliest first."""
    firsts_M = np.concatenate([np.zeros(0, np.int64), *(pairs.firsts_M for pairs in found)])
    others_M = np.concatenate([np.zeros(0, np.int64), *(pairs.others_M for pairs in found)])
    shares_M = np.concatenate([np.zeros(0), *(pairs.shares_M for pairs in found)])
    order_M = np.lexsort((others_M, -shares_M, firsts_M))
    firsts_M, others_M, shares_M = firsts_M[order_M], others_M[order_M], shares_M[order_M]
    is_new_M = (np.diff(firsts_M, prepend=-1) != 0) | (np.diff(others_M, prepend=-1) != 0)
    return Pairs(firsts_M[is_new_M], others_M[is_new_M], shares_M[is_new_M])
