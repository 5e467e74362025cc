"""Decoded sounds as mono waveforms at the model's rate, whole or cut into chunks."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from distill_core.audio.decoding.kinds import UnreadableSoundError
from distill_core.audio.decoding.samples import BLOCK_FRAMES, Samples
from distill_core.audio.decoding.sound import open_sound
from distill_core.audio.torchaudio_import import Resample
from distill_core.events import ShouldStop, never, unless_stopped

SILENCE_PEAK = 1e-4  # −80 dBFS, the level of a 16-bit file's dither
# torchaudio's resampling kernel has one line for each unit of the reduced target rate: 44,101 Hz to 48,000 Hz would
# take 17 GB. A ratio of larger numbers than this is replaced by the nearest small one, off by less than one cent.
_LARGEST_RATIO_TERM = 1000
# torchaudio's sinc is six zero crossings wide on either side, at 0.99 of the lower rate: under seven periods.
_CONTEXT_PERIODS = 7
_CHUNKS_AT_ONCE = 32
# oneDNN keeps a program, 10 KB and more, for each length that it has resampled: there must not be many lengths.
_FILLED_SAMPLES = 8192


def to_mono(block: Samples, channel: int | None) -> Samples:
    """Return one channel `[frames]`, or the mean of all for None."""
    mono: Samples = block.mean(axis=0) if channel is None else block[channel].copy()
    return mono


def _small_ratio(source_rate: int, target_rate: int) -> tuple[int, int]:
    """Return the nearest ratio of numbers that are small enough for the resampler."""
    ratio = Fraction(source_rate, target_rate)
    nearest = ratio.limit_denominator(_LARGEST_RATIO_TERM // max(1, math.ceil(ratio)))
    return nearest.numerator, nearest.denominator


@lru_cache(maxsize=32)
def _resampler(entering: int, leaving: int) -> Callable[[Tensor], Tensor]:
    """Return torchaudio's resampler; its kernel alone takes a third of a short sound's time."""
    resample: Callable[[Tensor], Tensor] = Resample(entering, leaving)
    return resample


def _resample_end(resample: Callable[[Tensor], Tensor], waveform_T: Tensor, entering: int, leaving: int) -> Tensor:
    """Return the end of a waveform resampled, which is filled with silence to one of few lengths meanwhile."""
    resampled_T = resample(functional.pad(waveform_T, (0, -len(waveform_T) % _FILLED_SAMPLES)))
    # As torchaudio rounds the length, in float32.
    return resampled_T[: int(torch.as_tensor(leaving * len(waveform_T) / entering).ceil())]


def resample_blocks(blocks: Iterable[Tensor], source_rate: int, target_rate: int) -> Iterator[Tensor]:
    """Yield a waveform's blocks `[t]` at another rate (windowed sinc, torchaudio's defaults).

    Together they equal the whole waveform resampled at once; memory does not grow with its length.
    """
    entering, leaving = _small_ratio(source_rate, target_rate)
    if entering == leaving:
        yield from blocks
        return
    resample = _resampler(entering, leaving)
    context, skipped = _CONTEXT_PERIODS * entering, _CONTEXT_PERIODS * leaving
    periods = max(1, BLOCK_FRAMES // entering)
    advance = periods * entering
    waiting_T = torch.zeros(context)
    for block_T in blocks:
        waiting_T = torch.cat([waiting_T, block_T])
        while len(waiting_T) >= advance + 2 * context:
            yield resample(waiting_T[: advance + 2 * context])[skipped : skipped + periods * leaving]
            waiting_T = waiting_T[advance:]
    yield _resample_end(resample, waiting_T, entering, leaving)[skipped:]


def read_blocks(
    path: Path,
    sample_rate: int,
    channel: int | None = None,
    speed: Fraction = Fraction(1),
    should_stop: ShouldStop = never,
) -> Iterator[Tensor]:
    """Decode a file and yield its mono float32 waveform at `sample_rate` Hz, a block `[t]` at a time.

    `speed` is the factor by which it is played faster.

    Raises:
        UnreadableSoundError: the file cannot be opened, or no longer.
        Stopped: `should_stop()` turned true.
    """
    with open_sound(path, should_stop) as sound:
        decoded = unless_stopped(sound.blocks, should_stop)
        blocks = (torch.from_numpy(to_mono(block, channel)) for block in decoded)
        yield from resample_blocks(blocks, sound.sample_rate * speed.numerator, sample_rate * speed.denominator)


def read_mono(path: Path, sample_rate: int, channel: int | None = None) -> Tensor:
    """Decode a file to mono float32 `[T]` at `sample_rate` Hz.

    Raises:
        UnreadableSoundError: the file gives no sound, or no longer.
    """
    waveform_T = torch.cat([torch.zeros(0), *read_blocks(path, sample_rate, channel)])
    if not len(waveform_T):
        raise UnreadableSoundError("it holds no sound")
    return waveform_T


def _divided_by_peaks(chunks_NT: Tensor) -> Tensor:
    peaks_N1 = chunks_NT.abs().amax(dim=1, keepdim=True)
    return torch.where(peaks_N1 > SILENCE_PEAK, chunks_NT / peaks_N1, chunks_NT)


def _cut(waveform_T: Tensor, chunk_samples: int) -> Tensor:
    padding = -len(waveform_T) % chunk_samples
    return functional.pad(waveform_T, (0, padding)).view(-1, chunk_samples)


def split_into_chunks(waveform_T: Tensor, chunk_samples: int) -> Tensor:
    """Return chunks `[N, chunk_samples]`, the last zero-padded, each divided by its peak if that exceeds −80 dBFS."""
    return _divided_by_peaks(_cut(waveform_T, chunk_samples))


def cut_blocks(blocks: Iterable[Tensor], chunk_samples: int) -> Iterator[Tensor]:
    """Yield a waveform's chunks `[n, chunk_samples]` as they are, about 32 at a time; the last is zero-padded."""
    enough = _CHUNKS_AT_ONCE * chunk_samples
    waiting_T = torch.zeros(0)
    for block_T in blocks:
        waiting_T = torch.cat([waiting_T, block_T])
        if len(waiting_T) >= enough:
            whole = len(waiting_T) - len(waiting_T) % chunk_samples
            yield _cut(waiting_T[:whole], chunk_samples)
            waiting_T = waiting_T[whole:]
    if len(waiting_T):
        yield _cut(waiting_T, chunk_samples)


def chunks_of_blocks(blocks: Iterable[Tensor], chunk_samples: int) -> Iterator[Tensor]:
    """Yield the chunks that `split_into_chunks` would return, about 32 at a time."""
    return map(_divided_by_peaks, cut_blocks(blocks, chunk_samples))
