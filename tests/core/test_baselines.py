"""What perplexities are compared with: frequencies, and siblings."""

from __future__ import annotations

import pytest
import torch

from distill_core.training.baselines import in_seconds, sibling_agreement, unigram_perplexities, unigram_perplexity


def test_unigram_perplexity_of_even_codes_is_their_number() -> None:
    codes = torch.arange(1000).view(-1, 10) % 8
    assert unigram_perplexity(codes, codes, 8) == pytest.approx(8.0)
    assert unigram_perplexity(torch.zeros_like(codes), torch.zeros_like(codes), 8) < 1.01


def test_each_level_has_frequencies_of_its_own() -> None:
    levels = torch.stack([torch.arange(4000) % 8, torch.zeros(4000, dtype=torch.long)], 1)[None]
    _, by_level = unigram_perplexities([levels], [levels], 8)
    assert by_level[0] == pytest.approx(8.0, rel=1e-3)
    assert by_level[1] < 1.01


def test_rows_and_chunks_have_the_same_seconds() -> None:
    bands, steps, levels = 2, 3, 2
    row = torch.arange(bands * 7 * levels).view(1, bands * 7, levels)  # two seconds and a step
    by_step = row.view(bands, 7, levels)
    chunks = torch.stack([by_step[:, :3].flatten(0, 1), by_step[:, 3:6].flatten(0, 1)])
    assert torch.equal(in_seconds([row], (bands, steps)), in_seconds([chunks], (bands, steps)))


def test_siblings_are_found_and_strangers_are_not() -> None:
    generator = torch.Generator().manual_seed(0)
    train = torch.randint(0, 64, (300, 96), generator=generator)
    copies = train[::3].clone()
    copies[:, ::4] = 63 - copies[:, ::4]
    assert sibling_agreement(train, copies) == pytest.approx(0.75, abs=0.02)
    strangers = torch.randint(0, 64, (500, 96), generator=generator)
    share = sibling_agreement(train, strangers)
    assert share is not None
    assert share < 0.15
    assert sibling_agreement(train, train[:0]) is None
