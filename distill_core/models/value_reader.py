"""Single values of a stranger's file: settings are refused in words if they are wrong, facts are unknown then."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from distill_core.errors import ModelFileError
from distill_core.files.refusals import DAMAGED_HINT

MAX_NAME = 64
_LARGEST_FACT = 1e300


def known_number(value: object) -> float | None:
    """Return a fact if it is a finite number, None for anything else."""
    if not isinstance(value, int | float) or isinstance(value, bool) or not abs(value) < _LARGEST_FACT:
        return None
    return float(value)


def known_numbers(value: object, below: float, most: int) -> list[float]:
    """Return a list of facts, at most so many; one that is no number, or not from 0 to `below`, is NaN."""
    if not isinstance(value, list):
        return []
    known = [known_number(fact) for fact in value[:most]]
    return [fact if fact is not None and 0 <= fact < below else math.nan for fact in known]


def rising_numbers(value: object, length: int, most: int) -> list[int]:
    """Return `length` whole numbers that rise from 1 or more to at most `most`; 1, 2, 3 … if a fact is none such."""
    found = [number for number in value[:length] if type(number) is int] if isinstance(value, list) else []
    rises = all(earlier < later for earlier, later in pairwise([0, *found]))
    are_numbers = len(found) == length and rises and (not found or found[-1] <= most)
    return found if are_numbers else [*range(1, length + 1)]


class ValueReader:
    """A reader of settings that refuses a wrong value in one sentence with the file's name.

    Each check raises `ModelFileError`.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def refuse(self, reason: str) -> ModelFileError:
        """Return the refusal for a reason, which is a clause."""
        return ModelFileError(f"“{self.name}” can't be opened: {reason}.", DAMAGED_HINT)

    def mapping(self, values: Mapping[str, Any], key: str) -> Mapping[str, Any]:
        """Return the dict under a key; its keys have to be texts."""
        value = values.get(key)
        if not isinstance(value, dict) or not all(isinstance(inner, str) for inner in value):
            raise self.refuse(f"it has no readable “{key}”")
        return value

    def integers(self, values: Mapping[str, Any], ranges: Mapping[str, tuple[int, int]]) -> None:
        """Check whole numbers against their ranges, both ends included."""
        for key, (low, high) in ranges.items():
            value = values.get(key)
            if type(value) is not int or not low <= value <= high:
                raise self.refuse(f"its {key} is not a whole number from {low} to {high}")

    def short_text(self, values: Mapping[str, Any], key: str) -> str:
        """Return the printable text under a key, of at most `MAX_NAME` letters."""
        value = values.get(key)
        if not isinstance(value, str) or not value.isprintable() or not 0 < len(value) <= MAX_NAME:
            raise self.refuse(f"its {key} is not a name")
        return value

    def number(self, values: Mapping[str, Any], key: str, low: float, high: float) -> None:
        """Check a number against its range, both ends included."""
        value: Any = values.get(key)
        if type(value) not in (int, float) or not low <= value <= high:  # NaN fails the comparison
            raise self.refuse(f"its {key} is not a number from {low:g} to {high:g}")
