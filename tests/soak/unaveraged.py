"""The terminal program with gradients that no rank averages: the control of the harnesses of several ranks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn

from distill_core.cli import app
from distill_core.distributed import ALONE, Ranks
from distill_core.training.averaging import Averaging
from distill_core.training.prior import epoch


class _Unaveraged(Averaging):
    """Each rank learns its own share alone."""

    def __init__(self, network: nn.Module, loss: Callable[..., Any], ranks: Ranks) -> None:
        super().__init__(network, loss, ALONE)
        self.ranks = ranks


if __name__ == "__main__":
    assert epoch.Averaging is Averaging
    epoch.Averaging = _Unaveraged  # type: ignore[misc]
    app()
