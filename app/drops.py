"""What was dropped, and where it belongs: pure, table-tested."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import unquote_to_bytes

from PySide6.QtCore import QUrl

from app.words import shown_name

Target = Literal["model", "sounds", "window"]
MODEL_SUFFIXES = (".distill", ".sda")
_SOUND_SUFFIXES = frozenset(
    [".wav", ".aif", ".aiff", ".flac", ".ogg", ".opus", ".mp3", ".m4a", ".caf", ".au", ".w64", ".aac", ".wma"]
)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a drop is not taken; `folder` is what may be offered instead."""

    target: Target
    message: str
    folder: Path | None = None


@dataclass(frozen=True, slots=True)
class Drop:
    """What a drop means: a model, a folder, or one of each; or why not."""

    model: Path | None = None
    folder: Path | None = None
    refusal: Refusal | None = None


def _path(url: QUrl) -> Path:
    """Return the file that a URL names; Qt garbles a name that is not UTF-8."""
    text = url.toLocalFile()
    if "\ufffd" not in text:
        return Path(text)
    return Path(os.fsdecode(unquote_to_bytes(url.path(QUrl.ComponentFormattingOption.FullyEncoded))))


def _refuse(target: Target, message: str, folder: Path | None = None) -> Drop:
    return Drop(refusal=Refusal(target, message, folder))


def _route_one(path: Path, target: Target) -> Drop:
    if path.is_dir():
        return Drop(folder=path)
    suffix = path.suffix.lower()
    if suffix in MODEL_SUFFIXES:
        return Drop(model=path)
    if not path.exists():
        return _refuse(target, f"“{shown_name(path)}” is not there any more.")
    if target != "model" and suffix in _SOUND_SUFFIXES:
        return _sounds_refusal(path.parent)
    where: Target = "model" if target != "sounds" else "sounds"
    if target == "sounds":
        return _refuse(where, f"“{shown_name(path)}” is not a folder. Drop the folder that your sounds are in.")
    return _refuse(where, f"“{shown_name(path)}” is not a Distill model. Models end in .distill.")


def _sounds_refusal(folder: Path) -> Drop:
    return _refuse("sounds", "Drop the folder these sounds are in.", folder)


def _route_two(paths: Sequence[Path]) -> Drop | None:
    folders = [path for path in paths if path.is_dir()]
    models = [path for path in paths if not path.is_dir() and path.suffix.lower() in MODEL_SUFFIXES]
    if len(paths) == 2 and len(folders) == len(models) == 1:
        return Drop(model=models[0], folder=folders[0])
    return None


def route(urls: Sequence[QUrl], target: Target) -> Drop:
    """Return what to do with dropped URLs; `target` is where they fell, and only matters for refusals."""
    if not urls or not all(url.isLocalFile() for url in urls):
        return _refuse(target, "Only files on this computer can be dropped.")
    paths = [_path(url) for url in urls]
    if len(paths) == 1:
        return _route_one(paths[0], target)
    both = _route_two(paths)
    if both is not None:
        return both
    parents = {path.parent for path in paths}
    if len(parents) == 1 and all(path.suffix.lower() in _SOUND_SUFFIXES and not path.is_dir() for path in paths):
        return _sounds_refusal(parents.pop())
    return _refuse(target, "Drop one model, one folder, or one of each.")


def can_accept(urls: Sequence[QUrl]) -> bool:
    """Tell quickly, while something is dragged over the window, whether it looks usable."""
    return route(urls, "window").refusal is None
