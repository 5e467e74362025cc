"""The search for a vector's codes: residual quantization by beam search, where rare codes cost more.

Residual quantization: Zeghidour et al. 2021, "SoundStream". The cost of a code is its squared error, and a weight times
the bits of the code by how often it is used: entropy-constrained vector quantization, Chou, Lookabaugh and Gray 1989.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

BEAM = 4  # of these many ways to begin, the best is found at the last level; 8 gained nothing, 1 loses 4 % of error
_ENTRIES_AT_ONCE = 2**18  # for each way to begin: some 20 MB, and some 10 ms a level


def parts_of(vectors_NC: Tensor, size: int) -> Sequence[Tensor]:
    """Return vectors in parts that take as long whatever the size of a codebook."""
    parts: Sequence[Tensor] = vectors_NC.split(max(1, _ENTRIES_AT_ONCE // size))
    return parts


def codes_of(vectors_NC: Tensor, books_QKC: Tensor, costs_QK: Tensor) -> Tensor:
    """Return the codes `[N, Q]` of vectors; `costs_QK` is added to the squared error of each entry."""
    parts = parts_of(vectors_NC, books_QKC.shape[1])
    return torch.cat([_search(part_NC, books_QKC, costs_QK) for part_NC in parts])


def _search(vectors_NC: Tensor, books_QKC: Tensor, costs_QK: Tensor) -> Tensor:
    levels, size, _ = books_QKC.shape
    left_NBC = vectors_NC[:, None]  # B ways to begin
    spent_NB = vectors_NC.new_zeros(len(vectors_NC), 1)
    codes_NBQ = torch.empty(len(vectors_NC), 1, 0, dtype=torch.long, device=vectors_NC.device)
    for level, (book_KC, costs_K) in enumerate(zip(books_QKC, costs_QK, strict=True)):
        # The squared length of what is left is the same for all entries of one way, but not for all ways.
        errors_NBK = left_NBC.square().sum(2, keepdim=True) - 2 * left_NBC @ book_KC.T + book_KC.square().sum(1)
        totals_NBK = errors_NBK + spent_NB[:, :, None] + costs_K
        ways = 1 if level == levels - 1 else min(BEAM, totals_NBK[0].numel())
        places_NB = totals_NBK.flatten(1).topk(ways, dim=1, largest=False).indices
        from_NB, chosen_NB = places_NB // size, places_NB % size
        left_NBC = left_NBC.take_along_dim(from_NB[:, :, None], 1) - book_KC[chosen_NB]
        spent_NB = spent_NB.take_along_dim(from_NB, 1) + costs_K[chosen_NB]
        codes_NBQ = torch.cat([codes_NBQ.take_along_dim(from_NB[:, :, None], 1), chosen_NB[:, :, None]], 2)
    return codes_NBQ[:, 0]
