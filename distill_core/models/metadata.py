"""The name and the notes of a model, as a person may change them: the rules for both, and how a dict takes them."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from typing import Any

from distill_core.errors import ConfigError

MOST_NAME, MOST_NOTES = 200, 10_000  # characters
NAME, NOTES = "name", "description"  # the keys of both in `metadata`
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


_OBSTACLES = {NAME: name_obstacle, NOTES: notes_obstacle}


def check_changes(changes: Mapping[str, str]) -> None:
    """Check that a model can have this name, these notes, or both.

    Raises:
        ConfigError: it can't; names the key and says why.
        ValueError: another key than those of name and notes.
    """
    if unknown := set(changes) - set(_OBSTACLES):
        raise ValueError(f"only name and notes can be changed, not {', '.join(sorted(unknown))}")
    for key, text in changes.items():
        if obstacle := _OBSTACLES[key](text):
            raise ConfigError(key, obstacle, "Nothing was changed.")


def with_changes(metadata: Mapping[str, Any], changes: Mapping[str, str]) -> dict[str, Any]:
    """Return a file's metadata with a new name, new notes, or both; a name has no space at its ends."""
    taken = {key: text.strip() if key == NAME else text for key, text in changes.items()}
    return {**metadata, **taken}
