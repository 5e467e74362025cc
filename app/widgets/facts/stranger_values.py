"""Values of a file that a stranger may have written: one of the wrong kind or size is unknown."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from PySide6.QtCore import QDateTime, QLocale

from distill_core.text import printable

_LARGEST = 1e19  # a seed may be anything below 2**63
_LONGEST_TEXT = 2000


def number(values: Mapping[str, Any], key: str) -> float | None:
    """Return a finite number of sensible size, or None."""
    return as_number(values.get(key))


def as_number(value: object) -> float | None:
    """Return a value as a number, or None if it is none, not finite or absurdly large."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not -_LARGEST < value < _LARGEST:
        return None  # NaN fails the comparison
    return float(value)


def above_zero(values: Mapping[str, Any], key: str) -> float | None:
    """Return a number above 0, or None: the format writes 0 for unknown."""
    value = number(values, key)
    return value if value is not None and value > 0 else None


def count(values: Mapping[str, Any], key: str, least: int = 1) -> int | None:
    """Return a whole number of at least `least`, or None."""
    value = values.get(key)
    return value if as_number(value) is not None and isinstance(value, int) and value >= least else None


def text(values: Mapping[str, Any], key: str) -> str:
    """Return a text on one line without invisible characters, "" if it is none."""
    value = values.get(key)
    return one_line(value) if isinstance(value, str) else ""


def one_line(value: str) -> str:
    """Return a text on one line, with U+FFFD for characters that are invisible or turn the writing direction."""
    return printable(" ".join(value[: 2 * _LONGEST_TEXT].split()), _LONGEST_TEXT)


def mapping(values: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """Return an inner dict, an empty one if it is none."""
    value = values.get(key)
    return value if isinstance(value, dict) else {}


def date(values: Mapping[str, Any], key: str) -> str:
    """Return an ISO 8601 date in local time as in `local_date`, "" if it is none."""
    try:
        moment = datetime.fromisoformat(text(values, key))
        return local_date((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
    except (ValueError, OverflowError, OSError):
        return ""


def local_date(seconds: float) -> str:
    """Return a moment, in seconds since 1970, in local time as "22 Nov 2026, 23:07"."""
    return QLocale().toString(QDateTime.fromSecsSinceEpoch(int(seconds)), "d MMM yyyy, HH:mm")
