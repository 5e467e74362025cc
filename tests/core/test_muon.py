"""Muon: torch's own in exact arithmetic, and quick where bfloat16 is emulated."""

from __future__ import annotations

import copy

import pytest
import torch

from distill_core.training.prior.muon import Muon, orthogonalized, orthogonalized_together


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


@pytest.mark.parametrize("shape", [(24, 8), (8, 24)])
def test_matrices_together_are_orthogonalized_as_one_by_one(shape: tuple[int, int]) -> None:
    matrices_NMN = torch.randn(3, *shape, generator=torch.Generator().manual_seed(0))
    for one, matrix in zip(orthogonalized_together(matrices_NMN), matrices_NMN, strict=True):
        assert torch.allclose(one, orthogonalized(matrix), atol=1e-3)
    assert orthogonalized_together(matrices_NMN, torch.bfloat16).dtype == torch.bfloat16


def test_together_they_move_as_one_by_one_and_one_without_a_gradient_stays() -> None:
    generator = torch.Generator().manual_seed(0)
    shapes = [(8, 24), (24, 8), (8, 24), (8, 8), (24, 8)]
    ours = [torch.nn.Parameter(torch.randn(shape, generator=generator)) for shape in shapes]
    theirs = [torch.nn.Parameter(weight.detach().clone()) for weight in ours]
    still = ours[2].detach().clone()
    optimizers = [Muon(ours, 0.02, 0.1, together=True), Muon(theirs, 0.02, 0.1)]
    for _ in range(4):
        for number, (one, other) in enumerate(zip(ours, theirs, strict=True)):
            one.grad = None if number == 2 else torch.randn(one.shape, generator=generator)
            other.grad = None if one.grad is None else one.grad.clone()
        for optimizer in optimizers:
            optimizer.step()
    assert all(torch.allclose(one, other, atol=1e-3) for one, other in zip(ours, theirs, strict=True))
    assert torch.equal(ours[2], still)
    assert set(optimizers[0].state_dict()["state"]) == set(optimizers[1].state_dict()["state"]) == {0, 1, 3, 4}
