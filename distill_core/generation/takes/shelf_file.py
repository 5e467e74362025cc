"""Which model a shelf of takes belongs to: a small file in the shelf's folder. Read back, it is a stranger's.

A shelf belongs to the model at its path, as a run does, unless that is another model now by its `model_id`. A shelf
whose model is gone from its path belongs to the model with the same id: it was moved or renamed. The id alone would not
do: all copies of a model have it, each with a prior and takes of its own.
"""

from __future__ import annotations

import json
import os
import re
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from distill_core.errors import DistillError
from distill_core.files.replacing import flush_file, flush_folder, replace_file
from distill_core.files.temporaries import temporary_beside
from distill_core.folders import is_gone, takes_folder
from distill_core.generation.settings import is_whole
from distill_core.models.persistence import read_summary

_FILE, _FORMAT, _VERSION = "shelf.json", "distill_takes", 1
_SHELF_ID = re.compile("[0-9a-f]{32}")
_MOST_BYTES, _LONGEST_PATH, _LONGEST_ID, _LARGEST_NUMBER = 1 << 17, 32_768, 200, 999_999_999


@dataclass(frozen=True, slots=True)
class ShelfFile:
    """The model of a shelf, and the largest number that a take on it ever had."""

    model_path: str
    model_id: str
    last_number: int = 0

    @property
    def model(self) -> Path:
        """The model's path."""
        return Path(self.model_path)

    def with_number(self, number: int) -> ShelfFile:
        """Return these facts after a take of a number."""
        return replace(self, last_number=number)


def comparable(path: Path) -> str:
    """Return a path with all links followed, so that it compares; one that can't be followed stays as it is."""
    try:
        return os.path.normcase(path.resolve())
    except (OSError, RuntimeError, ValueError):
        return os.path.normcase(path)


def model_id(path: Path) -> str:
    """Return the id in a model file, "" if it has none or can't be read."""
    found: object = ""
    with suppress(DistillError):
        found = read_summary(path).metadata.get("model_id")
    return found[:_LONGEST_ID] if isinstance(found, str) else ""


def is_still_there(shelf: ShelfFile) -> bool:
    """Tell whether a shelf's model is at its path, and is not another one."""
    if is_gone(shelf.model):
        return False
    return not shelf.model_id or model_id(shelf.model) in ("", shelf.model_id)


def shelf_folders() -> list[Path]:
    """Return the folders of all shelves, readable or not."""
    try:
        return sorted(path for path in takes_folder().iterdir() if _SHELF_ID.fullmatch(path.name) and path.is_dir())
    except OSError:
        return []


def shelf_folder(shelf_id: str) -> Path | None:
    """Return the folder of a shelf, None if there is none of that id."""
    return next((folder for folder in shelf_folders() if folder.name == shelf_id), None)


def _checked(values: Any) -> ShelfFile | None:
    if values["format"] != _FORMAT or values["version"] != _VERSION:
        return None
    path, found_id, number = values["model_path"], values["model_id"], values["last_number"]
    is_path = isinstance(path, str) and 0 < len(path) <= _LONGEST_PATH
    is_id = isinstance(found_id, str) and len(found_id) <= _LONGEST_ID
    if not (is_path and is_id and is_whole(number, 0) and number <= _LARGEST_NUMBER):
        return None
    return ShelfFile(path, found_id, number)


def read_shelf_file(folder: Path) -> ShelfFile | None:
    """Return the facts of a shelf, None if they are damaged, gone, or a newer Distill's."""
    try:
        with (folder / _FILE).open("rb") as file:
            return _checked(json.loads(file.read(_MOST_BYTES)))
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return None


def write_shelf_file(folder: Path, facts: ShelfFile) -> None:
    """Write the facts of a shelf in one step; the caller holds the lock.

    Raises:
        OSError: they could not be written; the former ones are unchanged.
    """
    text = json.dumps({"format": _FORMAT, "version": _VERSION, **asdict(facts)})  # in ASCII, half characters too
    with temporary_beside(folder / _FILE) as temporary:
        with os.fdopen(os.dup(temporary.descriptor), "wb") as file:
            file.write(text.encode())
        flush_file(temporary.descriptor)
        temporary.close()
        replace_file(temporary.path, folder / _FILE)
    flush_folder(folder)


def find_shelf(model: Path) -> tuple[Path, ShelfFile] | None:
    """Return the folder of a model's shelf and its facts, None without one."""
    known = [(folder, facts) for folder in shelf_folders() if (facts := read_shelf_file(folder)) is not None]
    path, own_id = comparable(model), model_id(model)
    here = [pair for pair in known if comparable(pair[1].model) == path and _may_be(pair[1], own_id)]
    moved = [pair for pair in known if own_id and pair[1].model_id == own_id]
    found = here or [pair for pair in moved if not is_still_there(pair[1])]
    return max(found, key=lambda pair: (pair[1].model.name == model.name, pair[1].last_number), default=None)


def _may_be(facts: ShelfFile, own_id: str) -> bool:
    return not own_id or not facts.model_id or facts.model_id == own_id
