"""The agreement of a sound's codes with known sounds: at every shift by whole steps, at the same band and level.

Codes are compared in time order, step by step, band by band, level by level. Silent cells – a band of a step in which a
sound is silent – never count: they neither agree nor break a run.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from torch import Tensor

_Numbers: TypeAlias = np.ndarray[Any, Any]
_NO_CODE = -1  # between sounds
_LANES = 240  # counted in bytes: eight times as fast as in words, up to 255
_LEAST_ACTIVE = 0.25  # of a sound's cells; with fewer there is too little to compare


@dataclass(frozen=True, slots=True)
class KnownSound:
    """The codes `[W, H, Q]` of a sound that a prior learned from, or of a variant of it; `file` is the sound's number.

    `variant` is 0 for the sound as it is, k for its k-th variant.
    """

    codes_WHQ: Tensor
    file: int
    variant: int = 0


@dataclass(frozen=True, slots=True)
class Excerpt:
    """A sound, or a part of one: its codes `[W, H, Q]`, and which of its cells `[W, H]` are heard."""

    codes_WHQ: Tensor
    active_WH: Tensor

    @property
    def active_codes(self) -> int:
        """The number of codes that count."""
        return int(self.active_WH.sum()) * self.codes_WHQ.shape[2]

    @property
    def is_heard_enough(self) -> bool:
        """Whether enough of its cells are heard to compare it."""
        return float(self.active_WH.float().mean()) >= _LEAST_ACTIVE


class Passage(NamedTuple):
    """A place in the known sounds: the number of a sound among them, and the step at which an excerpt begins there.

    The step is below zero where the excerpt begins before the sound.
    """

    sound: int
    step: int


@dataclass(frozen=True, slots=True)
class Nearest:
    """The known passages that an excerpt agrees with most.

    `agreement` is the largest share of its active codes that agree at one shift, at `agrees_at`; `coarse` the largest
    share of those of the first level. `run` is the largest number of active codes in a row that agree, at `runs_at`;
    `active` is the number of active codes.
    """

    agreement: float
    agrees_at: Passage
    coarse: float
    run: int
    runs_at: Passage
    active: int

    @property
    def run_share(self) -> float:
        """The longest run as a share of the active codes."""
        return self.run / self.active

    @property
    def passage(self) -> Passage:
        """The passage to listen to: the one with the longest run, where that tells more than single codes."""
        return self.runs_at if self.run_share > self.agreement / 2 else self.agrees_at


class _Tally:
    """Counts at each shift: of agreeing codes, of those in the first level, and the longest run of them."""

    def __init__(self, shifts: int) -> None:
        self.equal, self.coarse, self.longest, self._run = (np.zeros(shifts, np.int32) for _ in range(4))

    def add(self, lanes: Sequence[tuple[_Numbers, int, bool]]) -> None:
        """Take some lanes: the known codes at each shift, the excerpt's code, and whether it is of the first level."""
        shifts = len(self.equal)
        is_equal, all_equal = np.empty(shifts, bool), np.ones(shifts, bool)
        equal, coarse, run, longest, lead = (np.zeros(shifts, np.uint8) for _ in range(5))
        as_number, all_as_number = is_equal.view(np.uint8), all_equal.view(np.uint8)
        for known, code, is_coarse in lanes:
            np.equal(known, code, out=is_equal)
            equal += as_number
            run += 1
            run *= as_number
            np.maximum(longest, run, out=longest)
            all_as_number &= as_number
            lead += all_as_number
            if is_coarse:
                coarse += as_number
        self.equal += equal
        self.coarse += coarse
        self.longest = np.maximum(self.longest, np.maximum(longest, self._run + lead))
        self._run[:] = np.where(all_equal, self._run + len(lanes), run)


