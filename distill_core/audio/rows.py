"""A whole sound as a row, with one gain: overlapping pieces, so that hours need no more memory than seconds.

The codec makes the same codes of them as of the whole sound at once: each piece begins `look_back_steps` before its own
steps and ends `look_ahead_samples` after them, by the codec's geometry.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from distill_core.audio.dataset import AudioFile, check_unchanged
from distill_core.audio.geometry import Geometry
from distill_core.audio.variants import ORIGINAL, Variant, read_with_one_gain
from distill_core.events import ShouldStop

_PIECE_STEPS = 192  # long enough that the look-back costs little


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a sound `[T]`: its first `skipped` steps belong to earlier pieces, the next `steps` are its own.

    `steps` is None for the last piece, whose own steps go to its end.
    """

    waveform_T: Tensor
    skipped: int
    steps: int | None


def _to_whole_seconds(blocks: Iterable[Tensor], second: int) -> Iterator[Tensor]:
    """Yield the blocks, then the silence that fills the last second, as in the format's chunks."""
    total = 0
    for block_T in blocks:
        total += len(block_T)
        yield block_T
    yield torch.zeros(-total % second)


def pieces_of_blocks(blocks: Iterable[Tensor], geometry: Geometry) -> Iterator[Piece]:
    """Yield a waveform's pieces in order."""
    first, done = 0, 0  # the first step of the waiting samples, and the number of steps yielded
    waiting_T = torch.zeros(0)
    for block_T in _to_whole_seconds(blocks, geometry.sample_rate):
        waiting_T = torch.cat([waiting_T, block_T])
        while len(waiting_T) > (end := _end_of(done + _PIECE_STEPS - first, geometry)):
            yield Piece(waiting_T[:end], done - first, _PIECE_STEPS)
            done += _PIECE_STEPS
            kept = max(first, done - geometry.look_back_steps)
            waiting_T = waiting_T[(kept - first) * geometry.step_samples :]
            first = kept
    if len(waiting_T):
        yield Piece(waiting_T, done - first, None)


def _end_of(steps: int, geometry: Geometry) -> int:
    """Return the number of samples that the first `steps` of a piece depend on."""
    return steps * geometry.step_samples + geometry.look_ahead_samples


def read_row(
    file: AudioFile, geometry: Geometry, should_stop: ShouldStop, variant: Variant = ORIGINAL
) -> Iterator[Piece]:
    """Yield a file's pieces, all with one gain.

    Raises:
        UnreadableSoundError: it vanished or changed since the scan.
        Stopped: `should_stop()` turned true.
    """
    check_unchanged(file, should_stop)
    yield from pieces_of_blocks(read_with_one_gain(file, geometry, should_stop, variant), geometry)
