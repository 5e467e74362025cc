"""One epoch of prior training, and its validation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
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
from distill_core.models.frames import FramesPrior
from distill_core.models.prior import flatten_codes
from distill_core.training.metrics import PriorStepMetrics
from distill_core.training.prior_config import PriorConfig
from distill_core.training.safeguards import BAD_STEPS_IN_A_ROW, diverged
from distill_core.training.windows import Batch, CodeWindows

_IGNORED = -100  # cross-entropy passes over such a target


def _with_wrong_codes(codes_BT: Tensor, share: float, codebook_size: int) -> Tensor:
    """Return codes of which a share was drawn anew: a prior that trusts each one less learns less by heart."""
    if not share:
        return codes_BT
    drawn_anew = torch.rand(codes_BT.shape, device=codes_BT.device) < share
    return torch.where(drawn_anew, torch.randint_like(codes_BT, codebook_size), codes_BT)


def _training_loss(prior: Prior, batch: Batch, wrong_share: float) -> Tensor:
    """Return the mean cross-entropy in nats of each code given those before it; of a first one where it is learned."""
    codes_BT = _with_wrong_codes(batch.codes_BT, wrong_share, prior.codebook_size)
    if isinstance(prior, FramesPrior):
        logits_BTK, targets_BT = prior.logits_with_start(codes_BT, batch.begins_B), batch.targets(_IGNORED)
    else:
        logits_BTK, targets_BT = prior(codes_BT[:, :-1]), batch.targets(_IGNORED)[:, 1:]
    return functional.cross_entropy(logits_BTK.flatten(0, 1), targets_BT.flatten(), ignore_index=_IGNORED)


def _level_sums(values_BT: Tensor, levels: int) -> Tensor:
    """Return `[Q]`, the sum of each level's values, for values of the codes from the second on."""
    padded_BT = functional.pad(values_BT.cpu().double(), (1, -(values_BT.shape[1] + 1) % levels))
    sums_Q: Tensor = padded_BT.unflatten(1, (-1, levels)).sum((0, 1))
    return sums_Q


def _in_order(prior: Prior, codes: Tensor) -> Tensor:
    """Return `[N, T]` in the prior's order for `[N, S, Q]`, or what has that shape already."""
    return flatten_codes(codes, prior.order_of(codes.shape[1])) if codes.dim() == 3 else codes


def as_windows(prior: Prior, sounds: Sequence[Sequence[Tensor]], codes_per_batch: int) -> CodeWindows:
    """Return sounds' codes as training takes them.

    Each sound has one version or more: `[N, S, Q]` in the VQ-VAE's order of positions, or `[N, T]` in the prior's.
    """
    in_rows = [[_in_order(prior, version).unbind() for version in versions] for versions in sounds]
    return CodeWindows(in_rows, prior.unit, prior.seq_len, codes_per_batch)


def _windows(prior: Prior, codes: Tensor | CodeWindows, config: PriorConfig) -> CodeWindows:
    if isinstance(codes, CodeWindows):
        return codes
    return as_windows(prior, [[row[None]] for row in codes], config.batch_size * codes[0].numel())


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


def train_step(prior: Prior, batch: Batch, optimizer: Optimizer, config: PriorConfig) -> tuple[float, bool]:
    """Take one step on a batch and return its mean loss in nats, and whether the weights moved.

    They do not where loss or gradient is not finite. The prior is in train mode.
    """
    device = next(prior.parameters()).device
    with _arithmetic(config, device):
        loss = _training_loss(prior, batch.to(device), config.token_dropout)
    return loss.item(), _take_step(prior, loss, optimizer, config.gradient_clip_norm)


def train_prior_epoch(
    prior: Prior,
    codes: Tensor | CodeWindows,
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

    They come in random order and, where longer than the context, in random cuts; the scheduler moves once a step. A
    step whose loss or gradient is not finite changes nothing. When `should_stop()` turns true the mean over the steps
    so far is returned (NaN before the first).

    Raises:
        TrainingError: three steps in a row were not finite.
    """
    prior.train()
    windows = _windows(prior, codes, config)
    total_loss, seen, bad_in_a_row = 0.0, 0, 0
    for step, batch in enumerate(windows.random(generator), start=1):
        if should_stop():
            break
        started = perf_counter()
        loss, has_moved = train_step(prior, batch, optimizer, config)
        if has_moved:
            total_loss, seen, bad_in_a_row = total_loss + loss * batch.count, seen + batch.count, 0
        elif (bad_in_a_row := bad_in_a_row + 1) == BAD_STEPS_IN_A_ROW:
            raise diverged()
        learning_rate = optimizer.param_groups[0]["lr"]
        if scheduler is not None:
            scheduler.step()
        on_event(PriorStepMetrics(epoch, step, len(windows), loss, learning_rate, perf_counter() - started))
    return total_loss / seen if seen else math.nan


@dataclass(frozen=True, slots=True)
class ValidationLoss:
    """Mean losses in nats: over all codes but each window's first, and the same for each level's codes."""

    mean: float
    by_level: tuple[float, ...]


@torch.no_grad()
def validate(prior: Prior, windows: CodeWindows, should_stop: ShouldStop = never) -> ValidationLoss:
    """Return the loss over windows of held-out codes, in float32.

    Raises:
        Stopped: `should_stop()` turned true; a part of the codes says nothing.
    """
    prior.eval()
    device, levels = next(prior.parameters()).device, prior.num_quantizers
    totals_Q, counts_Q = torch.zeros(2, levels, dtype=torch.float64).unbind(0)
    for held_out in windows.fixed():
        stop_point(should_stop)
        batch = held_out.to(device)
        known = {"begins_B": batch.begins_B} if isinstance(prior, FramesPrior) else {}
        logits_BTK, targets_BT = prior(batch.codes_BT[:, :-1], **known), batch.targets(_IGNORED)[:, 1:]
        losses_BT = functional.cross_entropy(
            logits_BTK.transpose(1, 2), targets_BT, ignore_index=_IGNORED, reduction="none"
        )
        totals_Q += _level_sums(losses_BT, levels)
        counts_Q += _level_sums(targets_BT != _IGNORED, levels)
    by_level = (totals_Q / counts_Q.clamp(min=1)).tolist()
    return ValidationLoss(float(totals_Q.sum() / counts_Q.sum()), tuple(by_level))


def validate_prior_epoch(
    prior: Prior, codes: Tensor | CodeWindows, *, config: PriorConfig, should_stop: ShouldStop = never
) -> float:
    """Return the mean loss in nats over all codes but each sequence's first, for codes `[N, S, Q]` or `[N, T]`.

    Raises:
        Stopped: `should_stop()` turned true; a part of the codes says nothing.
    """
    return validate(prior, _windows(prior, codes, config), should_stop).mean
