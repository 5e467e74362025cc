"""The random numbers of `uniform_numbers` for many units at once, without NumPy: in functions for TorchScript.

Philox4x64-10: Salmon et al. 2011, "Parallel Random Numbers: As Easy as 1, 2, 3". Its words of 64 bits without a sign
are int64 here, whose products and sums keep the lower 64 bits.
"""

# TorchScript knows no global constants: those of functions are defaults of parameters here.
import torch
from torch import Tensor

LARGEST_SHARE = 1 - 2.0**-32  # shares of the last codes may be zero: rounding must not reach them
_ROUNDS = 10


def _shifted_right(words: Tensor, bits: int) -> Tensor:
    """Return words without a sign, shifted right."""
    return (words >> bits) & ((1 << (64 - bits)) - 1)


def _upper_product(words: Tensor, factor: int) -> Tensor:
    """Return the upper 64 bits of the products of words and a factor, all without a sign."""
    low, factor_low, factor_high = words & 0xFFFFFFFF, factor & 0xFFFFFFFF, (factor >> 32) & 0xFFFFFFFF
    high = _shifted_right(words, 32)
    cross, other_cross = low * factor_high, high * factor_low
    carried = _shifted_right(low * factor_low, 32) + (cross & 0xFFFFFFFF) + (other_cross & 0xFFFFFFFF)
    upper = high * factor_high + _shifted_right(cross, 32) + _shifted_right(other_cross, 32)
    return upper + _shifted_right(carried, 32)


def philox_words(
    seed: int,
    counters: Tensor,
    units: Tensor,
    rounds: int = _ROUNDS,
    factors: tuple[int, int] = (0xD2E7470EE14C6C93 - 2**64, 0xCA5A826395121157 - 2**64),
    steps: tuple[int, int] = (0x9E3779B97F4A7C15 - 2**64, 0xBB67AE8584CAA73B - 2**64),
) -> Tensor:
    """Return `[…, 4]` words under the key (seed, 0), at the counters (counter, 0, 0, unit)."""
    first, second, third, fourth = counters, torch.zeros_like(counters), torch.zeros_like(counters), units
    key, other_key = torch.full_like(counters, seed), torch.zeros_like(counters)
    for number in range(rounds):
        if number > 0:
            key, other_key = key + steps[0], other_key + steps[1]
        upper, other_upper = _upper_product(first, factors[0]), _upper_product(third, factors[1])
        lower, other_lower = first * factors[0], third * factors[1]
        first, second, third, fourth = other_upper ^ second ^ key, other_lower, upper ^ fourth ^ other_key, lower
    return torch.stack([first, second, third, fourth], -1)


def uniform_numbers_of_units(seed: int, units: int, count: int, largest: float = LARGEST_SHARE) -> Tensor:
    """Return `[units, count]`: the numbers that `uniform_numbers` gives for each of the first units."""
    blocks = (count + 3) // 4
    counters = torch.arange(1, blocks + 1).expand(units, blocks)  # NumPy counts before it makes a block
    unit_of = torch.arange(units)[:, None].expand(units, blocks)
    words = philox_words(seed, counters, unit_of).flatten(1)[:, :count]
    return (_shifted_right(words, 11).double() * 2.0**-53).clamp_(max=largest)
