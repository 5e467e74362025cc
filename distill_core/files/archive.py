"""Bytes of a `.distill` file to values: the one place that unpickles.

Many files come from strangers. So the zip and its list of contents are checked in full before torch reads them, and
torch reads them only with `weights_only=True`.
"""

from __future__ import annotations

import hashlib
import io
import os
import stat
import sys
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias, cast

import torch

from distill_core.errors import ModelFileError
from distill_core.files.contents_writer import write_contents
from distill_core.files.pickle_opcodes import Contents, read_contents
from distill_core.files.refusals import DAMAGED_HINT, DamagedFileError, damaged, refusals_in_words
from distill_core.files.save_errors import MAX_FILE_BYTES
from distill_core.files.tensor_facts import StorageFacts, check_storages, tensors_in
from distill_core.files.zip_container import DATA, Container, Record, check_sums, read_container, read_pickle
from distill_core.files.zip_writer import plan_archive, planned_file
from distill_core.memory import is_short_of_memory, memory_in_words
from distill_core.parts import PartsFile

MIN_FILE_BYTES = 1024
HASHED_WHOLE_BYTES = 16 * 1024**2  # 10 ms
# `open` would hang on a FIFO without a writer; no system has all of these flags.
_OPEN_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)

# A check of the values, with facts in place of tensors, and of the file's name; it raises ModelFileError.
Check: TypeAlias = Callable[[dict[str, Any], str], None]


@dataclass(frozen=True, slots=True)
class FileStamp:
    """The state of a file when it was opened, from which a save sees changes by others.

    `sha256` is that of a whole file up to 16 MB, and of a larger one that of its list of contents and its directory.
    The directory holds the CRC-32 of every tensor: a changed file has others, and a full reading finds tensors that do
    not match theirs.
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
    except ValueError as error:  # a null character, or letters that names cannot have here
        raise ModelFileError("There can be no file of that name.", "Check the name; it may have moved.") from error


@contextmanager
def _opened(path: Path) -> Iterator[tuple[BinaryIO, os.stat_result]]:
    try:
        _check_status(path, _status(path))  # before `open`, which can make a device act
        with open(os.open(path, _OPEN_FLAGS), "rb") as file:
            status = os.fstat(file.fileno())
            _check_status(path, status)
            yield file, status
    except FileNotFoundError as error:
        raise ModelFileError(f"There is no file “{path}”.", "Check the name; it may have moved.") from error
    except OSError as error:
        if is_short_of_memory(error):
            raise
        raise ModelFileError(f"“{path.name}” can't be read: {error.strerror}.", "Check its permissions.") from error


@contextmanager
def _opening(path: Path) -> Iterator[tuple[BinaryIO, os.stat_result]]:
    with memory_in_words(f"open “{path.name}”"), _opened(path) as (file, status):
        yield file, status


def _checked_contents(file: BinaryIO, size: int) -> tuple[Container, Contents]:
    """Return a file's container and its contents, a dict with facts in place of tensors, both checked."""
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
        ModelFileError: it is missing, unreadable, damaged, no model file, or holds more than data.
        NotEnoughMemoryError: memory is short; the file may be good.
    """
    with _opening(path) as (file, status), refusals_in_words(path.name):
        container, contents = _checked_contents(file, status.st_size)
        return contents.value, _stamp(path, status, _sha256(file, status.st_size, container))


def read_records(path: Path) -> dict[str, Record]:
    """Return a file's records by name, with the checksums that the file states.

    Raises:
        ModelFileError: it is missing, unreadable or damaged.
    """
    with _opening(path) as (file, status), refusals_in_words(path.name):
        return read_container(file, status.st_size).records


def _accept(values: dict[str, Any], name: str) -> None:
    pass


@dataclass(frozen=True, slots=True)
class OpenArchive:
    """An open file that passed all checks: its values, with facts in place of tensors, and its container."""

    path: Path
    values: dict[str, Any]
    stamp: FileStamp
    source: BinaryIO
    container: Container

    def check_unchanged(self, now: os.stat_result) -> None:
        """Check that a file has the size and the time that this one had when it was opened.

        Raises:
            ModelFileError: it has others.
        """
        if self._differs_from(now):
            raise damaged(self.path.name, "it changed while it was read")

    def _differs_from(self, now: os.stat_result) -> bool:
        return (now.st_size, now.st_mtime_ns) != (self.stamp.size, self.stamp.mtime_ns)

    def has_changed(self) -> bool:
        """Tell whether a program has written into the file since it was opened; a small one was read at once."""
        if self.source.closed or isinstance(self.source, io.BytesIO):
            return False
        return self._differs_from(os.fstat(self.source.fileno()))

    def close(self) -> None:
        """Close the file before another takes its place: Windows replaces no open file."""
        self.source.close()

    @property
    def is_native(self) -> bool:
        """Whether its numbers have this machine's byte order."""
        return self.container.byte_order == sys.byteorder

    def record(self, storage: StorageFacts) -> Record:
        """Return the record with a storage's bytes."""
        return self.container.records[DATA + storage.key]

    def build(self, keys: Collection[str]) -> dict[str, Any]:
        """Return the values under these keys with their tensors built; other tensors are not read.

        Raises:
            ModelFileError: torch cannot read them.
        """
        wanted = {key: value for key, value in self.values.items() if key in keys}
        records = {DATA + tensor.storage.key for tensor in tensors_in(wanted)}
        if records >= {name for name in self.container.records if name.startswith(DATA)}:
            self.source.seek(0)
            values = _unpickle(self.source, self.path.name)
        else:
            contents, storages = write_contents(wanted)
            data = [(f"{DATA}{number}", self.record(cast(StorageFacts, key))) for number, key in enumerate(storages)]
            plan = plan_archive(contents, data, self.container.byte_order)
            values = _unpickle(planned_file(plan, self.source), self.path.name)
        if not isinstance(self.source, io.BytesIO):
            self.check_unchanged(os.fstat(self.source.fileno()))
        return {key: values[key] for key in wanted}


