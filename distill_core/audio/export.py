"""Sound as the bytes of a WAV or FLAC file: mono, no louder than −1 dBFS, the same bytes for the same sound."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch
from torch import Tensor

from distill_core.audio.decoding.kinds import UnreadableSoundError
from distill_core.audio.io import resample_blocks
from distill_core.audio.riff import tidied, with_loop
from distill_core.audio.sound_format import Container, SoundFormat, Subtype
from distill_core.audio.true_peak import safe_gain

_Frames = np.ndarray[Any, Any]
_DEFAULT = SoundFormat()
_BLOCK = 1 << 17  # frames


@dataclass(frozen=True, slots=True)
class Tags:
    """What a file says about its sound, under soundfile's names; an empty text is left out.

    `comment` holds the settings, `album` the model.
    """

    title: str = ""
    album: str = ""
    comment: str = ""
    software: str = ""


@dataclass(frozen=True, slots=True)
class EncodedSound:
    """The bytes of a file, the gain that was applied to its sound, and its length in frames."""

    data: bytes = field(repr=False)
    gain: float
    frames: int


def _loop_at(waveform_T: Tensor, length: int) -> Tensor:
    """Return a loop with another number of samples: what comes after its end is its beginning, so a spectrum tells all.

    Its time is that of a Fourier transform, its memory some ten times the loop's.
    """
    below_half = (min(len(waveform_T), length) + 1) // 2  # half of either rate has no partner in the other
    spectrum_F = torch.fft.rfft(waveform_T.double())[:below_half]
    loop_T: Tensor = torch.fft.irfft(spectrum_F, n=length)
    return loop_T.mul(length / len(waveform_T)).float()


def at_rate(waveform_T: Tensor, source_rate: int, target_rate: int, is_loop: bool = False) -> Tensor:
    """Return a sound `[T]` at another rate: of exactly its length to the nearest sample, and a loop is still one."""
    if source_rate == target_rate or not len(waveform_T):
        return waveform_T
    length = max(1, round(len(waveform_T) * target_rate / source_rate))
    if is_loop:
        return _loop_at(waveform_T, length)
    resampled_T = torch.cat(list(resample_blocks([waveform_T], source_rate, target_rate)))[:length]
    return torch.cat([resampled_T, torch.zeros(length - len(resampled_T))])


def _rounded(waveform_T: Tensor, bits: int) -> Tensor:
    """Return whole numbers of `bits` bits, to the nearest: of a noise that were added, each file would have another."""
    largest = 2 ** (bits - 1)
    whole_T: Tensor = (waveform_T.double() * largest).round()
    return whole_T.clamp(-largest, largest - 1)


def _pcm_16(waveform_T: Tensor) -> _Frames:
    return _rounded(waveform_T, 16).to(torch.int16).numpy()


def _pcm_24(waveform_T: Tensor) -> _Frames:
    return (_rounded(waveform_T, 24).to(torch.int32) << 8).numpy()  # libsndfile takes the upper 24 bits of 32


def _float(waveform_T: Tensor) -> _Frames:
    return waveform_T.float().numpy()


_FRAMES: Mapping[Subtype, Callable[[Tensor], _Frames]] = {
    Subtype.PCM_16: _pcm_16,
    Subtype.PCM_24: _pcm_24,
    Subtype.FLOAT: _float,
}
_KINDS = {Subtype.PCM_16: "int16", Subtype.PCM_24: "int32", Subtype.FLOAT: "float32"}


def _file_of(blocks: Iterable[_Frames], form: SoundFormat, tags: Tags, is_loop: bool) -> bytes:
    file = io.BytesIO()
    container, subtype = form.container.name, form.subtype.value
    with soundfile.SoundFile(file, "w", form.sample_rate, 1, subtype, format=container) as sound:
        for name in ("title", "album", "comment", "software"):
            if text := getattr(tags, name):
                setattr(sound, name, text)
        for frames in blocks:
            sound.write(frames)
        length = sound.frames
    if form.container is not Container.WAV:
        return file.getvalue()
    wav = tidied(file.getvalue())
    return with_loop(wav, length, form.sample_rate) if is_loop and length else wav


def encode_sound(
    waveform_T: Tensor,
    sample_rate: int,
    form: SoundFormat = _DEFAULT,
    tags: Tags | None = None,
    *,
    gain: float = 1.0,
    is_loop: bool = False,
) -> EncodedSound:
    """Return the file of a mono sound `[T]` (float32, CPU), times `gain` or less: its true peak is −1 dBFS at most.

    That holds for what a reader of the file gets: the peak is taken after resampling, less what rounding can add.
    """
    resampled_T = at_rate(waveform_T, sample_rate, form.sample_rate, is_loop)
    gain = min(gain, safe_gain(resampled_T, is_loop, form.subtype.rounding))
    blocks = (_FRAMES[form.subtype](block_T * gain) for block_T in resampled_T.split(_BLOCK))
    return EncodedSound(_file_of(blocks, form, tags or Tags(), is_loop), gain, len(resampled_T))


def _read(path: Path) -> tuple[_Frames, Subtype, int]:
    try:
        with soundfile.SoundFile(path) as sound:
            subtype = Subtype(sound.subtype)
            return sound.read(dtype=_KINDS[subtype]), subtype, sound.samplerate
    except (soundfile.LibsndfileError, ValueError) as error:
        raise UnreadableSoundError("it is damaged, or was not written by Distill") from error


def recode_sound(path: Path, container: Container, tags: Tags, *, is_loop: bool = False) -> bytes:
    """Return the file of a sound that was encoded before, in another container or with other tags, sample by sample.

    Raises:
        UnreadableSoundError: there is no such sound.
    """
    frames, subtype, sample_rate = _read(path)
    return _file_of([frames], SoundFormat(container, subtype, sample_rate), tags, is_loop)
