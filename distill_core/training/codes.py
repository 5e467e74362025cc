"""Sounds to codes of the frozen VQ-VAE, and how they are split."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal, TypeAlias

import torch
from torch import Tensor

from distill_core.audio.chunks import read_each, read_file, split_in_time
from distill_core.audio.dataset import AudioDataset, AudioFile, split_files
from distill_core.audio.rows import mel_of_piece, read_row
from distill_core.audio.spectrogram import AudioSpectrogram
from distill_core.audio.variants import ORIGINAL, VARIANTS, Variant
from distill_core.errors import DatasetError
from distill_core.events import OnEvent, ProgressReporter, ShouldStop, ignore, never, stop_point
from distill_core.models.persistence import LoadedVQModel
from distill_core.models.vqvae import ConvVQVAE
from distill_core.training.code_cache import CodeCache

Layout: TypeAlias = Literal["chunks", "rows"]
Versions: TypeAlias = tuple[tuple[Tensor, ...], ...]

_BATCH_CHUNKS = 32


@dataclass(frozen=True, slots=True)
class SplitCodes:
    """Codes on the CPU of the training and the validation sounds, and their files.

    A sound's codes are `[N, S, Q]`: as chunks N is its seconds and S a second's positions, as rows N is 1 and S all of
    its positions. Of a training sound there are several versions, the sound as it is first.
    """

    versions: Versions
    val: tuple[Tensor, ...]
    train_files: tuple[AudioFile, ...]
    val_files: tuple[AudioFile, ...]

    @property
    def train(self) -> tuple[Tensor, ...]:
        """The training sounds as they are."""
        return tuple(versions[0] for versions in self.versions)

    @property
    def count(self) -> int:
        """How many codes the sounds as they are have."""
        return sum(codes_NSQ.numel() for codes_NSQ in (*self.train, *self.val))


def _batches(chunks: Tensor | Iterable[Tensor]) -> Iterator[Tensor]:
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


@torch.no_grad()
def extract_code_sequences(
    model: ConvVQVAE,
    chunks: Tensor | Iterable[Tensor],
    spectrogram: AudioSpectrogram,
    device: torch.device | str,
    *,
    on_event: OnEvent = ignore,
    should_stop: ShouldStop = never,
) -> Tensor:
    """Return the codes `[N, S, Q]` (int64, CPU) of one-second chunks; the codebooks stay untouched.

    `chunks` is `[N, samples]`, or an iterable of `[samples]` or `[n, samples]`, at the model's rate. The model is in
    eval mode meanwhile: in train mode a forward pass would rewrite the codebooks, which are buffers.

    Raises:
        DatasetError: there are no chunks.
        Stopped: `should_stop()` turned true.
    """
    was_training = model.training
    model.to(device).eval()
    spectrogram.to(device)
    progress = ProgressReporter("codes", len(chunks) if isinstance(chunks, Tensor | Sequence) else 0, on_event)
    found: list[Tensor] = []
    try:
        for waveforms_BT in _batches(chunks):
            stop_point(should_stop)
            _, indices_BSQ, _ = model.quantize(model.encode(spectrogram.log_mel(waveforms_BT.to(device))))
            found.append(indices_BSQ.cpu())
            progress.update(sum(map(len, found)))
    finally:
        model.train(was_training)
    if not found:
        raise DatasetError("There are no sounds to encode.", "Add sounds to the folder.")
    return torch.cat(found)


def _encode_chunks(file: AudioFile, variant: Variant, loaded: LoadedVQModel, should_stop: ShouldStop) -> Tensor:
    """Return `[seconds, S, Q]`: the format's chunks, each with a gain of its own."""
    model, spectrogram = loaded.model, loaded.spectrogram
    device = next(model.parameters()).device
    return torch.cat(
        [
            extract_code_sequences(model, chunks_NT, spectrogram, device, should_stop=should_stop)
            for chunks_NT in read_file(file, spectrogram.config, should_stop, variant)
        ]
    )


