"""Losses whose gradients are averaged over the ranks of a training (torch's DistributedDataParallel)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from torch import nn
from torch.nn.parallel import DistributedDataParallel

from distill_core.distributed import Ranks

_T = TypeVar("_T")


class _Loss(nn.Module):
    """A network's loss as a forward pass, for gradients are averaged behind a module's."""

    def __init__(self, network: nn.Module, loss: Callable[..., Any]) -> None:
        super().__init__()
        self.network, self._loss = network, loss

    def forward(self, *given: Any) -> Any:
        return self._loss(*given)


def averaged(network: nn.Module, loss: Callable[..., _T], ranks: Ranks) -> Callable[..., _T]:
    """Return a loss of which a backward pass leaves the mean gradient over all ranks; by itself, the loss as it is.

    All ranks begin with the first one's weights, and take the same backward passes.
    """
    if ranks.is_alone:
        return loss
    return DistributedDataParallel(_Loss(network, loss))
