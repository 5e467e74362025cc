"""A sound's codes, and which of them are sound: padding is neither learned from nor counted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from math import ceil

import torch
from torch import Tensor

_STEPS_AT_ONCE = 2048  # of sounds: 0.8 MB of 48 codes a step


def by_band(codes_WHQ: Tensor, chunk_steps: int) -> Tensor:
    """Return `[N, S, Q]`, the format's order: chunks of `chunk_steps` steps, band by band within a chunk."""
    codes_NHWQ: Tensor = codes_WHQ.unflatten(0, (-1, chunk_steps)).transpose(1, 2)
    return codes_NHWQ.flatten(1, 2)


@dataclass(frozen=True, slots=True)
class SoundCodes:
    """One sound's codes `[W, H, Q]` (int64, on the CPU); the first `steps` steps are sound, the others pad a chunk.

    `has_end`: the sound ends after them, and was not cut there.
    """

    codes_WHQ: Tensor
    steps: int
    has_end: bool = True

    @classmethod
    def whole(cls, codes_WHQ: Tensor, *, has_end: bool = True) -> SoundCodes:
        """Return codes without padding."""
        return cls(codes_WHQ, len(codes_WHQ), has_end)

    @property
    def sound_WHQ(self) -> Tensor:
        """The codes without padding."""
        return self.codes_WHQ[: self.steps]

    @property
    def codes_per_step(self) -> int:
        """The number of codes of one step."""
        return self.codes_WHQ[0].numel()

    @property
    def count(self) -> int:
        """The number of codes without padding."""
        return self.steps * self.codes_per_step

    def differs_W(self, silence_WHQ: Tensor) -> Tensor:
        """Return which steps of the sound have other codes than silence: those of a chunk of it, or of one step."""
        silent_WHQ = silence_WHQ[torch.arange(self.steps) % len(silence_WHQ)]
        differs_W: Tensor = (self.sound_WHQ != silent_WHQ).flatten(1).any(1)
        return differs_W

    def is_heard_W(self, silence_WHQ: Tensor) -> Tensor:
        """Return which steps of the sound have other codes than silence; all of them, if none has.

        `silence_WHQ` are the codes of a chunk of silence, or of one step.
        """
        differs_W = self.differs_W(silence_WHQ)
        return differs_W if bool(differs_W.any()) else torch.ones_like(differs_W)

    def until(self, step: int, chunk_steps: int) -> SoundCodes:
        """Return the sound up to a step, in whole chunks, the rest of the last one as padding."""
        steps = min(step, self.steps)
        has_end = self.has_end and steps == self.steps
        return SoundCodes(self.codes_WHQ[: ceil(steps / chunk_steps) * chunk_steps], steps, has_end)

    def without_silent_end(self, silence_WHQ: Tensor, chunk_steps: int) -> SoundCodes:
        """Return the sound, in whole chunks, up to its last step that is heard: there it ends."""
        steps = int(self.is_heard_W(silence_WHQ).nonzero()[-1]) + 1
        return replace(self.until(steps, chunk_steps), has_end=self.has_end)


@dataclass(frozen=True, slots=True)
class Block:
    """Steps `[P, H, Q]` of several sounds, one after another and without padding; `lengths_N` are the sounds' own."""

    codes_PHQ: Tensor
    lengths_N: Tensor

    @property
    def sound_P(self) -> Tensor:
        """The number of each step's sound, from 0 on."""
        return torch.arange(len(self.lengths_N)).repeat_interleave(self.lengths_N)

    @property
    def step_P(self) -> Tensor:
        """The number of each step within its sound."""
        before_N = self.lengths_N.cumsum(0) - self.lengths_N
        return torch.arange(len(self.codes_PHQ)) - before_N.repeat_interleave(self.lengths_N)

    def differs_P(self, silence_WHQ: Tensor) -> Tensor:
        """Return which steps have other codes than silence: those of a chunk of it, or of one step."""
        silent_PHQ = silence_WHQ[self.step_P % len(silence_WHQ)]
        differs_P: Tensor = (self.codes_PHQ != silent_PHQ).flatten(1).any(1)
        return differs_P

    def is_heard_P(self, silence_WHQ: Tensor) -> Tensor:
        """Return which steps have other codes than silence; of a sound that has none, all of them."""
        differs_P, sound_P = self.differs_P(silence_WHQ), self.sound_P
        differing_N = torch.zeros(len(self.lengths_N), dtype=torch.long).index_add_(0, sound_P, differs_P.long())
        return differs_P | (differing_N == 0)[sound_P]


def in_blocks(sounds: Iterable[SoundCodes], most_steps: int = _STEPS_AT_ONCE) -> Iterator[Block]:
    """Yield sounds in order, many short ones at once: so a set of any size takes little memory and few calls."""
    waiting: list[Tensor] = []
    steps = 0
    for sound in sounds:
        waiting.append(sound.sound_WHQ)
        steps += sound.steps
        if steps >= most_steps:
            yield Block(torch.cat(waiting), torch.tensor([*map(len, waiting)]))
            waiting, steps = [], 0
    if waiting:
        yield Block(torch.cat(waiting), torch.tensor([*map(len, waiting)]))


def heard_blocks(sounds: Iterable[SoundCodes], silence_WHQ: Tensor | None) -> Iterator[Tensor]:
    """Yield the heard steps `[P, H, Q]` of sounds, many at once; without the codes of silence all count as heard."""
    for block in in_blocks(sounds):
        yield block.codes_PHQ if silence_WHQ is None else block.codes_PHQ[block.is_heard_P(silence_WHQ)]


def without_silence(sounds: Sequence[SoundCodes], silence_WHQ: Tensor) -> list[SoundCodes]:
    """Return sounds without their steps of silence, whose codes are guessed by anybody and say nothing of a prior."""
    return [SoundCodes.whole(sound.sound_WHQ[sound.is_heard_W(silence_WHQ)]) for sound in sounds]


def first_codes(sounds: Iterable[SoundCodes], most: int, chunk_steps: int = 1) -> list[SoundCodes]:
    """Return sounds in order until they have about `most` codes, the last one cut, but at least one step."""
    taken: list[SoundCodes] = []
    count = 0
    for sound in sounds:
        left = (most - count) // sound.codes_per_step
        if taken and left <= 0:
            break
        taken.append(sound.until(max(1, left), chunk_steps))
        count += taken[-1].count
    return taken
