"""Chunks on disk are those in memory: the same by number, in order and as variants."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from distill_core.training.data.chunk_store import StoredChunks, pieces_of
from distill_core.training.data.chunks import VariantBatches

CHUNKS_NT = torch.randn(700, 4000, generator=torch.Generator().manual_seed(0))  # 11 MB: more than memory keeps


@pytest.fixture
def stored(caches: Path) -> StoredChunks:
    return StoredChunks.of(CHUNKS_NT.split(33))


def test_chunks_come_back_as_they_were(stored: StoredChunks) -> None:
    assert (stored.shape, len(stored)) == (CHUNKS_NT.shape, len(CHUNKS_NT))
    assert torch.equal(stored[:], CHUNKS_NT)
    assert torch.equal(stored[::7], CHUNKS_NT[::7])
    numbers_N = torch.randint(700, (50,), generator=torch.Generator().manual_seed(1))
    assert torch.equal(stored[numbers_N], CHUNKS_NT[numbers_N])
    assert all(map(torch.equal, stored.split(64), CHUNKS_NT.split(64)))
    assert all(map(torch.equal, stored, CHUNKS_NT))
    part = stored.part(torch.arange(100, 300))
    assert torch.equal(part[::3], CHUNKS_NT[100:300][::3])


@pytest.mark.parametrize("most", [1, 100, 233, 699, 700, 5000])
def test_pieces_are_from_all_over_a_set(stored: StoredChunks, most: int) -> None:
    pieces = [*pieces_of(stored, most, 8)]
    every = -(-700 // most)
    assert {len(piece) for piece in pieces[:-1]} <= {8}
    assert torch.equal(torch.cat(pieces), CHUNKS_NT[::every])
    assert all(map(torch.equal, pieces, pieces_of(CHUNKS_NT, most, 8)))


def test_batches_and_variants_are_the_same(stored: StoredChunks) -> None:
    generators = (torch.Generator().manual_seed(3) for _ in range(2))
    one, other = (
        VariantBatches(chunks_NT, 2, 32, generator)
        for chunks_NT, generator in zip((stored, CHUNKS_NT), generators, strict=True)
    )
    for _ in range(2):
        assert all(map(torch.equal, one.epoch(), other.epoch()))
    assert torch.equal(one.sample(40), other.sample(40))
    assert torch.equal(stored[:], CHUNKS_NT)  # a variant changes none of them


def test_no_chunks_are_none_to_store() -> None:
    with pytest.raises(ValueError, match="no chunks"):
        StoredChunks.of([])
