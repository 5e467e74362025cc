"""Files whose zip attacks the reader: bombs, two truths about one part, odd names, and things between and behind."""

from __future__ import annotations

import io
import struct
import warnings
import zipfile
from collections.abc import Callable

from tests.soak.specimen import ROOT, Specimen, pack

Crafted = dict[str, Callable[[], bytes]]
_ENTRY, _LOCAL, _END = b"PK\x01\x02", b"PK\x03\x04", b"PK\x05\x06"


def _patched(content: bytes, magic: bytes, offset: int, new: bytes, number: int = 0) -> bytes:
    """Return the bytes with a field of the n-th structure of a kind exchanged."""
    where = -1
    for _ in range(number + 1):
        where = content.index(magic, where + 1)
    return content[: where + offset] + new + content[where + offset + len(new) :]


def _entry(content: bytes, offset: int, new: bytes) -> bytes:
    """Exchange a field of the last entry in the directory, the list of contents."""
    return _patched(content, _ENTRY, offset, new, content.count(_ENTRY) - 1)


def _end(content: bytes, offset: int, new: bytes) -> bytes:
    where = content.rindex(_END)
    return content[: where + offset] + new + content[where + offset + len(new) :]


def _zipped(records: dict[str, bytes], method: int) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", method) as archive:
        for name, content in records.items():
            archive.writestr(f"{ROOT}/{name}", content)
    return packed.getvalue()


def _with_more(content: bytes, *names: str, data: bytes = b"x") -> bytes:
    """Return the zip with more entries under full names of any kind."""
    packed = io.BytesIO(content)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # zipfile warns of a duplicate
        with zipfile.ZipFile(packed, "a") as archive:
            for name in names:
                archive.writestr(zipfile.ZipInfo(name), data)
    return packed.getvalue()


def _overlapping(content: bytes) -> bytes:
    """Point the last entry of the directory to the part of the first one."""
    where = content.index(_ENTRY)
    return _entry(content, 42, content[where + 42 : where + 46])


def _with_end64(content: bytes, told_end: int = 0, entries: int = 0) -> bytes:
    """Return the zip with a 64-bit end as torch writes it, which may lie by the given amounts."""
    where = content.rindex(_END)
    _, _, _, _, count, size, start, _ = struct.unpack("<4s4H2LH", content[where:])
    count += entries
    end64 = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, count, count, size, start)
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, where + told_end, 1)
    return content[:where] + end64 + locator + content[where:]


def _structures(good: bytes) -> Crafted:
    """Lies about one field of a file that is otherwise good."""
    short, long = (lambda value: struct.pack("<H", value)), (lambda value: struct.pack("<L", value))
    last = good.count(_LOCAL) - 1
    return {
        "encrypted, says the directory": lambda: _entry(good, 8, short(1)),
        "encrypted, says the part": lambda: _patched(good, _LOCAL, 6, short(1), last),
        "strong encryption": lambda: _entry(good, 8, short(0x41)),
        "patch data": lambda: _entry(good, 8, short(0x20)),
        "compressed, says the directory": lambda: _entry(good, 10, short(8)),
        "compressed, says the part": lambda: _patched(good, _LOCAL, 8, short(8), last),
        "an unknown compression": lambda: _entry(good, 10, short(99)),
        "a version nobody knows": lambda: _entry(good, 6, short(255)),
        "a wrong checksum": lambda: _patched(_entry(good, 16, long(1)), _LOCAL, 14, long(1), last),
        "two checksums": lambda: _entry(good, 16, long(1)),
        "two sizes": lambda: _entry(good, 24, long(10)),
        "a size beyond the file": lambda: _entry(_entry(good, 20, long(2**31)), 24, long(2**31)),
        "a size of 64 bits": lambda: _entry(_entry(good, 20, long(2**32 - 1)), 24, long(2**32 - 1)),
        "a part that starts elsewhere": lambda: _entry(good, 42, long(5)),
        "a part that starts beyond the file": lambda: _entry(good, 42, long(2**32 - 2)),
        "overlapping parts": lambda: _overlapping(good),
        "a part on another disk": lambda: _entry(good, 34, short(1)),
        "a part with another name": lambda: _patched(good, _LOCAL, 30, b"b", last),
        "a name longer than the directory": lambda: _entry(good, 28, short(60_000)),
        "another number of parts": lambda: _end(_end(good, 8, short(3)), 10, short(3)),
        "a part of several disks": lambda: _end(good, 4, short(1)),
        "a directory of another size": lambda: _end(good, 12, long(46)),
        "a directory that starts elsewhere": lambda: _end(good, 16, long(0)),
        "a comment that is not there": lambda: _end(good, 20, short(10)),
        "a 64-bit end that is not there": lambda: _with_end64(good, told_end=-1000),
        "a 64-bit end of more parts": lambda: _with_end64(good, entries=1),
        "a 64-bit end that lies far away": lambda: _with_end64(good, told_end=2**63 - 2**32),
    }


