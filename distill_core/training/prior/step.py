"""One optimizer step of a prior: all of it, or nothing."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.utils import clip_grad_norm_
from torch.optim import Optimizer

from distill_core.distributed import ALONE, Ranks
from distill_core.events import ShouldStop, never
from distill_core.models.prior import Prior, PriorLoss, Windows
from distill_core.training.prior.config import PriorConfig
from distill_core.training.prior.number_format import BFLOAT16, number_format
from distill_core.training.prior.optimizers import JointOptimizer
from distill_core.training.stop_points import all_or_nothing, stopping_inside


def _with_wrong_codes(codes_BWHQ: Tensor, share: float, codebook_size: int) -> Tensor:
    """Return codes of which a share is replaced by random ones: a prior that trusts each code less memorizes less."""
    if not share:
        return codes_BWHQ
    is_drawn = torch.rand(codes_BWHQ.shape, device=codes_BWHQ.device) < share
    return torch.where(is_drawn, torch.randint_like(codes_BWHQ, codebook_size), codes_BWHQ)


def _arithmetic(config: PriorConfig, device: torch.device) -> torch.autocast:
    """Return the context of training's number format; validation is in float32, so that perplexities compare."""
    reduced = number_format(config.precision, device) == BFLOAT16
    return torch.autocast(device.type, torch.bfloat16, enabled=reduced)


def _move_weights(optimizer: Optimizer, should_stop: ShouldStop) -> None:
    if isinstance(optimizer, JointOptimizer):
        optimizer.step(should_stop=should_stop)
    else:
        optimizer.step()


def _move_if_finite(
    prior: Prior, loss: Tensor, optimizer: Optimizer, clip_norm: float, should_stop: ShouldStop
) -> bool:
    """Update the weights and return True; change nothing and return False if loss or gradient is not finite."""
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    # Clipping turns one infinite gradient into NaN in every weight, so the norm is checked before the weights move.
    if not math.isfinite(clip_grad_norm_(prior.parameters(), clip_norm).item()):
        return False
    _move_weights(optimizer, should_stop)
    return True


@dataclass(frozen=True, slots=True)
class _Share:
    """A rank's windows of a batch; the mean over all ranks of `weight` times their loss is the loss of the batch."""

    windows: Windows
    weight: float


def _share_of(prior: Prior, windows: Windows, ranks: Ranks) -> _Share:
    """Return this rank's share of a batch; one without a code that counts takes another rank's first, for nothing."""
    if ranks.is_alone:
        return _Share(windows, 1.0)
    shares = [windows.of(slice(rank, None, ranks.size)) for rank in range(ranks.size)]
    counts = [prior.target_count(share) if len(share.codes_BWHQ) else 0 for share in shares]
    own, total = counts[ranks.rank], sum(counts)
    if not own:
        return _Share(next(share for share, count in zip(shares, counts, strict=True) if count), 0.0)
    return _Share(shares[ranks.rank], own * ranks.size / total)


def take_step(
    prior: Prior,
    windows: Windows,
    optimizer: Optimizer,
    config: PriorConfig,
    should_stop: ShouldStop,
    loss_of: Callable[[Windows, Tensor], PriorLoss] | None = None,
    ranks: Ranks = ALONE,
) -> tuple[float, bool]:
    """Take an optimizer step of a prior that has its stop points already; nothing is learned where no code counts.

    Of several ranks each learns a share of the windows; `loss_of` averages their gradients.
    """
    device = next(prior.parameters()).device
    if not windows.count:
        optimizer.zero_grad(set_to_none=True)
        _move_weights(optimizer, should_stop)  # by nothing, without a gradient; the schedule counts on it
        return math.nan, False
    share = _share_of(prior, windows, ranks)
    with all_or_nothing(optimizer, device):
        with _arithmetic(config, device):
            own = share.windows.to(device)
            loss = (loss_of or prior.loss)(
                own, _with_wrong_codes(own.codes_BWHQ, config.token_dropout, prior.codebook_size)
            )
        has_moved = _move_if_finite(
            prior, loss.learned * share.weight, optimizer, config.gradient_clip_norm, should_stop
        )
    shown = loss.shown.detach().double().cpu() * share.weight / ranks.size
    return ranks.add_up(shown).item(), has_moved


def train_step(
    prior: Prior, windows: Windows, optimizer: Optimizer, config: PriorConfig, should_stop: ShouldStop = never
) -> tuple[float, bool]:
    """Take an optimizer step on a batch of windows and return its codes' mean loss in nats, and whether weights moved.

    They do not move if loss or gradient is not finite. The prior is in train mode.

    Raises:
        Stopped: `should_stop()` turned true; nothing has changed.
    """
    with stopping_inside(prior, should_stop):
        return take_step(prior, windows, optimizer, config, should_stop)
