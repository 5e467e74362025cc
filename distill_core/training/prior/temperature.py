"""The temperature at which a prior's shares fit held-out codes best (Guo et al. 2017): one number for each epoch."""

from __future__ import annotations

import torch
from torch import Tensor

from distill_core.distributed import Ranks
from distill_core.events import ShouldStop, never, unless_stopped
from distill_core.models.prior import IGNORED

COLDEST, HOTTEST = 0.7, 1.1
_HALVINGS = 8  # to 0.001 in 1 / T, below what some thousand codes can tell
_FEWEST_CODES, _MOST_CODES = 100, 4096
_MOST_LOGITS = 2**19  # twice as many take three times as long: some 20 ms an epoch are enough


def above(logits_NK: Tensor, targets_N: Tensor) -> Tensor:
    """Return how far each logit lies above that of the code `targets_N`."""
    return logits_NK - logits_NK.gather(1, targets_N[:, None])


def best_temperature(above_NK: Tensor, should_stop: ShouldStop = never) -> float:
    """Return the temperature from 0.7 to 1.1 with the lowest cross-entropy of the codes that logits lie `above`.

    The cross-entropy is convex in 1 / T, so its slope tells the side of its minimum.

    Raises:
        Stopped: `should_stop()` turned true.
    """
    low, high = 1 / HOTTEST, 1 / COLDEST
    for _ in unless_stopped(range(_HALVINGS), should_stop):
        middle = (low + high) / 2
        slope = float((above_NK * middle).softmax(1).mul_(above_NK).sum())
        low, high = (low, middle) if slope > 0 else (middle, high)
    return 2 / (low + high)


class LogitSample:
    """Random ones of the logits that a validation of `count` codes passes by, a few thousand at most."""

    def __init__(self, count: int, codebook_size: int) -> None:
        most = max(_FEWEST_CODES, min(_MOST_CODES, _MOST_LOGITS // codebook_size))
        self._share = min(1.0, most / count)
        self._generator = torch.Generator().manual_seed(0)
        self._above: list[Tensor] = []

    def add(self, logits_BTK: Tensor, targets_BT: Tensor) -> None:
        """Take a share of a batch's logits and codes; those that are `IGNORED` are none."""
        places_N = (targets_BT.flatten() != IGNORED).nonzero()[:, 0]
        if self._share < 1:
            chosen = torch.randperm(len(places_N), generator=self._generator)[: round(self._share * len(places_N))]
            places_N = places_N[chosen.to(places_N.device)]
        self._above.append(above(logits_BTK.flatten(0, 1)[places_N], targets_BT.flatten()[places_N]))

    def pool(self, ranks: Ranks) -> None:
        """Take the other ranks' logits too, for each validates a share of the batches."""
        if not ranks.is_alone:
            self._above = [above_NK for part in ranks.each([each.cpu() for each in self._above]) for above_NK in part]

    def temperature(self, should_stop: ShouldStop = never) -> float | None:
        """Return the best temperature, None if the codes are too few to tell.

        Raises:
            Stopped: `should_stop()` turned true.
        """
        above_NK = torch.cat(self._above)
        self._above = [above_NK]  # the parts take 2 MB
        return best_temperature(above_NK, should_stop) if len(above_NK) >= _FEWEST_CODES else None
