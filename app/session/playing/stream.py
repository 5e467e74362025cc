"""A sound that is still being made: its blocks, quiet enough, and what they amount to so far."""

from __future__ import annotations

import numpy as np

from app.session.playing.reel import Ceiling, Reel, Samples
from app.session.slots import Playable


class Stream:
    """Takes a sound's blocks in; `reel` can be played meanwhile, `playable` is the sound so far.

    Its peaks stay below −1 dBFS: where they would not, it all becomes quieter from there on.
    """

    def __init__(self, title: str, sample_rate: int, key: object = None) -> None:
        empty_T: Samples = np.zeros(0, np.float32)
        self.reel = Reel(empty_T, sample_rate, is_open=True)
        self.playable = Playable(title, empty_T, sample_rate, key if key is not None else object())
        self._ceiling = Ceiling(sample_rate)

    def feed(self, samples_T: Samples) -> None:
        """Take the next block `[t]`."""
        self.reel.append(self._ceiling.passed(samples_T))
        self.playable = self.playable.with_samples(self.reel.samples_T)

    def finish(self, playable: Playable | None) -> Playable:
        """End with the finished sound, or with what came so far, and return that."""
        finished = self.playable if playable is None else playable
        self.reel.finish(finished.samples)
        return finished
