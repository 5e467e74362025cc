"""The judgement whether samples are copies: against a baseline of how much known sounds have in common anyway.

This module imports neither torch nor numpy: the window's words need it at once.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum


class AuditVerdict(StrEnum):
    """The judgement of what a prior makes."""

    NEW = "new"
    CLOSE_RELATIVES = "close_relatives"
    COPIES = "copies"
    CANT_TELL = "cant_tell"


LEAST_FILES, LEAST_POINTS = 3, 20
NOT_HERE = "The sounds that the prior learned from are not here."
LEAST_AGREEMENT, _LEAST_RUN_SHARE = 0.90, 0.5
_COPIES_FROM, _NEW_BELOW = 0.10, 0.05  # shares of samples
_LEAST_Z, _MOST_CONFIDENT_EXCESS = -2.0, 0.25
_NORMAL_95 = 1.959964


@dataclass(frozen=True, slots=True)
class Common:
    """What a sound has in common with its nearest passage among known sounds.

    `agreement` is the share of its active codes that agree there (AGR), `coarse` that of the first level; `run` is the
    longest run of active codes that agree (LVM), of `active`; `likeness` is the cosine of the log-mels (MEL).
    """

    agreement: float
    coarse: float
    run: int
    active: int
    likeness: float


@dataclass(frozen=True, slots=True)
class Baseline:
    """What sounds have in common that are no copies of one another; each number is the 99th percentile of `points`."""

    points: int
    agreement: float
    run: float
    likeness: float

    @classmethod
    def none(cls) -> Baseline:
        """Return the baseline of no points, by which nothing is a copy."""
        return cls(0, 1.0, math.inf, 1.0)

    def finds_copy(self, common: Common) -> bool:
        """Tell whether a sound is a copy: its codes agree, or run on, far above the baseline, and it sounds alike."""
        agrees = common.agreement >= max(self.agreement, LEAST_AGREEMENT)
        runs_on = common.run >= max(self.run, _LEAST_RUN_SHARE * common.active)
        return (agrees or runs_on) and common.likeness >= self.likeness

    def closeness(self, common: Common) -> tuple[bool, float]:
        """Return a value that is larger for a sound that is nearer to a copy."""
        return self.finds_copy(common), common.agreement


def wilson_interval(hits: int, count: int) -> tuple[float, float]:
    """Return the 95 % interval of a share (Wilson 1927)."""
    if not count:
        return 0.0, 1.0
    share, z2 = hits / count, _NORMAL_95**2
    middle = (share + z2 / (2 * count)) / (1 + z2 / count)
    half = _NORMAL_95 / (1 + z2 / count) * math.sqrt(share * (1 - share) / count + z2 / (4 * count**2))
    # Rounding leaves a rest of 1e-18 at the ends.
    return max(0.0, middle - half) if hits else 0.0, min(1.0, middle + half) if hits < count else 1.0


@dataclass(frozen=True, slots=True)
class Findings:
    """The numbers that decide the verdict; `confident_excess` is NaN where nothing is held out that is heard."""

    files: int
    baseline_points: int
    counted: int
    copies: int
    z: float
    confident_excess: float

    @property
    def copy_rate(self) -> float:
        """The share of samples that are copies."""
        return self.copies / self.counted if self.counted else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        """Its 95 % interval."""
        return wilson_interval(self.copies, self.counted)

    @property
    def verdict(self) -> AuditVerdict:
        """The verdict: the first that fits."""
        has_too_little = self.files < LEAST_FILES or self.baseline_points < LEAST_POINTS or not self.counted
        if has_too_little or math.isnan(self.confident_excess):
            return AuditVerdict.CANT_TELL
        if self.copy_rate >= _COPIES_FROM:
            return AuditVerdict.COPIES
        is_apart = self.z > _LEAST_Z and self.confident_excess <= _MOST_CONFIDENT_EXCESS
        return AuditVerdict.NEW if self.interval[1] < _NEW_BELOW and is_apart else AuditVerdict.CLOSE_RELATIVES


def too_few_words(count: int, missing: int = 0) -> str:
    """Return the sentence on a training of too few sounds, or one of which too few are here."""
    if not count:
        return NOT_HERE
    if missing:
        is_or_are = "is" if count == 1 else "are"
        of_all = f"{count} of the {count + missing} sounds that the prior learned from"
        return f"Only {of_all} {is_or_are} here: it takes {LEAST_FILES}."
    sounds = "One sound is" if count == 1 else f"{count} sounds are"
    return f"{sounds} too few to compare with: it takes {LEAST_FILES}."


def too_few_points_words(points: int) -> str:
    """Return the sentence on sounds of which too few passages can be compared with one another."""
    return f"Only {points} passages of the sounds can be compared with one another: it takes {LEAST_POINTS}."
