"""Decodes whatever libsndfile reads into mono waveforms at the model's rate."""

from __future__ import annotations

import math
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import soundfile
import torch
from torch import Tensor

from distill_core.audio.torchaudio_import import Resample

Samples: TypeAlias = np.ndarray[Any, np.dtype[np.float32]]

BLOCK_FRAMES = 65_536
SILENCE_PEAK = 1e-6
# torchaudio's resampling kernel has as many rows as the reduced target rate: 44,101 Hz to 48,000 Hz would ask for
# 17 GB. Rates whose ratio needs larger numbers than this go to the nearest small ratio, off by less than one cent.
_LARGEST_RATIO_TERM = 1000
# torchaudio's sinc is six zero crossings wide on either side, at 0.99 of the lower rate: less than seven periods.
_CONTEXT_PERIODS = 7
_CHUNKS_AT_ONCE = 32


class UnreadableSoundError(Exception):
    """A file that gives no sound; the text is the reason, for people."""


class _ForwardReader(soundfile.SoundFile):  # type: ignore[misc]
    """A sound that is read from its beginning to its end.

    soundfile seeks to where it is after every block, which fails in a FLAC of unknown length and disturbs MP3.
    """

    def seekable(self) -> bool:
        return False


def _check_regular(path: Path) -> None:
    try:
        status = path.stat()
    except FileNotFoundError as error:
        raise UnreadableSoundError("it is gone, or a link to what is gone") from error
    except PermissionError as error:
        raise UnreadableSoundError("no permission to read it") from error
    except OSError as error:
        raise UnreadableSoundError("it could not be opened") from error
    if not stat.S_ISREG(status.st_mode):
        raise UnreadableSoundError("not a regular file")
    if not status.st_size:
        raise UnreadableSoundError("it is empty")


def open_sound(path: Path) -> soundfile.SoundFile:
    """Open a regular file for decoding.

    Raises:
        UnreadableSoundError: it is gone, not a regular file (a FIFO would hang) or not a sound.
    """
    _check_regular(path)
    try:
        # Bytes, because a name that is not UTF-8 cannot be encoded; Windows names are always text.
        sound = _ForwardReader(str(path) if os.name == "nt" else os.fsencode(path))
    except soundfile.LibsndfileError as error:
        if path.exists() and not os.access(path, os.R_OK):
            raise UnreadableSoundError("no permission to read it") from error
        raise UnreadableSoundError("damaged or not a sound file") from error
    if sound.format == "RAW":  # what libsndfile calls anything at all that is named .au or .snd
        sound.close()
        raise UnreadableSoundError("damaged or not a sound file")
    return sound


def decode_blocks(sound: soundfile.SoundFile) -> Iterator[Samples]:
    """Yield `[channels, frames]` until the sound ends or its data breaks off.

    Nothing is allocated from the header, whose frame count may be a lie.
    """
    while True:
        block: Samples = np.full((BLOCK_FRAMES, sound.channels), np.nan, dtype=np.float32)
        try:
            frames = len(sound.read(out=block))
        except soundfile.LibsndfileError:
            # It does not tell how much it had written before the data broke off.
            frames = int(np.isnan(np.append(block[:, 0], np.nan)).argmax())
        if frames:
            yield np.ascontiguousarray(block[:frames].T)  # numpy sums along a long axis ten times as fast
        if frames < BLOCK_FRAMES:
            return


def to_mono(block: Samples, channel: int | None) -> Samples:
    """Return the mean of the channels `[frames]`, or one of them where the mean would cancel out."""
    mono: Samples = block.mean(axis=0) if channel is None else block[channel].copy()
    return mono


