"""The comparison of sounds with those that a prior learned from, and the baseline of that comparison."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias, TypeVar

from torch import Tensor

from distill_core.audio.dataset import AudioFile
from distill_core.audio.variants import variant_of
from distill_core.audit.excerpts import Part, likeness, loudness_of, parts_of
from distill_core.audit.learned import LearnedSounds
from distill_core.audit.nearness import baseline_of
from distill_core.audit.similarity import Passage
from distill_core.audit.verdict import Baseline, Common
from distill_core.events import ShouldStop, never, unless_stopped
from distill_core.models.codec import Codec

_MOST_POINTS, _ENOUGH_POINTS = 256, 64
_Item = TypeVar("_Item")


@dataclass(frozen=True, slots=True)
class Compared:
    """A part of a sound beside its nearest passage in what was learned.

    `file` is that sound's file, `time_s` the place of the passage in it, `variant` the number of the variant that it is
    in, 0 for the sound as it is; `begin_s` is the place of the part in its own sound.
    """

    part: Part
    common: Common
    passage: Passage
    file: AudioFile
    variant: int
    time_s: float
    begin_s: float


_Point: TypeAlias = tuple[Part, frozenset[int]]  # with the numbers of the files that it is not compared with


def _evenly(items: Sequence[_Item], most: int) -> list[_Item]:
    """Return some of the items, evenly from all, `most` at most."""
    count = min(len(items), most)
    return [items[place * len(items) // count] for place in range(count)]


def time_in_file(time_s: float, step_s: float, number: int) -> float:
    """Return the place in a sound's file of a place in its variant of a number, 0 for the sound as it is."""
    variant = variant_of(number)
    return max(0.0, time_s - float(variant.delay) * step_s) * float(variant.speed)


@dataclass
class Judge:
    """A judge of sounds, by the sounds that a prior learned from. It keeps the log-mels of passages that were near."""

    codec: Codec
    step_s: float
    learned: LearnedSounds
    _loudness: dict[int, Tensor] = field(default_factory=dict)

    def compare(self, codes_WHQ: Tensor) -> Iterator[Compared]:
        """Yield the parts of a sound that are heard, each beside its nearest passage."""
        for part in parts_of(self.codec, codes_WHQ, self.learned.known.most_steps):
            compared = self._compared(part, ())
            if compared is not None:
                yield compared

    def baseline(self, should_stop: ShouldStop = never) -> tuple[Baseline, list[Common]]:
        """Return the baseline, and its points: each training sound beside all other files, held-out ones beside all.

        Near-copies of a sound under other names count as the same file. Of many points some are taken; the halves of
        few sounds are points of the baseline, too.

        Raises:
            Stopped: `should_stop()` turned true.
        """
        points = self._chosen(should_stop)
        if len(points) < _ENOUGH_POINTS:
            points += [(half, near) for part, near in points for half in part.halves]
        found = self._beside_others(points, should_stop)
        return baseline_of(found), found

    def _beside_others(self, points: Sequence[_Point], should_stop: ShouldStop) -> list[Common]:
        compared = (self._compared(part, own) for part, own in unless_stopped(points, should_stop))
        return [each.common for each in compared if each is not None]

    def _chosen(self, should_stop: ShouldStop) -> list[_Point]:
        """Return the parts of the sounds, at most 256 of them, evenly from all."""
        sounds = [*zip((*self.learned.train, *self.learned.held_out), self.learned.near, strict=True)]
        found = list[_Point]()
        for sound, near in unless_stopped(_evenly(sounds, _MOST_POINTS), should_stop):
            parts = parts_of(self.codec, sound.sound_WHQ, self.learned.known.most_steps)
            found += [(part, near) for part in parts]
        return _evenly(found, _MOST_POINTS)

    def _compared(self, part: Part, without: Collection[int]) -> Compared | None:
        known = self.learned.known
        nearest = known.nearest(part.excerpt, without)
        if nearest is None:
            return None
        passage = nearest.passage
        sound = known.sounds[passage.sound]
        common = Common(nearest.agreement, nearest.coarse, nearest.run, nearest.active, self._likeness(part, passage))
        return Compared(
            part,
            common,
            passage,
            self.learned.files[sound.file],
            sound.variant,
            time_in_file(max(0, passage.step) * self.step_s, self.step_s, sound.variant),
            part.begin * self.step_s,
        )

    def _likeness(self, part: Part, passage: Passage) -> float:
        known_FM = self._loudness_of(passage.sound)
        steps = len(self.learned.known.sounds[passage.sound].codes_WHQ)
        return likeness(part.loudness_FM, known_FM, passage.step * len(known_FM) // steps)

    def _loudness_of(self, sound: int) -> Tensor:
        if sound not in self._loudness:
            self._loudness[sound] = loudness_of(self.codec.log_mel_of(self.learned.known.sounds[sound].codes_WHQ))
        return self._loudness[sound]
