"""The way of sound through the frozen codec: chunks each with a gain of its own, rows with one, and silence."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from distill_core.audio.chunks import read_file
from distill_core.audio.dataset import AudioFile
from distill_core.audio.rows import read_row
from distill_core.audio.spectrogram import AudioSpectrogram
from distill_core.audio.variants import Variant
from distill_core.events import ShouldStop, unless_stopped
from distill_core.models.codec import Codec
from distill_core.models.persistence import LoadedVQModel
from distill_core.models.prior import Layout
from distill_core.training.stop_points import stopping_inside

_BATCH_CHUNKS = 32


def batches_of(chunks: Tensor | Iterable[Tensor]) -> Iterator[Tensor]:
    """Yield chunks `[B, samples]`, some at a time."""
    if isinstance(chunks, Tensor):
        yield from chunks.reshape(-1, chunks.shape[-1]).split(_BATCH_CHUNKS)
        return
    waiting: list[Tensor] = []
    for chunk in chunks:
        waiting.extend(chunk.reshape(-1, chunk.shape[-1]))
        while len(waiting) >= _BATCH_CHUNKS:
            yield torch.stack(waiting[:_BATCH_CHUNKS])
            del waiting[:_BATCH_CHUNKS]
    if waiting:
        yield torch.stack(waiting)


@contextmanager
def encoding(
    model: Codec, spectrogram: AudioSpectrogram, device: torch.device | str, should_stop: ShouldStop
) -> Iterator[None]:
    """Keep the codec on a device and in eval mode: in train mode a VQ-VAE's forward pass changes its codebooks.

    Raises:
        Stopped: `should_stop()` turned true within the codec.
    """
    was_training, own = model.training, model.spectrogram
    model.to(device).eval()
    model.spectrogram = spectrogram.to(device)
    try:
        with torch.no_grad(), stopping_inside(model, should_stop):
            yield
    finally:
        model.spectrogram = own
        model.train(was_training)


def _codes_of_chunks(
    file: AudioFile, variant: Variant, loaded: LoadedVQModel, should_stop: ShouldStop
) -> Iterator[Tensor]:
    """Yield `[W, H, Q]` of several chunks at a time; each chunk has a gain of its own."""
    for chunks_NT in read_file(file, loaded.geometry, should_stop, variant):
        for waveforms_BT in unless_stopped(batches_of(chunks_NT), should_stop):
            yield loaded.model.codes_of(waveforms_BT).flatten(0, 1).cpu()


def _codes_of_row(
    file: AudioFile, variant: Variant, loaded: LoadedVQModel, should_stop: ShouldStop
) -> Iterator[Tensor]:
    """Yield `[W, H, Q]` of a sound piece by piece; the sound has one gain."""
    for piece in read_row(file, loaded.geometry, should_stop, variant):
        yield loaded.model.codes_of(piece.waveform_T[None], piece.skipped, piece.steps)[0].cpu()


def codes_of_silence(loaded: LoadedVQModel, layout: Layout, should_stop: ShouldStop) -> Tensor:
    """Return the codes `[W, H, Q]` of silence that is far from any sound: of a chunk, or of one step of a row.

    Where a chunk begins, the VQ-VAE gives silence other codes than in its middle.

    Raises:
        Stopped: `should_stop()` turned true.
    """
    geometry = loaded.geometry
    skipped, steps = (0, geometry.chunk_steps) if layout == "chunks" else (geometry.look_back_steps, 1)
    row_samples = (skipped + steps) * geometry.step_samples + geometry.look_ahead_samples
    samples = geometry.sample_rate if layout == "chunks" else row_samples
    with encoding(loaded.model, loaded.spectrogram, loaded.model.device, should_stop):
        return loaded.model.codes_of(torch.zeros(1, samples), skipped, steps)[0].cpu()


# By the layout of codes.
ENCODERS = {"chunks": _codes_of_chunks, "rows": _codes_of_row}
