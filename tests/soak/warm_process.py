"""One warm process that opens wrong files one after the other, and tells what they did to it.

`python -m tests.soak.warm_process HARNESS WANTED SECONDS FOLDER` prints one JSON object. What it is doing stands in
FOLDER/now, for a file may end the process itself.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import time
import zipfile
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from random import Random

import torch

import distill_core.device  # noqa: F401  (before torch computes anything)
from distill_core import ModelFileError, load_model_v2, read_summary
from distill_core.cli.inspect import _facts
from distill_core.files.zip_container import read_container
from distill_core.models.persistence import LoadedVQModel
from tests.soak.attacks import attacks
from tests.soak.mutations import Mutator
from tests.soak.specimen import read_specimen, write_small_klt_model, write_small_model

SEED = 20_261_124
MAX_SECONDS, MAX_BYTES = 2.0, 1024**3  # RELIABILITY.md, E
_HUNG_SECONDS = 60  # then the system ends the process, whatever it is in; its end is a violation of that file
_KEPT_VIOLATIONS = 50
_EVERY_LENGTH_OF_LAST = 300
Cases = Generator[tuple[str, Path], None, None]


class WronglyOpened(Exception):
    """A file was taken for a model and is none; the message is what the door overlooked, a clause."""


def open_as_the_program(path: Path) -> LoadedVQModel:
    """Open a file as the program does: the facts that are shown, then the networks."""
    _facts(read_summary(path))
    return load_model_v2(path)


def _is_finite(network: torch.nn.Module | None) -> bool:
    numbers = [] if network is None else [value for value in network.state_dict().values() if value.is_floating_point()]
    return all(bool(value.isfinite().all()) for value in numbers)


def open_and_judge(path: Path) -> None:
    """Open a file as the program does, and judge one that opens by means that the door does not use.

    Raises:
        WronglyOpened: a part does not match its checksum, or a number of a network is none.
    """
    loaded = open_as_the_program(path)
    with zipfile.ZipFile(path) as archive:
        if torn := archive.testzip():
            raise WronglyOpened(f"opened although {torn} does not match its checksum")
    if not (_is_finite(loaded.model) and _is_finite(loaded.prior)):
        raise WronglyOpened("opened although it holds values that are not numbers")


class _MutatedFile:
    """A model's file that is mutated over and over; what stays as it is of it is not written again."""

    def __init__(self, model: Path, path: Path) -> None:
        self._make, self._path, self._is_start = Mutator(read_specimen(model), SEED), path, True
        path.write_bytes(self._make.start)

    def put(self, number: int) -> Path:
        """Put the mutation of that number into the file."""
        kept, rest = self._make(number)
        with self._path.open("r+b", buffering=0) as file:
            if kept and not self._is_start:
                os.pwrite(file.fileno(), self._make.start, 0)
            os.pwrite(file.fileno(), rest, kept)
            file.truncate(kept + len(rest))
        self._is_start = kept > 0
        return self._path


def mutated_files(model: Path, folder: Path, wanted: int) -> Cases:
    """Yield files whose bytes, opcodes, values or records are changed at random, of both codecs in turn."""
    models = {"mutated": model, "mutated-klt": write_small_klt_model(folder)}
    files = [_MutatedFile(each, folder / f"{name}.distill") for name, each in models.items()]
    for number in range(wanted):
        yield f"mutation {number} of seed {SEED}", files[number % 2].put(number)


def attack_corpus(model: Path, folder: Path, wanted: int) -> Cases:
    """Yield all crafted files, and no fewer, whatever is wanted."""
    yield from attacks(model, folder, folder / "canary")


def bit_flips(model: Path, folder: Path, wanted: int) -> Cases:
    """Yield the model with one bit of its weights flipped; the bit is put back afterwards."""
    with model.open("rb") as file:
        parts = read_container(file, model.stat().st_size).records
    weights = [part for name, part in parts.items() if name.startswith("data/")]
    random = Random(SEED)
    with model.open("r+b", buffering=0) as file:
        for _ in range(wanted):
            part = random.choices(weights, [part.size for part in weights])[0]
            place, bit = part.start + random.randrange(part.size), random.randrange(8)
            good = os.pread(file.fileno(), 1, place)
            os.pwrite(file.fileno(), bytes([good[0] ^ 1 << bit]), place)
            try:
                yield f"bit {bit} of byte {place}", model
            finally:
                os.pwrite(file.fileno(), good, place)


