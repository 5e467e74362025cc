"""Blocks of samples, decoded by libsndfile."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import soundfile

from distill_core.memory import is_short_of_memory
from distill_core.parts import Part, PartsFile

Samples: TypeAlias = np.ndarray[Any, np.dtype[np.float32]]

BLOCK_FRAMES = 65_536
_PIPE_BYTES = 65_536


class ForwardReader(soundfile.SoundFile):  # type: ignore[misc]
    """A sound that is read in one go, from its beginning to its end.

    soundfile seeks to its own position after every block, which fails in a FLAC of unknown length and disturbs MP3.
    """

    def seekable(self) -> bool:
        """Return False."""
        return False


def read_blocks_of(sound: soundfile.SoundFile) -> Iterator[Samples]:
    """Yield `[channels, frames]` until the sound ends or its data breaks off.

    No memory is taken by the header's frame count, which may be a lie.
    """
    while True:
        block: Samples = np.full((BLOCK_FRAMES, sound.channels), np.nan, dtype=np.float32)
        try:
            frames = len(sound.read(out=block))
        except soundfile.LibsndfileError as error:
            if is_short_of_memory(error):
                raise
            # The error does not name the number of frames before the break.
            frames = int(np.isnan(np.append(block[:, 0], np.nan)).argmax())
        if frames:
            yield np.ascontiguousarray(block[:frames].T)  # numpy sums along a long axis ten times as fast
        if frames < BLOCK_FRAMES:
            return


def _feed(content: PartsFile, entrance: int) -> None:
    """Write a file into a pipe until it ends or its reader closes."""
    with suppress(OSError):
        try:
            while piece := content.read(_PIPE_BYTES):
                while piece:
                    piece = piece[os.write(entrance, piece) :]
        finally:
            os.close(entrance)


@contextmanager
def open_parts(path: Path, parts: Sequence[Part]) -> Iterator[soundfile.SoundFile]:
    """Open the parts of a file in a row."""
    with path.open("rb") as file, ForwardReader(PartsFile(file, parts)) as sound:
        yield sound


@contextmanager
def open_path(path: Path) -> Iterator[soundfile.SoundFile]:
    """Open a file by its name."""
    if path.suffix.lower() == ".raw":  # by that name, soundfile would ask for rate and channels
        with open_parts(path, [(0, path.stat().st_size)]) as sound:
            yield sound
        return
    # Bytes, because a name that is not UTF-8 cannot be encoded; Windows names are always text.
    with ForwardReader(str(path) if os.name == "nt" else os.fsencode(path)) as sound:
        yield sound


@contextmanager
def open_piped(path: Path, parts: Sequence[Part]) -> Iterator[soundfile.SoundFile]:
    """Open the parts of a file in a row through a pipe, whose unknown length makes libsndfile read to the end."""
    with path.open("rb") as file:
        leaving, entering = os.pipe()
        feeder = threading.Thread(
            target=_feed, args=(PartsFile(file, parts), entering), name="sound feeder", daemon=True
        )
        feeder.start()
        try:
            with ForwardReader(leaving, closefd=False) as sound:
                yield sound
        finally:
            os.close(leaving)
            feeder.join()
