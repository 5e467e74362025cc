"""One warm process that scans strange sounds one after the other, and reports what they did to it.

`python -m tests.soak.sound_door SOUNDS FIRST WANTED SECONDS FOLDER` writes ANSWER into the folder. The number and the
name of the sound under way stand in NOW there: a sound may end the process itself.
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
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
import soundfile
import torch

from distill_core import AudioDataset, DatasetError, scan, train_prior
from distill_core.audio.decoding.kinds import SOUND_SUFFIXES, UnreadableSoundError
from distill_core.audio.io import read_blocks
from distill_core.training.codec.train import train_codec
from tests.soak import awkward_cases
from tests.soak.awkward_cases import CASES, COUNTED, NOTED, SKIPPED, UNSEEN, USED, Case
from tests.soak.sound_mutations import SoundMutator
from tests.soak.sound_specimens import write_specimens

SEED = 20_261_201
ANSWER, NOW, PRINTED, FOREIGN = "answer.json", "now", "printed", "foreign"
_MODEL_RATE = 48_000
_MAX_BYTES, _HUNG_SECONDS = 1024**3, 60
_MUTATED_SECONDS, _AWKWARD_SECONDS, _TRAINING_SECONDS = 2.0, 30.0, 120.0
_KEPT_VIOLATIONS, _LONGEST_WORDS = 50, 300
AWKWARD = len(CASES) + 1  # and a training on all of them
_CODEC = {"max_epochs": 2, "codebook_size": 8, "num_quantizers": 2, "components": 8, "refiner_width": 8}
_PRIOR = {"max_epochs": 2, "hidden_size": 32, "num_layers": 1, "num_heads": 2, "variants": 0}


class NotSound(Exception):
    """A file was not answered as it must be; the message is how, a clause."""


@dataclass(frozen=True, slots=True)
class Trial:
    """A sound by its name, the door that it is let through, which tells whether it is used, and the most seconds."""

    name: str
    door: Callable[[], bool]
    most_seconds: float


Trials = Iterator[Trial]


def _check_numbers(path: Path) -> None:
    try:
        for block_T in read_blocks(path, _MODEL_RATE):
            if not block_T.isfinite().all():
                raise NotSound("it is used, and holds values that are not numbers")
    except UnreadableSoundError:
        raise NotSound("it was used, and is refused when it is read again") from None


def _check_named(path: Path, message: str) -> None:
    """Check that a refusal names the file; one found in a folder that is no sound by name or content is counted."""
    is_counted = path.suffix not in SOUND_SUFFIXES and "1 other file passed over" in message
    if path.name not in message and not is_counted:
        raise NotSound(f"it is refused without its name: {message}")


def _scan_alone(path: Path) -> bool:
    """Scan the folder of a file as the program does, decode the file if it is used, and return whether it is."""
    try:
        dataset = scan(path.parent)
    except DatasetError as error:
        _check_named(path, error.message)
        return False
    if len(dataset.files) != 1 or dataset.skipped:
        raise NotSound("it is not named once")
    _check_numbers(path)
    return True


def _scan_by_name(path: Path) -> bool:
    """Scan a file that a person names, decode it if it is used, and return whether it is."""
    try:
        scan(path)
    except DatasetError as error:
        if path.name not in error.message:
            raise NotSound("it is refused without its name") from None
        return False
    _check_numbers(path)
    return True


def _verdict(dataset: AudioDataset, name: str) -> str:
    files = [file for file in dataset.files if file.name != name]
    if len(files) + len(dataset.skipped) > 1:
        raise NotSound("it is not named once")
    if files:
        return NOTED if files[0].note else USED
    return SKIPPED if dataset.skipped else COUNTED if dataset.passed_over else UNSEEN


def _scan_case(case: Case, folder: Path) -> bool:
    """Write a case beside a good sound, scan both, and return whether the case is used."""
    folder.mkdir()
    case.write(folder)
    good = awkward_cases.write_good(folder)
    found = _verdict(scan(folder), good.name)
    if found not in case.verdicts:
        raise NotSound(f"it is {found}, and not {' or '.join(case.verdicts)}")
    return found in (USED, NOTED)


def _train(folder: Path) -> bool:
    """Train a codec on all cases, and a prior for it."""
    codec = train_codec(folder, _CODEC)
    codec.save(folder.with_name("model.distill"))
    prior = train_prior(folder.with_name("model.distill"), folder, _PRIOR, use_cache=False)
    if prior.prior is None:
        raise NotSound("nothing was learned from them")
    return True


def _believe(path: Path) -> bool:
    """Decode a file as a program does that takes the memory which the header asks for: the control."""
    try:
        with soundfile.SoundFile(os.fsencode(path)) as sound:
            sound.read(out=np.empty((sound.frames, sound.channels), np.float32))
    except soundfile.LibsndfileError:
        return False
    return True


def _mutations(folder: Path, first: int, door: Callable[[Path], bool], suffixes: tuple[str, ...] = ("",)) -> Trials:
    """Yield the mutated sounds from a number on, each alone in a folder."""
    for name in ("valid", "sounds"):
        (folder / name).mkdir(exist_ok=True)
    valid = [path for path in write_specimens(folder / "valid") if path.name.endswith(suffixes)]
    make, number = SoundMutator([(path.name, path.read_bytes()) for path in valid], SEED), first
    while True:
        name, content = make(number)
        path = folder / "sounds" / name
        path.write_bytes(content)
        try:
            yield Trial(f"mutation {number} of seed {SEED}, {name}", partial(door, path), _MUTATED_SECONDS)
        finally:
            path.unlink()
        number += 1


def _awkward(folder: Path, first: int) -> Trials:
    """Yield the awkward cases from a number on, each in a folder of its own, and a training on all of them."""
    (folder / "sounds").mkdir(exist_ok=True)
    for number, case in enumerate(CASES[first:], start=first):
        yield Trial(case.name, partial(_scan_case, case, folder / "sounds" / str(number)), _AWKWARD_SECONDS)
    yield Trial("a training on all of them", partial(_train, folder / "sounds"), _TRAINING_SECONDS)


def _awkward_believed(folder: Path, first: int) -> Trials:
    for number, case in enumerate(CASES[first:], start=first):
        place = folder / f"believed-{number}"
        place.mkdir()
        case.write(place)
        for path in filter(Path.is_file, place.iterdir()):
            yield Trial(case.name, partial(_believe, path), _AWKWARD_SECONDS)


def _foreign(folder: Path, first: int, door: Callable[[Path], bool]) -> Trials:
    for path in sorted((folder / FOREIGN).iterdir())[first:]:
        yield Trial(path.name, partial(door, path), _AWKWARD_SECONDS)


# libsndfile corrects the lengths of most formats by itself, so the control gets those alone in which it does not.
SOUNDS: dict[str, Callable[[Path, int], Trials]] = {
    "mutated": partial(_mutations, door=_scan_alone),
    "mutated, believed": partial(_mutations, door=_believe, suffixes=(".flac", ".mp3")),
    "awkward": _awkward,
    "awkward, believed": _awkward_believed,
    "foreign": partial(_foreign, door=_scan_by_name),
    "foreign, believed": partial(_foreign, door=_believe),
}


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

    def let(self, trial: Trial) -> None:
        """Let one sound through its door and note what it did."""
        started = _processor_seconds()
        signal.alarm(int(_HUNG_SECONDS + trial.most_seconds))
        try:
            self._tally.used += trial.door()
        except NotSound as error:
            self._tally.violate(f"{trial.name}: {error}")
        except Exception as error:  # noqa: BLE001 - whatever else comes out is what is looked for
            self._tally.violate(f"{trial.name}: {type(error).__name__}: {error}")
        signal.alarm(0)
        self._tally.done += 1
        self._weigh(trial, _processor_seconds() - started)

    def _weigh(self, trial: Trial, seconds: float) -> None:
        if trial.most_seconds < _TRAINING_SECONDS:
            self._tally.slowest_seconds = max(self._tally.slowest_seconds, seconds)
        if seconds > trial.most_seconds:
            self._tally.violate(f"{trial.name}: took {seconds:.1f} s")
        grown = max(_peak_bytes(resource.RUSAGE_SELF) - self._before, _peak_bytes(resource.RUSAGE_CHILDREN))
        if grown > max(_MAX_BYTES, self._tally.largest_bytes):
            self._tally.violate(f"{trial.name}: took {grown / 1e6:.0f} MB")
        self._tally.largest_bytes = max(self._tally.largest_bytes, grown)
        if (size := os.fstat(self._printed).st_size) > self._size:
            self._tally.violate(f"{trial.name}: something was printed into the standard output")
        self._size = size


def _bound_memory() -> None:
    """Let the system refuse twice what a sound may take, so that no lie of a header fills this computer's memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + 2 * _MAX_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def run(sounds: str, first: int, wanted: int, seconds: float, folder: Path) -> Tally:
    """Let sounds through their door from one number up to another, until the time is over or enough is wrong."""
    tally, until = Tally(), time.monotonic() + seconds
    watch, now = _Watch(tally, folder / PRINTED), os.open(folder / NOW, os.O_WRONLY | os.O_CREAT)
    trials = SOUNDS[sounds](folder, first)
    for number, trial in enumerate(islice(trials, wanted - first), start=first):
        os.pwrite(now, f"{number}\n{tally.used}\n{trial.name}".ljust(200).encode(), 0)
        watch.let(trial)
        if len(tally.violations) >= _KEPT_VIOLATIONS or time.monotonic() > until:
            break
    return tally


if __name__ == "__main__":
    torch.set_num_threads(1)
    if sys.platform == "linux":
        _bound_memory()
    place = Path(sys.argv[5])
    os.dup2(os.open(place / PRINTED, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND), 1)
    kind, (begin, end), limit = sys.argv[1], map(int, sys.argv[2:4]), float(sys.argv[4])
    found = run(kind, begin, end, limit, place)
    Path(place, ANSWER).write_text(json.dumps(asdict(found)))