def truncations(model: Path, folder: Path, wanted: int) -> Cases:
    """Yield the model cut to lengths that fall: every one, or as many as wanted from its end and evenly before."""
    size = model.stat().st_size
    close = range(size - 1, max(-1, size - 1 - min(wanted, _EVERY_LENGTH_OF_LAST)), -1)
    rest = range(close[-1] - 1, -1, -max(1, close[-1] // max(1, wanted - len(close))))
    for length in (*close, *rest) if wanted < size else range(size - 1, -1, -1):
        os.truncate(model, length)
        yield f"the first {length} bytes", model


@dataclass(frozen=True, slots=True)
class Harness:
    """Which files are opened by which door, and whether all of them must be refused."""

    cases: Callable[[Path, Path, int], Cases]
    door: Callable[[Path], object]
    must_refuse: bool


HARNESSES = {
    "mutated files": Harness(mutated_files, open_and_judge, False),
    "attack corpus": Harness(attack_corpus, open_as_the_program, True),
    "bit flips": Harness(bit_flips, load_model_v2, True),
    "truncation": Harness(truncations, open_as_the_program, True),
}


def _peak_bytes() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


class Tally:
    """What the files did: how many were tried, and every one that was not answered as it must be."""

    def __init__(self, canary: Path, must_refuse: bool) -> None:
        self.done, self.opened, self.slowest, self.violations = 0, 0, 0.0, list[str]()
        self._canary, self._must_refuse, self._warm = canary, must_refuse, _peak_bytes()

    @property
    def grown(self) -> int:
        """How many bytes the process grew since it was warm, at its peak."""
        return _peak_bytes() - self._warm

    def _violate(self, sentence: str) -> None:
        self.violations.append(sentence)

    def try_file(self, name: str, path: Path, door: Callable[[Path], object]) -> None:
        """Open one file and note what happened."""
        # The processor's time: what other programs do on this machine is not the file's doing.
        started, grown = time.process_time(), self.grown
        signal.alarm(_HUNG_SECONDS)
        try:
            door(path)
            self.opened += 1
            if self._must_refuse:
                self._violate(f"{name}: opened")
        except ModelFileError:
            pass
        except WronglyOpened as error:
            self._violate(f"{name}: {error}")
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001  (whatever else comes out is what is looked for)
            self._violate(f"{name}: {type(error).__name__}: {error}"[:300])
        signal.alarm(0)
        self.done += 1
        self._weigh(name, time.process_time() - started, grown)

    def _weigh(self, name: str, seconds: float, grown: int) -> None:
        self.slowest = max(self.slowest, seconds)
        if seconds > MAX_SECONDS:
            self._violate(f"{name}: took {seconds:.1f} s")
        if self.grown > max(grown, MAX_BYTES):
            self._violate(f"{name}: the process grew by {self.grown / 1e6:.0f} MB")
        if self._canary.exists():
            self._violate(f"{name}: what is in the file was executed")
            self._canary.unlink()


def try_all(harness: Harness, model: Path, folder: Path, wanted: int, until: float, enough: int) -> Tally:
    """Try files until so many are done, or so many violations are found, or the time is over."""
    tally, now = Tally(folder / "canary", harness.must_refuse), os.open(folder / "now", os.O_WRONLY | os.O_CREAT)
    with closing(harness.cases(model, folder, wanted)) as cases:
        for name, path in cases:
            os.pwrite(now, f"{tally.done}\n{name}".ljust(200).encode(), 0)
            tally.try_file(name, path, harness.door)
            if len(tally.violations) >= enough or time.monotonic() > until:
                break
    os.close(now)
    return tally


def run(name: str, wanted: int, seconds: float, folder: Path) -> dict[str, object]:
    """Do what is wanted until the time is over."""
    until = time.monotonic() + seconds
    model = write_small_model(folder)
    size = model.stat().st_size
    open_as_the_program(model)  # everything is imported and warm now
    tally = try_all(HARNESSES[name], model, folder, wanted, until, enough=_KEPT_VIOLATIONS)
    facts = {"opened": tally.opened, "slowest_seconds": tally.slowest, "grown_bytes": tally.grown, "model_bytes": size}
    return {"done": tally.done, "violations": tally.violations, **facts}


if __name__ == "__main__":
    torch.set_num_threads(1)
    print(json.dumps(run(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), Path(sys.argv[4]))))  # noqa: T201
