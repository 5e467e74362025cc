"""The zip around a model: checked to be as `torch.save` writes it, byte by byte, before a record is read.

Python's reader and torch's could disagree about an odd file, so that the one checks other bytes than the other reads.
So each structure has to be in the one place where both look for it.
"""

from __future__ import annotations

import re
import struct
import zipfile
from collections.abc import Collection
from dataclasses import dataclass
from typing import BinaryIO

from distill_core.files.refusals import DamagedFileError, require
from distill_core.text import LONGEST_NAME, printable

ZIP_MAGIC = b"PK\x03\x04"
PICKLE, DATA, BYTE_ORDER = "data.pkl", "data/", "byteorder"
MAX_PICKLE_BYTES = 16 * 1024**2
_MAX_NOTE_BYTES = 1024
_BLOCK_BYTES = 1024**2
_MAX_DIRECTORY_BYTES = 2 * 1024**2  # 20,000 entries; each costs ten microseconds
DESCRIPTOR, UTF8 = 0x08, 0x800
_DESCRIPTOR_BYTES = (16, 24)  # with sizes of 32 and of 64 bits
_NAMES = re.compile(
    r"data\.pkl|version|byteorder|\.format_version|\.storage_alignment|\.data/serialization_id|data/(0|[1-9]\d{0,6})",
    re.ASCII,
)
# APPNOTE.TXT 6.3.10, sections 4.3.7, 4.3.12, 4.3.14, 4.3.15 and 4.3.16.
LOCAL = struct.Struct("<4s5H3L2H")
END64 = struct.Struct("<4sQ2H2L4Q")
LOCATOR64 = struct.Struct("<4sLQL")
END = struct.Struct("<4s4H2LH")
_ENTRY_BYTES, _NAME_SIZE = 46, slice(28, 30)
_TORN = (zipfile.BadZipFile, NotImplementedError, ValueError, EOFError, struct.error)  # the errors of `zipfile`
_TAIL_BYTES = END64.size + LOCATOR64.size + END.size


@dataclass(frozen=True, slots=True)
class Record:
    """The place of a stored file's bytes, and their checksum."""

    start: int
    size: int
    crc: int


@dataclass(frozen=True, slots=True)
class Container:
    """A zip's records by their names without the root, the start of its directory, and the byte order of numbers."""

    records: dict[str, Record]
    directory_start: int
    byte_order: str


def _read_at(file: BinaryIO, start: int, size: int) -> bytes:
    file.seek(start)
    content = file.read(size)
    require(len(content) == size, "its end is missing")
    return content


def _directory_span(file: BinaryIO, size: int) -> tuple[int, int, int]:
    """Return the directory's start, end and number of entries, on which all records behind it agree."""
    tail = _read_at(file, size - _TAIL_BYTES, _TAIL_BYTES)
    magic, disk, first_disk, here, entries, length, start, comment = END.unpack(tail[-END.size :])
    require(magic == b"PK\x05\x06" and comment == 0, "its end is missing, or something follows it")
    require(disk == first_disk == 0 and here == entries, "it is a part of a file")
    end = size - END.size
    if tail[END64.size :].startswith(b"PK\x06\x07"):
        end = size - _TAIL_BYTES
        _, disk, stated_end, disks = LOCATOR64.unpack(tail[END64.size : -END.size])
        magic, own, _, _, *disks64, here64, entries64, length64, start64 = END64.unpack(tail[: END64.size])
        require(magic == b"PK\x06\x06" and own == END64.size - 12, "its directory is torn")
        require(stated_end == end and disk == 0 and disks == 1 and not any(disks64), "its directory is torn")
        same = start in (start64, 2**32 - 1) and length in (length64, 2**32 - 1) and entries in (entries64, 2**16 - 1)
        require(same and here64 == entries64, "it tells two things about its directory")
        start, length, entries = start64, length64, entries64
    require(start + length == end, "its directory is not where it should be")
    require(length <= _MAX_DIRECTORY_BYTES, "its directory is too long")
    return start, end, entries


def _check_entry(entry: zipfile.ZipInfo) -> None:
    require(not entry.flag_bits & ~(DESCRIPTOR | UTF8), "it is encrypted or packed in a way that models never are")
    require(entry.compress_type == zipfile.ZIP_STORED, "it is compressed, which models never are")
    require(entry.compress_size == entry.file_size, "it tells two sizes of one part")
    require(not entry.extra and not entry.comment and not entry.volume, "its directory holds more than it should")
    require(entry.orig_filename == entry.filename, "it holds an odd name")


def _raw_name(entry: zipfile.ZipInfo) -> bytes:
    return entry.orig_filename.encode("utf-8" if entry.flag_bits & UTF8 else "cp437")


def _check_directory(directory: bytes, entries: list[zipfile.ZipInfo]) -> None:
    """Check that the names fill the directory; Python's reader accepts a name that is shorter than stated."""
    start = 0
    for entry in entries:
        length = len(_raw_name(entry))
        stated_size = directory[start : start + _ENTRY_BYTES][_NAME_SIZE]
        require(stated_size == length.to_bytes(2, "little"), "its directory is torn")
        start += _ENTRY_BYTES + length
    require(start == len(directory), "its directory is torn")


