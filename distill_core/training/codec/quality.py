"""The quality of a codec: errors of log-mels, and the use of its codebooks."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor
from torch.nn import functional

from distill_core.audio.spectrogram import AudioSpectrogram
from distill_core.models.codec import Codec
from distill_core.training.data.chunk_store import Chunks
from distill_core.training.data.codes import extract_code_sequences

_POOLED_BY = (1, 2, 4)


def reconstruction_loss(recon: Tensor, mel: Tensor) -> Tensor:
    """Return the mean of the mean squared errors at full resolution and average-pooled by two and by four."""
    errors = [
        functional.mse_loss(functional.avg_pool2d(recon, size), functional.avg_pool2d(mel, size)) for size in _POOLED_BY
    ]
    return torch.stack(errors).mean()


def mean_frame_l1(mels: Iterable[Tensor]) -> float:
    """Return the mean absolute difference of log-mels `[n, …, n_mels, frames]` from their own mean frames."""
    total, count = 0.0, 0
    for some in mels:
        total += (some - some.mean(dim=-1, keepdim=True)).abs().sum(dtype=torch.float64).item()
        count += some.numel()
    return total / count


def codebook_health(codes_NSQ: Tensor, codebook_size: int) -> dict[str, dict[str, float]]:
    """Return each level's share of codes in use, the perplexity of their frequencies and the number of dead codes."""
    health: dict[str, dict[str, float]] = {}
    for level, codes_NS in enumerate(codes_NSQ.unbind(-1)):
        counts_K = torch.bincount(codes_NS.flatten(), minlength=codebook_size).double()
        shares_K = counts_K / counts_K.sum()
        used = int((counts_K > 0).sum())
        health[f"level_{level}"] = {
            "utilization": used / codebook_size,
            "perplexity": torch.special.entr(shares_K).sum().exp().item(),
            "dead_codes": codebook_size - used,
        }
    return health


def health_of(
    codec: Codec, chunks_NT: Chunks, spectrogram: AudioSpectrogram, device: torch.device, most_chunks: int
) -> dict[str, dict[str, float]]:
    """Return the use of the codebooks by one-second chunks, or by every n-th of more than `most_chunks`."""
    every = -(-len(chunks_NT) // most_chunks)
    codes_NSQ = extract_code_sequences(codec, chunks_NT[::every], spectrogram, device)
    return codebook_health(codes_NSQ, codec.codebook_size)
