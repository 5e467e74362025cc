"""The name, the notes and the licence line of a model, as a person may change them: their rules, and where they lie.

The ancestor fails on an unknown key in `metadata`, and a new prior replaces `prior_metadata`: the licence line lies in
`training_config`, which the ancestor takes as it is and no save of ours touches.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping
from typing import Any

from distill_core.errors import ConfigError

MOST_NAME, MOST_NOTES, MOST_LICENCE = 200, 10_000, 200  # characters
NAME, NOTES = "name", "description"  # the keys of both in `metadata`
LICENCE = "licence"  # its key in `training_config`
_CONTROL = {"Cc", "Cs"}  # half a character cannot be written
_LINE_ENDS = {"Zl", "Zp"}


def name_obstacle(name: str) -> str:
    """Return why a model can't have this name, in a sentence, or ""."""
    if not name.strip():
        return "A model needs a name."
    if len(name) > MOST_NAME:
        return f"A name has at most {MOST_NAME} characters; this one has {len(name):,}."
    if any(unicodedata.category(char) in _CONTROL | _LINE_ENDS for char in name):
        return "A name is one line, without control characters."
    return ""


def notes_obstacle(notes: str) -> str:
    """Return why a model can't have these notes, in a sentence, or ""."""
    if len(notes) > MOST_NOTES:
        return f"Notes have at most {MOST_NOTES:,} characters; these have {len(notes):,}."
    if any(unicodedata.category(char) in _CONTROL for char in notes if char not in "\n\t"):
        return "Notes have no control characters."
    return ""


def licence_obstacle(licence: str) -> str:
    """Return why a model can't have this licence line, in a sentence, or ""; an empty line is none."""
    if len(licence) > MOST_LICENCE:
        return f"A licence line has at most {MOST_LICENCE} characters; this one has {len(licence):,}."
    if any(unicodedata.category(char) in _CONTROL | _LINE_ENDS for char in licence):
        return "A licence line is one line, without control characters."
    return ""


OBSTACLES: Mapping[str, Callable[[str], str]] = {NAME: name_obstacle, NOTES: notes_obstacle, LICENCE: licence_obstacle}


def check_changes(changes: Mapping[str, str]) -> None:
    """Check that a model can have this name, these notes and this licence line, or some of them.

    Raises:
        ConfigError: it can't; names the key and says why.
        ValueError: another key.
    """
    if unknown := set(changes) - set(OBSTACLES):
        raise ValueError(f"only name, notes and licence can be changed, not {', '.join(sorted(unknown))}")
    for key, text in changes.items():
        if obstacle := OBSTACLES[key](text):
            raise ConfigError(key, obstacle, "Nothing was changed.")


def _changed(part: Mapping[str, Any], changes: Mapping[str, str]) -> dict[str, Any]:
    """Return a part of a file's values with other texts; none but notes has space at its ends, and "" is no licence."""
    taken = {**part, **{key: text if key == NOTES else text.strip() for key, text in changes.items()}}
    return {key: value for key, value in taken.items() if key not in changes or key != LICENCE or value}


def with_changes(values: Mapping[str, Any], changes: Mapping[str, str]) -> dict[str, Any]:
    """Return the parts of a file's values that change, by their keys."""
    of_part = {
        "metadata": {key: text for key, text in changes.items() if key != LICENCE},
        "training_config": {key: text for key, text in changes.items() if key == LICENCE},
    }
    return {part: _changed(values[part], wanted) for part, wanted in of_part.items() if wanted}
