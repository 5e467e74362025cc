"""New codes from a prior: logits to probabilities to codes, many sequences at a time.

Each code takes one random number (inverse transform sampling), which is a function of seed, step, band and level. So
a sequence does not depend on its neighbours in the batch, but for rounding, which differs between processors, batches
and numbers of threads: in single precision it moves a random number across its border once in about 10⁵ codes, in
double precision once in 10¹³.
"""

# TorchScript makes no types of `from __future__ import annotations`.
from collections.abc import Sequence
from copy import deepcopy
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch._jit_internal import is_scripting
from torch.nn import functional

from distill_core.events import OnEvent, Phase, ProgressReporter, ShouldStop, ignore, never, stop_point
from distill_core.generation.philox import LARGEST_SHARE
from distill_core.generation.settings import SamplingSettings, is_whole, require
from distill_core.models.prior import Prior

GIVEN_NONE = -1  # in the place of a code that is to be drawn
_AS_LEARNED = SamplingSettings()


def probabilities(logits_BK: Tensor, temperature: float) -> Tensor:
    """Return `[B, K]` in double precision."""
    below_best = (logits_BK - logits_BK.amax(1, keepdim=True)).double()
    return (below_best / temperature).softmax(1)


def keep_top_k(shares_BK: Tensor, top_k: int) -> Tensor:
    """Return `[B, K]` with zeros for all but the `top_k` largest shares and those that equal the last of them."""
    if not 0 < top_k < shares_BK.shape[1]:
        return shares_BK
    least_B1 = shares_BK.topk(top_k, dim=1).values[:, -1:]
    return shares_BK.where(shares_BK >= least_B1, 0.0)


@torch.jit.unused
def _rising(shares_BK: Tensor) -> Tensor:
    """Return the shares in rising order, in a fraction of the time of torch's own sorting."""
    return torch.from_numpy(np.sort(shares_BK.numpy(), axis=1))


def keep_top_p(shares_BK: Tensor, top_p: float) -> Tensor:
    """Return `[B, K]` with zeros for all but the fewest largest shares whose sum reaches `top_p` of the whole.

    Shares that equal the last of them stay too, so equal codes stay equal. Nucleus sampling: Holtzman et al. 2020.
    """
    if top_p == 1:
        return shares_BK
    rising_BK = shares_BK.sort(1)[0] if is_scripting() else _rising(shares_BK)
    summed_BK = rising_BK.cumsum(1)
    dropped_B1 = (summed_BK <= (1 - top_p) * summed_BK[:, -1:]).sum(1, keepdim=True)
    least_B1 = rising_BK.gather(1, dropped_B1.clamp_(max=shares_BK.shape[1] - 1))
    return shares_BK.where(shares_BK >= least_B1, 0.0)


def draw(shares_BK: Tensor, uniform_B: Tensor) -> Tensor:
    """Return codes `[B]`: the first whose running sum of shares exceeds `uniform_B` (0 to below 1) of the whole."""
    summed_BK = shares_BK.cumsum(1)
    targets_B1 = uniform_B[:, None] * summed_BK[:, -1:]
    return torch.searchsorted(summed_BK, targets_B1, right=True)[:, 0]


def uniform_numbers(seed: int, unit: int, count: int) -> Tensor:
    """Return the random numbers `[count]` of a unit's codes, in the prior's order; in double precision, 0 to below 1.

    They are words of Philox4x64-10 (Salmon et al. 2011) under the key (seed, 0), from the counter (0, 0, 0, unit) on.
    """
    words = np.random.Philox(key=seed, counter=[0, 0, 0, unit]).random_raw(count)
    return torch.from_numpy((words >> 11) * 2.0**-53).clamp_(max=LARGEST_SHARE)


def ready_for_decoding(prior: Prior, dtype: torch.dtype) -> Prior:
    """Return a copy on the processor, without dropout, for decoding in a precision.

    Its matrices lie column by column: half the time for 8 sequences. The given prior stays as it is, in the middle of a
    training too.
    """
    ready = deepcopy(prior).eval().to("cpu", dtype)
    for module in ready.modules():
        if not isinstance(module, nn.Embedding):
            for weight in module.parameters(recurse=False):
                weight.data = weight.data.t().contiguous().t() if weight.dim() == 2 else weight.data
    return ready


def unit_steps(prior: Prior, bands: int) -> int:
    """Return the number of steps that are drawn together: one, or a second's for a prior that learns from chunks."""
    return prior.context_steps(bands) if prior.layout == "chunks" else 1


