"""The verdict on a take, whether it is a copy of a sound that its prior learned from; read back, it is a stranger's.

This module imports no torch: the window's words need it at once.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import PurePath
from typing import Any

from distill_core.generation.settings import is_whole
from distill_core.text import LONGEST_NAME, printable

_DIGEST, _SHOWN_DIGEST = re.compile("[0-9a-f]{32}"), 8
_LONGEST_S, _MOST_CODES, _MOST_SEMITONES, _ROUNDING = 1e6, 1_000_000_000, 12, 1e-6


class Copying(StrEnum):
    """The judgement of a take: new, nearer to a known sound than such sounds are to one another, a copy, or unknown."""

    NEW = "new"
    CLOSE_RELATIVE = "close_relative"
    COPY = "copy"
    CANT_TELL = "cant_tell"


@dataclass(frozen=True, slots=True)
class TakeVerdict:
    """What a take has in common with the sounds that its prior learned from, in the part that is nearest to one.

    `agreement` is the share of its active codes that agree with the nearest passage (AGR), `run` the longest run of
    active codes that agree (LVM), of `active`; `likeness` is the cosine of the log-mels (MEL). The passage begins in
    `file` (a digest where the training was anonymous) at `time_s`, `semitones` higher than the sound is; the part
    begins in the take at `begin_s` and is `part_s` seconds long. One that can't be told has no passage, and a `reason`
    in a sentence.
    """

    verdict: Copying
    agreement: float = 0.0
    run: int = 0
    active: int = 0
    likeness: float = 0.0
    file: str = ""
    time_s: float = 0.0
    semitones: int = 0
    begin_s: float = 0.0
    part_s: float = 0.0
    reason: str = ""

    def as_facts(self) -> dict[str, Any]:
        """Return plain values for a file."""
        return asdict(self) | {"verdict": self.verdict.value}


def sound_name(file: str) -> str:
    """Return the name of a sound without its folders, of an anonymous training the beginning of its digest."""
    return f"sound {file[:_SHOWN_DIGEST]}" if _DIGEST.fullmatch(file) else PurePath(file).name


def sound_stem(file: str) -> str:
    """Return the name of a sound without its ending."""
    return PurePath(sound_name(file)).stem


def copying_words(verdict: TakeVerdict) -> str:
    """Return a verdict in a few words: "new", "close to kick_07", "copy of kick_07", "can't tell"."""
    match verdict.verdict:
        case Copying.COPY:
            return f"copy of {sound_stem(verdict.file)}"
        case Copying.CLOSE_RELATIVE:
            return f"close to {sound_stem(verdict.file)}"
        case Copying.NEW:
            return "new"
    return "can't tell"


def _is_number(value: object, least: float, most: float) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and least <= value <= most


def read_verdict(facts: object) -> TakeVerdict | None:
    """Return the verdict in a take's facts, its texts made printable; None for none, or for values that cannot be."""
    if not isinstance(facts, Mapping) or set(facts) != set(TakeVerdict.__dataclass_fields__):
        return None
    shares = _is_number(facts["agreement"], 0, 1 + _ROUNDING) and _is_number(facts["likeness"], -1.001, 1.001)
    counts = all(is_whole(facts[name], 0) and facts[name] <= _MOST_CODES for name in ("run", "active"))
    times = all(_is_number(facts[name], 0, _LONGEST_S) for name in ("time_s", "begin_s", "part_s"))
    texts = all(isinstance(facts[name], str) for name in ("file", "reason"))
    shift = facts["semitones"]
    is_shift = isinstance(shift, int) and not isinstance(shift, bool) and abs(shift) <= _MOST_SEMITONES
    if not (shares and counts and times and texts and is_shift) or facts["verdict"] not in [*Copying]:
        return None
    named = {name: printable(facts[name], LONGEST_NAME) for name in ("file", "reason")}
    return TakeVerdict(**{**facts, **named, "verdict": Copying(facts["verdict"])})
