"""One optimizer step of a prior: all of it, or nothing."""

from __future__ import annotations

import math
from functools import partial

import torch
from torch import Tensor
from torch.nn.utils import clip_grad_norm_
from torch.optim import Optimizer

from distill_core.events import OnEvent, ShouldStop, ignore, never
from distill_core.models.prior import Prior, Windows
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


def _shares(prior: Prior, parts: list[Windows]) -> list[float]:
    """Return the share of each part in the mean loss of all, by its number of codes."""
    if len(parts) == 1:
        return [1.0]  # without a look at the codes, which waits for a graphics card
    counts = [prior.learned_count(part) for part in parts]
    return [count / max(1, sum(counts)) for count in counts]


def _gradients(prior: Prior, windows: Windows, optimizer: Optimizer, config: PriorConfig, parts: list[slice]) -> Tensor:
    """Compute the gradients of a batch part by part, and return the shown and the learned loss `[2]`.

    They are those of the whole batch up to rounding; dropout draws for each part.
    """
    optimizer.zero_grad(set_to_none=True)
    device = next(prior.parameters()).device
    windows = windows.to(device)
    heard_BWHQ = _with_wrong_codes(windows.codes_BWHQ, config.token_dropout, prior.codebook_size)
    losses = torch.zeros(2, device=device)
    for part, share in zip(parts, _shares(prior, [windows[part] for part in parts]), strict=True):
        if share:
            with _arithmetic(config, device):
                loss = prior.loss(windows[part], heard_BWHQ[part])
            (loss.learned * share).backward()
            losses += share * torch.stack([loss.shown.detach(), loss.learned.detach()]).float()
    return losses


def take_step(
    prior: Prior,
    windows: Windows,
    optimizer: Optimizer,
    config: PriorConfig,
    should_stop: ShouldStop,
    batch_parts: BatchParts | None = None,
    on_event: OnEvent = ignore,
) -> tuple[float, bool]:
    """Take an optimizer step of a prior that has its stop points already; nothing is learned where no code counts.

    A batch that is too large for the memory is learned in parts, see `BatchParts`.
    """
    device, batch_parts = next(prior.parameters()).device, batch_parts or BatchParts()
    if not windows.count:
        optimizer.zero_grad(set_to_none=True)
        _move_weights(optimizer, should_stop)  # by nothing, without a gradient; the schedule counts on it
        return math.nan, False
    with all_or_nothing(optimizer, device) as undo:
        take = partial(_gradients, prior, windows, optimizer, config)
        losses = batch_parts.until_it_fits(len(windows), take, undo, on_event)
        norm = clip_grad_norm_(prior.parameters(), config.gradient_clip_norm)
        # The numbers are read at once: each reading waits for a graphics card.
        shown, learned, length = torch.cat([losses, norm.detach()[None].to(losses)]).tolist()
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
