"""Dropped files, sorted by the card they belong to; a table tests it.

The modes of up to `MOST_AT_ONCE` files are read on the window's thread: some microseconds a file, but a share that no
longer answers holds the window up. More are sorted by a task.
"""

from __future__ import annotations

import os
import platform
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import unquote_to_bytes

from PySide6.QtCore import QUrl

from app.session.activity import Activity, Subject
from app.session.task import Task
from app.words import shown_name
from distill_core.audio.decoding.kinds import ARCHIVE_SUFFIXES, NEVER_SOUNDS, SOUND_SUFFIXES
from distill_core.events import OnEvent, ShouldStop

Target = Literal["model", "sounds", "window"]
MODEL_SUFFIXES = (".distill", ".sda")
ONLY_FILES = "Only files on this computer can be dropped."
MOST_AT_ONCE = 200
_LIKE_MODELS = frozenset({".pt", ".pth", ".ckpt", ".safetensors", ".onnx", ".bak"})
_ENCODED = QUrl.ComponentFormattingOption.FullyEncoded
_Kind = Literal["model", "folder", "sound", "unknown", "archive", "in_cloud", "other", "gone"]
_TAKEN_AS_SOUNDS = ("folder", "sound", "unknown")


@dataclass(frozen=True, slots=True)
class Refusal:
    """The reason why files are not taken, and the card to show it on."""

    target: Target
    message: str


@dataclass(frozen=True, slots=True)
class Drop:
    """A sorted drop: a model, sounds, or both; `passed_over` are the other files beside the sounds."""

    model: Path | None = None
    sounds: tuple[Path, ...] = ()
    passed_over: tuple[Path, ...] = ()
    refusals: tuple[Refusal, ...] = ()

    @property
    def refusal_of_model(self) -> str:
        """The refusal for the model's card, or ""; it shows that of a drop beside the cards too."""
        return next((refusal.message for refusal in reversed(self.refusals) if refusal.target != "sounds"), "")

    @property
    def refusal_of_sounds(self) -> str:
        """The refusal for the sounds' card, or ""."""
        return next((refusal.message for refusal in reversed(self.refusals) if refusal.target == "sounds"), "")

    @property
    def is_taken(self) -> bool:
        """Whether any file of it is taken."""
        return self.model is not None or bool(self.sounds)


def _is_here(url: QUrl) -> bool:
    if not url.isLocalFile() or not url.path().startswith("/"):
        return False
    return os.name == "nt" or url.host() in ("", "localhost", platform.node().lower())  # there, a host is a share


def file_of(url: QUrl) -> Path | None:
    """Return the file that a URL names, None if it is not on this computer, which some file managers name in it.

    A file's URL has no query and no fragment: they are the rest of a name in which ? or # was not escaped. Qt garbles a
    name that is not UTF-8.
    """
    if not _is_here(url):
        return None
    if os.name == "nt":
        return Path(url.toLocalFile())
    query = f"?{url.query(_ENCODED)}" if url.hasQuery() else ""
    fragment = f"#{url.fragment(_ENCODED)}" if url.hasFragment() else ""
    return Path(os.fsdecode(unquote_to_bytes(f"{url.path(_ENCODED)}{query}{fragment}")))


def _mode(path: Path) -> int | None:
    """Return a file's mode, 0 if it cannot be read, None if there is no such file."""
    try:
        return path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None
    except OSError:
        return 0


def is_gone(path: Path) -> bool:
    """Tell whether there is no such file; one that cannot be looked at may be there."""
    return _mode(path) is None


def _kind(path: Path) -> _Kind:
    """Return the kind of a file, by its name; its contents are checked when it is opened."""
    mode, suffix = _mode(path), path.suffix.lower()
    if mode is not None and stat.S_ISDIR(mode):
        return "folder"
    if suffix in MODEL_SUFFIXES:
        return "model"
    if mode is None:
        return "gone"
    if path.name.startswith("."):  # as in a folder: hidden files are passed over, but iCloud's stand for others
        return "in_cloud" if suffix == ".icloud" else "other"
    if suffix in ARCHIVE_SUFFIXES:
        return "archive"
    if suffix in NEVER_SOUNDS:
        return "other"
    return "sound" if suffix in SOUND_SUFFIXES else "unknown"


_SEVERAL: dict[tuple[str, str], str] = {
    ("archive", "model"): "These {0:,} files are archives: unpack them first, then drop the model.",
    ("archive", "sounds"): "These {0:,} files are archives: unpack them first, then drop the folders.",
    ("in_cloud", "model"): "These {0:,} files are in iCloud only: download them first, then drop them.",
    ("in_cloud", "sounds"): "These {0:,} files are in iCloud only: download them first, then drop them.",
    ("gone", "model"): "These {0:,} files are not there any more.",
    ("gone", "sounds"): "These {0:,} files are not there any more.",
    ("other", "model"): "None of these {0:,} files is a Distill model. Models end in .distill.",
    ("other", "sounds"): "None of these {0:,} files is a sound. Drop sounds, or folders of sounds.",
}
_ONE: dict[tuple[str, str], str] = {
    ("archive", "model"): "“{0}” is an archive: unpack it first, then drop the model.",
    ("archive", "sounds"): "“{0}” is an archive: unpack it first, then drop the folder.",
    ("in_cloud", "model"): "“{0}” is in iCloud only: download it first, then drop it.",
    ("in_cloud", "sounds"): "“{0}” is in iCloud only: download it first, then drop it.",
    ("gone", "model"): "“{0}” is not there any more.",
    ("gone", "sounds"): "“{0}” is not there any more.",
    ("hidden", "sounds"): "“{0}” is a hidden file, and those are passed over.",
    ("other", "model"): "“{0}” is not a Distill model. Models end in .distill.",
    ("other", "sounds"): "“{0}” is not a sound. Drop sounds, or folders of sounds.",
}