@torch.no_grad()
def _encode_row(file: AudioFile, variant: Variant, loaded: LoadedVQModel, should_stop: ShouldStop) -> Tensor:
    """Return `[1, bands · steps, Q]`: all of the sound with one gain."""
    model, spectrogram = loaded.model, loaded.spectrogram
    device = next(model.parameters()).device
    found: list[Tensor] = []
    for piece in read_row(file, spectrogram.config, should_stop, variant):
        mel = mel_of_piece(spectrogram.log_mel(piece.waveform_T[None].to(device)), piece)
        _, indices_1SQ, _ = model.quantize(model.encode(mel)[..., min(1, piece.skipped) :])
        found.append(indices_1SQ.cpu().unflatten(1, (loaded.grid[0], -1)))
    return torch.cat(found, dim=2).flatten(1, 2)


_ENCODERS = {"chunks": _encode_chunks, "rows": _encode_row}


@dataclass(frozen=True, slots=True)
class _Encoder:
    """Sounds to codes of one layout, by way of the cache."""

    layout: Layout
    loaded: LoadedVQModel
    cache: CodeCache | None
    should_stop: ShouldStop

    def versions(self, file: AudioFile, variants: Sequence[Variant]) -> Iterator[tuple[Tensor, ...]]:
        """Yield the codes of a sound and of its variants, once."""
        yield tuple(self._codes(file, variant) for variant in (ORIGINAL, *variants))

    def _codes(self, file: AudioFile, variant: Variant) -> Tensor:
        codes_NSQ = None if self.cache is None else self.cache.load(file, variant)
        if codes_NSQ is None:
            codes_NSQ = _ENCODERS[self.layout](file, variant, self.loaded, self.should_stop)
            if self.cache is not None:
                self.cache.save(file, codes_NSQ, variant)
        return codes_NSQ


def _split_one(codes_NSQ: Tensor, val_fraction: float, layout: Layout, grid: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Split a single sound's codes in time."""
    if layout == "chunks":
        return split_in_time(codes_NSQ, val_fraction)
    bands, steps = grid
    steps_WHQ = codes_NSQ[0].unflatten(0, (bands, -1)).transpose(0, 1)
    train_WHQ, val_WHQ = split_in_time(steps_WHQ, val_fraction, steps)
    return tuple(part.transpose(0, 1).flatten(0, 1)[None] for part in (train_WHQ, val_WHQ))  # type: ignore[return-value]


def encode_and_split(
    loaded: LoadedVQModel,
    dataset: AudioDataset,
    val_fraction: float,
    seed: int,
    *,
    layout: Layout = "chunks",
    variants: int = 0,
    cache: CodeCache | None = None,
    on_event: OnEvent = ignore,
    should_stop: ShouldStop = never,
) -> SplitCodes:
    """Encode all sounds, split by file; a single sound is split in time, and has no variants.

    Of the training sounds so many `variants` are encoded too. What `cache` holds is neither read nor encoded: it is
    told by what the scan found in the file.

    Raises:
        DatasetError: nothing usable is left, or a single sound is too short.
        Stopped: `should_stop()` turned true.
    """
    progress = ProgressReporter("encode", len(dataset.files), on_event)
    encoder = _Encoder(layout, loaded, cache, should_stop)

    def encode(files: Sequence[AudioFile], chosen: Sequence[Variant], already_done: int) -> Versions:
        read = partial(encoder.versions, variants=chosen)
        return tuple(read_each(files, read, progress, already_done, on_event, should_stop))

    try:
        if len(dataset.files) == 1:
            ((codes_NSQ,),) = encode(dataset.files, (), 0)
            train, val = _split_one(codes_NSQ, val_fraction, layout, loaded.grid)
            return SplitCodes(((train,),), (val,), dataset.files, dataset.files)
        train_files, val_files = split_files(dataset.files, val_fraction, seed)
        versions = encode(train_files, VARIANTS[:variants], 0)
        val_codes = tuple(codes for (codes,) in encode(val_files, (), len(train_files)))
        return SplitCodes(versions, val_codes, train_files, val_files)
    finally:
        if cache is not None:
            cache.trim()