def _surroundings(good: bytes) -> Crafted:
    end = good.rindex(_END)
    extra = struct.pack("<HHQQ", 1, 16, 10, 10)
    return {
        "something behind": lambda: good + bytes(1000),
        "a second zip behind": lambda: good + good,
        "a comment": lambda: good[:-2] + struct.pack("<H", 4) + b"more",
        "a comment that is an end": lambda: good[:-2] + struct.pack("<H", 22) + good[end:],
        "something before": lambda: b"#!/bin/sh\n" + good,
        "a zip before": lambda: good[: end // 2] + good,
        "something before the directory": lambda: _shifted_directory(good, bytes(100)),
        "a 64-bit field in the directory": lambda: _with_extra(good, extra),
    }


def _shifted_directory(good: bytes, between: bytes) -> bytes:
    where = good.index(_ENTRY)
    moved = good[:where] + between + good[where:]
    return _end(moved, 16, struct.pack("<L", where + len(between)))


def _with_extra(good: bytes, extra: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(good)) as source, zipfile.ZipFile(packed, "w") as archive:
        for entry in source.infolist():
            copy = zipfile.ZipInfo(entry.filename)
            copy.extra = extra if entry.filename.endswith("data.pkl") else b""
            archive.writestr(copy, source.read(entry))
    return packed.getvalue()


def _parts(specimen: Specimen) -> Crafted:
    records = specimen.records
    good = pack(records)

    def without(name: str) -> bytes:
        return pack({key: value for key, value in records.items() if key != name})

    return {
        "deflated": lambda: _zipped(records, zipfile.ZIP_DEFLATED),
        "a bomb": lambda: _zipped(records | {"data.pkl": bytes(100_000_000)}, zipfile.ZIP_DEFLATED),
        "bzip2": lambda: _zipped(records, zipfile.ZIP_BZIP2),
        "two lists of contents in the zip": lambda: _with_more(good, f"{ROOT}/data.pkl", data=b"\x80\x02}."),
        "the same record twice": lambda: _with_more(good, f"{ROOT}/data/0", data=records["data/0"]),
        "a name that climbs out": lambda: _with_more(good, f"{ROOT}/../../canary"),
        "an absolute name": lambda: _with_more(good, "/tmp/canary"),
        "a root that climbs out": lambda: pack(records, ".."),
        "an empty root": lambda: pack(records, ""),
        "two roots": lambda: _with_more(good, "other/data.pkl"),
        "a folder": lambda: _with_more(good, f"{ROOT}/data/", data=b""),
        "a name with a zero in it": lambda: good.replace(b"archive/version", b"archive/versio\0"),
        "a program": lambda: _with_more(good, f"{ROOT}/code/__torch__.py"),
        "a script module": lambda: _with_more(good, f"{ROOT}/constants.pkl", data=b"\x80\x02)."),
        "a record that nothing refers to": lambda: _with_more(good, f"{ROOT}/data/9999"),
        "a record with a number too much": lambda: _with_more(good, f"{ROOT}/data/00"),
        "a long note": lambda: pack(records | {"byteorder": b"little" + bytes(10**6)}),
        "a byte order nobody has": lambda: pack(records | {"byteorder": b"middle"}),
        "no list of contents": lambda: without("data.pkl"),
        "no version": lambda: without("version"),
        "no weights": lambda: without("data/3"),
        "a shorter record": lambda: pack(records | {"data/3": records["data/3"][:-4]}),
        "a longer record": lambda: pack(records | {"data/3": records["data/3"] + bytes(4)}),
        "sixty thousand parts": lambda: _with_more(good, *(f"{ROOT}/data/{number}" for number in range(1000, 61_000))),
        "parts all but the list of contents": lambda: pack({f"data/{number}": bytes(100) for number in range(50)}),
        "an empty zip": lambda: pack({"note": bytes(2000)}),
    }  # fmt: skip


def zip_attacks(specimen: Specimen) -> Crafted:
    """Return makers of files by name; their list of contents, where they have one, is as it should be."""
    good = pack(specimen.records)
    return _structures(good) | _surroundings(good) | _parts(specimen)
