"""The record of an audit in a model file, beside the prior that it is of. Read back, it is a stranger's.

This module imports no torch: the window's words need it at once.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from distill_core.audit.verdict import AuditVerdict, Baseline
from distill_core.errors import ConfigError
from distill_core.generation.request import MOST_TAKES
from distill_core.generation.settings import SamplingSettings, is_whole, require
from distill_core.models.value_reader import known_number
from distill_core.text import LONGEST_NAME, printable

AUDIT = "audit"  # the key of the record in a prior's facts
MOST_SEED = 2**62
_MOST_FILES = 50
_LONGEST_REASON = 300


@dataclass(frozen=True, slots=True)
class AuditSettings:
    """The settings of an audit: the number of samples, the seed of the first, and how they are drawn.

    Raises:
        ConfigError: an impossible setting; names the field.
    """

    samples: int = 96
    seed: int = 0
    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 0.95

    def __post_init__(self) -> None:
        possible = is_whole(self.samples, 1) and self.samples <= MOST_TAKES
        require(possible, "samples", self.samples, f"1 to {MOST_TAKES}")
        is_seed = is_whole(self.seed, 0) and self.seed <= MOST_SEED
        require(is_seed, "seed", self.seed, "a whole number of 0 or more, below 2⁶²")
        _ = self.sampling  # refuses impossible settings of it

    @property
    def sampling(self) -> SamplingSettings:
        """The settings of sampling among these."""
        return SamplingSettings(self.temperature, self.top_k, self.top_p)


@dataclass(frozen=True, slots=True)
class LeanedOn:
    """A sound that samples lie near to: its name, or digest, how many lie nearest to it, and how many copy it."""

    file: str
    samples: int
    copies: int


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """The numbers of an audit without its samples; see `MemorizationAudit`."""

    verdict: AuditVerdict
    copy_rate: float
    copy_rate_interval: tuple[float, float]
    z: float
    confident_excess: float
    compared: int
    skipped: int
    baseline: Baseline
    settings: AuditSettings
    leans_on: tuple[LeanedOn, ...]
    date: str
    reason: str = ""
    missing: int = 0

    @property
    def lacks_sounds(self) -> bool:
        """Whether nothing could be told while sounds of the training were missing: that says nothing of the prior."""
        return self.verdict is AuditVerdict.CANT_TELL and self.missing > 0

    def as_facts(self) -> dict[str, Any]:
        """Return plain values for a file: lists for tuples, None for numbers that are unknown."""
        facts = asdict(self) | {
            "verdict": self.verdict.value,
            "copy_rate_interval": list(self.copy_rate_interval),
            "baseline": {name: _known(value) for name, value in asdict(self.baseline).items()},
            "leans_on": [asdict(each) for each in self.leans_on[:_MOST_FILES]],
        }
        return facts | {name: _known(facts[name]) for name in ("z", "confident_excess")}


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _number(values: Mapping[str, Any], name: str, unknown: float) -> float:
    found = known_number(values[name])
    return unknown if found is None else found


def _share(values: Mapping[str, Any], name: str) -> float:
    return min(1.0, max(0.0, _number(values, name, 0.0)))


def _count(values: Mapping[str, Any], name: str) -> int:
    """Return a count.

    Raises:
        ValueError: it is none.
    """
    if not is_whole(values[name], 0):
        raise ValueError(name)
    return int(values[name])


def _baseline(values: Mapping[str, Any]) -> Baseline:
    numbers = (_number(values, "agreement", 1.0), _number(values, "run", math.inf), _number(values, "likeness", 1.0))
    return Baseline(_count(values, "points"), *numbers)


def _leaned_on(values: Mapping[str, Any]) -> LeanedOn:
    return LeanedOn(printable(str(values["file"]), LONGEST_NAME), _count(values, "samples"), _count(values, "copies"))


def _record(facts: Mapping[str, Any]) -> AuditRecord:
    low, high = facts["copy_rate_interval"]
    bounds = {"low": low, "high": high}
    return AuditRecord(
        AuditVerdict(facts["verdict"]),
        _share(facts, "copy_rate"),
        (_share(bounds, "low"), _share(bounds, "high")),
        _number(facts, "z", math.nan),
        _number(facts, "confident_excess", math.nan),
        _count(facts, "compared"),
        _count(facts, "skipped"),
        _baseline(facts["baseline"]),
        AuditSettings(**facts["settings"]),
        tuple(map(_leaned_on, facts["leans_on"][:_MOST_FILES])),
        printable(str(facts["date"]), LONGEST_NAME),
        printable(str(facts["reason"]), _LONGEST_REASON),
        _count(facts, "missing"),
    )


def audit_in(prior_metadata: Mapping[str, Any]) -> AuditRecord | None:
    """Return the record of a prior's audit, None without one, or for values that cannot be."""
    try:
        return _record(prior_metadata[AUDIT])
    except (KeyError, TypeError, ValueError, ConfigError, AttributeError):
        return None


VERDICT_WORDS = {
    AuditVerdict.NEW: "new",
    AuditVerdict.CLOSE_RELATIVES: "close relatives",
    AuditVerdict.COPIES: "copies",
    AuditVerdict.CANT_TELL: "can't tell",
}
_NAMED = 3


def _copied_words(record: AuditRecord) -> str:
    copied = sorted((each for each in record.leans_on if each.copies), key=lambda each: -each.copies)
    names = ", ".join(each.file for each in copied[:_NAMED])
    more = f" and {len(copied) - _NAMED} more" if len(copied) > _NAMED else ""
    return f"{names}{more}"


def audit_words(record: AuditRecord) -> str:
    """Return the verdict of an audit and its grounds, in one or two sentences."""
    low, high = record.copy_rate_interval
    rate = f"{record.copy_rate:.0%} of {record.compared} samples are copies ({low:.0%} to {high:.0%})"
    match record.verdict:
        case AuditVerdict.CANT_TELL:
            return f"Takes: can't tell. {record.reason}".strip()
        case AuditVerdict.COPIES:
            return f"Takes: copies. {rate}, of {_copied_words(record)}."
        case AuditVerdict.CLOSE_RELATIVES:
            return f"Takes: close relatives of your sounds. {rate}."
    return f"Takes: new. {rate}."
