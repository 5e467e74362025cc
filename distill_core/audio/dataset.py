"""The sounds of folders and files: the usable ones, the others with a reason, and the split for validation."""

from __future__ import annotations

import math
import os
import random
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, fields, replace
from hashlib import blake2b
from itertools import islice
from pathlib import Path
from typing import Any, TypeAlias

from distill_core.audio.decoding.kinds import UnreadableSoundError
from distill_core.audio.measure import measure_sound
from distill_core.audio.search import NOTHING_PASSED_OVER, PassedOver, readable, search
from distill_core.distributed import ALONE, Ranks
from distill_core.errors import DatasetError
from distill_core.events import OnEvent, Phase, ProgressReporter, ShouldStop, SkippedFile, ignore, never, stop_point

FORMAT_HINT = (
    "Distill reads WAV, AIFF, FLAC, MP3, OGG, Opus and more; M4A, WMA and the sound of videos where ffmpeg is "
    "installed."
)

_SENT_AT_ONCE = 256  # files of each rank, whose findings the others get together
Stamp: TypeAlias = bytes  # device, inode, bytes, nanoseconds of the last change; as numbers they take 3 MB of 20,000


@dataclass(frozen=True, slots=True)
class AudioFile:
    """A usable sound: its path as text, its name inside the folder, and the findings of decoding it.

    `channel` is the one to take if the mean of all cancels out; `note` is for a person to read; `digest` is the same
    for files with the same sound; `stamp` changes with the file, and is taken before decoding.
    """

    place: str  # the paths of 20,000 sounds take 3 MB as text, and 15 MB as objects
    name: str
    duration_s: float
    sample_rate: int
    channels: int
    digest: str
    channel: int | None = None
    note: str = ""
    stamp: Stamp | None = None

    @property
    def path(self) -> Path:
        """The path, as an object that is made now."""
        return Path(self.place)


@dataclass(frozen=True, slots=True)
class AudioDataset:
    """The sounds of folders and files (`sources`), in the order of their paths; `left_out` are the names of others.

    `total_duration_s` are the seconds of usable sound, `whole_seconds` those that `flat` computes with: silence fills
    each sound to whole ones. The window asks for them at every change of its state.
    """

    sources: tuple[Path, ...]
    files: tuple[AudioFile, ...]
    skipped: tuple[SkippedFile, ...] = ()
    passed_over: PassedOver = NOTHING_PASSED_OVER
    left_out: frozenset[str] = frozenset()
    total_duration_s: float = field(init=False, repr=False, compare=False)
    whole_seconds: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Add the seconds up once: there may be 20,000 sounds."""
        object.__setattr__(self, "total_duration_s", sum(file.duration_s for file in self.files))
        object.__setattr__(self, "whole_seconds", sum(math.ceil(file.duration_s) for file in self.files))

    @property
    def folder(self) -> Path:
        """The folder, or the first of several sources."""
        return self.sources[0]

    @property
    def name(self) -> str:
        """The first source's name and the number of others, as text that can be shown and saved."""
        first = readable(self.sources[0].resolve().name)
        return first if len(self.sources) == 1 else f"{first} and {len(self.sources) - 1} more"

    @property
    def sameness(self) -> str:
        """A sentence about files that all hold one sound, "" if they do not."""
        if len(self.files) < 2 or len({file.digest for file in self.files}) > 1:
            return ""
        return f"All {len(self.files)} files are one sound, so a low perplexity will say nothing about new sound."

    def without(self, names: Collection[str]) -> AudioDataset:
        """Return the dataset without the sounds of some names; names of no sound count for nothing.

        Raises:
            DatasetError: no sound would be left.
        """
        files = tuple(file for file in self.files if file.name not in names)
        if not files:
            raise DatasetError("One sound has to stay: there would be nothing to learn from.", "Leave out fewer.")
        left_out = self.left_out.union(file.name for file in self.files if file.name in names)
        return replace(self, files=files, left_out=left_out) if left_out != self.left_out else self


def _examine(path: Path, name: str, should_stop: ShouldStop) -> AudioFile:
    stamp = _stamp(path)
    seen = measure_sound(path, should_stop)
    facts = (seen.duration_s, seen.sample_rate, seen.channels, seen.digest, seen.channel, seen.note)
    return AudioFile(str(path), name, *facts, stamp)


def _findings(file: AudioFile) -> tuple[Any, ...]:
    """Return all fields but place and name, which each rank knows itself."""
    return tuple(getattr(file, each.name) for each in fields(file)[2:])


