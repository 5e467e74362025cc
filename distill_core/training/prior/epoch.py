"""One epoch of prior training, and its validation."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from time import perf_counter

import torch
from torch import Tensor
from torch.nn.utils import clip_grad_norm_
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from distill_core.events import OnEvent, ShouldStop, Stopped, ignore, never, stop_point
from distill_core.models.prior import Prior, Windows
from distill_core.training.data.sound_codes import SoundCodes
from distill_core.training.data.windows import CodeWindows, rows_of
from distill_core.training.events import StepMetrics
from distill_core.training.loop import BAD_STEPS_IN_A_ROW, diverged
from distill_core.training.prior.config import PriorConfig
from distill_core.training.prior.number_format import BFLOAT16, number_format
from distill_core.training.prior.optimizers import JointOptimizer
from distill_core.training.prior.temperature import LogitSample
from distill_core.training.stop_points import all_or_nothing, stopping_inside

_BATCH_SECONDS = 32  # of a validation outside a training


def _with_wrong_codes(codes_BWHQ: Tensor, share: float, codebook_size: int) -> Tensor:
    """Return codes of which a share is replaced by random ones: a prior that trusts each code less memorizes less."""
    if not share:
        return codes_BWHQ
    is_drawn = torch.rand(codes_BWHQ.shape, device=codes_BWHQ.device) < share
    return torch.where(is_drawn, torch.randint_like(codes_BWHQ, codebook_size), codes_BWHQ)


def _as_steps(prior: Prior, codes: Tensor) -> Tensor:
    """Return `[N, W, H, Q]` for `[N, S, Q]`, whose positions come band by band, or `[N, T]` in the prior's order.

    Raises:
        ValueError: they are none, or no whole steps.
    """
    bands, levels = prior.bands, prior.num_quantizers
    if codes.dim() not in (2, 3) or not codes.numel() or codes[0].numel() % (bands * levels):
        shape = tuple(codes.shape)
        raise ValueError(f"codes of shape {shape} are no whole steps of {bands} bands × {levels} levels")
    if codes.dim() == 2:
        steps_NWHQ: Tensor = codes.unflatten(1, (-1, bands, levels))
        return steps_NWHQ
    codes_NHWQ: Tensor = codes.unflatten(1, (bands, -1))
    return codes_NHWQ.transpose(1, 2)


def as_windows(prior: Prior, sounds: Iterable[Iterable[SoundCodes]], codes_per_batch: int) -> CodeWindows:
    """Return the codes of sounds, each in one version or more, as windows of the prior's context."""
    versions = [[rows_of(prior, version) for version in sound] for sound in sounds]
    bands = versions[0][0][0].codes_WHQ.shape[1] if versions else prior.bands
    return CodeWindows(versions, prior.context_steps(bands), codes_per_batch)


def _windows(prior: Prior, codes: Tensor | CodeWindows, config: PriorConfig) -> CodeWindows:
    if isinstance(codes, CodeWindows):
        return codes
    sounds = [[SoundCodes.whole(codes_WHQ)] for codes_WHQ in _as_steps(prior, codes)]
    return as_windows(prior, sounds, config.batch_size * codes[0].numel())


def _arithmetic(config: PriorConfig, device: torch.device) -> torch.autocast:
    """Return the context of training's number format; validation is in float32, so that perplexities compare."""
    reduced = number_format(config.precision, device) == BFLOAT16
    return torch.autocast(device.type, torch.bfloat16, enabled=reduced)


def _move_weights(optimizer: Optimizer, should_stop: ShouldStop) -> None:
    if isinstance(optimizer, JointOptimizer):
        optimizer.step(should_stop=should_stop)
    else:
        optimizer.step()


def _take_step(prior: Prior, loss: Tensor, optimizer: Optimizer, clip_norm: float, should_stop: ShouldStop) -> bool:
    """Update the weights and return True; change nothing and return False if loss or gradient is not finite."""
    optimizer.zero_grad(set_to_none=True)
    if not math.isfinite(loss.item()):
        return False
    loss.backward()
    # Clipping turns one infinite gradient into NaN in every weight, so the norm is checked before the weights move.
    if not math.isfinite(clip_grad_norm_(prior.parameters(), clip_norm).item()):
        return False
    _move_weights(optimizer, should_stop)
    return True


def _train_on(
    prior: Prior, windows: Windows, optimizer: Optimizer, config: PriorConfig, should_stop: ShouldStop
) -> tuple[float, bool]:
    """Take an optimizer step of a prior that has its stop points already; nothing is learned where no code counts."""
    device = next(prior.parameters()).device
    if not windows.count:
        optimizer.zero_grad(set_to_none=True)
        _move_weights(optimizer, should_stop)  # by nothing, without a gradient; the schedule counts on it
        return math.nan, False
    with all_or_nothing(optimizer, device):
        with _arithmetic(config, device):
            windows = windows.to(device)
            loss = prior.loss(windows, _with_wrong_codes(windows.codes_BWHQ, config.token_dropout, prior.codebook_size))
        has_moved = _take_step(prior, loss.learned, optimizer, config.gradient_clip_norm, should_stop)
    return loss.shown.item(), has_moved


