"""The zip around a model as `torch.save` lays it out, planned before a byte of it is written.

What is already in another file is only pointed at. So a plan takes no memory, whether it is written to a disk or read
as a file of its own.
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

# A record that is in memory, or in the file that the plan is read from.
Part: TypeAlias = Bytes | Record
Plan: TypeAlias = Sequence[Part]

_ROOT = "archive"
_ALIGNMENT = 64  # of each record's first byte: a tensor can be used where it is in a mapped file
_NOTES = {".format_version": b"1", ".storage_alignment": str(_ALIGNMENT).encode()}
_VERSION = ("version", b"3\n")
_ENTRY = struct.Struct("<4s6H3L5H2L")
_DESCRIPTOR = struct.Struct("<4s3L")
_ZIP64 = (45, 0x031E)  # the version of the format that has END64, and who made the file: as torch says
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
    """Return an extra field after which the bytes of a record are aligned."""
    size = -(start + 4) % _ALIGNMENT
    return struct.pack("<2sH", b"FB", size) + b"Z" * size


def _local(entry: _Entry) -> bytes:
    extra = _padding(entry.start + LOCAL.size + len(entry.name))
    header = LOCAL.pack(ZIP_MAGIC, 0, entry.flags, 0, 0, 0, 0, 0, 0, len(entry.name), len(extra))
    return header + entry.name + extra


def _identity(entries: Iterable[_Entry]) -> bytes:
    """Return what tells one file's contents from another's, as torch has it: forty digits."""
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


def size_of(part: Part) -> int:
    """Return how many bytes a part has."""
    return part.size if isinstance(part, Record) else len(part)


class _Layout:
    """Records behind one another, each with its header before it and its descriptor after it."""

    def __init__(self) -> None:
        self.parts: list[Part] = []
        self.entries: list[_Entry] = []
        self.end = 0

    def add(self, name: str, part: Part) -> None:
        crc = part.crc if isinstance(part, Record) else crc32(part)
        entry = _Entry(f"{_ROOT}/{name}".encode(), self.end, size_of(part), crc)
        after = _DESCRIPTOR.pack(b"PK\x07\x08", *entry.facts()) if entry.size else b""
        pieces: tuple[Part, ...] = (_local(entry), part, after)
        self.entries.append(entry)
        self.parts.extend(pieces)
        self.end += sum(map(size_of, pieces))


def plan_archive(contents: bytes, data: Iterable[tuple[str, Part]], byte_order: str = sys.byteorder) -> Plan:
    """Return the parts of a file with this list of contents and these records, whose names start with `data/`.

    Raises:
        struct.error: it would be larger than 4 GB.
    """
    layout = _Layout()
    for name, part in ((PICKLE, contents), *_NOTES.items(), (BYTE_ORDER, byte_order.encode()), *data, _VERSION):
        layout.add(name, part)
    layout.add(".data/serialization_id", _identity(layout.entries))
    return [*layout.parts, _directory(layout.entries, layout.end)]


def blocks_of(part: Part, source: BinaryIO | None) -> Iterator[Bytes]:
    """Yield a part's bytes, those of a record in blocks of a megabyte.

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
    """Return a plan as a file that can be read, without having been written."""
    return PartsFile(source, [(part.start, part.size) if isinstance(part, Record) else part for part in plan])
