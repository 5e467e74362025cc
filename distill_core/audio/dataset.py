"""A folder of sounds: which are usable, which are not and why, and which are kept for validation."""

from __future__ import annotations

import math
import os
import random
import stat
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TypeAlias

from distill_core.audio.io import UnreadableSoundError
from distill_core.audio.measure import measure_sound
from distill_core.errors import DatasetError
from distill_core.events import OnEvent, ProgressReporter, ShouldStop, SkippedFile, ignore, never, stop_point
from distill_core.text import printable

_READABLE = (
    "wav wave bwf aif aiff aifc flac ogg oga opus mp3 mp2 au snd caf w64 rf64 voc sf ircam nist sph svx 8svx iff avr"
    " paf fap pvf xi sd2 sds htk wve"
)
_UNSUPPORTED = "m4a aac wma ape wv mka tta mpc dsf dff ac3 amr ra 3gp mp4 webm"
READABLE_SUFFIXES = frozenset(f".{word}" for word in _READABLE.split())
UNSUPPORTED_SUFFIXES = frozenset(f".{word}" for word in _UNSUPPORTED.split())
FORMAT_HINT = "Distill reads WAV, AIFF, FLAC, MP3, OGG, Opus and whatever else libsndfile knows."


Stamp: TypeAlias = tuple[int, int, int, int]  # device, inode, bytes, nanoseconds of the last change


def _readable(name: str) -> str:
    """Return a file's name as text that can be shown and saved."""
    return printable(os.fsencode(name).decode("utf-8", "replace"))


@dataclass(frozen=True, slots=True)
class AudioFile:
    """A usable sound: its path, its name inside the folder, and what decoding it showed.

    `channel` is the one to take where the mean of all cancels out; `note` says what a person should know;
    `digest` is the same for files that hold the same sound; `peak` is the largest absolute value of its mono sum;
    `stamp` changes with the file, and is taken before it is decoded.
    """

    path: Path
    name: str
    duration_s: float
    sample_rate: int
    channels: int
    digest: str
    channel: int | None = None
    note: str = ""
    peak: float = 1.0
    stamp: Stamp | None = None


@dataclass(frozen=True, slots=True)
class AudioDataset:
    """The sounds of a folder, in the order of their names."""

    folder: Path
    files: tuple[AudioFile, ...]
    skipped: tuple[SkippedFile, ...] = ()

    @property
    def name(self) -> str:
        """The folder's name, as text that can be shown and saved."""
        return _readable(self.folder.resolve().name)

    @property
    def total_duration_s(self) -> float:
        """Seconds of usable sound."""
        return sum(file.duration_s for file in self.files)

    @property
    def sameness(self) -> str:
        """What to know of files that all hold one sound, in a sentence, or ""."""
        if len(self.files) < 2 or len({file.digest for file in self.files}) > 1:
            return ""
        return f"All {len(self.files)} files are one sound, so a low perplexity will say nothing about new sound."

    @property
    def whole_seconds(self) -> int:
        """Seconds that `flat` computes with: each sound is filled with silence to whole ones."""
        return sum(math.ceil(file.duration_s) for file in self.files)


def _examine(path: Path, name: str, should_stop: ShouldStop) -> AudioFile:
    if path.suffix.lower() in UNSUPPORTED_SUFFIXES:
        raise UnreadableSoundError(f"{path.suffix[1:].upper()} can't be read; convert it to WAV or FLAC")
    stamp = _stamp(path)
    seen = measure_sound(path, should_stop)
    facts = (seen.duration_s, seen.sample_rate, seen.channels, seen.digest, seen.channel, seen.note, seen.peak)
    return AudioFile(path, name, *facts, stamp)


def _stamp(path: Path) -> Stamp | None:
    """Return what changes with a file, None where nothing tells."""
    with suppress(OSError):
        status = path.stat()
        return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns
    return None


def check_unchanged(file: AudioFile, should_stop: ShouldStop = never) -> None:
    """Compare a file to what the scan found; one whose stamp is another is read again.

    Raises:
        UnreadableSoundError: it cannot be used any more, or holds another sound now.
        Stopped: `should_stop()` turned true.
    """
    if file.stamp is not None and _stamp(file.path) == file.stamp:
        return
    if _examine(file.path, file.name, should_stop).digest != file.digest:
        raise UnreadableSoundError("it has changed since the folder was scanned")


def _looks_like_sound(name: str) -> bool:
    suffix = os.path.splitext(name)[1].lower()
    return not name.startswith(".") and suffix in READABLE_SUFFIXES | UNSUPPORTED_SUFFIXES


def _identity(folder: str) -> object:
    """Return what is the same for a folder by whatever links it was reached."""
    try:
        status = os.stat(folder)
    except OSError:  # it vanished while it was listed
        return folder
    return status.st_dev, status.st_ino


