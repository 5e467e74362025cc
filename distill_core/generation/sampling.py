"""New codes from a prior: logits to probabilities to codes, many sequences at a time.

Every sequence has random numbers of its own and takes one for each code (inverse transform sampling), so it does not
depend on its neighbours in the batch.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from distill_core.errors import ConfigError
from distill_core.events import OnEvent, Phase, ProgressReporter, ShouldStop, ignore, never, stop_point
from distill_core.models.prior import Decoder, Prior

_LARGEST_SHARE = 1 - 2.0**-20


def _require(holds: bool, name: str, value: object, wanted: str) -> None:
    if not holds:
        raise ConfigError(name, f"{name} cannot be {value!r}.", f"It must be {wanted}.")


def _is_whole(value: object, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _is_positive(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value > 0


@dataclass(frozen=True, slots=True)
class SamplingSettings:
    """The settings of sampling; by default, codes are drawn from the prior's own probabilities.

    Attributes:
        temperature: below 1 the likely codes become likelier, above 1 the unlikely ones.
        top_k: the number of likeliest codes that may be drawn; 0 for all.
        top_p: the share that the likeliest codes which may be drawn have together (nucleus sampling); 1 for all.
        level_temperatures: a further factor on the temperature for each level; empty for none.

    Raises:
        ConfigError: an impossible setting; names the field.
    """

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    level_temperatures: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        _require(_is_positive(self.temperature), "temperature", self.temperature, "a number above 0")
        _require(_is_whole(self.top_k, 0), "top_k", self.top_k, "a whole number of 0 or more")
        _require(_is_positive(self.top_p) and self.top_p <= 1, "top_p", self.top_p, "above 0 and at most 1")
        every = isinstance(self.level_temperatures, tuple) and all(map(_is_positive, self.level_temperatures))
        _require(every, "level_temperatures", self.level_temperatures, "a tuple of numbers above 0")

    def temperatures(self, num_quantizers: int) -> list[float]:
        """Return the temperature of each level.

        Raises:
            ConfigError: there are level temperatures, but not one for each level.
        """
        factors = self.level_temperatures or (1.0,) * num_quantizers
        wanted = f"empty or one number for each of {num_quantizers} levels"
        _require(len(factors) == num_quantizers, "level_temperatures", self.level_temperatures, wanted)
        return [self.temperature * factor for factor in factors]


_AS_LEARNED = SamplingSettings()


def probabilities(logits_BK: Tensor, temperature: float) -> Tensor:
    """Return `[B, K]` in double precision, or in single precision on MPS, which has no other."""
    precise = torch.float32 if logits_BK.device.type == "mps" else torch.float64
    below_best = (logits_BK - logits_BK.amax(1, keepdim=True)).to(precise)
    return (below_best / temperature).softmax(1)


def keep_top_k(shares_BK: Tensor, top_k: int) -> Tensor:
    """Return `[B, K]` with zeros for all but the `top_k` largest shares and those that equal the last of them."""
    if not 0 < top_k < shares_BK.shape[1]:
        return shares_BK
    least_B1 = shares_BK.topk(top_k, dim=1).values[:, -1:]
    return shares_BK.where(shares_BK >= least_B1, 0.0)


def _sorted(shares_BK: Tensor) -> Tensor:
    """Return `[B, K]` sorted from small to large; on a CPU by numpy, which takes a fraction of torch's time."""
    if shares_BK.device.type == "cpu":
        return torch.from_numpy(np.sort(shares_BK.numpy(), axis=1))
    return shares_BK.sort(dim=1).values


def keep_top_p(shares_BK: Tensor, top_p: float) -> Tensor:
    """Return `[B, K]` with zeros for all but the fewest largest shares whose sum reaches `top_p` of the whole.

    Shares that equal the last of them stay too, so equal codes stay equal. Nucleus sampling: Holtzman et al. 2020.
    """
    if top_p == 1:
        return shares_BK
    rising_BK = _sorted(shares_BK)
    summed_BK = rising_BK.cumsum(1)
    dropped_B1 = (summed_BK <= (1 - top_p) * summed_BK[:, -1:]).sum(1, keepdim=True)
    least_B1 = rising_BK.gather(1, dropped_B1.clamp_(max=shares_BK.shape[1] - 1))
    return shares_BK.where(shares_BK >= least_B1, 0.0)


def draw(shares_BK: Tensor, uniform_B: Tensor) -> Tensor:
    """Return codes `[B]`: the first whose running sum of shares exceeds `uniform_B` (0 to below 1) of the whole."""
    summed_BK = shares_BK.cumsum(1)
    targets_B1 = uniform_B[:, None] * summed_BK[:, -1:]
    return torch.searchsorted(summed_BK, targets_B1, right=True)[:, 0]


def uniform_numbers(seed: int, indices: Sequence[int], length: int) -> Tensor:
    """Return `[B, length]` in double precision, 0 to below 1, each sequence's from a generator of its own."""
    rows = []
    for index in indices:
        digest = blake2b(f"{seed} {index}".encode(), digest_size=8).digest()
        generator = torch.Generator().manual_seed(int.from_bytes(digest, "little"))
        rows.append(torch.rand(length, generator=generator, dtype=torch.float64))
    # Shares of the last codes may be zero: rounding must not reach them.
    return torch.stack(rows).clamp_(max=_LARGEST_SHARE)


