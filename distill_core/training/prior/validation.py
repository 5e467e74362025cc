"""The validation of a prior: each code's loss in fixed windows."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from distill_core.distributed import ALONE, Ranks, stop_together
from distill_core.events import ShouldStop, never
from distill_core.models.prior import Prior, Windows
from distill_core.training.batch_parts import in_halves
from distill_core.training.data.sound_codes import SoundCodes
from distill_core.training.data.windows import CodeWindows, as_windows, windows_of
from distill_core.training.prior.config import PriorConfig
from distill_core.training.prior.temperature import LogitSample
from distill_core.training.stop_points import stopping_inside

_BATCH_SECONDS = 32  # outside a training


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


def _losses_of(prior: Prior, windows: Windows, sample: LogitSample | None, part: slice) -> Tensor:
    windows = windows[part]
    logits_BTK, targets_BT = prior.logits_and_targets(windows, windows.codes_BWHQ)
    losses_BWHQ = prior.losses(logits_BTK, targets_BT, windows).cpu()
    if sample is not None:
        sample.add(logits_BTK, targets_BT)
    return losses_BWHQ


@torch.no_grad()
def validate(
    prior: Prior,
    windows: CodeWindows,
    should_stop: ShouldStop = never,
    sample: LogitSample | None = None,
    ranks: Ranks = ALONE,
) -> CodeLosses:
    """Return the loss of every code in fixed windows, in eval mode and in float32; `sample` takes some of the logits.

    Of several ranks each computes a share of the batches.

    Raises:
        Stopped: `should_stop()` turned true; a part of the codes would give no mean.
    """
    prior.eval()
    device = next(prior.parameters()).device
    sounds = [[torch.full(row.codes_WHQ.shape, math.nan) for row in version] for version in windows.first_versions]
    rows = [row_WHQ for sound in sounds for row_WHQ in sound]
    with stopping_inside(prior, should_stop):
        for number, batch in enumerate(windows.fixed()):
            if number % ranks.size == 0:
                stop_together(should_stop)
            if number % ranks.size != ranks.rank:
                continue
            held_out = batch.windows.to(device)
            losses_BWHQ = torch.cat(in_halves(len(held_out), partial(_losses_of, prior, held_out, sample)))
            for losses_WHQ, (index, part) in zip(losses_BWHQ, batch.places, strict=True):
                rows[index][part] = losses_WHQ[: part.stop - part.start]
    if not ranks.is_alone:
        for row in rows:
            ranks.add_up(has_WHQ := row.isfinite().long())
            ranks.add_up(row.nan_to_num_(0.0))
            row[has_WHQ == 0] = math.nan
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
    return validate(prior, windows_of(prior, codes, config.batch_size), should_stop).mean
