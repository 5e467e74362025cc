"""Muon (Jordan et al. 2024): momentum with orthogonalized updates, for the matrices of a network."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from distill_core.events import ShouldStop, never, stop_point

_MOMENTUM = 0.95
# The quintic of Jordan's implementation, the steepest at zero.
_LINEAR, _CUBIC, _QUINTIC = 3.4445, -4.7750, 2.0315
# Three rounds instead of five learn as well and save a tenth of an optimizer step.
_ROUNDS = 3
_SMALLEST_NORM = 1e-7


def orthogonalized(matrix_MN: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """Return the matrix `[M, N]` with its singular values brought near 1 by Newton-Schulz rounds in `dtype`."""
    is_tall = matrix_MN.shape[0] > matrix_MN.shape[1]
    wide = (matrix_MN.T if is_tall else matrix_MN).to(dtype)
    wide = wide / wide.norm().clamp(min=_SMALLEST_NORM)
    wide = _rounds_on_gram(wide) if dtype == torch.float32 else _rounds(wide)
    return wide.T if is_tall else wide


def _rounds(wide: Tensor) -> Tensor:
    """Return the matrix after its rounds on the matrix itself: bfloat16 is too coarse for its Gram matrix."""
    for _ in range(_ROUNDS):
        gram = wide @ wide.T
        wide = torch.addmm(wide, torch.addmm(gram, gram, gram, beta=_CUBIC, alpha=_QUINTIC), wide, beta=_LINEAR)
    return wide


def _rounds_on_gram(wide: Tensor) -> Tensor:
    """Return the same by rounds on its Gram matrix, whose factors commute: a fifth less work."""
    gram, factors = wide @ wide.T, None
    for left in reversed(range(_ROUNDS)):
        factor = torch.addmm(gram, gram, gram, beta=_CUBIC, alpha=_QUINTIC)
        factor.diagonal().add_(_LINEAR)
        factors = factor if factors is None else factor @ factors
        if left:
            gram = factor @ gram @ factor
    return wide if factors is None else factors @ wide


def orthogonalized_together(matrices_NMN: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """Return matrices `[N, M, N]` of one shape, each as `orthogonalized` has it, in one product for all.

    A graphics card is hardly used by the products of one matrix after another.
    """
    is_tall = matrices_NMN.shape[1] > matrices_NMN.shape[2]
    wide = (matrices_NMN.mT if is_tall else matrices_NMN).to(dtype)
    wide = wide / wide.norm(dim=(1, 2), keepdim=True).clamp(min=_SMALLEST_NORM)
    for _ in range(_ROUNDS):
        gram = wide @ wide.mT
        wide = torch.baddbmm(wide, torch.baddbmm(gram, gram, gram, beta=_CUBIC, alpha=_QUINTIC), wide, beta=_LINEAR)
    return wide.mT if is_tall else wide


def _take_all(moves: Iterable[Callable[[], None]]) -> None:
    for move in moves:
        move()


def _scale(matrix_MN: Tensor, rate: float) -> float:
    """Return the factor of an update: √(rows ÷ columns) of a tall matrix, times the learning rate, downhill."""
    rows, columns = matrix_MN.shape
    return -rate * math.sqrt(max(1.0, rows / columns))


class Muon(Optimizer):
    """torch's Muon in a number format to choose: Nesterov momentum, decoupled decay, √(rows ÷ columns) as scale.

    `torch.optim.Muon` always multiplies in bfloat16, which a processor without units for it emulates, 20 times slower.
    `together` takes matrices of one shape at once, which suits a graphics card; the results differ by rounding.
    """

    def __init__(
        self,
        matrices: Iterable[Tensor],
        lr: float,
        weight_decay: float,
        dtype: torch.dtype = torch.float32,
        *,
        together: bool = False,
    ) -> None:
        super().__init__(matrices, {"lr": lr, "weight_decay": weight_decay})
        self.dtype, self.together = dtype, together

    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Update each matrix that has a gradient, and drop the gradient."""
        self.prepare()()

    @torch.no_grad()
    def prepare(self, should_stop: ShouldStop = never) -> Callable[[], None]:
        """Compute a step and return a function that takes it; until then weights and momenta do not change.

        The gradients are dropped. Taking the step is quick: it only adds.

        Raises:
            Stopped: `should_stop()` turned true between two matrices.
        """
        moves: list[Callable[[], None]] = []
        for group in self.param_groups:
            learned = [matrix for matrix in group["params"] if matrix.grad is not None]
            for matrices in self._at_once(learned):
                stop_point(should_stop)
                momenta, updates = self._next(matrices)
                moves.append(partial(self._move, matrices, momenta, updates, group))
        return partial(_take_all, moves)

    def _at_once(self, matrices: list[Tensor]) -> list[list[Tensor]]:
        """Return the matrices in the parts that are computed at once: those of a shape, or each by itself."""
        if not self.together:
            return [[matrix] for matrix in matrices]
        by_shape: dict[torch.Size, list[Tensor]] = {}
        for matrix in matrices:
            by_shape.setdefault(matrix.shape, []).append(matrix)
        return [*by_shape.values()]

    def _next(self, matrices: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """Return momenta after a step, and updates; the gradients are dropped: what comes next needs their memory."""
        gradients = [matrix.grad for matrix in matrices if matrix.grad is not None]
        known = [
            self.state[matrix]["momentum_buffer"] if matrix in self.state else torch.zeros_like(matrix)
            for matrix in matrices
        ]
        for matrix in matrices:
            matrix.grad = None
        if not self.together:
            momentum_MN = known[0].lerp(gradients[0], 1 - _MOMENTUM)
            return [momentum_MN], [orthogonalized(gradients[0].lerp_(momentum_MN, _MOMENTUM), self.dtype)]
        gradients_NMN = torch.stack(gradients)
        momenta_NMN = torch.stack(known).lerp_(gradients_NMN, 1 - _MOMENTUM)
        updates_NMN = orthogonalized_together(gradients_NMN.lerp_(momenta_NMN, _MOMENTUM), self.dtype)
        return [*momenta_NMN.unbind()], [*updates_NMN.to(momenta_NMN.dtype).unbind()]

    @torch.no_grad()
    def _move(
        self, matrices: list[Tensor], momenta: list[Tensor], updates: list[Tensor], group: dict[str, Any]
    ) -> None:
        for matrix, momentum in zip(matrices, momenta, strict=True):
            self.state[matrix]["momentum_buffer"] = momentum
        if not self.together:
            matrices[0].mul_(1 - group["lr"] * group["weight_decay"])
            matrices[0].add_(updates[0], alpha=_scale(matrices[0], group["lr"]))
            return
        torch._foreach_mul_(matrices, 1 - group["lr"] * group["weight_decay"])
        torch._foreach_add_(matrices, updates, alpha=_scale(matrices[0], group["lr"]))
