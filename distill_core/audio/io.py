"""Decodes whatever libsndfile reads into mono waveforms at the model's rate."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch
from torch import Tensor

from distill_core.audio.torchaudio_import import resample

BLOCK_FRAMES = 65_536
SILENCE_PEAK = 1e-6
# torchaudio's resampling kernel has as many rows as the reduced target rate: 44,101 Hz to 48,000 Hz would ask for
# 17 GB. Rates whose ratio needs larger numbers than this go to the nearest small ratio, off by less than one cent.
_LARGEST_RATIO_TERM = 1000


class UnreadableSoundError(Exception):
    """A file that gives no sound; the text is the reason, for people."""


def open_sound(path: Path) -> soundfile.SoundFile:
    """Open a regular file for decoding.

    Raises:
        UnreadableSoundError: it is gone, not a regular file (a FIFO would hang) or not a sound.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise UnreadableSoundError("not a regular file")
        # Bytes, because a name that is not UTF-8 cannot be encoded; Windows names are always text.
        return soundfile.SoundFile(str(path) if os.name == "nt" else os.fsencode(path))
    except PermissionError as error:
        raise UnreadableSoundError("no permission to read it") from error
    except OSError as error:
        raise UnreadableSoundError("it could not be opened") from error
    except soundfile.LibsndfileError as error:
        if not os.access(path, os.R_OK):
            raise UnreadableSoundError("no permission to read it") from error
        raise UnreadableSoundError("damaged or not a sound file") from error


def decode_blocks(sound: soundfile.SoundFile) -> Iterator[np.ndarray[Any, np.dtype[np.float32]]]:
    """Yield `[frames, channels]` float32 until the sound ends or its data breaks off.

    Nothing is allocated from the header, whose frame count may be a lie.
    """
    while True:
        try:
            block = sound.read(BLOCK_FRAMES, dtype="float32", always_2d=True)
        except soundfile.LibsndfileError:
            return
        if not len(block):
            return
        yield block


def to_mono(block: np.ndarray[Any, np.dtype[np.float32]], channel: int | None) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Return the mean of the channels `[frames]`, or one of them where the mean would cancel out."""
    mono: np.ndarray[Any, np.dtype[np.float32]] = block.mean(axis=1) if channel is None else block[:, channel]
    return mono


def resample_waveform(waveform_T: Tensor, source_rate: int, target_rate: int) -> Tensor:
    """Return the waveform at another rate (windowed sinc, torchaudio's defaults)."""
    ratio = Fraction(source_rate, target_rate).limit_denominator(_LARGEST_RATIO_TERM)
    ratio = ratio or Fraction(1, _LARGEST_RATIO_TERM)
    resampled: Tensor = resample(waveform_T, ratio.numerator, ratio.denominator)
    return resampled


def read_mono(path: Path, sample_rate: int, channel: int | None = None) -> Tensor:
    """Decode a file to mono float32 `[T]` at `sample_rate` Hz.

    Raises:
        UnreadableSoundError: the file gives no sound (any more).
    """
    with open_sound(path) as sound:
        blocks = [to_mono(block, channel) for block in decode_blocks(sound)]
        source_rate = sound.samplerate
    if not blocks:
        raise UnreadableSoundError("it holds no sound")
    waveform_T = torch.from_numpy(np.concatenate(blocks))
    return resample_waveform(waveform_T, source_rate, sample_rate)


def split_into_chunks(waveform_T: Tensor, chunk_samples: int) -> Tensor:
    """Return `[N, chunk_samples]`: the last one zero-padded, each divided by its peak if that exceeds 1e-6."""
    padding = -len(waveform_T) % chunk_samples
    chunks_NT = torch.nn.functional.pad(waveform_T, (0, padding)).view(-1, chunk_samples)
    peaks_N1 = chunks_NT.abs().amax(dim=1, keepdim=True)
    return torch.where(peaks_N1 > SILENCE_PEAK, chunks_NT / peaks_N1, chunks_NT)
