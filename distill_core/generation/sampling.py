"""New codes from a prior: logits to probabilities to codes, many sequences at a time.

Every sequence has random numbers of its own and takes one a code (inverse transform sampling), so what comes out does
not depend on its neighbours in the batch.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
import torch
from torch import Tensor

from distill_core.errors import ConfigError
from distill_core.events import OnEvent, ProgressReporter, ShouldStop, ignore, never, stop_point
from distill_core.generation.decoding import Decoder, decoder_of, ready_for_decoding
from distill_core.models.architectures import Prior
from distill_core.models.flat import unflatten_codes

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
    """How boldly codes are drawn; as it stands, straight from the prior's probabilities.

    Attributes:
        temperature: below 1 the likely codes become likelier, above 1 the unlikely ones.
        top_k: only the so many likeliest codes are drawn; 0 for all.
        top_p: only the likeliest codes that together have this share are drawn (nucleus sampling); 1 for all.
        level_temperatures: a further factor on the temperature for each level; empty for none.

    Raises:
        ConfigError: a setting that cannot be; names the field.
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
    """Return `[B, K]` in double precision (single where the device has no other)."""
    precise = torch.float32 if logits_BK.device.type == "mps" else torch.float64
    below_best = (logits_BK - logits_BK.amax(1, keepdim=True)).to(precise)
    return (below_best / temperature).softmax(1)


def keep_top_k(shares_BK: Tensor, top_k: int) -> Tensor:
    """Return `[B, K]` with zeros for all but the `top_k` largest; what equals the last of them stays too."""
    if not 0 < top_k < shares_BK.shape[1]:
        return shares_BK
    least_B1 = shares_BK.topk(top_k, dim=1).values[:, -1:]
    return shares_BK.where(shares_BK >= least_B1, 0.0)


def _sorted(shares_BK: Tensor) -> Tensor:
    """Return `[B, K]` from small to large; on a CPU by numpy, which takes a fraction of torch's time."""
    if shares_BK.device.type == "cpu":
        return torch.from_numpy(np.sort(shares_BK.numpy(), axis=1))
    return shares_BK.sort(dim=1).values


def keep_top_p(shares_BK: Tensor, top_p: float) -> Tensor:
    """Return `[B, K]` with zeros for all but the fewest largest whose sum reaches `top_p` of the whole.

    What equals the last of them stays too, so equal codes stay equal. Nucleus sampling: Holtzman et al. 2020.
    """
    if top_p == 1:
        return shares_BK
    rising_BK = _sorted(shares_BK)
    summed_BK = rising_BK.cumsum(1)
    dropped_B1 = (summed_BK <= (1 - top_p) * summed_BK[:, -1:]).sum(1, keepdim=True)
    least_B1 = rising_BK.gather(1, dropped_B1.clamp_(max=shares_BK.shape[1] - 1))
    return shares_BK.where(shares_BK >= least_B1, 0.0)


def draw(shares_BK: Tensor, uniform_B: Tensor) -> Tensor:
    """Return codes `[B]`: where the running sum of shares first exceeds that part (0 to below 1) of the whole."""
    summed_BK = shares_BK.cumsum(1)
    targets_B1 = uniform_B[:, None] * summed_BK[:, -1:]
    return torch.searchsorted(summed_BK, targets_B1, right=True)[:, 0]


def uniform_numbers(seed: int, indices: Sequence[int], length: int) -> Tensor:
    """Return `[B, length]` in double precision, 0 to below 1: each row from a generator of its own."""
    rows = []
    for index in indices:
        digest = blake2b(f"{seed} {index}".encode(), digest_size=8).digest()
        generator = torch.Generator().manual_seed(int.from_bytes(digest, "little"))
        rows.append(torch.rand(length, generator=generator, dtype=torch.float64))
    # The last codes' shares may be zero, and no rounding may reach them.
    return torch.stack(rows).clamp_(max=_LARGEST_SHARE)


@dataclass(frozen=True, slots=True)
class _Batch:
    """The codes `[B, T]` of some sequences, in the prior's order, and the random numbers that choose them."""

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


def _start_batch(prior: Prior, seed: int, indices: range, length: int) -> _Batch:
    device = next(prior.parameters()).device
    precise = torch.float32 if device.type == "mps" else torch.float64
    uniform_BT = uniform_numbers(seed, indices, length).to(device, precise)
    codes_BT = torch.zeros(len(indices), length, dtype=torch.long, device=device)
    return _Batch(codes_BT, uniform_BT, decoder_of(prior, len(indices)))


def _require_counts(prior: Prior, count: object, positions: int, seed: object, batch_size: object) -> None:
    for name, value in (("count", count), ("positions", positions), ("batch_size", batch_size)):
        _require(_is_whole(value, 1), name, value, "a whole number of 1 or more")
    _require(_is_whole(seed, 0), "seed", seed, "a whole number of 0 or more")
    unit = prior.unit // prior.num_quantizers
    _require(positions % unit == 0, "positions", positions, f"a multiple of {unit}")


def _batches(count: int, batch_size: int) -> list[range]:
    return [range(first, min(count, first + batch_size)) for first in range(0, count, batch_size)]


def sample_codes(
    prior: Prior,
    count: int,
    positions: int,
    *,
    settings: SamplingSettings = _AS_LEARNED,
    seed: int = 0,
    batch_size: int = 32,
    on_event: OnEvent = ignore,
    should_stop: ShouldStop = never,
) -> Tensor:
    """Return `count` new sequences of codes `[count, positions, Q]` (int64, CPU), in the VQ-VAE's order of positions.

    `flat`: `positions` is a multiple of the context's; each context (a second) is a grid of its own, one after another.
    `frames`: `positions` is bands × any number of steps, and all of it is one grid `[bands, steps]`, band by band.

    Sequence i depends on the prior, the settings, `seed` and i alone, and the first steps not on how many follow; batch
    size and threads change it only where rounding, about 1e-6, moves a random number across the border of a code.

    Raises:
        ConfigError: a number that cannot be; names the argument or the setting.
        Stopped: `should_stop()` turned true.
    """
    _require_counts(prior, count, positions, seed, batch_size)
    temperatures = settings.temperatures(prior.num_quantizers)
    codes_NT = torch.empty(count, positions * prior.num_quantizers, dtype=torch.long)
    progress = ProgressReporter("sample", count * positions, on_event)
    with torch.inference_mode():
        prior = ready_for_decoding(prior)
        for indices in _batches(count, batch_size):
            batch = _start_batch(prior, seed, indices, codes_NT.shape[1])
            for position in range(positions):
                stop_point(should_stop)
                batch.draw_position(position, temperatures, settings)
                progress.update(indices.start * positions + (position + 1) * len(indices))
            codes_NT[indices.start : indices.stop] = batch.codes_BT
    return unflatten_codes(codes_NT, prior.num_quantizers, prior.order_of(positions))
