"""Losses whose gradients are averaged over the ranks of a training (torch's DistributedDataParallel)."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from distill_core.distributed import Ranks


class _Loss(nn.Module):
    """A network's loss as a forward pass, for gradients are averaged behind a module's."""

    def __init__(self, network: nn.Module, loss: Callable[..., Any]) -> None:
        super().__init__()
        self.network, self._loss = network, loss

    def forward(self, *given: Any) -> Any:
        return self._loss(*given)


class Averaging:
    """The loss of a network, of whose backward pass each rank has the mean gradient of all; by itself, it is as it is.

    All ranks begin with the first one's weights. Each takes its share of a batch, `rows`, in one part or more.
    """

    def __init__(self, network: nn.Module, loss: Callable[..., Any], ranks: Ranks) -> None:
        self.ranks = ranks
        self._together = None if ranks.is_alone else DistributedDataParallel(_Loss(network, loss))
        self.loss = self._together or loss

    @property
    def rows(self) -> slice:
        """This rank's share of a batch."""
        return slice(self.ranks.rank, None, self.ranks.size)

    def part(self, *, is_last: bool) -> AbstractContextManager[Any]:
        """Return the context of a part of the share: gradients add up, and are averaged behind the last one."""
        return nullcontext() if is_last or self._together is None else self._together.no_sync()

    def means(self, *values: float) -> list[float]:
        """Return the mean of each value over all ranks."""
        if self.ranks.is_alone:
            return [*values]
        means: list[float] = (self.ranks.add_up(torch.tensor(values, dtype=torch.float64)) / self.ranks.size).tolist()
        return means