def _stamp(path: Path) -> Stamp | None:
    """Return a value that changes with the file, None if it can't be asked."""
    with suppress(OSError):
        status = path.stat()
        return f"{status.st_dev} {status.st_ino} {status.st_size} {status.st_mtime_ns}".encode()
    return None


def check_unchanged(file: AudioFile, should_stop: ShouldStop = never) -> None:
    """Check that a file is as the scan found it; only one with another stamp is read again.

    Raises:
        UnreadableSoundError: it can no longer be used, or holds another sound now.
        Stopped: `should_stop()` turned true.
    """
    if file.stamp is not None and _stamp(file.path) == file.stamp:
        return
    if _examine(file.path, file.name, should_stop).digest != file.digest:
        raise UnreadableSoundError("it has changed since the folder was scanned")


def _with_duplicate_notes(files: Sequence[AudioFile]) -> tuple[AudioFile, ...]:
    first_by_digest: dict[str, AudioFile] = {}
    noted = []
    for file in files:
        first = first_by_digest.setdefault(file.digest, file)
        if first is not file:
            file = replace(file, note="; ".join(filter(None, [file.note, f"the same sound as {first.name}"])))
        noted.append(file)
    return tuple(noted)


def _no_sounds(name: str, skipped: Sequence[SkippedFile], passed_over: PassedOver) -> DatasetError:
    also = f" ({passed_over})" if passed_over else ""
    if not skipped:
        return DatasetError(f"No sounds in “{name}”{also}.", FORMAT_HINT)
    listed = ", ".join(f"{file.name}: {file.reason}" for file in skipped[:3])
    more = f", and {len(skipped) - 3} more" if len(skipped) > 3 else ""
    counted = f"; {passed_over}" if passed_over else ""
    return DatasetError(f"No usable sound in “{name}” ({listed}{more}{counted}).", FORMAT_HINT)


def _verdict(path: Path, name: str, should_stop: ShouldStop) -> AudioFile | str:
    """Return a file's findings, or the reason why it cannot be used."""
    try:
        return _examine(path, name, should_stop)
    except UnreadableSoundError as error:
        return str(error)


def _parts_of(place: str) -> list[str]:
    """Return the folders of a path and its name: so paths are sorted, without an object for each of 20,000."""
    return os.path.normcase(place).split(os.sep)


def check_same(digest: str, ranks: Ranks) -> None:
    """Check by a digest that all machines have the same sounds.

    Raises:
        DatasetError: they do not.
    """
    if not ranks.have_same(digest):
        raise DatasetError("The sounds are not the same on all machines.", "Each needs them at the same path.")


def _verdicts(
    listed: Sequence[tuple[str, str]], on_event: OnEvent, should_stop: ShouldStop, ranks: Ranks
) -> Iterator[AudioFile | str]:
    """Yield a verdict on each file; each rank decodes a share of them.

    Raises:
        DatasetError: the files are not the same on all machines.
        Stopped: `should_stop()` turned true on some rank.
    """
    progress = ProgressReporter(Phase.SCAN, len(listed), on_event)

    def examine(number: int) -> Any:
        stop_point(should_stop)
        place, name = listed[number]
        verdict = _verdict(Path(place), name, should_stop)
        progress.update(number + 1)
        return verdict if isinstance(verdict, str) else _findings(verdict)

    names = "\0".join(name for _, name in listed).encode("utf-8", "replace")
    check_same(blake2b(names).hexdigest(), ranks)
    for (place, name), found in zip(listed, ranks.in_turn(len(listed), examine, _SENT_AT_ONCE), strict=True):
        yield found if isinstance(found, str) else AudioFile(place, name, *found)


def scan(
    *places: str | Path, on_event: OnEvent = ignore, should_stop: ShouldStop = never, ranks: Ranks = ALONE
) -> AudioDataset:
    """Decode once each sound in the folders, below them and among the files, and return the usable ones.

    Of several ranks each decodes a share of them.

    Raises:
        DatasetError: a source is missing or cannot be read, or there is no usable sound in any.
        Stopped: `should_stop()` turned true.
    """
    if not places:
        raise DatasetError("There is nowhere to look for sounds.", "Name a folder, or files.")
    wanted = tuple(dict.fromkeys(map(Path, places)))
    found = ranks.together(lambda: search(wanted, on_event, should_stop))
    files, listed = [], [(place, found.found[place]) for place in sorted(found.found, key=_parts_of)]
    for (place, name), verdict in zip(listed, _verdicts(listed, on_event, should_stop, ranks), strict=True):
        if isinstance(verdict, AudioFile):
            files.append(verdict)
        elif (path := Path(place)) in found.sources or not found.count_if_no_sound(path):
            found.skipped.append(SkippedFile(name, verdict))
    sources = tuple(found.sources) or wanted
    dataset = AudioDataset(sources, _with_duplicate_notes(files), tuple(found.skipped), found.passed_over)
    if not files:
        raise _no_sounds(dataset.name, dataset.skipped, dataset.passed_over)
    return dataset


