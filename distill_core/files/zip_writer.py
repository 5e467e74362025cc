"""The zip around a model as `torch.save` lays it out, planned before a byte of it is written.

A plan refers to the bytes in another file and takes no memory for them; it can be written to a disk, or read as a file.
"""

from __future__ import annotations

import errno
import struct
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import BinaryIO, TypeAlias
from zlib import crc32

from distill_core.files.zip_container import (
    BYTE_ORDER,
    DESCRIPTOR,
    END,
    END64,
    LOCAL,
    LOCATOR64,
    PICKLE,
    UTF8,
    ZIP_MAGIC,
    Record,
)
from distill_core.parts import Bytes, PartsFile

# Bytes in memory, or a record in the file that the plan is read from.
PlannedPart: TypeAlias = Bytes | Record
Plan: TypeAlias = Sequence[PlannedPart]

_ROOT = "archive"
_ALIGNMENT = 64  # of each record's first byte: so a tensor can be used in a mapped file
_NOTES = {".format_version": b"1", ".storage_alignment": str(_ALIGNMENT).encode()}
_VERSION = ("version", b"3\n")
_ENTRY = struct.Struct("<4s6H3L5H2L")
_DESCRIPTOR = struct.Struct("<4s3L")
_ZIP64 = (45, 0x031E)  # the version of the format with END64, and the maker of the file, as torch writes them
BLOCK_BYTES = 1024**2


@dataclass(frozen=True, slots=True)
class _Entry:
    name: bytes
    start: int
    size: int
    crc: int

    @property
    def flags(self) -> int:
        return DESCRIPTOR | UTF8 if self.size else UTF8

    def facts(self) -> tuple[int, int, int]:
        return self.crc, self.size, self.size


def _padding(start: int) -> bytes:
    """Return an extra field that aligns the record after it."""
    size = -(start + 4) % _ALIGNMENT
    return struct.pack("<2sH", b"FB", size) + b"Z" * size


def _local(entry: _Entry) -> bytes:
    extra = _padding(entry.start + LOCAL.size + len(entry.name))
    header = LOCAL.pack(ZIP_MAGIC, 0, entry.flags, 0, 0, 0, 0, 0, 0, len(entry.name), len(extra))
    return header + entry.name + extra


def _serialization_id(entries: Iterable[_Entry]) -> bytes:
    """Return a file's identity in torch's form: forty digits."""
    known = b"".join(b"%b %d " % (entry.name, entry.crc) for entry in entries)
    return b"%040d" % (int.from_bytes(sha256(known).digest()) % 10**40)


def _directory(entries: Sequence[_Entry], start: int) -> bytes:
    found, count = b"", len(entries)
    for entry in entries:
        facts = (0, 0, entry.flags, 0, 0, 0, *entry.facts(), len(entry.name), 0, 0, 0, 0, 0, entry.start)
        found += _ENTRY.pack(b"PK\x01\x02", *facts) + entry.name
    version, maker = _ZIP64
    end = start + len(found)
    found64 = END64.pack(b"PK\x06\x06", END64.size - 12, maker, version, 0, 0, count, count, len(found), start)
    locator = LOCATOR64.pack(b"PK\x06\x07", 0, end, 1)
    return found + found64 + locator + END.pack(b"PK\x05\x06", 0, 0, count, count, len(found), start, 0)


def size_of(part: PlannedPart) -> int:
    """Return a part's size in bytes."""
    return part.size if isinstance(part, Record) else len(part)


class _Layout:
    """Records in a row, each between its header and its descriptor."""

    def __init__(self) -> None:
        self.parts: list[PlannedPart] = []
        self.entries: list[_Entry] = []
        self.end = 0

    def add(self, name: str, part: PlannedPart) -> None:
        crc = part.crc if isinstance(part, Record) else crc32(part)
        entry = _Entry(f"{_ROOT}/{name}".encode(), self.end, size_of(part), crc)
        after = _DESCRIPTOR.pack(b"PK\x07\x08", *entry.facts()) if entry.size else b""
        pieces: tuple[PlannedPart, ...] = (_local(entry), part, after)
        self.entries.append(entry)
        self.parts.extend(pieces)
        self.end += sum(map(size_of, pieces))


def plan_archive(contents: bytes, data: Iterable[tuple[str, PlannedPart]], byte_order: str = sys.byteorder) -> Plan:
    """Return the plan of a file with these contents and these records, whose names start with `data/`.

    Raises:
        struct.error: the file would be larger than 4 GB.
    """
    layout = _Layout()
    for name, part in ((PICKLE, contents), *_NOTES.items(), (BYTE_ORDER, byte_order.encode()), *data, _VERSION):
        layout.add(name, part)
    layout.add(".data/serialization_id", _serialization_id(layout.entries))
    return [*layout.parts, _directory(layout.entries, layout.end)]


def blocks_of(part: PlannedPart, source: BinaryIO | None) -> Iterator[Bytes]:
    """Yield a part's bytes, a record's in blocks of a megabyte.

    Raises:
        OSError: the record's file has become shorter, or cannot be read.
    """
    if not isinstance(part, Record):
        yield part
        return
    if source is None:
        raise ValueError("there is no file for the plan to be read from")
    source.seek(part.start)
    left = part.size
    while left:
        block = source.read(min(left, BLOCK_BYTES))
        if not block:
            raise OSError(errno.EIO, "the file has become shorter")
        left -= len(block)
        yield block


def planned_file(plan: Plan, source: BinaryIO) -> PartsFile:
    """Return a plan as a file that can be read without being written."""
    return PartsFile(source, [(part.start, part.size) if isinstance(part, Record) else part for part in plan])
