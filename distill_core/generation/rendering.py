"""The sound of a take's codes: its sounds one after another, its exact length, its fades."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import chain
from typing import TypeAlias

import torch
from torch import Tensor

from distill_core.generation.drawing import CodeBlock
from distill_core.generation.plan import SECONDS_FADE_S, Plan

END_FADE_S = 0.05  # of a sound that ended
CUT_FADE_S = 0.01  # of a sound that is cut in its middle
_INAUDIBLE = 1e-3  # of the peak, −60 dB: what stays below it to the end is no part of one sound

# The sound of one sound's codes: `Codec.audio_of`.
AudioOf: TypeAlias = Callable[[Iterable[Tensor]], Iterator[Tensor]]


def end_faded(waveform_T: Tensor, samples: int) -> Tensor:
    """Return a waveform the last `samples` samples of which fade linearly."""
    done = max(0, len(waveform_T) - samples)
    return torch.cat([waveform_T[:done], waveform_T[done:] * torch.linspace(1, 0, len(waveform_T) - done)])


def cross_fade(before_T: Tensor, after_T: Tensor) -> Tensor:
    """Return a waveform that goes over into another of its length at steady power: they are not in phase."""
    angle_T = torch.linspace(0, math.pi / 2, len(before_T))
    return before_T * angle_T.cos() + after_T * angle_T.sin()


def _until_end(blocks: Iterable[CodeBlock]) -> Iterator[Tensor]:
    for block in blocks:
        yield block.codes_WHQ
        if block.ends:
            return


def _fade_out(blocks: Iterable[Tensor], samples: int) -> Iterator[Tensor]:
    """Yield a waveform's blocks, the last `samples` of which fade linearly."""
    waiting_T = torch.empty(0)
    for block_T in blocks:
        waiting_T = torch.cat([waiting_T, block_T])
        done = max(0, len(waiting_T) - samples)
        yield waiting_T[:done]
        waiting_T = waiting_T[done:]
    yield end_faded(waiting_T, samples)


def _without_silent_end(blocks: Iterable[Tensor], samples: int) -> Iterator[Tensor]:
    """Yield a waveform's blocks up to `samples` samples after the last one that is heard.

    A sound ends within its last step, and the rest of the step is silence.
    """
    waiting_T, peak = torch.empty(0), 0.0
    for block_T in filter(len, blocks):
        waiting_T, peak = torch.cat([waiting_T, block_T]), max(peak, float(block_T.abs().max()))
        heard = (waiting_T.abs() > _INAUDIBLE * peak).nonzero()
        done = int(heard[-1]) + 1 if len(heard) else 0
        yield waiting_T[:done]
        waiting_T = waiting_T[done:]
    yield waiting_T[:samples]


def _first(blocks: Iterable[Tensor], samples: int) -> Iterator[Tensor]:
    """Yield a waveform's blocks up to `samples` samples."""
    left = samples
    for block_T in blocks:
        yield block_T[:left]
        left -= len(block_T)
        if left <= 0:
            return


def _cross_faded(sounds: Iterable[Tensor], samples: int) -> Iterator[Tensor]:
    """Yield whole sounds one after another, each faded into the next over its last `samples`."""
    tail_T = torch.empty(0)
    for sound_T in sounds:
        faded_T = cross_fade(tail_T, sound_T[: len(tail_T)])
        kept = len(sound_T) - samples
        yield torch.cat([faded_T, sound_T[len(tail_T) : kept]])
        tail_T = sound_T[kept:]
    yield tail_T


def _sounds_one_after_another(audio_of: AudioOf, blocks: Iterator[CodeBlock], fade: int) -> Iterator[Tensor]:
    """Yield the sound of sounds, each of which fades before the next begins."""
    for block in blocks:
        rest = () if block.ends else _until_end(blocks)
        yield from _fade_out(audio_of(chain([block.codes_WHQ], rest)), fade)


def _trimmed(audio_of: AudioOf, fade: int, blocks: Iterable[Tensor]) -> Iterator[Tensor]:
    return _without_silent_end(audio_of(blocks), fade)


def render(audio_of: AudioOf, blocks: Iterable[CodeBlock], plan: Plan) -> Iterator[Tensor]:
    """Yield the sound of a take's codes, block by block, and after its length that which its beginning fades in."""
    rate = plan.geometry.sample_rate
    if plan.unit_steps == 1:
        fade = round(END_FADE_S * rate)
        if plan.ends_early:
            audio_of = partial(_trimmed, audio_of, fade)
        sound = _sounds_one_after_another(audio_of, iter(blocks), fade)
    else:
        seconds = (torch.cat([*audio_of([block.codes_WHQ])])[:rate] for block in blocks)
        sound = _cross_faded(seconds, round(SECONDS_FADE_S * rate))
    sound = _first(sound, plan.samples + plan.loop_samples)
    return sound if plan.loop_samples else _fade_out(sound, round(CUT_FADE_S * rate))


def closed_loop(waveform_T: Tensor, plan: Plan) -> Tensor:
    """Return a take's sound at its length, with that which comes after it faded into its beginning."""
    beyond_T = waveform_T[plan.samples :]
    begin_T = cross_fade(beyond_T, waveform_T[: len(beyond_T)])
    return torch.cat([begin_T, waveform_T[len(beyond_T) : plan.samples]])
