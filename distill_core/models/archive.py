"""Bytes of a `.distill` file to values: the one place that unpickles.

A file comes from strangers as often as from oneself. So the zip and its list of contents are checked in full before
torch reads them, and then only with `weights_only=True`.
"""

from __future__ import annotations

import hashlib
import io
import os
import stat
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias, cast

import torch

from distill_core.errors import ModelFileError
from distill_core.models.partial_reading import FileWithGaps, records_held_by
from distill_core.models.pickle_opcodes import Contents, read_contents
from distill_core.models.refusals import DAMAGED_HINT, DamagedFileError, damaged, refusals_told
from distill_core.models.tensor_facts import check_storages
from distill_core.models.zip_container import DATA, Container, Record, check_sums, read_container, read_pickle

MIN_FILE_BYTES, MAX_FILE_BYTES = 1024, 4 * 1024**3
HASHED_WHOLE_BYTES = 16 * 1024**2  # 10 ms
# A FIFO without a writer would hang `open`; neither flag is known everywhere.
_OPEN_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)

# Takes the values with facts in place of tensors, and the file's name; raises ModelFileError.
Check: TypeAlias = Callable[[dict[str, Any], str], None]


@dataclass(frozen=True, slots=True)
class FileStamp:
    """What a file was when it was opened; a save compares it to find changes by others.

    `sha256` is that of the whole file up to 16 MB. Of a larger one it is that of its list of contents and its
    directory, which holds the CRC-32 of every tensor: a changed file differs in them, and a file whose tensors do not
    match them is damaged, which a full reading finds.
    """

    path: str
    size: int
    mtime_ns: int
    sha256: str


def _check_status(path: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise ModelFileError(f"“{path.name}” is not a file.", "Choose a file that ends in .distill.")
    if not MIN_FILE_BYTES <= status.st_size <= MAX_FILE_BYTES:
        raise ModelFileError(f"“{path.name}” can't be opened: its size is not that of a model.", DAMAGED_HINT)


def _status(path: Path) -> os.stat_result:
    try:
        return path.stat()
    except ValueError as error:  # a zero in it, or letters that names here cannot have
        raise ModelFileError("There can be no file of that name.", "Check the name; it may have moved.") from error


@contextmanager
def _opened(path: Path) -> Iterator[tuple[BinaryIO, os.stat_result]]:
    try:
        _check_status(path, _status(path))  # opening a device can already do something
        with open(os.open(path, _OPEN_FLAGS), "rb") as file:
            status = os.fstat(file.fileno())
            _check_status(path, status)
            yield file, status
    except FileNotFoundError as error:
        raise ModelFileError(f"There is no file “{path}”.", "Check the name; it may have moved.") from error
    except OSError as error:
        raise ModelFileError(f"“{path.name}” can't be read: {error.strerror}.", "Check its permissions.") from error


def _checked_contents(file: BinaryIO, size: int) -> tuple[Container, Contents]:
    """Return where a file's records are, and its contents, whose value is a dict with facts in place of tensors."""
    container = read_container(file, size)
    contents = read_contents(read_pickle(file, container))
    records = {name.removeprefix(DATA): part.size for name, part in container.records.items() if name.startswith(DATA)}
    check_storages(contents.tensors, records, size)
    if type(contents.value) is not dict:
        raise DamagedFileError("it holds no settings")
    return container, contents


def _sha256(file: BinaryIO, size: int, container: Container) -> str:
    if size <= HASHED_WHOLE_BYTES:
        file.seek(0)
        return hashlib.sha256(file.read()).hexdigest()
    digest = hashlib.sha256(read_pickle(file, container))
    file.seek(container.directory_start)
    digest.update(file.read())
    return digest.hexdigest()


def _stamp(path: Path, status: os.stat_result, sha256: str) -> FileStamp:
    return FileStamp(os.path.realpath(path), status.st_size, status.st_mtime_ns, sha256)


def read_facts(path: Path) -> tuple[dict[str, Any], FileStamp]:
    """Return a file's values with `TensorFacts` in place of tensors, whose bytes are not read, and its stamp.

    Raises:
        ModelFileError: it is missing, unreadable, damaged, no model file, or holds anything but data.
    """
    with _opened(path) as (file, status), refusals_told(path.name):
        container, contents = _checked_contents(file, status.st_size)
        return contents.value, _stamp(path, status, _sha256(file, status.st_size, container))


def _accept(values: dict[str, Any], name: str) -> None:
    pass


def _load(source: BinaryIO | FileWithGaps | str, name: str, mapped: bool = False) -> dict[str, Any]:
    try:
        values: dict[str, Any] = torch.load(cast(Any, source), weights_only=True, map_location="cpu", mmap=mapped)
    except Exception as error:
        raise damaged(name) from error
    return values


def _checked_container(
    file: BinaryIO, name: str, size: int, check: Check, without: Collection[str] = ()
) -> tuple[Container, list[Record]]:
    """Return where a file's records are, and the gaps: those that only values under `without` hold, left unchecked."""
    with refusals_told(name):
        container, contents = _checked_contents(file, size)
        check(contents.value, name)
        gaps = records_held_by(contents, without) if without else set[str]()
        check_sums(file, gaps)
    return container, [container.records[gap] for gap in gaps]


def _check_same(now: os.stat_result, status: os.stat_result, path: Path) -> None:
    kept = ("st_dev", "st_ino", "st_size", "st_mtime_ns")
    if any(getattr(now, name) != getattr(status, name) for name in kept):
        raise damaged(path.name, "it changed while it was read")


def _map(file: BinaryIO, path: Path, status: os.stat_result, check: Check) -> tuple[dict[str, Any], FileStamp]:
    container, _ = _checked_container(file, path.name, status.st_size, check)
    try:
        values = _load(os.fspath(path), path.name, mapped=True)
    except ModelFileError:  # not every disk lets its files be mapped
        file.seek(0)
        values = _load(file, path.name)
    _check_same(path.stat(), status, path)
    return values, _stamp(path, status, _sha256(file, status.st_size, container))


def _is_unicode(path: Path) -> bool:
    """Tell whether torch can open the file by its name, as it has to for a mapping."""
    return os.fsencode(path).decode("utf-8", "replace") == str(path)


def read_archive(
    path: Path, check: Check = _accept, *, mapped: bool = False, without: Collection[str] = ()
) -> tuple[dict[str, Any], FileStamp]:
    """Return a file's values and its stamp, both from one reading; `check` sees the facts before a tensor is built.

    With `mapped`, the tensors stay in the file: for one that nobody else writes while they are used. Under the keys
    in `without` stands None, and what only they hold is neither read nor compared with its checksum.

    Raises:
        ModelFileError: see `read_facts`; also where a part does not match its checksum, or raised by `check`.
    """
    with _opened(path) as (file, status):
        if mapped and _is_unicode(path):
            return _map(file, path, status, check)
        source, size = file, status.st_size
        is_large = size > HASHED_WHOLE_BYTES
        if not is_large:  # a small file is read once, a large one twice rather than be in memory twice
            content = file.read(size)
            source, size = io.BytesIO(content), len(content)
        container, gaps = _checked_container(source, path.name, size, check, without)
        source.seek(0)
        values = _load(FileWithGaps(source, gaps) if gaps else source, path.name)
        if is_large:
            _check_same(os.fstat(file.fileno()), status, path)
        stamp = _stamp(path, status, _sha256(source, size, container))
    return {key: None if key in without else value for key, value in values.items()}, stamp
