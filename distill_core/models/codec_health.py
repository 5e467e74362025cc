"""The health of a codec by the facts in its file: the use of each level's codebook, its error, and both in words.

A level is *dead* if it tells nothing: its codes are one entry of its codebook, or few entries of which one is nearly
all. It is *hardly used* if its codes are few of the entries. A codec is *poor* if it has a dead level, or if its error
is no smaller than that of answering with each sound's average spectrum: no prior makes up for that.

This module imports no torch: the window's words need it at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from distill_core.models.value_reader import known_number

if TYPE_CHECKING:
    from distill_core.models.summary import ModelSummary

POOR_CODEC = "This model hears sound poorly, and what it makes can sound no better."
ADVICE = "Train the model longer, or on more sounds."
# A v2 model that sounds as it should uses 50 % of its first level's entries and 10 % of its last one's.
_HARDLY_USED = 0.08
# What a codec for small sets has to reach at every level.
_USED_WELL = 0.4
# Alone it proves nothing: in seconds with a click of 20 ms each, nearly all codes are those of silence too.
_ONE_ENTRY_NEARLY_ALWAYS = 1.5
_ROUNDING = 1e-3
_LARGEST_ERROR = 1e6
_MOST_NAMED = 6


@dataclass(frozen=True, slots=True)
class LevelHealth:
    """The use of one level's codebook, levels counted from 1.

    `utilization` is the share of its entries that occur among the codes, `perplexity` that of their frequencies; None
    is unknown.
    """

    level: int
    codebook_size: int
    utilization: float | None
    perplexity: float | None

    @property
    def label(self) -> str:
        """The name of the level."""
        return f"Level {self.level}"

    @property
    def words(self) -> str:
        """The numbers in words, without the unknown ones."""
        share = "" if self.utilization is None else f"{self.utilization:.0%} in use"
        evenness = "" if self.perplexity is None else f"perplexity {self.perplexity:.1f}"
        return ", ".join(part for part in (share, evenness) if part)

    @property
    def used(self) -> int | None:
        """The number of entries that occur."""
        return None if self.utilization is None else max(1, round(self.utilization * self.codebook_size))

    @property
    def is_dead(self) -> bool:
        """Whether it tells nothing."""
        if self.used == 1:
            return True
        has_few = self.utilization is None or self.utilization < _HARDLY_USED
        return has_few and self.perplexity is not None and self.perplexity < _ONE_ENTRY_NEARLY_ALWAYS

    @property
    def is_hardly_used(self) -> bool:
        """Whether it tells something by few of its entries."""
        return not self.is_dead and self.utilization is not None and self.utilization < _HARDLY_USED

    @property
    def has_fault(self) -> bool:
        """Whether there is something to say about it."""
        return self.is_dead or self.is_hardly_used

    @property
    def is_used_well(self) -> bool:
        """Whether its codes are many of its entries."""
        return not self.is_dead and self.utilization is not None and self.utilization >= _USED_WELL


@dataclass(frozen=True, slots=True)
class CodecHealth:
    """The health of a codec: the levels that the file tells of, and the errors on held-out sounds.

    `error` is the best epoch's mean absolute error of log-mels, `average_error` that of answering with each sound's
    average spectrum; None is unknown.
    """

    levels: tuple[LevelHealth, ...]
    level_count: int
    error: float | None
    average_error: float | None

    @property
    def is_no_better_than_average(self) -> bool:
        """Whether each sound's average spectrum would be as good an answer."""
        return self.error is not None and self.average_error is not None and self.error >= self.average_error

    @property
    def dead_levels(self) -> tuple[LevelHealth, ...]:
        """The levels that tell nothing."""
        return tuple(level for level in self.levels if level.is_dead)

    @property
    def hardly_used_levels(self) -> tuple[LevelHealth, ...]:
        """The levels that tell something by few of their entries."""
        return tuple(level for level in self.levels if level.is_hardly_used)

    @property
    def verdicts(self) -> tuple[str, ...]:
        """The judgement in sentences; none if the file tells nothing."""
        faults = (_dead_words(self.dead_levels), _hardly_used_words(self.hardly_used_levels))
        use = faults if any(faults) else (_use_words(self),)
        return tuple(sentence for sentence in (*use, _error_words(self)) if sentence)

    @property
    def faults(self) -> tuple[str, ...]:
        """Those of the verdicts that a prior inherits."""
        error = _error_words(self) if self.is_no_better_than_average else ""
        return tuple(sentence for sentence in (_dead_words(self.dead_levels), error) if sentence)

    @property
    def warning(self) -> str:
        """The faults that a prior inherits, and the advice; "" without a fault."""
        return " ".join([*self.faults, ADVICE]) if self.faults else ""


