"""A request for new sound, and the takes that it gives.

This module imports no torch: the terminal and the window need its settings at once.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from distill_core.errors import ConfigError
from distill_core.generation.origin import Origin
from distill_core.generation.settings import SamplingSettings, is_positive, is_whole, require

if TYPE_CHECKING:
    from torch import Tensor

DEFAULT_SECONDS = 5.0
LONGEST_SOUND_S = 30.0  # of one sound, unless it is asked for longer
LONGEST_S = 600.0
MOST_TAKES = 1000
LARGEST_SEED = 2**63 - 1
_UNKNOWN = Origin()


class PromptMode(StrEnum):
    """The use of a prompt: its end is continued, or its coarse levels stay and the fine ones are drawn again."""

    CONTINUE = "continue"
    VARY = "vary"


@dataclass(frozen=True, slots=True)
class GenerateRequest:
    """Settings of new sound; take i of `count` has the seed `seed + i` and equals that take made alone.

    Attributes:
        seconds: the exact length of a take, the prompt included; None for 5 s after the prompt, or as long as the sound
            that is varied.
        until_end: whether a take ends with its first sound, after `seconds` at the latest; None is then 30 s.
        temperature: 1 is the temperature that was fitted to the prior; below, the likely codes become likelier.
        level_temperatures: a further factor for each level, coarse ones first; empty for none.
        top_k: the number of likeliest codes that may be drawn; 0 for all.
        top_p: the share that the likeliest codes which may be drawn have together; 1 for all.
        levels: the number of levels that are heard, 1 for the coarse skeleton alone; 0 for all.
        seed: chooses the take.
        count: the number of takes.
        prompt: a sound to start from.
        mode: the use of the prompt.
        loop: whether the take's end leads into its beginning.

    Raises:
        ConfigError: an impossible setting; names the field.
    """

    seconds: float | None = None
    until_end: bool = False
    temperature: float = 1.0
    level_temperatures: tuple[float, ...] = ()
    top_k: int = 0
    top_p: float = 0.95
    levels: int = 0
    seed: int = 0
    count: int = 1
    prompt: Path | None = None
    mode: PromptMode = PromptMode.CONTINUE
    loop: bool = False

    def __post_init__(self) -> None:
        is_length = self.seconds is None or (is_positive(self.seconds) and self.seconds <= LONGEST_S)
        require(is_length, "seconds", self.seconds, f"above 0 and at most {LONGEST_S:g}")
        require(is_whole(self.levels, 0), "levels", self.levels, "a whole number of 0 or more")
        require(is_whole(self.count, 1) and self.count <= MOST_TAKES, "count", self.count, f"1 to {MOST_TAKES}")
        is_seed = is_whole(self.seed, 0) and self.seed + self.count - 1 <= LARGEST_SEED
        require(is_seed, "seed", self.seed, "a whole number of 0 or more, below 2⁶³")
        require(self.mode in [*PromptMode], "mode", self.mode, " or ".join(PromptMode))
        object.__setattr__(self, "mode", PromptMode(self.mode))
        object.__setattr__(self, "prompt", None if self.prompt is None else Path(self.prompt))
        if self.loop and self.until_end:
            raise ConfigError("loop", "A loop has no end.", "Leave out either the loop or the end.")
        if self.is_variation and self.until_end:
            raise ConfigError("until_end", "A variation is as long as its sound.", "Leave out the end, or continue it.")
        _ = self.sampling  # refuses impossible settings of it

    @property
    def sampling(self) -> SamplingSettings:
        """The settings of sampling among these."""
        return SamplingSettings(self.temperature, self.top_k, self.top_p, self.level_temperatures)

    @property
    def is_variation(self) -> bool:
        """Whether a prompt is varied."""
        return self.prompt is not None and self.mode is PromptMode.VARY

    @property
    def usual_seconds(self) -> float:
        """The length after the prompt where none is asked for: a long one if the take ends with its first sound."""
        return LONGEST_SOUND_S if self.until_end else DEFAULT_SECONDS

    def take(self, index: int) -> GenerateRequest:
        """Return the request of one take alone."""
        return replace(self, seed=self.seed + index, count=1)


@dataclass(frozen=True, slots=True)
class SoundBlock:
    """The next part of a take's sound, sent while the take is made.

    `waveform_T` is float32, on the CPU, at `sample_rate`, without the take's gain, which only its end decides.
    """

    seed: int
    waveform_T: Tensor
    sample_rate: int


@dataclass(frozen=True, slots=True)
class Sample:
    """A take.

    `waveform_T` is float32, mono, on the CPU, at `sample_rate`, without `gain`, by which a file or a player multiplies
    it: 1, or less for a true peak of −1 dBFS. `codes_WHQ` are its codes (int64); `ends` are the numbers of steps after
    which a sound ended and the next began, or the take. `prompt_steps` steps are the prompt's. `loop`: its end leads
    into its beginning. `notes` are sentences on what was done to it. `origin` is the model that made it.
    """

    waveform_T: Tensor
    sample_rate: int
    codes_WHQ: Tensor
    request: GenerateRequest
    gain: float = 1.0
    ends: tuple[int, ...] = ()
    prompt_steps: int = 0
    notes: tuple[str, ...] = ()
    origin: Origin = _UNKNOWN

    @property
    def seed(self) -> int:
        """The seed that gives this take again."""
        return self.request.seed

    @property
    def is_loop(self) -> bool:
        """Whether its end leads into its beginning."""
        return self.request.loop

    @property
    def duration_s(self) -> float:
        """Its length in seconds."""
        return len(self.waveform_T) / self.sample_rate