def _small_ratio(source_rate: int, target_rate: int) -> tuple[int, int]:
    """Return the nearest ratio of two numbers that are small enough for the resampler."""
    ratio = Fraction(source_rate, target_rate)
    nearest = ratio.limit_denominator(_LARGEST_RATIO_TERM // max(1, math.ceil(ratio)))
    return nearest.numerator, nearest.denominator


@lru_cache(maxsize=32)
def _resampler(entering: int, leaving: int) -> Callable[[Tensor], Tensor]:
    """Return torchaudio's resampler; making its kernel takes a third of the time that a short sound takes in all."""
    resample: Callable[[Tensor], Tensor] = Resample(entering, leaving)
    return resample


def resample_blocks(blocks: Iterable[Tensor], source_rate: int, target_rate: int) -> Iterator[Tensor]:
    """Yield a waveform's blocks `[t]` at another rate (windowed sinc, torchaudio's defaults).

    Together they are what resampling the whole waveform would give; memory does not grow with its length.
    """
    entering, leaving = _small_ratio(source_rate, target_rate)
    if entering == leaving:
        yield from blocks
        return
    resample = _resampler(entering, leaving)
    context, skipped = _CONTEXT_PERIODS * entering, _CONTEXT_PERIODS * leaving
    periods = max(1, BLOCK_FRAMES // entering)
    step = periods * entering
    waiting_T = torch.zeros(context)
    for block_T in blocks:
        waiting_T = torch.cat([waiting_T, block_T])
        while len(waiting_T) >= step + 2 * context:
            yield resample(waiting_T[: step + 2 * context])[skipped : skipped + periods * leaving]
            waiting_T = waiting_T[step:]
    yield resample(waiting_T)[skipped:]


def read_blocks(
    path: Path, sample_rate: int, channel: int | None = None, speed: Fraction = Fraction(1)
) -> Iterator[Tensor]:
    """Decode a file and yield its mono float32 waveform at `sample_rate` Hz, a block `[t]` at a time.

    `speed` is how many times as fast it is played.

    Raises:
        UnreadableSoundError: the file cannot be opened (any more).
    """
    with open_sound(path) as sound:
        blocks = (torch.from_numpy(to_mono(block, channel)) for block in decode_blocks(sound))
        yield from resample_blocks(blocks, sound.samplerate * speed.numerator, sample_rate * speed.denominator)


def read_mono(path: Path, sample_rate: int, channel: int | None = None) -> Tensor:
    """Decode a file to mono float32 `[T]` at `sample_rate` Hz.

    Raises:
        UnreadableSoundError: the file gives no sound (any more).
    """
    waveform_T = torch.cat([torch.zeros(0), *read_blocks(path, sample_rate, channel)])
    if not len(waveform_T):
        raise UnreadableSoundError("it holds no sound")
    return waveform_T


def split_into_chunks(waveform_T: Tensor, chunk_samples: int) -> Tensor:
    """Return `[N, chunk_samples]`: the last one zero-padded, each divided by its peak if that exceeds 1e-6."""
    padding = -len(waveform_T) % chunk_samples
    chunks_NT = torch.nn.functional.pad(waveform_T, (0, padding)).view(-1, chunk_samples)
    peaks_N1 = chunks_NT.abs().amax(dim=1, keepdim=True)
    return torch.where(peaks_N1 > SILENCE_PEAK, chunks_NT / peaks_N1, chunks_NT)


def chunks_of_blocks(blocks: Iterable[Tensor], chunk_samples: int) -> Iterator[Tensor]:
    """Yield a waveform's chunks, up to 32 or so at a time, as `split_into_chunks` would return them all."""
    enough = _CHUNKS_AT_ONCE * chunk_samples
    waiting_T = torch.zeros(0)
    for block_T in blocks:
        waiting_T = torch.cat([waiting_T, block_T])
        if len(waiting_T) >= enough:
            whole = len(waiting_T) - len(waiting_T) % chunk_samples
            yield split_into_chunks(waiting_T[:whole], chunk_samples)
            waiting_T = waiting_T[whole:]
    if len(waiting_T):
        yield split_into_chunks(waiting_T, chunk_samples)
