"""The settings of sampling."""

from __future__ import annotations

import math
from dataclasses import dataclass

from distill_core.errors import ConfigError


def require(holds: bool, name: str, value: object, wanted: str) -> None:
    """Refuse an impossible setting.

    Raises:
        ConfigError: names the field.
    """
    if not holds:
        raise ConfigError(name, f"{name} cannot be {value!r}.", f"It must be {wanted}.")


def is_whole(value: object, least: int) -> bool:
    """Tell whether a value is a whole number, at least `least`."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def is_positive(value: object) -> bool:
    """Tell whether a value is a finite number above 0."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < math.inf


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
        require(is_positive(self.temperature), "temperature", self.temperature, "a number above 0")
        require(is_whole(self.top_k, 0), "top_k", self.top_k, "a whole number of 0 or more")
        require(is_positive(self.top_p) and self.top_p <= 1, "top_p", self.top_p, "above 0 and at most 1")
        every = isinstance(self.level_temperatures, tuple) and all(map(is_positive, self.level_temperatures))
        require(every, "level_temperatures", self.level_temperatures, "numbers above 0, one for each level")

    def temperatures(self, num_quantizers: int) -> list[float]:
        """Return the temperature of each level.

        Raises:
            ConfigError: there are level temperatures, but not one for each level.
        """
        factors = self.level_temperatures or (1.0,) * num_quantizers
        wanted = f"one number for each of {num_quantizers} levels"
        require(len(factors) == num_quantizers, "level_temperatures", self.level_temperatures, wanted)
        return [self.temperature * factor for factor in factors]
