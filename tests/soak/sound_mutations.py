"""Mutated sounds: a valid one with bits, bytes, sizes or pieces changed at random, each again from its number.

Half of the changes fall into the first bytes, for there the headers are. Pages of an Ogg mostly get their right
checksum back: a decoder leaves out a page with a wrong one.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from random import Random

_HEAD_BYTES = 128
_WIDTHS = {1: "B", 2: "H", 4: "I", 8: "Q"}
_WILD = (0, 1, 2, 7, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 44_101, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFF0)
_WILD += (0xFFFF_FFFF, 2**63 - 1, 2**64 - 1)
_NAMES = (b"data", b"fmt ", b"LIST", b"PEAK", b"COMM", b"SSND", b"desc", b"OggS", b"fLaC", b"ID3\x04", b"RIFF", b"FORM")
_PAGE, _PAGE_BYTES, _SUM_AT = b"OggS", 27, 22
Change = Callable[[bytearray, Random], None]


def _place(content: bytearray, random: Random) -> int:
    return random.randrange(min(len(content), _HEAD_BYTES) if random.random() < 0.5 else len(content))


def _flip(content: bytearray, random: Random) -> None:
    for _ in range(random.choice((1, 1, 2, 8, 64))):
        content[_place(content, random)] ^= 1 << random.randrange(8)


def _overwrite(content: bytearray, random: Random) -> None:
    begin = _place(content, random)
    content[begin : begin + random.randrange(1, 64)] = random.randbytes(random.randrange(1, 64))


def _set_number(content: bytearray, random: Random) -> None:
    for _ in range(random.choice((1, 1, 2))):
        width, begin = random.choice((1, 2, 4, 4, 4, 8)), _place(content, random)
        value = random.choice(_WILD) & (2 ** (8 * width) - 1)
        content[begin : begin + width] = struct.pack(random.choice("<>") + _WIDTHS[width], value)


def _cut_end(content: bytearray, random: Random) -> None:
    del content[_place(content, random) :]


def _cut_out(content: bytearray, random: Random) -> None:
    begin = _place(content, random)
    del content[begin : begin + int(2 ** random.uniform(0, 12))]


def _double(content: bytearray, random: Random) -> None:
    begin, to = _place(content, random), _place(content, random)
    content[to:to] = content[begin : begin + int(2 ** random.uniform(0, 12))] * random.choice((1, 1, 2, 16))


def _rename(content: bytearray, random: Random) -> None:
    begin = _place(content, random)
    content[begin : begin + 4] = random.choice(_NAMES)


def _zero(content: bytearray, random: Random) -> None:
    begin = _place(content, random)
    content[begin : begin + 256] = bytes(len(content[begin : begin + 256]))


_CHANGES: tuple[Change, ...] = (
    *[_flip] * 3, *[_set_number] * 4, _overwrite, _cut_end, _cut_out, _double, _rename, _zero,
)  # fmt: skip


def _table_of_sums() -> list[int]:
    table = []
    for byte in range(256):
        rest = byte << 24
        for _ in range(8):
            rest = (rest << 1 ^ (0x04C11DB7 if rest >> 31 else 0)) & 0xFFFF_FFFF
        table.append(rest)
    return table


_SUMS = _table_of_sums()


def _sum_of(page: bytes) -> int:
    """Return a page's checksum (RFC 3533, 6)."""
    rest = 0
    for byte in page:
        rest = (rest << 8 ^ _SUMS[rest >> 24 ^ byte]) & 0xFFFF_FFFF
    return rest


def _mend_sums(content: bytearray) -> None:
    begin = content.find(_PAGE)
    while 0 <= begin <= len(content) - _PAGE_BYTES:
        segments = content[begin + _PAGE_BYTES : begin + _PAGE_BYTES + content[begin + 26]]
        end = begin + _PAGE_BYTES + len(segments) + sum(segments)
        content[begin + _SUM_AT : begin + _SUM_AT + 4] = bytes(4)
        content[begin + _SUM_AT : begin + _SUM_AT + 4] = struct.pack("<I", _sum_of(bytes(content[begin:end])))
        begin = content.find(_PAGE, begin + 4)


class SoundMutator:
    """Makes the mutated sound of every number from valid ones in turn; the same number always gives the same."""

    def __init__(self, originals: Sequence[tuple[str, bytes]], seed: int) -> None:
        self._originals, self._seed = originals, seed

    def __call__(self, number: int) -> tuple[str, bytes]:
        """Return a file's name and its content."""
        random = Random(f"{self._seed}/{number}")
        name, original = self._originals[number % len(self._originals)]
        content = bytearray(original)
        if random.random() < 0.05:  # the beginning of one format, the end of another
            _, other = random.choice(self._originals)
            content = content[: _place(content, random)] + bytearray(other)[random.randrange(len(other)) :]
        for _ in range(random.choice((1, 1, 1, 2, 4))):
            if content:
                random.choice(_CHANGES)(content, random)
        if content.startswith(_PAGE) and random.random() < 0.9:
            _mend_sums(content)
        return name, bytes(content)
