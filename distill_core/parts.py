"""A file made of parts in a row: bytes, and spans of a file on disk."""

from __future__ import annotations

import io
import os
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import Any, BinaryIO, TypeAlias

Span: TypeAlias = tuple[int, int]  # first byte, number of bytes
Bytes: TypeAlias = bytes | memoryview
Part: TypeAlias = Bytes | Span


def _length(part: Part) -> int:
    return part[1] if isinstance(part, tuple) else len(part)


class PartsFile(io.RawIOBase):
    """A readable, seekable file made of parts in a row; their spans lie in an open file and are not copied."""

    def __init__(self, source: BinaryIO, parts: Sequence[Part]) -> None:
        self._source, self._parts = source, parts
        self._starts = [0, *accumulate(map(_length, parts))]
        self._place = 0

    def readable(self) -> bool:
        """Answer yes."""
        return True

    def seekable(self) -> bool:
        """Answer yes."""
        return True

    def tell(self) -> int:
        """Return the place in bytes."""
        return self._place

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a place in bytes and return it."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._place, os.SEEK_END: self._starts[-1]}[whence]
        self._place = max(0, base + offset)
        return self._place

    def readinto(self, buffer: Any, /) -> int:
        """Fill a buffer as far as the bytes go, and return their number."""
        left = memoryview(buffer).cast("B")
        total = len(left)
        while left and (size := self._read_part(left)):
            self._place += size
            left = left[size:]
        return total - len(left)

    def _read_part(self, buffer: memoryview) -> int:
        """Fill the start of a buffer from the part at the place, up to that part's end, and return the bytes read."""
        number = bisect_right(self._starts, self._place) - 1
        if number == len(self._parts):
            return 0
        part, offset = self._parts[number], self._place - self._starts[number]
        size = min(len(buffer), _length(part) - offset)
        if not isinstance(part, tuple):
            buffer[:size] = part[offset : offset + size]
            return size
        self._source.seek(part[0] + offset)
        return self._source.readinto(buffer[:size])  # type: ignore[attr-defined, no-any-return]