def train_step(
    prior: Prior, windows: Windows, optimizer: Optimizer, config: PriorConfig, should_stop: ShouldStop = never
) -> tuple[float, bool]:
    """Take an optimizer step on a batch of windows and return its codes' mean loss in nats, and whether weights moved.

    They do not move if loss or gradient is not finite. The prior is in train mode.

    Raises:
        Stopped: `should_stop()` turned true; nothing has changed.
    """
    with stopping_inside(prior, should_stop):
        return _train_on(prior, windows, optimizer, config, should_stop)


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

    The codes are whole steps of all bands. They come in random order and, if longer than the context, in random cuts;
    the scheduler moves once with each optimizer step. A step changes nothing if its loss or gradient is not finite, or
    if `should_stop()` turns true within it; then the mean over the steps before it is returned, NaN without any.

    Raises:
        TrainingError: three optimizer steps in a row were not finite.
        ValueError: the codes are none, or no whole steps.
    """
    prior.train()
    windows = _windows(prior, codes, config)
    total_loss, seen, bad_in_a_row = 0.0, 0, 0
    with stopping_inside(prior, should_stop):
        for step, batch in enumerate(windows.random(generator), start=1):
            started = perf_counter()
            try:
                stop_point(should_stop)
                loss, has_moved = _train_on(prior, batch.windows, optimizer, config, should_stop)
            except Stopped:
                break
            if has_moved:
                total_loss, seen, bad_in_a_row = total_loss + loss * batch.windows.count, seen + batch.windows.count, 0
            elif batch.windows.count and (bad_in_a_row := bad_in_a_row + 1) == BAD_STEPS_IN_A_ROW:
                raise diverged()
            learning_rate = optimizer.param_groups[0]["lr"]
            if scheduler is not None:
                scheduler.step()
            on_event(StepMetrics(epoch, step, len(windows), loss, learning_rate, perf_counter() - started))
    return total_loss / seen if seen else math.nan


@dataclass(frozen=True, slots=True)
class CodeLosses:
    """Each sound's losses in nats `[W, H, Q]`, NaN for padding and for a window's first code."""

    sounds: tuple[Tensor, ...]

    def of_heard(self, sounds: Iterable[SoundCodes], silence_WHQ: Tensor) -> CodeLosses:
        """Return the losses with NaN for steps of silence: long silence would make any prior look good."""
        losses = []
        for losses_WHQ, sound in zip(self.sounds, sounds, strict=True):
            is_silent_W = ~sound.is_heard_W(silence_WHQ)
            losses.append(losses_WHQ.clone())
            losses[-1][: sound.steps][is_silent_W] = math.nan
        return CodeLosses(tuple(losses))

    @property
    def mean(self) -> float:
        """The mean over all codes that have a loss, NaN without any."""
        return float(torch.cat([sound.flatten() for sound in self.sounds]).double().nanmean())

    @property
    def by_level(self) -> tuple[float, ...]:
        """The mean over each level's codes."""
        return tuple(torch.cat([sound.flatten(0, 1) for sound in self.sounds]).double().nanmean(0).tolist())


@torch.no_grad()
def validate(
    prior: Prior, windows: CodeWindows, should_stop: ShouldStop = never, sample: LogitSample | None = None
) -> CodeLosses:
    """Return the loss of every code in fixed windows, in eval mode and in float32; `sample` takes some of the logits.

    Raises:
        Stopped: `should_stop()` turned true; a part of the codes would give no mean.
    """
    prior.eval()
    device = next(prior.parameters()).device
    sounds = [[torch.full(row.codes_WHQ.shape, math.nan) for row in version] for version in windows.first_versions]
    rows = [row_WHQ for sound in sounds for row_WHQ in sound]
    with stopping_inside(prior, should_stop):
        for batch in windows.fixed():
            stop_point(should_stop)
            held_out = batch.windows.to(device)
            logits_BTK, targets_BT = prior.logits_and_targets(held_out, held_out.codes_BWHQ)
            losses_BWHQ = prior.losses(logits_BTK, targets_BT, held_out).cpu()
            if sample is not None:
                sample.add(logits_BTK, targets_BT)
            for losses_WHQ, (index, part) in zip(losses_BWHQ, batch.places, strict=True):
                rows[index][part] = losses_WHQ[: part.stop - part.start]
    return CodeLosses(tuple(map(torch.cat, sounds)))


def heard_losses(
    prior: Prior,
    sounds: Sequence[SoundCodes],
    silence_WHQ: Tensor,
    codes_per_second: int,
    should_stop: ShouldStop = never,
) -> CodeLosses:
    """Return the loss of every code of sounds, in fixed windows, with NaN for steps of silence.

    Raises:
        Stopped: `should_stop()` turned true.
    """
    windows = as_windows(prior, [(sound,) for sound in sounds], _BATCH_SECONDS * codes_per_second)
    return validate(prior, windows, should_stop).of_heard(sounds, silence_WHQ)


def validate_prior_epoch(
    prior: Prior, codes: Tensor | CodeWindows, *, config: PriorConfig, should_stop: ShouldStop = never
) -> float:
    """Return the mean loss in nats over all codes but each sequence's first, for codes `[N, S, Q]` or `[N, T]`.

    Raises:
        Stopped: `should_stop()` turned true; a part of the codes would give no mean.
        ValueError: the codes are none, or no whole steps.
    """
    return validate(prior, _windows(prior, codes, config), should_stop).mean
