"""The loading harnesses with one named check removed: each must open a wrong file, or execute what is in one.

`python -m tests.soak.loading_controls HARNESS FOLDER` prints what was opened or executed, a JSON list with an entry a
part; "" where a part did not fail. Code of the files runs here, in a process that does nothing else and ends. A door
that refuses in an unexpected way is no failure of the control: all that is raised counts as a refusal.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO
from unittest.mock import patch

import torch

from distill_core import ModelFileError
from distill_core.files import archive, pickle_opcodes, zip_container
from distill_core.models import schema
from tests.soak.attacks import attacks
from tests.soak.specimen import read_specimen, write_small_model
from tests.soak.warm_process import (
    Cases,
    Harness,
    WronglyOpened,
    bit_flips,
    mutated_files,
    open_and_judge,
    open_as_the_program,
    try_all,
)

_MOST_FILES = 200
_BEHIND = 1000  # bytes
_CALLS = ("contents: global os.system", "contents: global builtins.open", "contents: code first")
Check = tuple[object, str, Callable[..., Any]]
Door = Callable[[Path], object]


def _accept(*_arguments: object) -> None:
    pass


def _without(door: Door, *checks: Check) -> Door:
    """Return the door with checks replaced, which refuses whenever anything but a wrong opening comes out."""

    def weakened(path: Path) -> None:
        with ExitStack() as stack:
            for owner, name, replacement in checks:
                stack.enter_context(patch.object(owner, name, replacement))
            try:
                door(path)
            except (ModelFileError, WronglyOpened):
                raise
            except Exception as error:
                raise ModelFileError(f"{type(error).__name__}: {error}") from error

    return weakened


def _last_directory(file: BinaryIO, size: int) -> tuple[int, int, int]:
    """Find the directory as forgiving readers do: by the last end record, whatever follows it."""
    file.seek(0)
    content = file.read(size)
    end = content.rindex(b"PK\x05\x06")
    fields = zip_container.END.unpack(content[end : end + zip_container.END.size])
    return fields[6], end, fields[4]


def _cut_in_what_is_behind(model: Path, folder: Path, wanted: int) -> Cases:
    """Yield a file of a model and something behind it, cut to lengths that all leave the model whole."""
    whole, path = read_specimen(model), folder / "cut.distill"
    content = whole.with_pickle(whole.pickle)
    for length in range(_BEHIND - 1, 0, -1)[:wanted]:
        path.write_bytes(content + bytes(length))
        yield f"{_BEHIND} bytes behind a model, cut to {length}", path


def _attacks_of(kinds: tuple[str, ...], model: Path, folder: Path, wanted: int) -> Cases:
    for kind in kinds:
        yield from attacks(model, folder, folder / "canary", kind)


def _read_harmless(contents: pickle_opcodes.Contents, _: bytes) -> pickle_opcodes.Contents:
    return contents


def _trusting_door(model: Path) -> Door:
    """Return a door without the list of allowed globals: neither ours nor torch's own looks."""
    harmless = pickle_opcodes.read_contents(read_specimen(model).pickle)
    load = torch.load

    def load_all(source: Any, **options: Any) -> Any:
        return load(source, **(options | {"weights_only": False}))

    unread: Check = (archive, "read_contents", partial(_read_harmless, harmless))
    return _without(open_as_the_program, unread, (torch, "load", load_all))


@dataclass(frozen=True, slots=True)
class Control:
    """Which check is missing, in words, and the harness without it."""

    missing: str
    harness: Callable[[Path], Harness]


_SUMS: Check = (archive, "check_sums", _accept)
_NUMBERS: Check = (schema, "_check_finite", _accept)
_HEADER: Check = (schema, "check_header", _accept)
_SHAPES: Check = (schema, "check_shapes", _accept)
_SPAN: Check = (zip_container, "_directory_span", _last_directory)

CONTROLS: dict[str, tuple[Control, ...]] = {
    "mutated files": (
        Control(
            "checksums and numbers",
            lambda model: Harness(mutated_files, _without(open_and_judge, _SUMS, _NUMBERS), False),
        ),
    ),
    "attack corpus": (
        Control(
            "header and shapes",
            lambda model: Harness(
                partial(_attacks_of, ("value",)), _without(open_as_the_program, _HEADER, _SHAPES), True
            ),
        ),
        Control(
            "the list of allowed globals",
            lambda model: Harness(partial(_attacks_of, _CALLS), _trusting_door(model), False),
        ),
    ),
    "bit flips": (Control("checksums", lambda model: Harness(bit_flips, _without(open_as_the_program, _SUMS), True)),),
    "truncation": (
        Control(
            "the directory's place",
            lambda model: Harness(_cut_in_what_is_behind, _without(open_as_the_program, _SPAN), True),
        ),
    ),
}


def run(name: str, folder: Path) -> Iterator[str]:
    """Yield for each control of a harness what it opened or executed, as a sentence; "" if nothing."""
    for control in CONTROLS[name]:
        model = write_small_model(folder)
        tally = try_all(control.harness(model), model, folder, _MOST_FILES, math.inf, enough=1)
        struck = [words for words in tally.violations if "opened" in words or "executed" in words]
        yield f"Without {control.missing}: {struck[0]}." if struck else ""


if __name__ == "__main__":
    torch.set_num_threads(1)
    print(json.dumps(list(run(sys.argv[1], Path(sys.argv[2])))))  # noqa: T201
