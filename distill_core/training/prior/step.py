"""One optimizer step of a prior: all of it, or nothing."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor
from torch.nn.utils import clip_grad_norm_
from torch.optim import Optimizer

from distill_core.distributed import ALONE
from distill_core.events import OnEvent, ShouldStop, ignore, never
from distill_core.models.prior import Prior, Windows
from distill_core.training.averaging import Averaging
from distill_core.training.batch_parts import BatchParts
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
    reduced = number_format(config.precision, device, config.hidden_size) == BFLOAT16
    return torch.autocast(device.type, torch.bfloat16, enabled=reduced)


def _move_weights(optimizer: Optimizer, should_stop: ShouldStop) -> None:
    if isinstance(optimizer, JointOptimizer):
        optimizer.step(should_stop=should_stop)
    else:
        optimizer.step()


@dataclass(frozen=True, slots=True)
class _Share:
    """A rank's windows of a batch, whose loss counts `weight` times in the mean over all ranks."""

    windows: Windows
    weight: float = 1.0


def _share_of(prior: Prior, windows: Windows, averaging: Averaging) -> _Share:
    """Return this rank's share of a batch; where no code of it is learned, another rank's stands in for nothing."""
    if averaging.ranks.is_alone:
        return _Share(windows)
    size = averaging.ranks.size
    shares = [windows[rank::size] for rank in range(size)]
    counts = [prior.learned_count(share) if len(share) else 0 for share in shares]
    own = counts[averaging.ranks.rank]
    if not own:
        return _Share(shares[max(range(size), key=counts.__getitem__)], 0.0)
    return _Share(shares[averaging.ranks.rank], own * size / sum(counts))


def _learned(prior: Prior, windows: Windows, parts: list[slice]) -> list[tuple[slice, float]]:
    """Return the parts of which something is learned, each with its share in the mean loss of all."""
    if len(parts) == 1:
        return [(parts[0], 1.0)]  # without a look at the codes, which waits for a graphics card
    counts = [prior.learned_count(windows[part]) for part in parts]
    return [(part, count / sum(counts)) for part, count in zip(parts, counts, strict=True) if count]


def _gradients(
    prior: Prior, share: _Share, optimizer: Optimizer, config: PriorConfig, averaging: Averaging, parts: list[slice]
) -> Tensor:
    """Compute the gradients of a batch part by part, and return the shown and the learned loss `[2]`.

    They are those of the whole batch up to rounding; dropout draws for each part, and each rank.
    """
    optimizer.zero_grad(set_to_none=True)
    device = next(prior.parameters()).device
    learned = _learned(prior, share.windows, parts)
    windows = share.windows.to(device)
    heard_BWHQ = _with_wrong_codes(windows.codes_BWHQ, config.token_dropout, prior.codebook_size)
    losses = torch.zeros(2, device=device)
    for number, (part, of_all) in enumerate(learned, start=1):
        weight = share.weight * of_all
        with averaging.part(is_last=number == len(learned)):
            with _arithmetic(config, device):
                loss = averaging.loss(windows[part], heard_BWHQ[part])
            (loss.learned * weight).backward()
        losses += weight * torch.stack([loss.shown.detach(), loss.learned.detach()]).float()
    return losses


def take_step(
    prior: Prior,
    windows: Windows,
    optimizer: Optimizer,
    config: PriorConfig,
    should_stop: ShouldStop,
    batch_parts: BatchParts | None = None,
    averaging: Averaging | None = None,
    on_event: OnEvent = ignore,
) -> tuple[float, bool]:
    """Take an optimizer step of a prior that has its stop points already; nothing is learned where no code counts.

    A batch that is too large for the memory is learned in parts, see `BatchParts`; each rank learns a share.
    """
    device, batch_parts = next(prior.parameters()).device, batch_parts or BatchParts()
    if not windows.count:
        optimizer.zero_grad(set_to_none=True)
        _move_weights(optimizer, should_stop)  # by nothing, without a gradient; the schedule counts on it
        return math.nan, False
    averaging = averaging or Averaging(prior, prior.loss, ALONE)
    share = _share_of(prior, windows, averaging)
    with all_or_nothing(optimizer, device) as undo:
        take = partial(_gradients, prior, share, optimizer, config, averaging)
        losses = batch_parts.until_it_fits(len(share.windows), take, undo, on_event)
        norm = clip_grad_norm_(prior.parameters(), config.gradient_clip_norm)
        # The numbers are read at once: each reading waits for a graphics card.
        *own, length = torch.cat([losses, norm.detach()[None].to(losses)]).tolist()
        shown, learned = averaging.means(*own)
        # Clipping turns one infinite gradient into NaN in every weight, so its norm is checked before the weights move.
        has_moved = math.isfinite(learned) and math.isfinite(length)
        if has_moved:
            _move_weights(optimizer, should_stop)
    return shown, has_moved


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
