"""The common part of all headers: the place of the samples in a file, and a stated size that may be wrong."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Literal, TypeAlias

from distill_core.parts import Part

Order: TypeAlias = Literal["little", "big"]

UNKNOWN_FROM = 0x7FFF0000  # sizes from here on stand for "to the end"
_MOST_CHUNKS = 10_000  # a file of nothing but chunks would take minutes
_TAGS_AT_THE_END = (b"TAG", b"ID3", b"APETAGEX", b"LYRICS")
_LEAST_SOUND_S = 0.05  # less than this after the stated end is no sound


@dataclass(frozen=True, slots=True)
class Header:
    """A verdict on a file's header, and its correction.

    `duration_s` is the length that it states, None for none; `parts` is the file with a right header, None if there is
    none to give; `is_sound` tells whether a decoder can take the file as it is, `is_mpeg` whether the parts are MPEG
    frames.
    """

    duration_s: float | None = None
    parts: tuple[Part, ...] | None = None
    is_sound: bool = True
    is_mpeg: bool = False


@dataclass(frozen=True, slots=True)
class FileChunk:
    """A chunk in the sense of RIFF: its name, the begin of its content, and its stated length in bytes."""

    name: bytes
    begin: int
    length: int


@dataclass(frozen=True, slots=True)
class SamplePlace:
    """The begin of the samples, their stated length in bytes, and their format.

    `frame_bytes` and `bytes_per_second` are 0 if the format has no fixed ones.
    """

    begin: int
    declared: int
    frame_bytes: int
    bytes_per_second: float

    @property
    def stated_s(self) -> float | None:
        """The length that the header states, None for none."""
        is_known = self.bytes_per_second > 0 and self.declared < UNKNOWN_FROM
        return self.declared / self.bytes_per_second if is_known else None


def at(file: BinaryIO, position: int, length: int) -> bytes:
    """Return bytes from anywhere in a file, fewer at its end."""
    file.seek(position)
    return file.read(length)


def number_at(file: BinaryIO, position: int, width: int, order: Order) -> int:
    """Return a whole number from anywhere in a file."""
    return int.from_bytes(at(file, position, width), order)


def is_chunk_name(name: bytes) -> bool:
    """Tell whether four bytes can be a chunk's name."""
    return len(name) == 4 and all(32 <= byte < 127 for byte in name)


def file_chunks(file: BinaryIO, size: int, begin: int, width: int, order: Order) -> Iterator[FileChunk]:
    """Yield the chunks in a row from `begin`, whose sizes are `width` bytes wide; with 4, chunks have even lengths."""
    for _ in range(_MOST_CHUNKS):
        if begin >= size:
            return
        chunk = FileChunk(at(file, begin, 4), begin + 4 + width, number_at(file, begin + 4, width, order))
        yield chunk
        begin = chunk.begin + chunk.length + (chunk.length % 2 if width == 4 else 0)


def _ends_there(file: BinaryIO, end: int, size: int, samples: SamplePlace, width: int, order: Order) -> bool:
    """Tell whether other data follows the samples: chunks, tags, zeros, or next to nothing."""
    following = at(file, end, 65_536)
    if size - end < max(16, _LEAST_SOUND_S * samples.bytes_per_second) or not any(following):
        return True
    for skipped in (end % 2, 0):
        begin = following[skipped : skipped + 4 + width]
        fits = int.from_bytes(begin[4:], order) <= size - end - skipped
        if begin.startswith(_TAGS_AT_THE_END) or (is_chunk_name(begin[:4]) and fits):
            return True
    return False


def sample_bytes(file: BinaryIO, size: int, samples: SamplePlace, width: int = 4, order: Order = "little") -> int:
    """Return the bytes of samples that the file really has; chunk sizes are `width` bytes wide."""
    available = max(0, size - samples.begin)
    end = samples.begin + samples.declared
    is_short = 0 < samples.declared < available
    length = samples.declared if is_short and _ends_there(file, end, size, samples, width, order) else available
    return length - length % max(1, samples.frame_bytes)


def is_right(declared: int, length: int) -> bool:
    """Tell whether a decoder that trusts the size reads all samples; it notices by itself if a file is too short."""
    return declared in (length, length + 1) or declared > length