def _several(left: Sequence[Path], kinds: set[_Kind], card: Target) -> str:
    kind = next(iter(kinds)) if len(kinds) == 1 else "other"
    return (_SEVERAL.get((kind, card)) or _SEVERAL["other", card]).format(len(left))


def _one(path: Path, kind: _Kind, card: Target) -> str:
    why = "hidden" if kind == "other" and path.name.startswith(".") else kind
    return (_ONE.get((why, card)) or _ONE["other", card]).format(shown_name(path))


def _refuse(left: dict[Path, _Kind], target: Target) -> Refusal:
    """Return the refusal of files that are neither a model nor sounds."""
    like_models = all(path.suffix.lower() in _LIKE_MODELS for path in left)
    card: Target = "model" if target == "model" or (target == "window" and like_models) else "sounds"
    if len(left) > 1:
        return Refusal(card, _several(list(left), set(left.values()), card))
    ((path, kind),) = left.items()
    return Refusal(card, _one(path, kind, card))


def _can_be_scanned(path: Path) -> bool:
    """Tell whether a scan counts or names this file; a missing one without the name of a sound would end the scan."""
    return path.suffix.lower() in NEVER_SOUNDS | SOUND_SUFFIXES or path.name.startswith(".")


def sort(paths: Sequence[Path], target: Target) -> Drop:
    """Return the drop of files and folders; `target` is the place they fell on."""
    kinds = {path: _kind(path) for path in paths}
    models = [path for path, kind in kinds.items() if kind == "model"]
    sounds = tuple(path for path, kind in kinds.items() if kind in _TAKEN_AS_SOUNDS)
    if target == "model" and not models and all(kinds[path] == "unknown" for path in sounds):
        sounds = ()  # files of an unknown kind were meant as a model here
    taken = {*models, *sounds}
    left = {path: kind for path, kind in kinds.items() if path not in taken}
    refusals = [Refusal("model", "Drop one model at a time.")] if len(models) > 1 else []
    if left and not sounds:
        refusals.append(_refuse(left, "sounds" if models else target))
    return Drop(
        model=models[0] if len(models) == 1 else None,
        sounds=sounds,
        passed_over=tuple(filter(_can_be_scanned, left)) if sounds else (),
        refusals=tuple(refusals),
    )


def route(urls: Sequence[QUrl], target: Target) -> Drop:
    """Return the drop of URLs; `target` is the place they fell on."""
    files = [file for file in map(file_of, urls) if file is not None]
    if not files or len(files) < len(urls):
        return Drop(refusals=(Refusal(target, ONLY_FILES),))
    return sort(files, target)


def sorting(urls: Sequence[QUrl], target: Target) -> Task[Drop]:
    """Sort a drop of many files."""

    def run(on_event: OnEvent, should_stop: ShouldStop) -> Drop:
        return route(urls, target)

    return Task(Activity.WORKING, Subject.OTHER, run, lambda state, drop: (state, [("drop_sorted", drop)]))


class LastDrag:
    """The looks of the files that are held over the window, which are looked at once, wherever the pointer goes."""

    def __init__(self) -> None:
        self._urls: Sequence[QUrl] = ()
        self._looks: DragLooks | None = None

    def looks(self, urls: Sequence[QUrl]) -> DragLooks:
        """Return how the chips look."""
        if self._looks is None or urls != self._urls:
            self._urls, self._looks = urls, drag_looks(urls)
        return self._looks

    def forget(self) -> None:
        """Look again at the next ones: they were dropped, and files change."""
        self._urls, self._looks = (), None


def one_sound(urls: Sequence[QUrl]) -> Path | None:
    """Return the sound of a drop that is one file, otherwise None."""
    drop = route(urls, "sounds")
    if len(drop.sounds) != 1 or drop.passed_over or drop.model is not None:
        return None
    (sound,) = drop.sounds
    return sound if _kind(sound) in ("sound", "unknown") else None


@dataclass(frozen=True, slots=True)
class DragLooks:
    """How the chips look while files are held over the window: each file's own chip is lit, wherever they are."""

    model: Literal["none", "valid", "invalid"]
    sounds: Literal["none", "valid", "invalid"]


def drag_looks(urls: Sequence[QUrl]) -> DragLooks:
    """Return how the chips look while URLs are held over the window; of files that nothing takes, both warn.

    Only the first `MOST_AT_ONCE` are looked at: the drop itself tells of all.
    """
    drop = route(urls[:MOST_AT_ONCE], "window")
    if not drop.is_taken:
        return DragLooks("invalid", "invalid")
    model: Literal["none", "valid", "invalid"] = "none" if drop.model is None else "valid"
    return DragLooks("invalid" if drop.refusal_of_model else model, "valid" if drop.sounds else "none")