@dataclass(frozen=True, slots=True)
class _Batch:
    """Some sequences' codes `[B, T]`, in the prior's order, and the random numbers that choose them."""

    codes_BT: Tensor
    uniform_BT: Tensor
    decoder: Decoder

    def draw_position(self, position: int, temperatures: list[float], settings: SamplingSettings) -> None:
        """Fill in the codes of one position, level by level, in every sequence."""
        for level, temperature in enumerate(temperatures):
            self._draw_code(position * len(temperatures) + level, temperature, settings)

    def _draw_code(self, index: int, temperature: float, settings: SamplingSettings) -> None:
        shares_BK = probabilities(self.decoder.logits(self.codes_BT, index), temperature)
        shares_BK = keep_top_p(keep_top_k(shares_BK, settings.top_k), settings.top_p)
        self.codes_BT[:, index] = draw(shares_BK, self.uniform_BT[:, index])


def _ready_for_decoding(prior: Prior) -> Prior:
    """Return a copy without dropout whose matrices lie column by column: half the time for 8 sequences on a CPU.

    The given prior stays as it is, in the middle of a training too.
    """
    ready = deepcopy(prior).eval()
    for module in ready.modules():
        if not isinstance(module, nn.Embedding):
            for weight in module.parameters(recurse=False):
                weight.data = weight.data.t().contiguous().t() if weight.dim() == 2 else weight.data
    return ready


def _start_batch(prior: Prior, seed: int, indices: range, length: int) -> _Batch:
    device = next(prior.parameters()).device
    precise = torch.float32 if device.type == "mps" else torch.float64
    uniform_BT = uniform_numbers(seed, indices, length).to(device, precise)
    codes_BT = torch.zeros(len(indices), length, dtype=torch.long, device=device)
    return _Batch(codes_BT, uniform_BT, prior.decoder(len(indices)))


def _require_counts(prior: Prior, count: object, steps: int, bands: int, seed: object, batch_size: object) -> None:
    for name, value in (("count", count), ("steps", steps), ("batch_size", batch_size)):
        _require(_is_whole(value, 1), name, value, "a whole number of 1 or more")
    _require(_is_whole(seed, 0), "seed", seed, "a whole number of 0 or more")
    chunk = prior.context_steps(bands) if prior.layout == "chunks" else 1
    _require(steps % chunk == 0, "steps", steps, f"a multiple of {chunk}")


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
    on_event: OnEvent = ignore,
    should_stop: ShouldStop = never,
) -> Tensor:
    """Return `count` new sequences of codes `[count, W, H, Q]` (int64, CPU), time first, for a codec of `bands` bands.

    A prior that learns from chunks gives whole seconds, each by itself; `steps` is then a multiple of a second's.

    Sequence i depends on the prior, the settings, `seed` and i alone, and each step only on the steps before it. Batch
    size and threads change a code only if rounding, about 1e-6, moves a random number across its border.

    Raises:
        ConfigError: an impossible number; names the argument or the setting.
        Stopped: `should_stop()` turned true.
    """
    _require_counts(prior, count, steps, bands, seed, batch_size)
    temperatures, positions = settings.temperatures(prior.num_quantizers), steps * bands
    codes_NT = torch.empty(count, positions * prior.num_quantizers, dtype=torch.long)
    progress = ProgressReporter(Phase.SAMPLE, count * positions, on_event)
    with torch.inference_mode():
        prior = _ready_for_decoding(prior)
        for indices in _batches(count, batch_size):
            batch = _start_batch(prior, seed, indices, codes_NT.shape[1])
            for position in range(positions):
                stop_point(should_stop)
                batch.draw_position(position, temperatures, settings)
                progress.update(indices.start * positions + (position + 1) * len(indices))
            codes_NT[indices.start : indices.stop] = batch.codes_BT
    return prior.in_steps(codes_NT, bands)


def sample_codes(prior: Prior, count: int, positions: int, **options: Any) -> Tensor:
    """Return `count` new sequences of codes `[count, positions, Q]` (int64, CPU), in the VQ-VAE's order of positions.

    From `flat`, `positions` is a multiple of the context's; each context (a second) is a grid of its own.
    From `frames`, `positions` is bands × any number of steps, and all of them are one grid `[bands, steps]`, band by
    band. `options` are those of `sample_steps`.

    Raises:
        ConfigError: an impossible number; names the argument or the setting.
        Stopped: `should_stop()` turned true.
    """
    _require(_is_whole(positions, 1), "positions", positions, "a whole number of 1 or more")
    unit = prior.bands * (prior.context_steps(prior.bands) if prior.layout == "chunks" else 1)
    _require(positions % unit == 0, "positions", positions, f"a multiple of {unit}")
    codes_NWHQ = sample_steps(prior, count, positions // prior.bands, prior.bands, **options)
    return codes_NWHQ.transpose(1, 2).flatten(1, 2)
