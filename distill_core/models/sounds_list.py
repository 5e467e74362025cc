"""The sounds that a model learned from, as its file lists them: written by trainings, read back as a stranger's."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

from distill_core.models.value_reader import known_number
from distill_core.text import LONGEST_NAME, printable

if TYPE_CHECKING:
    from distill_core.audio.dataset import AudioFile

SOUNDS = "sounds"  # the key, in `prior_metadata` and in `training_config`
# A dict takes 14 of the 160,000 steps that a file's list of contents may have: of more sounds, many share one text.
_MOST_SINGLE, _IN_ONE_TEXT, _MOST_SOUNDS, _LONGEST_TEXT = 1000, 100, 100_000, 1 << 20
_LONGEST_DIGEST, _LONGEST_S = 64, 1e9


@dataclass(frozen=True, slots=True)
class LearnedSound:
    """A sound of a training: its content's digest, its seconds, whether it was held out, its name or ""."""

    digest: str
    duration_s: float
    held_out: bool
    name: str = ""


@dataclass(frozen=True, slots=True)
class SoundsTotal:
    """The number of sounds, their seconds together, and the number of those that were held out."""

    count: int = 0
    seconds: float = 0.0
    held_out: int = 0


def _entry(file: AudioFile, is_held_out: bool, anonymous: bool) -> dict[str, Any]:
    entry = {"digest": file.digest, "duration_s": file.duration_s, "held_out": is_held_out}
    return entry if anonymous else entry | {"name": file.name}


def _packed(entries: Iterator[dict[str, Any]]) -> list[Any]:
    single = [*islice(entries, _MOST_SINGLE + 1)]
    if len(single) <= _MOST_SINGLE:
        return single
    left, texts = chain(single, entries), []
    while some := [*islice(left, _IN_ONE_TEXT)]:
        texts.append(json.dumps(some, ensure_ascii=False))
    return texts


def sounds_list(
    files: Sequence[AudioFile],
    trained_on: Collection[AudioFile],
    held_out: Collection[AudioFile],
    *,
    anonymous: bool,
) -> list[Any]:
    """Return the list of a training's sounds as a file holds it, in the order of `files`; `anonymous` names none.

    A single sound that is split in time is in both parts, and not held out. A file that could not be read is in none.
    """
    learned, aside = ({file.place for file in part} for part in (trained_on, held_out))
    used = (file for file in files if file.place in learned or file.place in aside)
    return _packed(_entry(file, file.place not in learned, anonymous) for file in used)


def _sound_of(value: object) -> LearnedSound | None:
    """Return the sound of an entry, None for one that no training writes."""
    if not isinstance(value, Mapping):
        return None
    digest, seconds, held_out = value.get("digest"), known_number(value.get("duration_s")), value.get("held_out")
    if not isinstance(digest, str) or not 0 < len(digest) <= _LONGEST_DIGEST:
        return None
    if seconds is None or not 0 <= seconds <= _LONGEST_S or not isinstance(held_out, bool):
        return None
    name = value.get("name")
    shown = printable(name, LONGEST_NAME) if isinstance(name, str) else ""
    return LearnedSound(printable(digest), seconds, held_out, shown)


def _unpacked(values: Sequence[Any]) -> Iterator[object]:
    for value in values:
        if isinstance(value, str) and len(value) <= _LONGEST_TEXT:
            found = json.loads(value)
            yield from found if isinstance(found, list) else ()
        else:
            yield value


def learned_sounds(facts: Mapping[str, Any] | None) -> tuple[LearnedSound, ...]:
    """Return the sounds that a file's `prior_metadata`, or its `training_config`, lists: all of them, or ().

    A file of an older Distill lists none, and a list with an impossible entry counts as none. Names are printable.
    """
    values = (facts or {}).get(SOUNDS)
    if not isinstance(values, list) or len(values) > _MOST_SOUNDS:
        return ()
    try:
        found = [_sound_of(value) for value in _unpacked(values)]
    except (ValueError, RecursionError):
        return ()
    known = tuple(sound for sound in found if sound is not None)
    return known if len(known) == len(found) <= _MOST_SOUNDS else ()


def total_of(sounds: Collection[LearnedSound]) -> SoundsTotal:
    """Return the number of sounds, their seconds, and how many of them were held out."""
    held_out = sum(sound.held_out for sound in sounds)
    return SoundsTotal(len(sounds), sum(sound.duration_s for sound in sounds), held_out)


def is_anonymous(facts: Mapping[str, Any] | None, settings: Mapping[str, Any] | None = None) -> bool:
    """Tell whether a training left the names of its sounds out, by its facts and its settings in a file."""
    if (settings or {}).get("anonymous") is True:
        return True
    sounds = learned_sounds(facts)
    return bool(sounds) and not any(sound.name for sound in sounds)
