"""The validation of a prior: each code's loss in fixed windows."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice

import torch
from torch import Tensor

from distill_core.distributed import ALONE, Ranks, stop_together
from distill_core.events import ShouldStop, never
from distill_core.models.prior import Prior, Windows
from distill_core.training.batch_parts import in_halves
from distill_core.training.data.sound_codes import SoundCodes, in_blocks
from distill_core.training.data.windows import CodeWindows, as_windows, windows_of
from distill_core.training.prior.config import PriorConfig
from distill_core.training.prior.temperature import LogitSample
from distill_core.training.stop_points import stopping_inside

_BATCH_SECONDS = 32  # outside a training


@dataclass(frozen=True, slots=True)
class CodeLosses:
    """Losses in nats `[P, H, Q]` of sounds' steps, one sound after another, NaN for padding and a window's first code.

    `steps_N` are the sounds' steps.
    """

    losses_PHQ: Tensor
    steps_N: Sequence[int]

    @property
    def sounds(self) -> tuple[Tensor, ...]:
        """Each sound's losses `[W, H, Q]`."""
        parts: tuple[Tensor, ...] = self.losses_PHQ.split([*self.steps_N])
        return parts

    def of_heard(self, sounds: Iterable[SoundCodes], silence_WHQ: Tensor) -> CodeLosses:
        """Return the losses with NaN for steps of silence: long silence would make any prior look good."""
        losses_PHQ, numbers = self.losses_PHQ.clone(), iter(range(len(self.steps_N)))
        starts_N = torch.tensor(self.steps_N).cumsum(0) - torch.tensor(self.steps_N)
        for block in in_blocks(sounds):
            starts_M = starts_N[[*islice(numbers, len(block.lengths_N))]]
            place_P = starts_M.repeat_interleave(block.lengths_N) + block.step_P
            losses_PHQ[place_P[~block.is_heard_P(silence_WHQ)]] = math.nan
        return CodeLosses(losses_PHQ, self.steps_N)

    @property
    def mean(self) -> float:
        """The mean over all codes that have a loss, NaN without any."""
        return float(self.losses_PHQ.flatten().double().nanmean())

    @property
    def by_level(self) -> tuple[float, ...]:
        """The mean over each level's codes."""
        return tuple(self.losses_PHQ.flatten(0, 1).double().nanmean(0).tolist())


def _losses_of(prior: Prior, windows: Windows, sample: LogitSample | None, part: slice) -> Tensor:
    windows = windows[part]
    logits_BTK, targets_BT = prior.logits_and_targets(windows, windows.codes_BWHQ)
    losses_BWHQ = prior.losses(logits_BTK, targets_BT, windows).cpu()
    if sample is not None:
        sample.add(logits_BTK, targets_BT)
    return losses_BWHQ


def _of_all_ranks(losses_PHQ: Tensor, ranks: Ranks) -> Tensor:
    """Return the losses that each rank computed a share of; what none did is NaN."""
    if ranks.is_alone:
        return losses_PHQ
    is_known_PHQ = ~losses_PHQ.isnan()
    known_PHQ = ranks.add_up(is_known_PHQ.to(torch.uint8))
    return ranks.add_up(losses_PHQ.where(is_known_PHQ, 0.0)).where(known_PHQ > 0, math.nan)


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
    ends_R = windows.row_steps_N.cumsum()
    starts_R = (ends_R - windows.row_steps_N).tolist()
    losses_PHQ = torch.full((int(ends_R[-1]) if len(ends_R) else 0, *windows.step_shape), math.nan)
    with stopping_inside(prior, should_stop):
        for number, batch in enumerate(windows.fixed()):
            if number % ranks.size == 0:
                stop_together(should_stop)
            if number % ranks.size != ranks.rank:
                continue
            held_out = batch.windows.to(device)
            losses_BWHQ = torch.cat(in_halves(len(held_out), partial(_losses_of, prior, held_out, sample)))
            for losses_WHQ, (row, part) in zip(losses_BWHQ, batch.places, strict=True):
                of_row = slice(starts_R[row] + part.start, starts_R[row] + part.stop)
                losses_PHQ[of_row] = losses_WHQ[: part.stop - part.start]
    if sample is not None:
        sample.pool(ranks)
    return CodeLosses(_of_all_ranks(losses_PHQ, ranks), windows.sound_steps_N.tolist())


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
