"""Sounds to codes of the frozen VQ-VAE, and how they are split."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from distill_core.audio.chunks import read_each, read_file, split_in_time
from distill_core.audio.dataset import AudioDataset, AudioFile, split_files
from distill_core.audio.spectrogram import AudioSpectrogram
from distill_core.errors import DatasetError
from distill_core.events import OnEvent, ProgressReporter, ShouldStop, ignore, never, stop_point
from distill_core.models.persistence import LoadedVQModel
from distill_core.models.vqvae import ConvVQVAE
from distill_core.training.code_cache import CodeCache
from distill_core.training.metrics import perplexity

_BATCH_CHUNKS = 32


@dataclass(frozen=True, slots=True)
class SplitCodes:
    """Codes `[N, S, Q]` on the CPU of the training and the validation sounds, with the files they came from."""

    train_NSQ: Tensor
    val_NSQ: Tensor
    train_files: tuple[AudioFile, ...]
    val_files: tuple[AudioFile, ...]


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


def _encode_file(file: AudioFile, loaded: LoadedVQModel, should_stop: ShouldStop) -> Tensor:
    model, spectrogram = loaded.model, loaded.spectrogram
    device = next(model.parameters()).device
    return torch.cat(
        [
            extract_code_sequences(model, chunks_NT, spectrogram, device, should_stop=should_stop)
            for chunks_NT in read_file(file, spectrogram.config, should_stop)
        ]
    )


def _codes_of(
    file: AudioFile, loaded: LoadedVQModel, cache: CodeCache | None, should_stop: ShouldStop
) -> Iterator[Tensor]:
    codes_NSQ = None if cache is None else cache.load(file)
    if codes_NSQ is None:
        codes_NSQ = _encode_file(file, loaded, should_stop)
        if cache is not None:
            cache.save(file, codes_NSQ)
    yield codes_NSQ


def _encode_files(
    files: Sequence[AudioFile],
    loaded: LoadedVQModel,
    cache: CodeCache | None,
    progress: ProgressReporter,
    already_done: int,
    on_event: OnEvent,
    should_stop: ShouldStop,
) -> Tensor:
    read = partial(_codes_of, loaded=loaded, cache=cache, should_stop=should_stop)
    try:
        return torch.cat(list(read_each(files, read, progress, already_done, on_event, should_stop)))
    finally:
        if cache is not None:
            cache.trim()


def encode_and_split(
    loaded: LoadedVQModel,
    dataset: AudioDataset,
    val_fraction: float,
    seed: int,
    *,
    cache: CodeCache | None = None,
    on_event: OnEvent = ignore,
    should_stop: ShouldStop = never,
) -> SplitCodes:
    """Encode all sounds, split by file; a single sound is split in time.

    What `cache` holds is neither read nor encoded: it is told by what the scan found in the file.

    Raises:
        DatasetError: nothing usable is left, or a single sound is too short.
        Stopped: `should_stop()` turned true.
    """
    progress = ProgressReporter("encode", len(dataset.files), on_event)
    if len(dataset.files) == 1:
        codes_NSQ = _encode_files(dataset.files, loaded, cache, progress, 0, on_event, should_stop)
        return SplitCodes(*split_in_time(codes_NSQ, val_fraction), dataset.files, dataset.files)
    train_files, val_files = split_files(dataset.files, val_fraction, seed)
    train_NSQ = _encode_files(train_files, loaded, cache, progress, 0, on_event, should_stop)
    val_NSQ = _encode_files(val_files, loaded, cache, progress, len(train_files), on_event, should_stop)
    return SplitCodes(train_NSQ, val_NSQ, train_files, val_files)


def unigram_perplexity(train_codes: Tensor, val_codes: Tensor, codebook_size: int) -> float:
    """Return the perplexity of validation codes under the training codes' frequencies (add-one smoothing).

    It is what a prior reaches that knows nothing of order: a useful one lies far below.
    """
    counts_K = torch.bincount(train_codes.flatten(), minlength=codebook_size).double() + 1
    log_shares_K = (counts_K / counts_K.sum()).log()
    return perplexity(-float(log_shares_K[val_codes.flatten()].mean()))
