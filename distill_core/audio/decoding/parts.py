"""A file as a decoder should see it: parts of one on disk, and bytes in their place."""

from __future__ import annotations

import io
import os
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path
from typing import TypeAlias

Span: TypeAlias = tuple[int, int]  # first byte, number of bytes
Part: TypeAlias = bytes | Span


def length_of(part: Part) -> int:
    """Return how many bytes a part has."""
    return len(part) if isinstance(part, bytes) else part[1]


class PartsFile(io.RawIOBase):
    """A file to read and seek in, made of parts in a row; nothing is copied."""

    def __init__(self, path: Path, parts: Sequence[Part]) -> None:
        self._file = path.open("rb")
        self._parts = [part for part in parts if length_of(part)]
        self._ends = [*accumulate(map(length_of, self._parts))]
        self._position = 0

    def readable(self) -> bool:
        """Answer yes."""
        return True

    def seekable(self) -> bool:
        """Answer yes."""
        return True

    def tell(self) -> int:
        """Return the position in bytes."""
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move to a position in bytes and return it."""
        total = self._ends[-1] if self._ends else 0
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: total}[whence]
        self._position = max(0, base + offset)
        return self._position

    def read(self, size: int = -1, /) -> bytes:
        """Return up to so many bytes, fewer only at the end."""
        total = self._ends[-1] if self._ends else 0
        end = total if size < 0 else min(total, self._position + size)
        found = []
        while self._position < end:
            index = bisect_right(self._ends, self._position)
            part, begin = self._parts[index], self._ends[index] - length_of(self._parts[index])
            piece = self._read_part(part, self._position - begin, min(end, self._ends[index]) - self._position)
            if not piece:  # the file became shorter
                break
            found.append(piece)
            self._position += len(piece)
        return b"".join(found)

    def _read_part(self, part: Part, skipped: int, size: int) -> bytes:
        if isinstance(part, bytes):
            return part[skipped : skipped + size]
        self._file.seek(part[0] + skipped)
        return self._file.read(size)

    def readinto(self, buffer: object, /) -> int:
        """Fill a buffer and return how many bytes it got."""
        view = memoryview(buffer).cast("B")  # type: ignore[arg-type]
        content = self.read(len(view))
        view[: len(content)] = content
        return len(content)

    def close(self) -> None:
        """Close the file on disk."""
        self._file.close()
        super().close()
