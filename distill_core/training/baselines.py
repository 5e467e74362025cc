"""What a prior's perplexity has to be compared with: guessing by frequency, and sounds that are nearly copies."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from distill_core.training.metrics import perplexity

_MOST_SECONDS_COMPARED = 256  # a second's comparison with 20,000 others takes about a millisecond


def unigram_perplexity(train_codes: Tensor, val_codes: Tensor, codebook_size: int) -> float:
    """Return the perplexity of validation codes under the training codes' frequencies (add-one smoothing).

    It is what a prior reaches that knows nothing of order: a useful one lies far below.
    """
    counts_K = torch.bincount(train_codes.flatten(), minlength=codebook_size).double() + 1
    log_shares_K = (counts_K / counts_K.sum()).log()
    return perplexity(-float(log_shares_K[val_codes.flatten()].mean()))


def _all_codes(sounds: Sequence[Tensor]) -> Tensor:
    """Return `[positions, Q]` of all sounds `[N, S, Q]` together."""
    return torch.cat([codes_NSQ.flatten(0, 1) for codes_NSQ in sounds])


def unigram_perplexities(
    train: Sequence[Tensor], val: Sequence[Tensor], codebook_size: int
) -> tuple[float, tuple[float, ...]]:
    """Return the unigram perplexity of all levels together, and of each level by its own frequencies."""
    train_PQ, val_PQ = _all_codes(train), _all_codes(val)
    levels = zip(train_PQ.unbind(1), val_PQ.unbind(1), strict=True)
    by_level = tuple(unigram_perplexity(train_P, val_P, codebook_size) for train_P, val_P in levels)
    return unigram_perplexity(train_PQ, val_PQ, codebook_size), by_level


def in_seconds(sounds: Sequence[Tensor], grid: tuple[int, int]) -> Tensor:
    """Return the whole seconds `[M, bands · steps · Q]` of sounds `[N, S, Q]`; what is left over at an end is left out.

    `grid` is a second's (bands, steps). A sound in a row is cut where its steps fill a second.
    """
    bands, steps = grid
    seconds = []
    for codes_NSQ in sounds:
        by_step = codes_NSQ.unflatten(1, (bands, -1))[:, :, : codes_NSQ.shape[1] // bands // steps * steps]
        seconds.append(by_step.unflatten(2, (-1, steps)).transpose(1, 2).flatten(0, 1).flatten(1))
    return torch.cat(seconds)


def sibling_agreement(train_MT: Tensor, val_MT: Tensor) -> float | None:
    """Return the share of codes in which the median validation second agrees with its nearest training second.

    A high one says that the held-out sounds have siblings among those trained on (the same key of a piano, struck three
    times), so that the perplexity says less about new sounds. None where there is no whole second to compare.
    """
    if not len(train_MT) or not len(val_MT):
        return None
    chosen = torch.linspace(0, len(val_MT) - 1, min(len(val_MT), _MOST_SECONDS_COMPARED)).round().long()
    train_MT = train_MT.to(torch.int32)
    nearest = [float((train_MT == second_T).sum(1).max()) for second_T in val_MT[chosen].to(torch.int32)]
    return float(torch.tensor(nearest).median()) / val_MT.shape[1]
