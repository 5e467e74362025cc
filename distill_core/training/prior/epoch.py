"""One epoch of prior training, and its validation."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from time import perf_counter

import torch
from torch import Tensor
from torch.nn import functional
from torch.nn.utils import clip_grad_norm_
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from distill_core.events import OnEvent, ShouldStop, Stopped, ignore, never, stop_point
from distill_core.models.architectures import Prior
from distill_core.models.flat import flatten_codes, unflatten_codes
from distill_core.models.frames import FramesPrior
from distill_core.training.data.sound_codes import SoundCodes
from distill_core.training.data.windows import Batch, CodeWindows, Row, row_of, whole_row
from distill_core.training.loop import BAD_STEPS_IN_A_ROW, diverged
from distill_core.training.prior.config import PriorConfig
from distill_core.training.prior.events import PriorStepMetrics
from distill_core.training.prior.number_format import BFLOAT16, number_format
from distill_core.training.prior.optimizers import JointOptimizer
from distill_core.training.stop_points import all_or_nothing, stopping_inside

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


def _in_order(prior: Prior, codes: Tensor) -> Tensor:
    """Return `[N, T]` in the prior's order for `[N, S, Q]`, or what has that shape already."""
    return flatten_codes(codes, prior.order_of(codes.shape[1])) if codes.dim() == 3 else codes


def _rows(prior: Prior, sound: SoundCodes) -> list[Row]:
    counted_NSQ = sound.counted_NS[..., None].expand(sound.codes_NSQ.shape)
    in_order = (_in_order(prior, sound.codes_NSQ), _in_order(prior, counted_NSQ))
    return [row_of(*row) for row in zip(*in_order, strict=True)]


def as_windows(prior: Prior, sounds: Iterable[Iterable[SoundCodes]], codes_per_batch: int) -> CodeWindows:
    """Return the codes of sounds, of which there are one version or more each, as training takes them."""
    versions = [[_rows(prior, version) for version in sound] for sound in sounds]
    return CodeWindows(versions, prior.unit, prior.seq_len, codes_per_batch)


def _windows(prior: Prior, codes: Tensor | CodeWindows, config: PriorConfig) -> CodeWindows:
    if isinstance(codes, CodeWindows):
        return codes
    sounds = [[[whole_row(codes_T)]] for codes_T in _in_order(prior, codes)]
    return CodeWindows(sounds, prior.unit, prior.seq_len, config.batch_size * codes[0].numel())


def _arithmetic(config: PriorConfig, device: torch.device) -> torch.autocast:
    """Return the context in which to train; validation is always in float32, so that perplexities compare."""
    reduced = number_format(config.precision, device) == BFLOAT16
    return torch.autocast(device.type, torch.bfloat16, enabled=reduced)


def _move_weights(optimizer: Optimizer, should_stop: ShouldStop) -> None:
    if isinstance(optimizer, JointOptimizer):
        optimizer.step(should_stop=should_stop)
    else:
        optimizer.step()


def _take_step(prior: Prior, loss: Tensor, optimizer: Optimizer, clip_norm: float, should_stop: ShouldStop) -> bool:
    """Update the weights and return True; leave them alone where loss or gradient is not finite."""
    optimizer.zero_grad(set_to_none=True)
    if not math.isfinite(loss.item()):
        return False
    loss.backward()
    # One infinite gradient becomes NaN in every weight once clipped, so the norm is looked at before the step.
    if not math.isfinite(clip_grad_norm_(prior.parameters(), clip_norm).item()):
        return False
    _move_weights(optimizer, should_stop)
    return True


def _train_on(
    prior: Prior, batch: Batch, optimizer: Optimizer, config: PriorConfig, should_stop: ShouldStop
) -> tuple[float, bool]:
    """Take a step of a prior that is looked at inside."""
    device = next(prior.parameters()).device
    with all_or_nothing(optimizer, device):
        with _arithmetic(config, device):
            loss = _training_loss(prior, batch.to(device), config.token_dropout)
        has_moved = _take_step(prior, loss, optimizer, config.gradient_clip_norm, should_stop)
    return loss.item(), has_moved