def _groups_that_fit(groups: Sequence[list[int]], wanted: int) -> list[list[int]]:
    """Return groups with `wanted` members in all, or the nearest number below; early groups are preferred."""
    reachable = [1]  # after each group: bit n is set if some of the groups so far have n members together
    for group in groups:
        reachable.append((reachable[-1] | reachable[-1] << len(group)) & ((2 << wanted) - 1))
    total = reachable[-1].bit_length() - 1
    chosen = []
    for group, before in zip(reversed(groups), reversed(reachable[:-1]), strict=True):
        if not before >> total & 1:
            chosen.append(group)
            total -= len(group)
    return chosen


def _groups_of_copies(files: Sequence[AudioFile], near_copies: Iterable[Sequence[AudioFile]]) -> list[list[int]]:
    """Return the files' numbers in groups: those of one sound, and whole groups of near-copies."""
    known_as = {file.digest: file.digest for file in files}

    def first_of(digest: str) -> str:
        while known_as[digest] != digest:
            digest = known_as[digest]
        return digest

    for first, *others in near_copies:
        for other in others:
            known_as[first_of(other.digest)] = first_of(first.digest)
    groups: dict[str, list[int]] = {}
    for number, file in enumerate(files):
        groups.setdefault(first_of(file.digest), []).append(number)
    return [*groups.values()]


def groups_of_copies(
    files: Sequence[AudioFile], near_copies: Iterable[Sequence[AudioFile]] = ()
) -> list[tuple[AudioFile, ...]]:
    """Return the files in groups: those of one sound, and whole groups of near-copies, which may hang together."""
    return [tuple(files[number] for number in group) for group in _groups_of_copies(files, near_copies)]


def _torn(groups: Sequence[Sequence[int]], chosen: Collection[int], wanted: int) -> set[int]:
    """Return the chosen members and as many others as are wanted, though not all of their groups."""
    left = (index for group in groups for index in group if index not in chosen)
    return {*chosen, *islice(left, wanted - len(chosen))}


def split_numbers(
    files: Sequence[AudioFile],
    val_fraction: float,
    seed: int,
    near_copies: Iterable[Sequence[AudioFile]] | None = None,
) -> tuple[list[int], list[int]]:
    """Return the numbers of the files that `split_files` returns.

    Raises:
        DatasetError: there are fewer than two files.
    """
    if len(files) < 2:
        raise DatasetError("One sound cannot be split by file.", "Add at least one more sound.")
    wanted = min(len(files) - 1, max(1, round(len(files) * val_fraction)))
    groups = _groups_of_copies(files, near_copies or ())
    random.Random(seed).shuffle(groups)
    chosen = {index for group in _groups_that_fit(groups, wanted) for index in group}
    if near_copies is None or len(groups) == 1:
        chosen = _torn(groups, chosen, wanted)
    elif not chosen:
        chosen = {*min(groups, key=len)}
    return [index for index in range(len(files)) if index not in chosen], sorted(chosen)


def split_files(
    files: Sequence[AudioFile],
    val_fraction: float,
    seed: int,
    near_copies: Iterable[Sequence[AudioFile]] | None = None,
) -> tuple[tuple[AudioFile, ...], tuple[AudioFile, ...]]:
    """Split files into training and validation, the same for the same seed; copies of a sound stay together.

    The validation part is `max(1, round(n * val_fraction))` files and never all of them. If copies cannot stay together
    in so many, one group of them is parted; but with groups of `near_copies`, also with none, they all stay together
    and the part has fewer files, or as many as the smallest group. Only a set of one group is parted in any case.

    Raises:
        DatasetError: there are fewer than two files.
    """
    parts = split_numbers(files, val_fraction, seed, near_copies)
    train, validation = (tuple(files[index] for index in part) for part in parts)
    return train, validation
