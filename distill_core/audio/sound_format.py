"""The formats that sound is written in. This module imports no torch: the terminal needs its names at once."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from distill_core.errors import ConfigError

DEFAULT_RATE = 48_000
LOWEST_RATE, HIGHEST_RATE = 8_000, 192_000


class Container(StrEnum):
    """The kind of file; its value is the ending of its name."""

    WAV = "wav"
    FLAC = "flac"


class Subtype(StrEnum):
    """The numbers of a file, under libsndfile's names."""

    PCM_16 = "PCM_16"
    PCM_24 = "PCM_24"
    FLOAT = "FLOAT"

    @property
    def bytes(self) -> int:
        """The bytes of a sample."""
        return {"PCM_16": 2, "PCM_24": 3, "FLOAT": 4}[self]

    @property
    def rounding(self) -> float:
        """The most that it adds to a true peak: some half steps, of 16 bits or of arithmetic in single precision."""
        return 2.0**-14 if self is Subtype.PCM_16 else 2.0**-20


@dataclass(frozen=True, slots=True)
class SoundFormat:
    """A container, the numbers in it, and its rate in Hz.

    Raises:
        ConfigError: there is no such file; names the field.
    """

    container: Container = Container.WAV
    subtype: Subtype = Subtype.PCM_24
    sample_rate: int = DEFAULT_RATE

    def __post_init__(self) -> None:
        if self.container is Container.FLAC and self.subtype is Subtype.FLOAT:
            raise ConfigError("subtype", "FLAC holds whole numbers, and no FLOAT.", "Choose PCM_24, or WAV.")
        if not LOWEST_RATE <= self.sample_rate <= HIGHEST_RATE:
            reason = f"A rate of {self.sample_rate} Hz cannot be written."
            raise ConfigError("rate", reason, f"It must be {LOWEST_RATE} to {HIGHEST_RATE} Hz.")

    @property
    def holds_loops(self) -> bool:
        """Whether a file can say that its sound is a loop."""
        return self.container is Container.WAV
