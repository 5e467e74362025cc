"""One epoch of prior training, and its validation."""

from __future__ import annotations

import math
from time import perf_counter

import torch
from torch import Tensor
from torch.nn import functional
from torch.nn.utils import clip_grad_norm_
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from distill_core.device import has_fast_bfloat16
from distill_core.events import OnEvent, ShouldStop, ignore, never, stop_point
from distill_core.models.architectures import Prior
from distill_core.models.prior import flatten_codes
from distill_core.training.metrics import PriorStepMetrics
from distill_core.training.prior_config import PriorConfig
from distill_core.training.safeguards import BAD_STEPS_IN_A_ROW, diverged


def _with_wrong_codes(codes_BT: Tensor, share: float, codebook_size: int) -> Tensor:
    """Return codes of which a share was drawn anew: a prior that trusts each one less learns less by heart."""
    if not share:
        return codes_BT
    drawn_anew = torch.rand(codes_BT.shape, device=codes_BT.device) < share
    return torch.where(drawn_anew, torch.randint_like(codes_BT, codebook_size), codes_BT)


def _code_loss(prior: Prior, codes_BT: Tensor, wrong_share: float = 0.0) -> Tensor:
    """Return the mean cross-entropy in nats of each code given those before it."""
    logits_BTK = prior(_with_wrong_codes(codes_BT[:, :-1], wrong_share, prior.codebook_size))
    return functional.cross_entropy(logits_BTK.flatten(0, 1), codes_BT[:, 1:].flatten())


def as_sequences(prior: Prior, codes: Tensor) -> Tensor:
    """Return codes `[N, T]` in the prior's own order, for `[N, S, Q]` or what has that shape already."""
    return flatten_codes(codes, prior.order_S) if codes.dim() == 3 else codes


def _arithmetic(config: PriorConfig, device: torch.device) -> torch.autocast:
    """Return the context in which to train; validation is always in float32, so that perplexities compare."""
    reduced = config.precision == "bfloat16" or (config.precision == "auto" and has_fast_bfloat16(device))
    return torch.autocast(device.type, torch.bfloat16, enabled=reduced)


def _take_step(prior: Prior, loss: Tensor, optimizer: Optimizer, clip_norm: float) -> bool:
    """Update the weights and return True; leave them alone where loss or gradient is not finite."""
    optimizer.zero_grad(set_to_none=True)
    if not math.isfinite(loss.item()):
        return False
    loss.backward()
    # One infinite gradient becomes NaN in every weight once clipped, so the norm is looked at before the step.
    if not math.isfinite(clip_grad_norm_(prior.parameters(), clip_norm).item()):
        return False
    optimizer.step()
    return True


def train_prior_epoch(
    prior: Prior,
    codes: Tensor,
    optimizer: Optimizer,
    *,
    config: PriorConfig,
    epoch: int = 1,
    generator: torch.Generator | None = None,
    scheduler: LRScheduler | None = None,
    on_event: OnEvent = ignore,
    should_stop: ShouldStop = never,
) -> float:
    """Train one epoch over codes `[N, S, Q]`, or `[N, T]` in the prior's order, and return the mean loss in nats.

    The sequences come in random order, the scheduler moves once a step. A step whose loss or gradient is not finite
    changes nothing. When `should_stop()` turns true the mean over the steps so far is returned (NaN before the first).

    Raises:
        TrainingError: three steps in a row were not finite.
    """
    prior.train()
    device = next(prior.parameters()).device
    codes_NT = as_sequences(prior, codes)
    batches = torch.randperm(len(codes_NT), generator=generator).split(config.batch_size)
    total_loss, seen, bad_in_a_row = 0.0, 0, 0
    for step, indices in enumerate(batches, start=1):
        if should_stop():
            break
        started = perf_counter()
        with _arithmetic(config, device):
            loss = _code_loss(prior, codes_NT[indices].to(device), config.token_dropout)
        if _take_step(prior, loss, optimizer, config.gradient_clip_norm):
            total_loss, seen, bad_in_a_row = total_loss + loss.item() * len(indices), seen + len(indices), 0
        elif (bad_in_a_row := bad_in_a_row + 1) == BAD_STEPS_IN_A_ROW:
            raise diverged()
        learning_rate = optimizer.param_groups[0]["lr"]
        if scheduler is not None:
            scheduler.step()
        on_event(PriorStepMetrics(epoch, step, len(batches), loss.item(), learning_rate, perf_counter() - started))
    return total_loss / seen if seen else math.nan


@torch.no_grad()
def validate_prior_epoch(prior: Prior, codes: Tensor, *, config: PriorConfig, should_stop: ShouldStop = never) -> float:
    """Return the mean loss in nats over all codes but each sequence's first, for codes `[N, S, Q]` or `[N, T]`.

    Raises:
        Stopped: `should_stop()` turned true; a part of the codes says nothing.
    """
    prior.eval()
    device = next(prior.parameters()).device
    codes_NT = as_sequences(prior, codes)
    total = 0.0
    for codes_BT in codes_NT.split(config.batch_size):
        stop_point(should_stop)
        total += _code_loss(prior, codes_BT.to(device)).item() * len(codes_BT)
    return total / len(codes_NT)
