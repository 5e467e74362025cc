"""A sound's codes, and which of them are sound: what only fills a second is neither learned from nor counted."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional


def by_step(values_NSQ: Tensor, bands: int) -> Tensor:
    """Return `[W, H, Q]`, time first, for a sound's values `[N, S, Q]` in the VQ-VAE's order: band by band."""
    values_NHWQ: Tensor = values_NSQ.unflatten(1, (bands, -1))
    return values_NHWQ.transpose(1, 2).flatten(0, 1)


@dataclass(frozen=True, slots=True)
class SoundCodes:
    """One sound's codes `[N, S, Q]` in the VQ-VAE's order of positions (int64, on the CPU).

    As chunks N is its seconds and S a second's positions; as a row N is 1 and S all of its positions, none of which is
    padding. The first `steps` of its steps are sound; what follows only fills the last chunk.
    """

    codes_NSQ: Tensor
    bands: int
    steps: int

    @classmethod
    def in_a_row(cls, codes_WHQ: Tensor) -> SoundCodes:
        """Return codes `[W, H, Q]` as one row."""
        steps, bands, _ = codes_WHQ.shape
        return cls(codes_WHQ.transpose(0, 1).flatten(0, 1)[None], bands, steps)

    @classmethod
    def in_chunks(cls, codes_WHQ: Tensor, a_chunk: int) -> SoundCodes:
        """Return codes `[W, H, Q]` as chunks of so many steps, the last one padded."""
        steps, bands, _ = codes_WHQ.shape
        padded_WHQ = functional.pad(codes_WHQ, (0, 0, 0, 0, 0, -steps % a_chunk))
        chunks_NWHQ = padded_WHQ.unflatten(0, (-1, a_chunk))
        return cls(chunks_NWHQ.transpose(1, 2).flatten(1, 2), bands, steps)

    @property
    def codes_WHQ(self) -> Tensor:
        """The codes of the steps that are sound, time first."""
        return by_step(self.codes_NSQ, self.bands)[: self.steps]

    @property
    def counted_NS(self) -> Tensor:
        """Which positions are sound."""
        chunks, positions, _ = self.codes_NSQ.shape
        step_NW = torch.arange(chunks * positions // self.bands).view(chunks, -1)
        return (step_NW < self.steps)[:, None].expand(-1, self.bands, -1).flatten(1)

    @property
    def count(self) -> int:
        """How many codes there are without padding."""
        return self.steps * self.bands * self.codes_NSQ.shape[2]

    def until(self, step: int) -> SoundCodes:
        """Return the sound up to a step: the chunks that it needs, each whole; the rest of the last one is padding."""
        steps, a_chunk = min(step, self.steps), self.codes_NSQ.shape[1] // self.bands
        return SoundCodes(self.codes_NSQ[: -(-steps // a_chunk)], self.bands, steps)


def first_codes(sounds: Iterable[SoundCodes], most: int) -> list[SoundCodes]:
    """Return sounds in order until they have about `most` codes, the last one cut short; at least a step."""
    taken: list[SoundCodes] = []
    for sound in sounds:
        a_step = sound.bands * sound.codes_NSQ.shape[2]
        left = (most - sum(each.count for each in taken)) // a_step
        if taken and left <= 0:
            break
        taken.append(sound.until(max(1, left)))
    return taken