def _local_start(file: BinaryIO, entry: zipfile.ZipInfo) -> int:
    """Return the start of an entry's bytes, by its own header."""
    header = _read_at(file, entry.header_offset, LOCAL.size)
    magic, _, flags, method, _, _, crc, packed, unpacked, name_size, extra_size = LOCAL.unpack(header)
    require(magic == ZIP_MAGIC and flags == entry.flag_bits and method == zipfile.ZIP_STORED, "a part has no header")
    later = bool(flags & DESCRIPTOR) and not (crc or packed or unpacked)
    require(later or (crc, packed, unpacked) == (entry.CRC, entry.file_size, entry.file_size), "a header is wrong")
    name = file.read(name_size)
    require(name == _raw_name(entry), "a part has two names")
    return int(entry.header_offset + LOCAL.size + name_size + extra_size)


def _located(file: BinaryIO, entries: list[zipfile.ZipInfo], directory_start: int) -> dict[str, Record]:
    """Return all records by their full names; each byte before the directory belongs to one of them."""
    records, expected = {}, 0
    for entry in sorted(entries, key=lambda entry: entry.header_offset):
        gap = entry.header_offset - expected
        require(gap == 0, "its parts overlap, or there is something between them")
        start = _local_start(file, entry)
        records[entry.orig_filename] = Record(start, entry.file_size, entry.CRC)
        expected = start + entry.file_size
        if entry.flag_bits & DESCRIPTOR:
            expected += _descriptor_size(file, expected, entry)
    require(expected == directory_start, "its parts overlap, or there is something between them")
    return records


def _descriptor_size(file: BinaryIO, start: int, entry: zipfile.ZipInfo) -> int:
    content = _read_at(file, start, max(_DESCRIPTOR_BYTES))
    for size, sizes in zip(_DESCRIPTOR_BYTES, ("<4s3L", "<4sL2Q"), strict=True):
        if struct.unpack(sizes, content[:size]) == (b"PK\x07\x08", entry.CRC, entry.file_size, entry.file_size):
            return size
    raise DamagedFileError("what follows a part does not describe it")


def _without_root(records: dict[str, Record]) -> dict[str, Record]:
    named: dict[str, Record] = {}
    roots = set()
    for full_name, record in records.items():
        root, _, name = full_name.partition("/")
        roots.add(root)
        require(_NAMES.fullmatch(name) is not None, "it holds a part that models do not have")
        named[name] = record
        if not name.startswith(DATA) and name != PICKLE:
            require(record.size <= _MAX_NOTE_BYTES, "it holds a part of an odd size")
    require(len(roots) == 1 and not roots & {"", ".", ".."}, "its parts have odd names")
    return named


def _content(file: BinaryIO, record: Record) -> bytes:
    return _read_at(file, record.start, record.size)


def read_container(file: BinaryIO, size: int) -> Container:
    """Check all of a zip but its checksums, and return its container.

    Raises:
        DamagedFileError: it is not a zip as `torch.save` writes it.
    """
    require(size > _TAIL_BYTES and _read_at(file, 0, len(ZIP_MAGIC)) == ZIP_MAGIC, "it does not start as models do")
    start, end, count = _directory_span(file, size)
    try:
        entries = zipfile.ZipFile(file).infolist()
    except _TORN as error:
        raise DamagedFileError("its directory is torn") from error
    require(len(entries) == count, "its directory is torn")
    require(len({entry.orig_filename for entry in entries}) == count, "it holds two parts of one name")
    for entry in entries:
        _check_entry(entry)
    _check_directory(_read_at(file, start, end - start), entries)
    records = _without_root(_located(file, entries, start))
    require(records.keys() >= {PICKLE, "version"}, "it lacks a part that models have")
    require(records[PICKLE].size <= MAX_PICKLE_BYTES, "its list of contents is too long")
    byte_order = _content(file, records[BYTE_ORDER]) if BYTE_ORDER in records else b"little"
    require(byte_order in (b"little", b"big"), "its numbers are in an unknown order")
    return Container(records, start, byte_order.decode())


def read_pickle(file: BinaryIO, container: Container) -> bytes:
    """Return the bytes of `data.pkl`; at most 16 MB."""
    return _content(file, container.records[PICKLE])


def check_sums(file: BinaryIO, gaps: Collection[str] = ()) -> None:
    """Compare all records but the gaps (names without the root) with their CRC-32: 0.3 s for 600 MB.

    Raises:
        DamagedFileError: one differs.
    """
    name = "its directory"
    try:
        with zipfile.ZipFile(file) as archive:
            for name in archive.namelist():
                if name.partition("/")[2] not in gaps:
                    _read_through(archive, name)
    except _TORN as error:  # or the disk fails meanwhile
        raise DamagedFileError(
            f"a part of it ({printable(name, LONGEST_NAME)}) does not match its checksum, or can't be read"
        ) from error


def _read_through(archive: zipfile.ZipFile, name: str) -> None:
    with archive.open(name) as part:
        while part.read(_BLOCK_BYTES):
            pass
