"""The chunks that a codec learns from: read, split by file, and made into batches of variants."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from distill_core.audio.chunks import read_chunks, split_in_time
from distill_core.audio.dataset import AudioDataset, AudioFile, split_files
from distill_core.audio.geometry import Geometry
from distill_core.events import OnEvent, Phase, ProgressReporter, ShouldStop, never
from distill_core.training.data.augmentation import augment
from distill_core.training.data.chunk_store import Chunks, StoredChunks


@dataclass(frozen=True, slots=True)
class SplitSounds:
    """One-second chunks `[N, samples]` of the training and the validation sounds, and the files that they are from."""

    train_NT: Chunks
    val_NT: Chunks
    train_files: tuple[AudioFile, ...]
    val_files: tuple[AudioFile, ...]


def read_and_split(
    dataset: AudioDataset,
    geometry: Geometry,
    val_fraction: float,
    seed: int,
    on_event: OnEvent,
    should_stop: ShouldStop,
) -> SplitSounds:
    """Read all sounds, split by file; a single sound is split in time.

    Raises:
        DatasetError: nothing usable is left, or a single sound is too short.
        Stopped: `should_stop()` turned true.
    """
    progress = ProgressReporter(Phase.READ, len(dataset.files), on_event)

    def read(files: tuple[AudioFile, ...], already_done: int) -> StoredChunks:
        return StoredChunks.of(read_chunks(files, geometry, progress, already_done, on_event, should_stop))

    if len(dataset.files) == 1:
        chunks_NT = read(dataset.files, 0)
        parts = split_in_time(torch.arange(len(chunks_NT)), val_fraction)
        begin_NT, end_NT = (chunks_NT.part(numbers_N) for numbers_N in parts)
        return SplitSounds(begin_NT, end_NT, dataset.files, dataset.files)
    train_files, val_files = split_files(dataset.files, val_fraction, seed)
    return SplitSounds(read(train_files, 0), read(val_files, len(train_files)), train_files, val_files)


class VariantBatches:
    """Batches of training chunks: an epoch has each `copies` times, once as it is, the other times as a variant."""

    def __init__(self, chunks_NT: Chunks, copies: int, batch_size: int, generator: torch.Generator) -> None:
        self._chunks_NT, self._copies, self._generator = chunks_NT, max(1, copies), generator
        self._total = len(chunks_NT) * self._copies
        self.count = -(-self._total // batch_size)

    def epoch(self, should_stop: ShouldStop = never, skip: int = 0) -> Iterator[Tensor]:
        """Draw an order, and return batches `[B, samples]` in it, without the first `skip`.

        They are of nearly the same size, for BatchNorm's sake. The variants of those that are skipped are not drawn.

        Raises:
            Stopped: `should_stop()` turned true while a batch was made.
        """
        order = torch.randperm(self._total, generator=self._generator).tensor_split(self.count)
        return (self._waveforms(indices, should_stop) for indices in order[skip:])

    def sample(self, count: int, should_stop: ShouldStop = never) -> Tensor:
        """Return `count` random entries of an epoch; entries repeat only if an epoch has fewer.

        Raises:
            Stopped: `should_stop()` turned true.
        """
        repeats = -(-count // self._total)
        entries = torch.cat([torch.randperm(self._total, generator=self._generator) for _ in range(repeats)])
        return self._waveforms(entries[:count], should_stop)

    def _waveforms(self, indices_B: Tensor, should_stop: ShouldStop) -> Tensor:
        waveforms_BT = self._chunks_NT[indices_B % len(self._chunks_NT)]
        is_variant_B = indices_B >= len(self._chunks_NT)
        if bool(is_variant_B.any()):
            waveforms_BT[is_variant_B] = augment(waveforms_BT[is_variant_B], self._generator, should_stop)
        return waveforms_BT