def train_step(
    prior: Prior, batch: Batch, optimizer: Optimizer, config: PriorConfig, should_stop: ShouldStop = never
) -> tuple[float, bool]:
    """Take one step on a batch and return its mean loss in nats, and whether the weights moved.

    They do not where loss or gradient is not finite. The prior is in train mode.

    Raises:
        Stopped: `should_stop()` turned true within the step; it is as if it had not begun.
    """
    with stopping_inside(prior, should_stop):
        return _train_on(prior, batch, optimizer, config, should_stop)


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
    step whose loss or gradient is not finite changes nothing, nor does one in which `should_stop()` turns true: then
    the mean over the steps before it is returned (NaN where there is none).

    Raises:
        TrainingError: three steps in a row were not finite.
    """
    prior.train()
    windows = _windows(prior, codes, config)
    total_loss, seen, bad_in_a_row = 0.0, 0, 0
    with stopping_inside(prior, should_stop):
        for step, batch in enumerate(windows.random(generator), start=1):
            started = perf_counter()
            try:
                stop_point(should_stop)
                loss, has_moved = _train_on(prior, batch, optimizer, config, should_stop)
            except Stopped:
                break
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
class CodeLosses:
    """Each sound's losses in nats `[N, S, Q]`, in the VQ-VAE's order of positions.

    NaN stands where a code is only padding, or the first of a window, before which nothing is known.
    """

    sounds: tuple[Tensor, ...]

    @property
    def mean(self) -> float:
        """The mean over all codes that have a loss, NaN for none."""
        return float(torch.cat([sound.flatten() for sound in self.sounds]).double().nanmean())

    @property
    def by_level(self) -> tuple[float, ...]:
        """The same for each level's codes."""
        return tuple(torch.cat([sound.flatten(0, 1) for sound in self.sounds]).double().nanmean(0).tolist())


@torch.no_grad()
def _batch_losses(prior: Prior, batch: Batch) -> Tensor:
    """Return the losses `[B, T]` of a batch's codes, NaN where there is none."""
    known = {"begins_B": batch.begins_B} if isinstance(prior, FramesPrior) else {}
    logits_BTK, targets_BT = prior(batch.codes_BT[:, :-1], **known), batch.targets(_IGNORED)[:, 1:]
    losses_BT = functional.cross_entropy(
        logits_BTK.transpose(1, 2), targets_BT, ignore_index=_IGNORED, reduction="none"
    )
    losses_BT = losses_BT.masked_fill(targets_BT == _IGNORED, math.nan)
    return functional.pad(losses_BT, (1, 0), value=math.nan).cpu()


def _in_positions(prior: Prior, losses_NT: Tensor) -> Tensor:
    """Return `[N, S, Q]` in the VQ-VAE's order for `[N, T]` in the prior's."""
    levels = prior.num_quantizers
    return unflatten_codes(losses_NT, levels, prior.order_of(losses_NT.shape[1] // levels))


def validate(prior: Prior, windows: CodeWindows, should_stop: ShouldStop = never) -> CodeLosses:
    """Return the loss of every code in fixed windows, in eval mode and in float32.

    Raises:
        Stopped: `should_stop()` turned true; a part of the codes says nothing.
    """
    prior.eval()
    device = next(prior.parameters()).device
    losses = [[torch.full((len(row.codes_T),), math.nan) for row in version] for version in windows.first_versions]
    rows = [row_T for sound in losses for row_T in sound]
    with stopping_inside(prior, should_stop):
        for batch in windows.fixed():
            stop_point(should_stop)
            for losses_T, (index, part) in zip(_batch_losses(prior, batch.to(device)), batch.places, strict=True):
                rows[index][part] = losses_T[: part.stop - part.start]
    return CodeLosses(tuple(_in_positions(prior, torch.stack(sound)) for sound in losses))


def validate_prior_epoch(
    prior: Prior, codes: Tensor | CodeWindows, *, config: PriorConfig, should_stop: ShouldStop = never
) -> float:
    """Return the mean loss in nats over all codes but each sequence's first, for codes `[N, S, Q]` or `[N, T]`.

    Raises:
        Stopped: `should_stop()` turned true; a part of the codes says nothing.
    """
    return validate(prior, _windows(prior, codes, config), should_stop).mean
