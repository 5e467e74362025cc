"""Bytes that a training reads again and again, kept out of memory: in a file without a name, on the cache's disk.

The file is written and read by calls, never mapped: a full disk is an error that can be answered, and what is read
counts as the system's own cache. Where no file can be made, or the disk is full, the bytes stay in memory.
"""

from __future__ import annotations

import logging
import tempfile
import weakref
from contextlib import suppress
from typing import IO

from distill_core.errors import TrainingError
from distill_core.folders import cache_folder

_MOST_IN_MEMORY = 8 * 2**20  # bytes: a small set needs no file

logger = logging.getLogger("distill")


def _open() -> IO[bytes]:
    """Return a file that vanishes with its descriptor.

    Raises:
        OSError: there is no room for one.
    """
    cache_folder().mkdir(parents=True, exist_ok=True)
    return tempfile.TemporaryFile(dir=cache_folder(), prefix="scratch", buffering=0)


def _write(file: IO[bytes], content: bytes) -> None:
    """Write all of the bytes: a call may write a part of them.

    Raises:
        OSError: the disk is full.
    """
    left = memoryview(content)
    while left:
        left = left[file.write(left) :]


def _read(file: IO[bytes], offset: int, size: int) -> bytearray:
    content, done = bytearray(size), 0
    file.seek(offset)
    with memoryview(content) as left:
        while done < size and (count := file.readinto(left[done:])):  # type: ignore[attr-defined]
            done += count
    if done < size:
        raise OSError("the end of a scratch file is missing")
    return content


class Scratch:
    """Bytes that are appended, and read by their offset."""

    def __init__(self, most_in_memory: int = _MOST_IN_MEMORY) -> None:
        self._most_in_memory: float = most_in_memory
        self._memory = bytearray()
        self._file: IO[bytes] | None = None
        self._size = 0

    def append(self, content: bytes) -> int:
        """Append bytes, and return their offset."""
        offset = self._size
        if self._file is None and offset + len(content) > self._most_in_memory:
            self._move_to_file()
        if self._file is not None:
            self._append_to_file(content)
        else:
            self._memory += content
        self._size += len(content)
        return offset

    def read(self, offset: int, size: int) -> bytearray:
        """Return bytes that were appended, as a copy.

        Raises:
            TrainingError: the disk does not give them back.
        """
        if self._file is None:
            return self._memory[offset : offset + size]
        try:
            return _read(self._file, offset, size)
        except OSError as error:
            raise TrainingError(
                f"The disk did not give back what the training had put there ({error.strerror or error}).",
                "Your files are unchanged. Look after the disk, then go on with this training.",
            ) from error

    def _move_to_file(self) -> None:
        """Move what is in memory to a file; where there is none, all stays in memory from now on."""
        try:
            self._file = _open()
            weakref.finalize(self, self._file.close)
            _write(self._file, bytes(self._memory))  # a copy: an error may hold on to what was being written
            self._memory = bytearray()
        except OSError as error:
            self._go_on_in_memory(error)

    def _append_to_file(self, content: bytes) -> None:
        assert self._file is not None
        try:
            self._file.seek(self._size)
            _write(self._file, content)
        except OSError as error:
            self._memory = self.read(0, self._size)
            self._go_on_in_memory(error)
            self._memory += content

    def _go_on_in_memory(self, error: OSError) -> None:
        logger.info("what a training reads again stays in memory: %s", error)
        if self._file is not None:
            with suppress(OSError):
                self._file.close()
        self._file, self._most_in_memory = None, float("inf")
