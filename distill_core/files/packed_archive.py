"""Values as the bytes of a new `.distill` file: planned, written, read back and compared."""

from __future__ import annotations

import errno
import os
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias
from zlib import crc32

import torch
from torch import Tensor

from distill_core.errors import ModelFileError, SaveError
from distill_core.events import ShouldStop, stop_point, unless_stopped
from distill_core.files.archive import FileStamp, OpenArchive, read_records
from distill_core.files.contents_writer import Storage, write_contents
from distill_core.files.replacing import allocated_bytes
from distill_core.files.save_errors import check_size, shown, too_large_error, unwritable_error
from distill_core.files.tensor_facts import StorageFacts, TensorFacts, tensors_in
from distill_core.files.zip_container import DATA, Record
from distill_core.files.zip_writer import BLOCK_BYTES, Plan, PlannedPart, blocks_of, plan_archive, size_of
from distill_core.parts import Bytes
from distill_core.text import printable

Read: TypeAlias = Callable[[Path], tuple[dict[str, Any], FileStamp]]

_INTEGERS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
_ZEROS = bytes(BLOCK_BYTES)


def _part(storage: Storage, opened: OpenArchive | None) -> PlannedPart:
    if isinstance(storage, StorageFacts):
        if opened is None:
            raise ValueError("what is carried comes from a file")
        return opened.record(storage)
    return torch.empty(0, dtype=torch.uint8).set_(storage.cpu()).numpy().data


def _write(descriptor: int, data: Bytes) -> None:
    """Write all of a buffer; the system may take it in pieces."""
    left = memoryview(data)
    while left:
        written = os.write(descriptor, left)
        if not written:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        left = left[written:]


def _contents(part: PlannedPart) -> tuple[int, int]:
    return size_of(part), part.crc if isinstance(part, Record) else crc32(part)


def _is_same(written: Any, read: Any, should_stop: ShouldStop) -> bool:
    """Tell whether a value was read back bit for bit; a NaN counts as the same.

    If one side has not built a tensor, only the layout is compared: the caller compares the checksums.
    """
    if isinstance(written, TensorFacts) or (isinstance(written, Tensor) and isinstance(read, TensorFacts)):
        return isinstance(read, Tensor | TensorFacts) and _layout(written) == _layout(read)
    if isinstance(written, Tensor):
        stop_point(should_stop)
        if not isinstance(read, Tensor) or (written.dtype, written.shape) != (read.dtype, read.shape):
            return False
        return torch.equal(_bits(written), _bits(read))
    if isinstance(written, dict):
        return (
            isinstance(read, dict)
            and list(written) == list(read)
            and all(_is_same(value, read[key], should_stop) for key, value in written.items())
        )
    if isinstance(written, list | tuple):
        return (
            type(written) is type(read)
            and len(written) == len(read)
            and all(_is_same(*pair, should_stop) for pair in zip(written, read, strict=True))
        )
    return type(written) is type(read) and (written == read or written != written)


def _bits(tensor: Tensor) -> Tensor:
    """Return the numbers as integers of the same size, to compare all bits."""
    return tensor.detach().contiguous().reshape(-1).view(_INTEGERS[tensor.itemsize])


def _layout(tensor: Tensor | TensorFacts) -> tuple[Any, ...]:
    """Return the layout of a tensor's numbers in its storage."""
    offset = tensor.offset if isinstance(tensor, TensorFacts) else tensor.storage_offset()
    stride = tensor.stride if isinstance(tensor, TensorFacts) else tensor.stride()
    return tensor.dtype, tuple(tensor.shape), stride, offset


@dataclass(frozen=True, slots=True)
class PackedArchive:
    """Values on their way into a file; tensors that are not built are carried over from `opened` as bytes."""

    values: dict[str, Any]
    opened: OpenArchive | None
    data: dict[str, PlannedPart]
    plan: Plan

    @classmethod
    def of(
        cls, values: dict[str, Any], opened: OpenArchive | None, path: Path, should_stop: ShouldStop
    ) -> PackedArchive:
        """Plan the file that will be at `path`.

        Raises:
            SaveError: a model's file cannot hold these values.
            Stopped: `should_stop()` turned true.
        """
        try:
            contents, storages = write_contents(values)
            data = {f"{DATA}{number}": _part(storage, opened) for number, storage in enumerate(storages)}
        except (TypeError, ValueError, struct.error) as error:
            raise unwritable_error(path) from error
        check_size(path, len(contents) + sum(map(size_of, data.values())))
        try:
            plan = plan_archive(contents, unless_stopped(data.items(), should_stop))
        except struct.error as error:
            raise too_large_error(path) from error
        check_size(path, sum(map(size_of, plan)))
        return cls(values, opened, data, plan)

    def needed_bytes(self) -> int:
        """Return the room that it takes; carried bytes take no more than in their file, which may have holes."""
        carried = sum(part.size for part in self.plan if isinstance(part, Record))
        new = sum(map(size_of, self.plan)) - carried
        return new if self.opened is None else new + min(carried, allocated_bytes(self.opened.path.stat()))

    def write(self, descriptor: int, should_stop: ShouldStop) -> None:
        """Write all parts; carried zeros become holes, as they may have been in their file.

        Raises:
            OSError: a part could not be written, or a carried one could not be read.
            Stopped: `should_stop()` turned true.
        """
        source = None if self.opened is None else self.opened.source
        for part in unless_stopped(self.plan, should_stop):
            for block in blocks_of(part, source):
                if isinstance(part, Record) and block == _ZEROS[: len(block)]:
                    os.lseek(descriptor, len(block), os.SEEK_CUR)
                else:
                    _write(descriptor, block)

    def verify(self, temporary: Path, read: Read, path: Path, should_stop: ShouldStop) -> None:
        """Read the new file as the loader will, and compare it with the values.

        Tensors that were carried over, or are not built again, are compared by checksums, which the loader compares
        with the bytes.

        Raises:
            SaveError: it would not open again, or differs from the values.
            Stopped: `should_stop()` turned true.
        """
        try:
            found, _ = read(temporary)
            records = read_records(temporary)
        except ModelFileError as error:
            reason = error.message.replace(printable(temporary.name), printable(path.name))
            raise SaveError(f"Nothing was saved, for it would not open again: {reason}", error.hint) from error
        is_all_built = not any(True for _ in tensors_in(found))
        unseen = {name: part for name, part in self.data.items() if isinstance(part, Record) or not is_all_built}
        is_there = all(_contents(records[name]) == _contents(part) for name, part in unseen.items())
        if not (is_there and _is_same(self.values, found, should_stop)):
            raise SaveError(
                f"{shown(path)} did not read back as written; what was there is unchanged.",
                "Save a copy on another disk.",
            )