def named_levels(levels: Sequence[LevelHealth]) -> str:
    """Return "Level 3", "Levels 3 and 5", or "Levels 1, 2 and 7 more"."""
    names = [str(level.level) for level in levels]
    if len(names) == 1:
        return f"Level {names[0]}"
    if len(names) > _MOST_NAMED:
        names = [*names[: _MOST_NAMED - 1], f"{len(names) - _MOST_NAMED + 1} more"]
    return f"Levels {', '.join(names[:-1])} and {names[-1]}"


def _dead_words(levels: Sequence[LevelHealth]) -> str:
    if not levels:
        return ""
    nearly = "" if all(level.used == 1 for level in levels) else "nearly "
    be, say = ("is", "it {}always says") if len(levels) == 1 else ("are", "each {}always says")
    return f"{named_levels(levels)} {be} dead: {say.format(nearly)} the same."


def _hardly_used_words(levels: Sequence[LevelHealth]) -> str:
    if not levels:
        return ""
    most, size = max(level.used or 0 for level in levels), levels[0].codebook_size
    if len(levels) == 1:
        return f"{named_levels(levels)} is hardly used: {most:,} of its {size:,} entries."
    return f"{named_levels(levels)} are hardly used: at most {most:,} of their {size:,} entries."


def _use_words(health: CodecHealth) -> str:
    """Return the verdict on levels without a fault, "" if the file tells of too few."""
    shares_known = [level for level in health.levels if level.utilization is not None]
    if len(shares_known) < health.level_count:
        return ""
    is_well = all(level.is_used_well for level in health.levels)
    if health.level_count == 1:
        return "Its one level uses its codebook well." if is_well else "Its one level is in use."
    return f"All {health.level_count} levels {'use their codebooks well' if is_well else 'are in use'}."


def _error_words(health: CodecHealth) -> str:
    error, average = health.error, health.average_error
    if error is None:
        return ""
    if average is None:
        return f"Its error on sounds kept aside is {error:.3f}."
    if health.is_no_better_than_average:
        how = "as large as" if f"{error:.3f}" == f"{average:.3f}" else "worse than"
        numbers = f"{error:.3f} against {average:.3f}"
        return f"Its error is {how} that of answering with each sound's average spectrum: {numbers}."
    return f"Its error on sounds kept aside is {error:.3f}; each sound's average spectrum is off by {average:.3f}."


def _between(value: object, low: float, high: float) -> float | None:
    """Return a stranger's value if it is a number in a range, both ends included but for rounding."""
    number = known_number(value)
    return number if number is not None and low - _ROUNDING <= number <= high * (1 + _ROUNDING) else None


def _above_zero(value: object, high: float) -> float | None:
    """Return a stranger's value if it is a number above 0, which the format writes for unknown."""
    number = _between(value, 0.0, high)
    return number if number is not None and number > 0 else None


def _level_health(level: int, codebook_size: int, facts: Mapping[str, object]) -> LevelHealth:
    share = _above_zero(facts.get("utilization"), 1.0)
    perplexity = _between(facts.get("perplexity"), 1.0, codebook_size)
    return LevelHealth(level, codebook_size, share, perplexity)


def codec_health(summary: ModelSummary) -> CodecHealth:
    """Return the health of a file's codec; numbers that a stranger wrote and that cannot be are unknown."""
    snapshot, training = summary.codebook_health or {}, summary.training_config
    found = [snapshot.get(f"level_{number}") for number in range(summary.num_quantizers)]
    levels = [
        _level_health(number, summary.codebook_size, facts)
        for number, facts in enumerate(found, start=1)
        if isinstance(facts, dict)
    ]
    return CodecHealth(
        tuple(level for level in levels if level.words),
        summary.num_quantizers,
        _above_zero(training.get("best_val_l1"), _LARGEST_ERROR),
        _above_zero(training.get("mean_frame_l1"), _LARGEST_ERROR),
    )