class Drawing:
    """Sequences that are drawn unit by unit, each a sound from its beginning, by a prior that is ready for decoding.

    A unit is a step, or a second for a prior that learns from chunks. Sequence i has `seeds[i]`; the first unit has the
    random numbers of unit `first_unit`. Codes of `given_WHQ` are not drawn, except where it has `GIVEN_NONE`.

    Raises:
        ConfigError: there are level temperatures, but not one for each level.
        Stopped: `should_stop()` turned true while a unit was drawn.
    """

    def __init__(
        self,
        prior: Prior,
        bands: int,
        seeds: Sequence[int],
        settings: SamplingSettings,
        *,
        first_unit: int = 0,
        given_WHQ: Tensor | None = None,
        should_stop: ShouldStop = never,
    ) -> None:
        self._prior, self._bands, self._seeds = prior, bands, seeds
        self._settings, self._temperatures = settings, settings.temperatures(prior.num_quantizers)
        self._unit, self._steps, self._should_stop = first_unit, 0, should_stop
        nothing_WHQ = torch.empty(0, bands, prior.num_quantizers, dtype=torch.long)
        self._given_WHQ = nothing_WHQ if given_WHQ is None else given_WHQ
        self._decoder = prior.decoder(len(seeds))
        self._codes_BT = torch.zeros(len(seeds), 0, dtype=torch.long)

    def next_unit(self) -> Tensor:
        """Draw the next unit and return its codes `[B, W, H, Q]`."""
        unit = unit_steps(self._prior, self._bands)
        first = self._codes_BT.shape[1]
        given_T = self._given(unit)
        self._codes_BT = torch.cat([self._codes_BT, given_T.expand(len(self._seeds), -1)], 1)
        if bool((given_T == GIVEN_NONE).any()):  # else the decoder takes them in later, all at once
            self._draw(first, given_T)
        self._steps += unit
        self._unit += 1
        return self._prior.in_steps(self._codes_BT[:, first:], self._bands)

    def have_ended(self) -> Tensor:
        """Draw whether the sounds end with the last step, `[B]`, by a prior that learned it."""
        codes_per_step = self._bands * self._prior.num_quantizers
        numbers = [uniform_numbers(seed, self._unit - 1, codes_per_step + 1)[-1] for seed in self._seeds]
        logits_B = self._decoder.end_logits(self._codes_BT, self._codes_BT.shape[1])
        return torch.stack(numbers) < logits_B.double().sigmoid()

    def _given(self, unit: int) -> Tensor:
        """Return the given codes `[T]` of the next unit in the prior's order."""
        given_WHQ = self._given_WHQ[self._steps : self._steps + unit]
        padded_WHQ = functional.pad(given_WHQ, (0, 0, 0, 0, 0, unit - len(given_WHQ)), value=GIVEN_NONE)
        return self._prior.in_order(padded_WHQ[None])[0]

    def _draw(self, first: int, given_T: Tensor) -> None:
        uniform_BT = torch.stack([uniform_numbers(seed, self._unit, len(given_T)) for seed in self._seeds])
        for place, given in enumerate(given_T.tolist()):
            if place % self._prior.num_quantizers == 0:
                stop_point(self._should_stop)
            logits_BK = self._decoder.logits(self._codes_BT, first + place)
            if given == GIVEN_NONE:
                self._codes_BT[:, first + place] = self._code(logits_BK, first + place, uniform_BT[:, place])

    def _code(self, logits_BK: Tensor, index: int, uniform_B: Tensor) -> Tensor:
        shares_BK = probabilities(logits_BK, self._temperatures[index % len(self._temperatures)])
        shares_BK = keep_top_p(keep_top_k(shares_BK, self._settings.top_k), self._settings.top_p)
        return draw(shares_BK, uniform_B)


def _require_counts(prior: Prior, count: object, steps: int, bands: int, seed: object, batch_size: object) -> None:
    for name, value in (("count", count), ("steps", steps), ("batch_size", batch_size)):
        require(is_whole(value, 1), name, value, "a whole number of 1 or more")
    require(is_whole(seed, 0), "seed", seed, "a whole number of 0 or more")
    unit = unit_steps(prior, bands)
    require(steps % unit == 0, "steps", steps, f"a multiple of {unit}")


def _batches(count: int, batch_size: int) -> list[range]:
    return [range(first, min(count, first + batch_size)) for first in range(0, count, batch_size)]


def sample_steps(
    prior: Prior,
    count: int,
    steps: int,
    bands: int,
    *,
    settings: SamplingSettings = _AS_LEARNED,
    seed: int = 0,
    batch_size: int = 32,
    dtype: torch.dtype = torch.float32,
    on_event: OnEvent = ignore,
    should_stop: ShouldStop = never,
) -> Tensor:
    """Return `count` new sequences of codes `[count, W, H, Q]` (int64, CPU), time first, for a codec of `bands` bands.

    A prior that learns from chunks gives whole seconds, each by itself; `steps` is then a multiple of a second's.

    Sequence i depends on the prior, the settings and `seed + i` alone, and each step only on the steps before it. In
    double precision (`dtype`) the codes are the same on every machine; it takes about twice the time.

    Raises:
        ConfigError: an impossible number; names the argument or the setting.
        Stopped: `should_stop()` turned true.
    """
    _require_counts(prior, count, steps, bands, seed, batch_size)
    progress, found = ProgressReporter(Phase.SAMPLE, count * steps, on_event), []
    with torch.inference_mode():
        ready = ready_for_decoding(prior, dtype)
        for indices in _batches(count, batch_size):
            seeds = [seed + index for index in indices]
            drawing, units = Drawing(ready, bands, seeds, settings, should_stop=should_stop), []
            for step in range(0, steps, unit_steps(prior, bands)):
                units.append(drawing.next_unit())
                progress.update(indices.start * steps + (step + units[-1].shape[1]) * len(indices))
            found.append(torch.cat(units, 1))
    return torch.cat(found).clone()


def sample_codes(prior: Prior, count: int, positions: int, **options: Any) -> Tensor:
    """Return `count` new sequences of codes `[count, positions, Q]` (int64, CPU), in the format's order of positions.

    From `flat`, `positions` is a multiple of the context's; each context (a second) is a grid of its own.
    From `frames`, `positions` is bands × any number of steps, and all of them are one grid `[bands, steps]`, band by
    band. `options` are those of `sample_steps`.

    Raises:
        ConfigError: an impossible number; names the argument or the setting.
        Stopped: `should_stop()` turned true.
    """
    require(is_whole(positions, 1), "positions", positions, "a whole number of 1 or more")
    unit = prior.bands * unit_steps(prior, prior.bands)
    require(positions % unit == 0, "positions", positions, f"a multiple of {unit}")
    codes_NWHQ = sample_steps(prior, count, positions // prior.bands, prior.bands, **options)
    return codes_NWHQ.transpose(1, 2).flatten(1, 2)
