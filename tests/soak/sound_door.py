"""One warm process that scans strange sounds one after the other, and reports what they did to it.

`python -m tests.soak.sound_door DOOR FIRST WANTED SECONDS FOLDER` writes ANSWER into the folder. The number and
the name of the sound under way stand in NOW there: a sound may end the process itself.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import soundfile
import torch

from distill_core import DatasetError, scan
from distill_core.audio.decoding.kinds import UnreadableSoundError
from distill_core.audio.io import read_blocks
from tests.soak.sound_mutations import SoundMutator
from tests.soak.sound_specimens import write_specimens

SEED = 20_261_201
ANSWER, NOW, PRINTED = "answer.json", "now", "printed"
_MODEL_RATE = 48_000
_MAX_SECONDS, _MAX_BYTES, _HUNG_SECONDS = 2.0, 1024**3, 60
_KEPT_VIOLATIONS, _LONGEST_WORDS = 50, 300
Door = Callable[[Path], bool]


class NotSound(Exception):
    """A file was used, and what came of it is no sound."""


def _check_numbers(path: Path) -> None:
    for block_T in read_blocks(path, _MODEL_RATE):
        if not block_T.isfinite().all():
            raise NotSound("it is used, and holds values that are not numbers")


def our_door(path: Path) -> bool:
    """Scan the folder of a file as the program does, decode the file if it is used, and return whether it is.

    Raises:
        NotSound: the file is used and gives values that are no numbers, or is used and skipped at once or neither.
    """
    try:
        dataset = scan(path.parent)
    except DatasetError:
        return False
    if len(dataset.files) != 1 or dataset.skipped:
        raise NotSound("it is not named once")
    try:
        _check_numbers(path)
    except UnreadableSoundError:
        raise NotSound("it was used, and is refused when it is read again") from None
    return True


def believing_door(path: Path) -> bool:
    """Decode a file as a program does that takes the memory which the header asks for: the control."""
    try:
        with soundfile.SoundFile(path) as sound:
            sound.read(out=np.empty((sound.frames, sound.channels), np.float32))
    except soundfile.LibsndfileError:
        return False
    return True


# Each with the suffixes of the sounds that it gets: libsndfile corrects the lengths of most formats by itself.
DOORS: dict[str, tuple[Door, tuple[str, ...]]] = {
    "ours": (our_door, ("",)),
    "believing": (believing_door, (".flac", ".mp3")),
}


def _mutated(folder: Path, suffixes: tuple[str, ...], first: int, wanted: int) -> Iterator[tuple[str, Path]]:
    """Yield the mutated sounds of some numbers, each alone in a folder."""
    (folder / "valid").mkdir(exist_ok=True)
    (folder / "sounds").mkdir(exist_ok=True)
    valid = [path for path in write_specimens(folder / "valid") if path.name.endswith(suffixes)]
    make = SoundMutator([(path.name, path.read_bytes()) for path in valid], SEED)
    for number in range(first, wanted):
        name, content = make(number)
        path = folder / "sounds" / name
        path.write_bytes(content)
        try:
            yield f"mutation {number} of seed {SEED}, {name}", path
        finally:
            path.unlink()


@dataclass(slots=True)
class Tally:
    """What the sounds did: how many, how many were used, and every one that was not as it must be."""

    done: int = 0
    used: int = 0
    violations: list[str] = field(default_factory=list)
    slowest_seconds: float = 0.0
    largest_bytes: int = 0

    def violate(self, sentence: str) -> None:
        """Note a violation."""
        if len(self.violations) < _KEPT_VIOLATIONS:
            self.violations.append(sentence[:_LONGEST_WORDS])

    def add(self, other: Tally) -> None:
        """Add the sounds of another process."""
        self.done, self.used = self.done + other.done, self.used + other.used
        for violation in other.violations:
            self.violate(violation)
        self.slowest_seconds = max(self.slowest_seconds, other.slowest_seconds)
        self.largest_bytes = max(self.largest_bytes, other.largest_bytes)


def _processor_seconds() -> float:
    """Return the processor's time of this process and of the programs that it ran and that have ended."""
    usages = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def _peak_bytes(who: int) -> int:
    return 1024 * resource.getrusage(who).ru_maxrss


class _Watch:
    """Watches what one sound after the other takes: time, memory, and the standard output, which is a program's own."""

    def __init__(self, tally: Tally, printed: Path) -> None:
        self._tally, self._printed = tally, os.open(printed, os.O_RDONLY)
        self._before = _peak_bytes(resource.RUSAGE_SELF)
        self._size = 0

    def try_sound(self, name: str, path: Path, door: Door) -> None:
        """Let one sound through a door and note what it did."""
        started = _processor_seconds()
        signal.alarm(_HUNG_SECONDS)
        try:
            self._tally.used += door(path)
        except NotSound as error:
            self._tally.violate(f"{name}: {error}")
        except Exception as error:  # noqa: BLE001 - whatever else comes out is what is looked for
            self._tally.violate(f"{name}: {type(error).__name__}: {error}")
        signal.alarm(0)
        self._tally.done += 1
        self._weigh(name, _processor_seconds() - started)

    def _weigh(self, name: str, seconds: float) -> None:
        self._tally.slowest_seconds = max(self._tally.slowest_seconds, seconds)
        if seconds > _MAX_SECONDS:
            self._tally.violate(f"{name}: took {seconds:.1f} s")
        grown = max(_peak_bytes(resource.RUSAGE_SELF) - self._before, _peak_bytes(resource.RUSAGE_CHILDREN))
        if grown > max(_MAX_BYTES, self._tally.largest_bytes):
            self._tally.violate(f"{name}: took {grown / 1e6:.0f} MB")
        self._tally.largest_bytes = max(self._tally.largest_bytes, grown)
        if (size := os.fstat(self._printed).st_size) > self._size:
            self._tally.violate(f"{name}: something was printed into the standard output")
        self._size = size


def _bound_memory() -> None:
    """Let the system refuse twice what a sound may take, so that no lie of a header fills this computer's memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + 2 * _MAX_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def run(which: str, first: int, wanted: int, seconds: float, folder: Path) -> Tally:
    """Let the mutated sounds of some numbers through a door until the time is over, or enough is wrong."""
    (door, suffixes), tally, until = DOORS[which], Tally(), time.monotonic() + seconds
    watch, now = _Watch(tally, folder / PRINTED), os.open(folder / NOW, os.O_WRONLY | os.O_CREAT)
    sounds = _mutated(folder, suffixes, first, wanted)
    for number, (name, path) in enumerate(sounds, start=first):
        os.pwrite(now, f"{number}\n{tally.used}\n{name}".ljust(200).encode(), 0)
        watch.try_sound(name, path, door)
        if len(tally.violations) >= _KEPT_VIOLATIONS or time.monotonic() > until:
            break
    sounds.close()
    return tally


if __name__ == "__main__":
    torch.set_num_threads(1)
    if sys.platform == "linux":
        _bound_memory()
    place = Path(sys.argv[5])
    os.dup2(os.open(place / PRINTED, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND), 1)
    which, (begin, end), limit = sys.argv[1], map(int, sys.argv[2:4]), float(sys.argv[4])
    found = run(which, begin, end, limit, place)
    Path(place, ANSWER).write_text(json.dumps(asdict(found)))
