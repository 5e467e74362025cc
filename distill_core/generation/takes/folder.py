"""A take on disk: a folder with its sound as it is exported, its codes, its facts, and a mark if it has a star."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import numpy as np
from numpy.lib.format import open_memmap

from distill_core.errors import DistillError
from distill_core.files.replacing import flush_file, flush_folder, replace_file
from distill_core.generation.origin import Origin
from distill_core.generation.request import GenerateRequest
from distill_core.generation.takes.facts import COPYING, LARGEST_FACTS, marks_of_prior, origin_in, read_facts
from distill_core.generation.takes.verdict import TakeVerdict, read_verdict

if TYPE_CHECKING:
    from torch import Tensor

SOUND, _CODES, _FACTS, _STAR = "sound.wav", "codes.npy", "facts.json", "starred"
_NUMBER = re.compile("[1-9][0-9]{0,8}")
_DELETED, _UNFINISHED = ".deleted", ".new-"


@dataclass(frozen=True, slots=True)
class Take:
    """A take on disk; `wav` is its file as it is exported, 24 bit and 48 kHz.

    `facts` has `settings`, `duration_s`, `gain` (of the file), `ends`, `prompt_steps`, `notes`, `made_at`, `model` (its
    file's name), `prior_date` and `codec_digest` ("" if unknown), `prior_epoch` and `prior_perplexity` (0 if unknown),
    and those of its `origin`, each of its proper type. `request` makes it again.
    """

    number: int
    seed: int
    duration_s: float
    is_starred: bool
    wav: Path
    facts: dict[str, Any]
    request: GenerateRequest

    @property
    def verdict(self) -> TakeVerdict | None:
        """The verdict whether it is a copy, None before it was compared."""
        return read_verdict(self.facts.get(COPYING))

    @property
    def verdict_word(self) -> str:
        """The verdict in one word, for tags; "" before it was compared."""
        return "" if self.verdict is None else self.verdict.verdict.value

    @property
    def origin(self) -> Origin:
        """The model and the prior that made it, as far as they are known."""
        return origin_in(self.facts)

    def is_by(self, prior_metadata: Mapping[str, Any]) -> bool:
        """Tell whether it was made by this very prior; one without a date is known to have made none."""
        marks = marks_of_prior(prior_metadata)
        return bool(marks[0]) and marks == (self.facts["prior_date"], self.facts["codec_digest"])

    def codes(self) -> Tensor:
        """Return its codes `[W, H, Q]` (int64).

        Raises:
            DistillError: they are damaged, or gone.
        """
        import torch

        try:
            # A map cannot be longer than its file, whatever the file says of its shape.
            mapped = open_memmap(self.wav.with_name(_CODES), mode="r")  # type: ignore[no-untyped-call, unused-ignore]
            codes_WHQ = np.array(mapped, dtype=np.int64)
            if codes_WHQ.ndim != 3 or not codes_WHQ.size:
                raise ValueError("not [W, H, Q]")
        except (OSError, ValueError, TypeError, EOFError, OverflowError) as error:
            text = f"The codes of take {self.number} can't be read; its sound is not affected."
            raise DistillError(text, "Make the take again with its seed.") from error
        return torch.from_numpy(codes_WHQ)


def _numbered(folder: Path, ending: str = "") -> Iterator[tuple[int, Path]]:
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            stem = entry.name.removesuffix(ending)
            if entry.name == stem + ending and _NUMBER.fullmatch(stem) and entry.is_dir(follow_symlinks=False):
                yield int(stem), folder / entry.name


def take_folders(shelf: Path) -> dict[int, Path]:
    """Return the folders of the takes on a shelf by their numbers."""
    return dict(_numbered(shelf))


def deleted_folders(shelf: Path) -> dict[int, Path]:
    """Return the folders of the takes that were deleted and can be restored, by their numbers."""
    return dict(_numbered(shelf, _DELETED))


def is_starred(folder: Path) -> bool:
    """Tell whether a take has a star."""
    return (folder / _STAR).exists()


def set_star(folder: Path, on: bool) -> None:
    """Give a take a star, or take it away.

    Raises:
        OSError: it could not be written.
    """
    if on:
        (folder / _STAR).touch()
    else:
        (folder / _STAR).unlink(missing_ok=True)


def read_take(number: int, folder: Path) -> Take | None:
    """Return a take without reading its sound, None if it is damaged."""
    try:
        with (folder / _FACTS).open("rb") as file:
            text = file.read(LARGEST_FACTS + 1)
        wav = folder / SOUND
        if len(text) > LARGEST_FACTS or not wav.is_file():
            return None
    except OSError:
        return None
    if (known := read_facts(text)) is None:
        return None
    facts, request = known
    return Take(number, request.seed, facts["duration_s"], is_starred(folder), wav, facts, request)


def _write(path: Path, content: bytes) -> None:
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        flush_file(file.fileno())


def write_take(shelf: Path, number: int, wav: bytes, codes_WHQ: Tensor, facts: bytes) -> Path:
    """Write a take in one step, and return its folder; the caller holds the lock.

    Raises:
        OSError: it could not be written; the shelf is as it was.
    """
    new = shelf / f"{_UNFINISHED}{uuid4().hex}"
    try:
        new.mkdir(mode=0o700)
        _write(new / SOUND, wav)
        with (new / _CODES).open("xb") as file:
            np.save(file, codes_WHQ.cpu().numpy().astype(np.int32))
            flush_file(file.fileno())
        _write(new / _FACTS, facts)
        flush_folder(new)
        replace_file(new, shelf / str(number))
        flush_folder(shelf)
    finally:
        shutil.rmtree(new, ignore_errors=True)
    return shelf / str(number)


def write_facts(folder: Path, facts: bytes) -> None:
    """Put other facts in the place of a take's in one step; the caller holds the lock.

    Raises:
        OSError: they could not be written; the former ones are unchanged.
    """
    new = folder / f"{_FACTS}.new"
    new.unlink(missing_ok=True)
    _write(new, facts)
    replace_file(new, folder / _FACTS)


def delete_take(folder: Path) -> None:
    """Put a take aside so that it can be restored.

    Raises:
        OSError: it could not be moved.
    """
    replace_file(folder, folder.with_name(folder.name + _DELETED))


def restore_take(deleted: Path) -> Path:
    """Bring a deleted take back, and return its folder.

    Raises:
        OSError: it could not be moved.
    """
    folder = deleted.with_name(deleted.name.removesuffix(_DELETED))
    replace_file(deleted, folder)
    return folder


def remove_remains(shelf: Path) -> None:
    """Remove deleted takes, and those of processes that died while they wrote one; the caller holds the lock."""
    unfinished = [path for path in shelf.glob(f"{_UNFINISHED}*") if path.is_dir()]
    for folder in [*deleted_folders(shelf).values(), *unfinished]:
        remove_folder(folder)


def remove_folder(folder: Path) -> None:
    """Remove a folder for good, as far as the disk lets it; the facts go first, so that no half of a take is seen."""
    with suppress(OSError):
        (folder / _FACTS).unlink()
    shutil.rmtree(folder, ignore_errors=True)


def size_of(folder: Path) -> int:
    """Return the bytes of all files in a folder."""
    size = 0
    with suppress(OSError):
        for path in folder.rglob("*"):
            with suppress(OSError):
                size += path.lstat().st_size
    return size
