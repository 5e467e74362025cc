"""Sounds to codes of the frozen VQ-VAE, and how they are split."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import torch
from torch import Tensor

from distill_core.audio.chunks import read_each, read_file, split_in_time
from distill_core.audio.dataset import AudioDataset, AudioFile, split_files
from distill_core.audio.decoding.kinds import UnreadableSoundError
from distill_core.audio.rows import mel_of_piece, read_row
from distill_core.audio.spectrogram import AudioSpectrogram
from distill_core.audio.variants import ORIGINAL, VARIANTS, Variant, sound_samples, steps_of
from distill_core.errors import DatasetError
from distill_core.events import (
    OnEvent,
    ProgressReporter,
    ShouldStop,
    SkippedFile,
    ignore,
    never,
    stop_point,
    unless_stopped,
)
from distill_core.models.persistence import LoadedVQModel
from distill_core.models.vqvae import ConvVQVAE
from distill_core.training.data.code_cache import CodeCache
from distill_core.training.data.sound_codes import SoundCodes, by_step
from distill_core.training.stop_points import stopping_inside

Layout: TypeAlias = Literal["chunks", "rows"]
Versions: TypeAlias = tuple[tuple[SoundCodes, ...], ...]

_BATCH_CHUNKS = 32


@dataclass(frozen=True, slots=True)
class SplitCodes:
    """Codes of the training and the validation sounds, and their files.

    Of a training sound there are one version or more: the sound as it is, then the variants that have joined.
    """

    versions: Versions
    val: tuple[SoundCodes, ...]
    train_files: tuple[AudioFile, ...]
    val_files: tuple[AudioFile, ...]
    joined: int = 0

    @property
    def train(self) -> tuple[SoundCodes, ...]:
        """The training sounds as they are."""
        return tuple(versions[0] for versions in self.versions)

    @property
    def is_one_sound(self) -> bool:
        """Whether there was a single sound, split in time."""
        return self.train_files == self.val_files

    @property
    def count(self) -> int:
        """How many codes the sounds as they are have, without padding."""
        return sum(sound.count for sound in (*self.train, *self.val))


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
        with stopping_inside(model, should_stop):
            for waveforms_BT in unless_stopped(_batches(chunks), should_stop):
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
    with stopping_inside(model, should_stop):
        for piece in read_row(file, spectrogram.config, should_stop, variant):
            mel = mel_of_piece(spectrogram.log_mel(piece.waveform_T[None].to(device)), piece)
            _, indices_1SQ, _ = model.quantize(model.encode(mel)[..., min(1, piece.skipped) :])
            found.append(indices_1SQ.cpu().unflatten(1, (loaded.grid[0], -1)))
    return torch.cat(found, dim=2).flatten(1, 2)


_ENCODERS = {"chunks": _encode_chunks, "rows": _encode_row}


@dataclass(frozen=True, slots=True)
class SoundEncoder:
    """Sounds to codes of one layout, by way of the cache: what that holds is neither read nor encoded."""

    loaded: LoadedVQModel
    layout: Layout = "chunks"
    cache: CodeCache | None = None

    def split(
        self,
        dataset: AudioDataset,
        val_fraction: float,
        seed: int,
        on_event: OnEvent = ignore,
        should_stop: ShouldStop = never,
    ) -> SplitCodes:
        """Encode all sounds as they are, split by file; a single sound is split in time.

        Raises:
            DatasetError: nothing usable is left, or a single sound is too short.
            Stopped: `should_stop()` turned true.
        """
        progress = ProgressReporter("encode", len(dataset.files), on_event)

        def encode(files: Sequence[AudioFile], already_done: int) -> list[tuple[AudioFile, SoundCodes]]:
            def read(file: AudioFile) -> Iterator[tuple[AudioFile, SoundCodes]]:
                yield file, self._codes(file, ORIGINAL, should_stop)

            return [*read_each(files, read, progress, already_done, on_event, should_stop)]

        with self._trimming():
            if len(dataset.files) == 1:
                ((_, sound),) = encode(dataset.files, 0)
                begin, end = self._split_one(sound, val_fraction)
                return SplitCodes(((begin,),), (end,), dataset.files, dataset.files)
            train_files, val_files = split_files(dataset.files, val_fraction, seed)
            train, val = encode(train_files, 0), encode(val_files, len(train_files))
            versions = tuple((sound,) for _, sound in train)
            readable, held_out = (tuple(file for file, _ in part) for part in (train, val))
            return SplitCodes(versions, tuple(sound for _, sound in val), readable, held_out)

    def join_variant(
        self, split: SplitCodes, on_event: OnEvent = ignore, should_stop: ShouldStop = never, *, of: int = len(VARIANTS)
    ) -> SplitCodes:
        """Return the codes with the next variant of each training sound; a sound that has changed gets none.

        Progress counts through all variants, `of` of them.

        Raises:
            Stopped: `should_stop()` turned true.
        """
        files, number = split.train_files, split.joined
        progress = ProgressReporter("variants", of * len(files), on_event)
        versions = []
        with self._trimming():
            for done, (file, known) in enumerate(zip(files, split.versions, strict=True), number * len(files) + 1):
                stop_point(should_stop)
                try:
                    known = (*known, self._codes(file, VARIANTS[number], should_stop))
                except UnreadableSoundError as error:
                    if len(known) == number + 1:  # told once
                        on_event(SkippedFile(file.name, f"{error}; training goes on with what was read of it before"))
                versions.append(known)
                progress.update(done)
        return replace(split, versions=tuple(versions), joined=number + 1)

    def join_variants(
        self, split: SplitCodes, count: int, on_event: OnEvent = ignore, should_stop: ShouldStop = never
    ) -> SplitCodes:
        """Return the codes with variants until `count` have joined; a single sound has none."""
        while split.joined < count and not split.is_one_sound:
            split = self.join_variant(split, on_event, should_stop, of=count)
        return split

    @contextmanager
    def _trimming(self) -> Iterator[None]:
        try:
            yield
        finally:
            if self.cache is not None:
                self.cache.trim()

    def _codes(self, file: AudioFile, variant: Variant, should_stop: ShouldStop) -> SoundCodes:
        codes_NSQ = None if self.cache is None else self.cache.load(file, variant)
        if codes_NSQ is None:
            codes_NSQ = _ENCODERS[self.layout](file, variant, self.loaded, should_stop)
            if self.cache is not None:
                self.cache.save(file, codes_NSQ, variant)
        return self._without_padding(codes_NSQ, sound_samples(file, self.loaded.spectrogram.config, variant))

    def _without_padding(self, codes_NSQ: Tensor, samples: int) -> SoundCodes:
        config, (bands, second) = self.loaded.spectrogram.config, self.loaded.grid
        if self.layout == "rows":
            return SoundCodes.in_a_row(by_step(codes_NSQ, bands)[: steps_of(samples, config)])
        whole, rest = divmod(samples, config.chunk_samples)
        steps = min(whole * second + steps_of(rest, config), len(codes_NSQ) * second)
        return SoundCodes(codes_NSQ[: -(-steps // second)], bands, steps)  # resampling may have added a sample

    def _split_one(self, sound: SoundCodes, val_fraction: float) -> tuple[SoundCodes, SoundCodes]:
        """Split a single sound's codes in time."""
        bands, second = self.loaded.grid
        if self.layout == "rows":
            train_WHQ, val_WHQ = split_in_time(sound.codes_WHQ, val_fraction, second)
            return SoundCodes.in_a_row(train_WHQ), SoundCodes.in_a_row(val_WHQ)
        train_NSQ, val_NSQ = split_in_time(sound.codes_NSQ, val_fraction)
        before = (len(sound.codes_NSQ) - len(val_NSQ)) * second
        return SoundCodes(train_NSQ, bands, len(train_NSQ) * second), SoundCodes(val_NSQ, bands, sound.steps - before)


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
    """Encode all sounds, split by file, and so many `variants` of the training sounds.

    Raises:
        DatasetError: nothing usable is left, or a single sound is too short.
        Stopped: `should_stop()` turned true.
    """
    encoder = SoundEncoder(loaded, layout, cache)
    split = encoder.split(dataset, val_fraction, seed, on_event, should_stop)
    return encoder.join_variants(split, variants, on_event, should_stop)
