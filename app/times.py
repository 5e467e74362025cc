"""Lengths of time and moments in words: the one set of them for the whole window."""

from __future__ import annotations

from datetime import datetime, timedelta

_MINUTE, _HOUR = 60.0, 3600.0
_IN_MINUTES_UNTIL = 90 * _MINUTE


# Lengths


def duration(seconds: float) -> str:
    """Return "12 s", "3 min 12 s" or "2 h 5 min"."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def clock(seconds: float) -> str:
    """Return a duration as 2:14 or 1:02:14."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def length(seconds: float) -> str:
    """Return the length of sound: 0.8 s, 5 s, 1:05 or 1:02:14."""
    return f"{seconds:.1f} s".replace(".0 s", " s") if seconds < _MINUTE else clock(seconds)


def position(seconds: float, *, is_fine: bool = False) -> str:
    """Return a place in a sound as 0:02, or 0:02.5; time that has not passed does not count."""
    tenths = int(10 * max(0.0, seconds) + 1e-6)
    minutes, rest = divmod(tenths, 600)
    return f"{minutes}:{rest // 10:02d}{f'.{rest % 10}' if is_fine else ''}"


# Estimates


def rough_duration(seconds: float) -> str:
    """Return "a few seconds", "about 40 seconds", "about 6 minutes" or "about 2 hours"."""
    if seconds < 10:
        return "a few seconds"
    if seconds < 55:
        return f"about {10 * round(seconds / 10)} seconds"
    if seconds < _IN_MINUTES_UNTIL:
        minutes = max(1, round(seconds / _MINUTE))
        return "about 1 minute" if minutes == 1 else f"about {minutes} minutes"
    return f"about {round(seconds / _HOUR)} hours"


def _unit(most: float) -> tuple[float, str]:
    return (_MINUTE, "min") if most < _IN_MINUTES_UNTIL else (_HOUR, "h")


def range_words(least: float, most: float) -> str:
    """Return "under a minute", "about 4 min", "1–4 min" or "2–3 h"."""
    if most < _MINUTE:
        return "under a minute"
    unit, name = _unit(most)
    first, last = (max(1, round(seconds / unit)) for seconds in (least, most))
    return f"about {last} {name}" if first == last else f"{first}–{last} {name}"


def time_left_words(least: float, most: float) -> str:
    """Return the range of seconds that is left: "3–6 min left", "less than a minute left"."""
    if most < _MINUTE:
        return "less than a minute left"
    unit, name = _unit(most)
    first, last = round(least / unit), max(1, round(most / unit))
    if unit == _HOUR and _MINUTE <= least < _IN_MINUTES_UNTIL:
        return f"{round(least / _MINUTE)} min to {last} h left"
    if first < 1 or (unit == _HOUR and least < _MINUTE):
        return f"up to {last} {name} left"
    return f"{last} {name} left" if first == last else f"{first}–{last} {name} left"


# Moments


def local_moment(text: object) -> datetime | None:
    """Return a moment in ISO format in the time of this place, None for what is none."""
    try:
        return datetime.fromisoformat(str(text)).astimezone()
    except (ValueError, OverflowError, OSError):
        return None


def date(moment: datetime) -> str:
    """Return "3 Oct 2026"."""
    return f"{moment.day} {moment:%b %Y}"


def day_words(moment: datetime | None, now: datetime) -> str:
    """Return a moment as "today, 14:20", "yesterday" or "3 Oct 2026"; "" for none."""
    if moment is None:
        return ""
    then = moment.astimezone(now.tzinfo)
    if then.date() == now.date():
        return f"today, {then:%H:%M}"
    return "yesterday" if then.date() == (now - timedelta(days=1)).date() else date(then)


def time_words(moment: datetime | None, now: datetime) -> str:
    """Return a moment as short as today lets it be: 14:05, 26 Nov 14:05 or 26 Nov 2025; "" for none."""
    if moment is None:
        return ""
    if moment.date() == now.date():
        return f"{moment:%H:%M}"
    return f"{moment.day} {moment:%b %H:%M}" if moment.year == now.year else date(moment)