def _find_sounds(folder: Path, should_stop: ShouldStop) -> tuple[list[Path], list[SkippedFile]]:
    """Return every file that looks like a sound, hidden ones left out, and the folders that could not be listed."""
    found: list[Path] = []
    failures: list[OSError] = []
    entered = set()
    for root, folders, names in os.walk(folder, followlinks=True, onerror=failures.append):
        stop_point(should_stop)
        if _identity(root) in entered:  # links lead in circles
            folders.clear()
            continue
        entered.add(_identity(root))
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found.extend(Path(root, name) for name in names if _looks_like_sound(name))
    return sorted(found), [_skipped_folder(failure, folder) for failure in failures]


def _skipped_folder(failure: OSError, folder: Path) -> SkippedFile:
    reason = "no permission to read this folder" if isinstance(failure, PermissionError) else "it could not be listed"
    return SkippedFile(_display_name(Path(os.fsdecode(failure.filename)), folder), reason)


def _display_name(path: Path, folder: Path) -> str:
    return _readable(path.relative_to(folder).as_posix())


def _check_folder(folder: Path) -> None:
    name = _readable(str(folder))
    try:
        is_folder = stat.S_ISDIR(folder.stat().st_mode)
    except PermissionError as error:
        raise DatasetError(f"There is no permission to read “{name}”.", "Choose another folder.") from error
    except (OSError, ValueError) as error:
        raise DatasetError(f"There is no folder “{name}”.", "Check the name, or choose another folder.") from error
    if not is_folder:
        raise DatasetError(f"“{name}” is a file, not a folder.", "Choose the folder that the sounds are in.")
    if not os.access(folder, os.R_OK | os.X_OK):
        raise DatasetError(f"There is no permission to read “{name}”.", "Choose another folder.")


def _with_duplicate_notes(files: Sequence[AudioFile]) -> tuple[AudioFile, ...]:
    first_by_digest: dict[str, AudioFile] = {}
    noted = []
    for file in files:
        first = first_by_digest.setdefault(file.digest, file)
        note = "" if first is file else f"the same sound as {first.name}"
        noted.append(replace(file, note="; ".join(filter(None, [file.note, note]))))
    return tuple(noted)


def _no_sounds(folder: Path, skipped: Sequence[SkippedFile]) -> DatasetError:
    name = _readable(folder.resolve().name)
    if not skipped:
        return DatasetError(f"No sounds in “{name}”.", FORMAT_HINT)
    listed = ", ".join(f"{file.name}: {file.reason}" for file in skipped[:3])
    more = f", and {len(skipped) - 3} more" if len(skipped) > 3 else ""
    return DatasetError(f"No usable sound in “{name}” ({listed}{more}).", FORMAT_HINT)


def scan(folder: str | Path, *, on_event: OnEvent = ignore, should_stop: ShouldStop = never) -> AudioDataset:
    """Decode every sound below a folder once and say which are usable.

    Raises:
        DatasetError: the folder is missing, cannot be read or holds no usable sound.
        Stopped: `should_stop()` turned true.
    """
    folder = Path(folder)
    _check_folder(folder)
    paths, skipped = _find_sounds(folder, should_stop)
    progress = ProgressReporter("scan", len(paths), on_event)
    files = []
    for done, path in enumerate(paths, start=1):
        stop_point(should_stop)
        name = _display_name(path, folder)
        try:
            files.append(_examine(path, name, should_stop))
        except UnreadableSoundError as error:
            skipped.append(SkippedFile(name, str(error)))
        progress.update(done)
    if not files:
        raise _no_sounds(folder, skipped)
    return AudioDataset(folder, _with_duplicate_notes(files), tuple(skipped))


def _groups_that_fit(groups: Sequence[list[int]], wanted: int) -> list[list[int]]:
    """Return groups with `wanted` members together, or as many below as there can be; early ones are preferred."""
    reachable = [1]  # after each group: bit n is set where some of the groups so far have n members together
    for group in groups:
        reachable.append((reachable[-1] | reachable[-1] << len(group)) & ((2 << wanted) - 1))
    total = reachable[-1].bit_length() - 1
    chosen = []
    for group, before in zip(reversed(groups), reversed(reachable[:-1]), strict=True):
        if not before >> total & 1:
            chosen.append(group)
            total -= len(group)
    return chosen


def split_files(
    files: Sequence[AudioFile], val_fraction: float, seed: int
) -> tuple[tuple[AudioFile, ...], tuple[AudioFile, ...]]:
    """Split files into training and validation, the same for the same seed; copies of a sound stay together.

    The validation part is `max(1, round(n * val_fraction))` files and never all of them.

    Raises:
        DatasetError: there are fewer than two files.
    """
    if len(files) < 2:
        raise DatasetError("One sound cannot be split by file.", "Add at least one more sound.")
    wanted = min(len(files) - 1, max(1, round(len(files) * val_fraction)))
    copies: dict[str, list[int]] = {}
    for index, file in enumerate(files):
        copies.setdefault(file.digest, []).append(index)
    groups = list(copies.values())
    random.Random(seed).shuffle(groups)
    chosen = {index for group in _groups_that_fit(groups, wanted) for index in group}
    left = (index for group in groups for index in group if index not in chosen)
    chosen.update(islice(left, wanted - len(chosen)))  # only where copies cannot be kept together
    validation = tuple(file for index, file in enumerate(files) if index in chosen)
    return tuple(file for index, file in enumerate(files) if index not in chosen), validation
