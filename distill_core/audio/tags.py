"""The sound files of a stranger as they are: tags, rate and numbers, and samples without any conversion."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import soundfile
import torch
from torch import Tensor

from distill_core.audio.decoding.kinds import UnreadableSoundError
from distill_core.audio.sound_format import Container, Subtype

_UNREADABLE = "it is damaged, or holds no sound"


@dataclass(frozen=True, slots=True)
class TaggedSound:
    """A sound file's comment, its length in frames, its rate in Hz, and its numbers; `subtype` is None for others."""

    comment: str
    frames: int
    sample_rate: int
    channels: int
    container: Container
    subtype: Subtype | None


@contextmanager
def _opened(source: Path | BinaryIO) -> Iterator[soundfile.SoundFile]:
    try:
        with ExitStack() as stack:
            file = stack.enter_context(source.open("rb")) if isinstance(source, Path) else source
            yield stack.enter_context(soundfile.SoundFile(file))
    except (OSError, soundfile.LibsndfileError, ValueError, RuntimeError) as error:
        raise UnreadableSoundError(_UNREADABLE) from error


def read_tagged(path: Path) -> TaggedSound:
    """Return a sound file's tags and format; its samples are not read.

    Raises:
        UnreadableSoundError: it is no sound file that libsndfile reads.
    """
    with _opened(path) as sound:
        container = Container.FLAC if sound.format == "FLAC" else Container.WAV
        subtype = Subtype(sound.subtype) if sound.subtype in [*Subtype] else None
        return TaggedSound(sound.comment, sound.frames, sound.samplerate, sound.channels, container, subtype)


def read_frames(source: Path | BinaryIO, most: int) -> Tensor:
    """Return the samples `[T, C]` (float32) of a sound file as they are, at most the first `most` frames.

    Raises:
        UnreadableSoundError: they cannot be read.
    """
    with _opened(source) as sound:
        return torch.from_numpy(sound.read(most, dtype="float32", always_2d=True))
