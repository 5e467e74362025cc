"""The search for sounds in folders and among single files: the files to open, and those passed over by name."""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from distill_core.audio.decoding.kinds import ARCHIVE_SUFFIXES, NEVER_SOUNDS, SOUND_SUFFIXES, UnreadableSoundError
from distill_core.audio.decoding.sound import kind_of_file
from distill_core.errors import DatasetError
from distill_core.events import OnEvent, Phase, ProgressReporter, ShouldStop, SkippedFile, stop_point
from distill_core.text import printable


def readable(name: str) -> str:
    """Return a file's name as text that can be shown and saved."""
    return printable(os.fsencode(name).decode("utf-8", "replace"))


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' * (number != 1)}"


@dataclass(frozen=True, slots=True)
class PassedOver:
    """The number of files neither used nor named: in iCloud only, archives, and others."""

    in_cloud: int = 0
    archives: int = 0
    others: int = 0

    def __bool__(self) -> bool:
        return bool(self.in_cloud or self.archives or self.others)

    def __str__(self) -> str:
        """Return the numbers in a line of words, "" for none."""
        kinds = [(self.archives, "archive"), (self.others, "other file")]
        passed = " and ".join(_counted(number, noun) for number, noun in kinds if number)
        cloud = f"{_counted(self.in_cloud, 'file')} {'is' if self.in_cloud == 1 else 'are'} in iCloud only"
        return ", ".join([cloud] * bool(self.in_cloud) + [f"{passed} passed over"] * bool(passed))


NOTHING_PASSED_OVER = PassedOver()


@dataclass(slots=True)
class Search:
    """The findings of a search: files to open, by name, folders that could not be listed, and counts of the rest."""

    should_stop: ShouldStop
    progress: ProgressReporter
    sources: list[Path] = field(default_factory=list)  # without those passed over
    found: dict[str, str] = field(default_factory=dict)  # paths as text: 20,000 of them take 3 MB
    skipped: list[SkippedFile] = field(default_factory=list)
    _counts: Counter[str] = field(default_factory=Counter)  # by the names of `PassedOver`
    _entered: set[object] = field(default_factory=set)

    @property
    def passed_over(self) -> PassedOver:
        """The files passed over so far."""
        return PassedOver(**self._counts)

    def look_through(self, folder: Path, label: str) -> None:
        """Find the files in a folder and below it; `label` comes before their names."""
        failures: list[OSError] = []
        for root, folders, names in os.walk(folder, followlinks=True, onerror=failures.append):
            stop_point(self.should_stop)
            if _identity(root) in self._entered:  # links lead in circles, or one source lies in another
                folders.clear()
                continue
            self._entered.add(_identity(root))
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            way = label + Path(root).relative_to(folder).as_posix() + "/" if root != str(folder) else label
            for name in names:
                stop_point(self.should_stop)
                self._take(Path(root, name), way + name)
        for failure in failures:
            way = Path(os.fsdecode(failure.filename)).relative_to(folder).as_posix()
            self.skipped.append(SkippedFile(readable(label + way), _why_not_listed(failure)))

    def _take(self, path: Path, name: str) -> None:
        if not self.passes_over(path):
            self.found[str(path)] = readable(name)
            self.progress.update(len(self.found))

    def passes_over(self, path: Path) -> bool:
        """Tell whether a file is no sound by its name, and count it then."""
        suffix = path.suffix.lower()
        if path.name.startswith("."):  # hidden files are no content, except for iCloud's placeholders
            self._counts["in_cloud"] += path.name.endswith(".icloud")
        elif suffix in NEVER_SOUNDS:
            self._counts["archives" if suffix in ARCHIVE_SUFFIXES else "others"] += 1
        else:
            return False
        return True

    def add_file(self, path: Path, name: str) -> None:
        """Add a file that was itself named, unless a folder that was searched holds it."""
        if _identity(str(path.parent)) not in self._entered:
            self.found[str(path)] = readable(name)

    def count_if_no_sound(self, path: Path) -> bool:
        """Tell whether an unreadable file is no sound by its suffix and by its bytes, and count it then."""
        if path.suffix.lower() in SOUND_SUFFIXES:
            return False
        try:
            group = kind_of_file(path).group
        except UnreadableSoundError:
            group = ""
        if group in ("sound", "needs_ffmpeg"):
            return False
        self._counts["archives" if group == "archive" else "others"] += 1
        return True


def _identity(folder: str) -> object:
    """Return a value that is the same for a folder on every way to it through links."""
    try:
        status = os.stat(folder)
    except OSError:  # it has vanished since it was listed
        return folder
    return status.st_dev, status.st_ino


def _why_not_listed(failure: OSError) -> str:
    return "no permission to read this folder" if isinstance(failure, PermissionError) else "it could not be listed"


def _labels(sources: Sequence[Path]) -> dict[Path, str]:
    """Return each source's name, with as much of its path as sets it apart from the others."""
    parts = {source: source.absolute().parts for source in sources}
    labels: dict[Path, str] = {}
    for length in range(1, 1 + max(map(len, parts.values()), default=0)):
        labels = {source: "/".join(part[-length:]) for source, part in parts.items()}
        if len(set(labels.values())) == len(labels):
            break
    return labels


def _check_source(source: Path) -> None:
    name = readable(str(source))
    try:
        mode = source.stat().st_mode
    except PermissionError as error:
        raise DatasetError(f"There is no permission to read “{name}”.", "Choose another folder.") from error
    except (OSError, ValueError) as error:
        raise DatasetError(f"There is no folder or file “{name}”.", "Check the name, or choose another.") from error
    if stat.S_ISDIR(mode) and not os.access(source, os.R_OK | os.X_OK):
        raise DatasetError(f"There is no permission to read “{name}”.", "Choose another folder.")


def _is_sound_by_name(source: Path) -> bool:
    return source.suffix.lower() in SOUND_SUFFIXES


def _is_folder(source: Path) -> bool:
    """Tell whether there is a folder of that name, which may be an impossible one."""
    try:
        return stat.S_ISDIR(source.stat().st_mode)
    except (OSError, ValueError):
        return False


def search(sources: Sequence[Path], on_event: OnEvent, should_stop: ShouldStop) -> Search:
    """Search folders, all folders below them, and single files; their number so far is progress of an unknown total.

    With several sources, names begin with their source's name, single files that are no sounds by their names are
    counted, and a sound that is gone is left for the scan to skip.

    Raises:
        DatasetError: a source is missing or cannot be read.
        Stopped: `should_stop()` turned true.
    """
    progress = ProgressReporter(Phase.SCAN, 0, on_event)
    found, folders = Search(should_stop, progress), [source for source in sources if _is_folder(source)]
    for source in sources:
        is_one_of_many = len(sources) > 1 and source not in folders
        if is_one_of_many and found.passes_over(source):
            continue
        if not (is_one_of_many and _is_sound_by_name(source)):
            _check_source(source)
        found.sources.append(source)
    labels, files = _labels(found.sources), [source for source in found.sources if source not in folders]
    for folder in folders:
        found.look_through(folder, f"{labels[folder]}/" if len(found.sources) > 1 else "")
    for file in {os.path.realpath(file): file for file in files}.values():
        found.add_file(file, labels[file])
    return found
