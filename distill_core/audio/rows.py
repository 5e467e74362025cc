"""A whole sound in a row, with one gain: overlapping pieces, so that hours of it need no more memory than seconds.

The codec's steps come out as if all of the sound went through it at once: each piece begins earlier than its own
frames by what the spectrogram's window and the encoder's convolutions look back over.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from distill_core.audio.dataset import AudioFile, check_unchanged
from distill_core.audio.spectrogram import FRAMES_PER_STEP, SpectrogramConfig
from distill_core.audio.variants import ORIGINAL, Variant, read_with_one_gain
from distill_core.events import ShouldStop

_PIECE_STEPS = 192  # about half a minute


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a sound `[T]`; `skipped` of its mel frames belong to earlier pieces, the `frames` after them to it."""

    waveform_T: Tensor
    skipped: int
    frames: int


def _to_whole_seconds(blocks: Iterable[Tensor], second: int) -> Iterator[Tensor]:
    """Yield the blocks, then the silence that fills the last second, as the format's chunks are filled."""
    total = 0
    for block_T in blocks:
        total += len(block_T)
        yield block_T
    yield torch.zeros(-total % second)


def pieces_of_blocks(blocks: Iterable[Tensor], config: SpectrogramConfig) -> Iterator[Piece]:
    """Yield a waveform's pieces in order; each has whole steps but the last."""
    hop, length = config.hop_length, _PIECE_STEPS * FRAMES_PER_STEP
    edge = math.ceil(config.n_fft / 2 / hop)  # so many frames at a piece's end see beyond it
    before = FRAMES_PER_STEP * (1 + math.ceil(edge / FRAMES_PER_STEP))
    first, done = 0, 0  # the frame that the waiting samples begin with, and those already handed out
    waiting_T = torch.zeros(0)
    for block_T in _to_whole_seconds(blocks, config.chunk_samples):
        waiting_T = torch.cat([waiting_T, block_T])
        while len(waiting_T) > (end := (done + length + edge - first) * hop):
            yield Piece(waiting_T[:end], done - first, length)
            done += length
            waiting_T = waiting_T[(done - before - first) * hop :]
            first = done - before
    if len(waiting_T):
        yield Piece(waiting_T, done - first, first + len(waiting_T) // hop + 1 - done)


def read_row(
    file: AudioFile, config: SpectrogramConfig, should_stop: ShouldStop, variant: Variant = ORIGINAL
) -> Iterator[Piece]:
    """Yield a file's pieces, all with the gain of the whole file.

    Raises:
        UnreadableSoundError: it vanished or changed since the scan.
        Stopped: `should_stop()` turned true.
    """
    check_unchanged(file, should_stop)
    yield from pieces_of_blocks(read_with_one_gain(file, config, should_stop, variant), config)


def mel_of_piece(mel: Tensor, piece: Piece) -> Tensor:
    """Return the piece's own frames of its mel `[…, frames]`, with one step before them unless it is the first."""
    begin = max(0, piece.skipped - FRAMES_PER_STEP)
    return mel[..., begin : piece.skipped + piece.frames]
