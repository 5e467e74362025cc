"""Muon: torch's own in exact arithmetic, and quick where bfloat16 is emulated."""

from __future__ import annotations

import copy

import pytest
import torch

from distill_core.training.prior.muon import Muon, orthogonalized


@pytest.mark.parametrize("shape", [(48, 8), (8, 48)])
def test_singular_values_come_near_one(shape: tuple[int, int]) -> None:
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    values = torch.linalg.svdvals(orthogonalized(matrix))
    before = torch.linalg.svdvals(matrix)
    assert values.min() > 0.4
    assert values.max() < 1.3
    assert values.max() / values.min() < before.max() / before.min()
    assert orthogonalized(matrix, torch.bfloat16).dtype == torch.bfloat16


@pytest.mark.parametrize("shape", [(24, 8), (8, 24)])
def test_it_moves_as_torchs_own_does_but_for_its_rounding(shape: tuple[int, int]) -> None:
    generator = torch.Generator().manual_seed(0)
    ours = torch.nn.Parameter(torch.randn(shape, generator=generator))
    theirs = copy.deepcopy(ours)
    optimizers = [
        Muon([ours], lr=0.02, weight_decay=0.1, dtype=torch.bfloat16),
        torch.optim.Muon([theirs], lr=0.02, weight_decay=0.1, ns_steps=3),
    ]
    started = ours.detach().clone()
    for _ in range(5):
        ours.grad = torch.randn(shape, generator=generator)
        theirs.grad = ours.grad.clone()
        for optimizer in optimizers:
            optimizer.step()
    assert torch.allclose(ours, theirs, atol=2e-3)
    assert (ours - started).abs().max() > 0.02


def test_its_state_comes_back_and_a_matrix_without_a_gradient_stays() -> None:
    moved, still = (torch.nn.Parameter(torch.ones(4, 4)) for _ in range(2))
    optimizer = Muon([moved, still], lr=0.1, weight_decay=0.0)
    moved.grad = torch.randn(4, 4, generator=torch.Generator().manual_seed(0))
    optimizer.step()
    assert torch.equal(still, torch.ones(4, 4))
    other = Muon([moved, still], lr=0.1, weight_decay=0.0)
    other.load_state_dict(optimizer.state_dict())
    assert torch.equal(other.state[moved]["momentum_buffer"], optimizer.state[moved]["momentum_buffer"])