def _unpickle(source: BinaryIO | PartsFile | str, name: str, mapped: bool = False) -> dict[str, Any]:
    try:
        values: dict[str, Any] = torch.load(cast(Any, source), weights_only=True, map_location="cpu", mmap=mapped)
    except Exception as error:
        if is_short_of_memory(error):
            raise
        raise damaged(name) from error
    return values


@contextmanager
def open_archive(path: Path, check: Check = _accept, *, without: Collection[str] = ()) -> Iterator[OpenArchive]:
    """Open a file whose values pass `check` and whose records match their checksums; no tensor is built.

    The values under the keys in `without` are None, and records that only they use are not compared.

    Raises:
        ModelFileError: see `read_facts`; also if a record does not match its checksum, or raised by `check`.
        NotEnoughMemoryError: see `read_facts`.
    """
    with _opening(path) as (file, status):
        source: BinaryIO = file
        is_large = status.st_size > HASHED_WHOLE_BYTES
        if not is_large:  # a small file is read once; a large one twice, to save memory
            source = io.BytesIO(file.read(status.st_size))
            file.close()
        size = status.st_size if is_large else source.seek(0, os.SEEK_END)
        with refusals_in_words(path.name):
            container, contents = _checked_contents(source, size)
            check(contents.value, path.name)
            values = {key: None if key in without else value for key, value in contents.value.items()}
            needed = {DATA + tensor.storage.key for tensor in tensors_in(values)}
            check_sums(source, [name for name in container.records if name.startswith(DATA) and name not in needed])
        yield OpenArchive(path, values, _stamp(path, status, _sha256(source, size, container)), source, container)


def _is_unicode(path: Path) -> bool:
    """Tell whether torch can open the file by its name, which a mapping needs."""
    return os.fsencode(path).decode("utf-8", "replace") == str(path)


def _map(path: Path, opened: OpenArchive, build: Collection[str]) -> dict[str, Any]:
    try:
        values = _unpickle(os.fspath(path), path.name, mapped=True)
    except ModelFileError:  # some disks allow no mapping
        return opened.values | opened.build(build)
    opened.check_unchanged(path.stat())
    return values


def read_archive(
    path: Path, check: Check = _accept, *, mapped: bool = False, build: Collection[str] | None = None
) -> tuple[dict[str, Any], FileStamp]:
    """Return a file's values and its stamp, both from one reading; `check` gets the facts before a tensor is built.

    With `build`, only tensors under these keys are built, and others remain facts. With `mapped`, all tensors stay in
    the file if it can be mapped; nobody else may write into it while they are in use.

    Raises:
        ModelFileError, NotEnoughMemoryError: see `open_archive`.
    """
    with open_archive(path, check) as opened:
        wanted = opened.values if build is None else build
        if mapped and _is_unicode(path):
            return _map(path, opened, wanted), opened.stamp
        return opened.values | opened.build(wanted), opened.stamp
