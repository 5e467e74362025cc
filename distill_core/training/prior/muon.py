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


def _take_all(moves: Iterable[Callable[[], None]]) -> None:
    for move in moves:
        move()


class Muon(Optimizer):
    """torch's Muon in a number format to choose: Nesterov momentum, decoupled decay, √(rows ÷ columns) as scale.

    `torch.optim.Muon` always multiplies in bfloat16, which a processor without units for it emulates, 20 times slower.
    """

    def __init__(
        self, matrices: Iterable[Tensor], lr: float, weight_decay: float, dtype: torch.dtype = torch.float32
    ) -> None:
        super().__init__(matrices, {"lr": lr, "weight_decay": weight_decay})
        self.dtype = dtype

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
            for matrix in group["params"]:
                if matrix.grad is not None:
                    stop_point(should_stop)
                    momentum, update = self._next(matrix, matrix.grad)
                    matrix.grad = None  # the next matrix needs its memory
                    moves.append(partial(self._move, matrix, momentum, update, group))
        return partial(_take_all, moves)

    def _next(self, matrix_MN: Tensor, gradient_MN: Tensor) -> tuple[Tensor, Tensor]:
        """Return the momentum after a step, and the update; the gradient is overwritten."""
        known_MN = self.state[matrix_MN]["momentum_buffer"] if matrix_MN in self.state else torch.zeros_like(matrix_MN)
        momentum_MN = known_MN.lerp(gradient_MN, 1 - _MOMENTUM)
        return momentum_MN, orthogonalized(gradient_MN.lerp_(momentum_MN, _MOMENTUM), self.dtype)

    @torch.no_grad()
    def _move(self, matrix_MN: Tensor, momentum_MN: Tensor, update_MN: Tensor, group: dict[str, Any]) -> None:
        self.state[matrix_MN]["momentum_buffer"] = momentum_MN
        rows, columns = matrix_MN.shape
        matrix_MN.mul_(1 - group["lr"] * group["weight_decay"])
        matrix_MN.add_(update_MN, alpha=-group["lr"] * math.sqrt(max(1.0, rows / columns)))
