"""The optimizer of a prior and its schedule."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from distill_core.events import ShouldStop, never, stop_point
from distill_core.models.prior import Prior
from distill_core.training.optimizer_state import adam_w, load_state, portable_state
from distill_core.training.prior.config import PriorConfig
from distill_core.training.prior.muon import Muon
from distill_core.training.prior.number_format import dtype_of, number_format

_WARM_UP_SHARE = 0.02
_BETAS_BESIDE_MUON = (0.9, 0.98)


class JointOptimizer(Optimizer):
    """Several optimizers that step as one; schedules see the parameter groups of all."""

    def __init__(self, parts: list[Optimizer]) -> None:
        self.parts = parts
        super().__init__([group for part in parts for group in part.param_groups], {})
        # The dicts are the parts' own, so that a schedule's new rate reaches them.
        self.param_groups = [group for part in parts for group in part.param_groups]

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget all gradients."""
        for part in self.parts:
            part.zero_grad(set_to_none)

    def step(  # type: ignore[override]
        self, closure: Callable[[], float] | None = None, should_stop: ShouldStop = never
    ) -> None:
        """Take a step with each part, or with none.

        The long part comes before the first weight moves: in a network 512 wide and 6 deep AdamW takes 50 ms.

        Raises:
            Stopped: `should_stop()` turned true; neither weights nor moments have changed.
        """
        takers = [part.prepare(should_stop) if isinstance(part, Muon) else part.step for part in self.parts]
        stop_point(should_stop)
        for take in takers:
            take()

    def states(self) -> list[dict[str, Any]]:
        """Return the state of each part, for any device."""
        return [portable_state(part) for part in self.parts]

    def restore(self, states: list[dict[str, Any]]) -> None:
        """Go back to the states of all parts."""
        for part, state in zip(self.parts, states, strict=True):
            load_state(part, state)
        # `load_state_dict` makes new dicts.
        self.param_groups = [group for part in self.parts for group in part.param_groups]

    def forget(self) -> None:
        """Drop all momenta."""
        for part in self.parts:
            part.state.clear()


def build_optimizer(prior: Prior, config: PriorConfig) -> JointOptimizer:
    """Return AdamW, with Muon (Jordan et al. 2024) for the matrices that the architecture gives it."""
    matrices, is_cuda = prior.matrices(), next(prior.parameters()).is_cuda
    if not matrices:
        adam = adam_w([*prior.parameters()], config.learning_rate, config.weight_decay)
        return JointOptimizer([adam])
    taken = {id(weight) for weight in matrices}
    others = [weight for weight in prior.parameters() if id(weight) not in taken]
    dtype = dtype_of(number_format(config.precision, matrices[0].device, config.hidden_size))
    muon = Muon(matrices, config.matrix_learning_rate, config.matrix_weight_decay, dtype, together=is_cuda)
    adam = adam_w(others, config.learning_rate, config.weight_decay, _BETAS_BESIDE_MUON)
    return JointOptimizer([adam, muon])


def warm_up_steps(optimizer_steps: int) -> int:
    """Return the number of optimizer steps in which the learning rate climbs."""
    return max(1, round(optimizer_steps * _WARM_UP_SHARE))


def warm_up_and_cosine(optimizer: Optimizer, optimizer_steps: int) -> LambdaLR:
    """Return a schedule that moves once with each optimizer step: a short climb, then a cosine down to zero."""
    warm_up = warm_up_steps(optimizer_steps)

    def scale(step: int) -> float:
        if step < warm_up:
            return (step + 1) / warm_up
        return 0.5 * (1 + math.cos(math.pi * (step - warm_up) / max(1, optimizer_steps - warm_up)))

    return LambdaLR(optimizer, scale)
