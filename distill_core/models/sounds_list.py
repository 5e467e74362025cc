"""The sounds that a prior learned from, as its file lists them. Read back, the list is a stranger's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from distill_core.models.value_reader import known_number
from distill_core.text import LONGEST_NAME, printable

KEY = "sounds"


@dataclass(frozen=True, slots=True)
class LearnedSound:
    """A sound of a training: the digest of its samples, whether it was held out, and its name, "" if unknown."""

    digest: str
    duration_s: float
    held_out: bool
    name: str = ""


def _sound(value: Any) -> LearnedSound | None:
    if not isinstance(value, Mapping):
        return None
    digest, duration_s, held_out = value.get("digest"), known_number(value.get("duration_s")), value.get("held_out")
    if not isinstance(digest, str) or duration_s is None or not isinstance(held_out, bool):
        return None
    name = value.get("name", "")
    return LearnedSound(digest, duration_s, held_out, printable(name, LONGEST_NAME) if isinstance(name, str) else "")


def learned_sounds(prior_metadata: Mapping[str, Any]) -> tuple[LearnedSound, ...]:
    """Return the sounds of a prior's training in order, none for an older file, or a list that is no such one."""
    values = prior_metadata.get(KEY)
    found = [_sound(value) for value in values] if isinstance(values, list) else []
    return () if None in found else tuple(sound for sound in found if sound is not None)