class KnownSounds:
    """Known sounds to search for excerpts of up to `most_steps` steps, each against one of the sounds at a time."""

    def __init__(self, sounds: Sequence[KnownSound], most_steps: int) -> None:
        self.sounds, self.most_steps = tuple(sounds), most_steps
        lengths = np.array([len(sound.codes_WHQ) for sound in sounds])
        # A gap before each sound and after the last, so that no excerpt touches two of them.
        self._begins = np.cumsum([most_steps, *(lengths + most_steps)])[:-1]
        self._regions = self._begins - most_steps
        self._files = np.array([sound.file for sound in sounds])
        lanes = sounds[0].codes_WHQ[0].numel()
        self._known_CW = np.full((lanes, int(lengths.sum()) + most_steps * (len(sounds) + 1)), _NO_CODE, np.int32)
        for begin, sound in zip(self._begins, sounds, strict=True):
            self._known_CW[:, begin : begin + len(sound.codes_WHQ)] = sound.codes_WHQ.flatten(1).T.numpy()
        if self._known_CW.max() <= np.iinfo(np.int16).max:
            self._known_CW = self._known_CW.astype(np.int16)  # half the time

    def nearest(self, excerpt: Excerpt, without: Collection[int] = ()) -> Nearest | None:
        """Return the passages that agree most with an excerpt, None if all files are among those `without`.

        Raises:
            ValueError: the excerpt is longer than the sounds were laid out for, or nothing of it is heard.
        """
        found = self._measured(excerpt)
        left = ~np.isin(self._files, [*without])
        return found.best(left) if bool(left.any()) else None

    def cells(self, excerpt: Excerpt, passage: Passage) -> _Numbers:
        """Return `[W, H, Q]`, whether each code of an excerpt agrees with a passage."""
        begin = self._begins[passage.sound] + passage.step
        known = self._known_CW[:, begin : begin + len(excerpt.codes_WHQ)].T
        return np.asarray(known.reshape(excerpt.codes_WHQ.shape) == excerpt.codes_WHQ.numpy())

    def _measured(self, excerpt: Excerpt) -> _Measured:
        steps = len(excerpt.codes_WHQ)
        if steps > self.most_steps or not excerpt.active_codes:
            raise ValueError("an excerpt has some sound, and no more steps than was said")
        tally = _Tally(self._known_CW.shape[1] - self.most_steps)
        lanes = [*self._lanes(excerpt, len(tally.equal))]
        for first in range(0, len(lanes), _LANES):
            tally.add(lanes[first : first + _LANES])
        return _Measured(tally, self._regions, self.most_steps, excerpt)

    def _lanes(self, excerpt: Excerpt, shifts: int) -> Iterator[tuple[_Numbers, int, bool]]:
        levels = excerpt.codes_WHQ.shape[2]
        codes_WC, active_WC = excerpt.codes_WHQ.flatten(1).numpy(), excerpt.active_WH.repeat_interleave(levels, 1)
        for step, lane in active_WC.nonzero().tolist():
            known = self._known_CW[lane, step : step + shifts]
            yield known, int(codes_WC[step, lane]), lane % levels == 0


@dataclass(frozen=True, slots=True)
class _Measured:
    """The tally of an excerpt, by known sound: sound i has the shifts from `regions[i]` on."""

    tally: _Tally
    regions: _Numbers
    most_steps: int
    excerpt: Excerpt

    def _largest(self, values: _Numbers) -> _Numbers:
        return np.asarray(np.maximum.reduceat(values, self.regions))

    def _passage(self, values: _Numbers, largest: _Numbers, left: _Numbers) -> Passage:
        sound = int(np.where(left, largest, -1).argmax())
        end = self.regions[sound + 1] if sound + 1 < len(self.regions) else len(values)
        shift = int(values[self.regions[sound] : end].argmax())
        return Passage(sound, shift - self.most_steps)

    def best(self, left: _Numbers) -> Nearest:
        """Return the best passages among the sounds that are `left`."""
        equal, coarse, longest = (
            self._largest(values) for values in (self.tally.equal, self.tally.coarse, self.tally.longest)
        )
        active, levels = self.excerpt.active_codes, self.excerpt.codes_WHQ.shape[2]
        return Nearest(
            agreement=float(equal[left].max() / active),
            agrees_at=self._passage(self.tally.equal, equal, left),
            coarse=float(coarse[left].max() * levels / active),
            run=int(longest[left].max()),
            runs_at=self._passage(self.tally.longest, longest, left),
            active=active,
        )
