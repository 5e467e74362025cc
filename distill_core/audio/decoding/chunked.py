"""What headers have in common: samples somewhere in a file, and a size of them that may be wrong."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Literal, TypeAlias

from distill_core.parts import Part

Order: TypeAlias = Literal["little", "big"]

UNKNOWN_FROM = 0x7FFF0000  # what is written for "to the end" lies here or above
_MOST_CHUNKS = 10_000  # a file of nothing but chunks would take minutes
_TAGS_AT_THE_END = (b"TAG", b"ID3", b"APETAGEX", b"LYRICS")
_LEAST_SOUND_S = 0.05  # less than this after the end is no more of the sound


@dataclass(frozen=True, slots=True)
class Header:
    """What a header is worth.

    `duration_s` is what it says, None where it says nothing; `parts` is the file with a header that holds, None where
    there is nothing to mend; `is_sound` says whether a decoder can take the file as it is; `is_mpeg`, that its parts
    are MPEG frames.
    """

    duration_s: float | None = None
    parts: tuple[Part, ...] | None = None
    is_sound: bool = True
    is_mpeg: bool = False


@dataclass(frozen=True, slots=True)
class Chunk:
    """A chunk: its name, where its content begins, and how long it says it is."""

    name: bytes
    begin: int
    length: int


@dataclass(frozen=True, slots=True)
class SamplePlace:
    """Where samples begin, how many bytes the header says they are, and what it says of their format.

    `frame_bytes` and `bytes_a_second` are 0 where the format has no fixed ones.
    """

    begin: int
    declared: int
    frame_bytes: int
    bytes_a_second: float

    @property
    def told_s(self) -> float | None:
        """How long the header says the sound is, None where it says nothing."""
        is_known = self.bytes_a_second > 0 and self.declared < UNKNOWN_FROM
        return self.declared / self.bytes_a_second if is_known else None


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


def chunks_of(file: BinaryIO, size: int, begin: int, width: int, order: Order) -> Iterator[Chunk]:
    """Yield the chunks that follow each other, whose sizes are so many bytes `width`; those of 4 are filled up to 2."""
    for _ in range(_MOST_CHUNKS):
        if begin >= size:
            return
        chunk = Chunk(at(file, begin, 4), begin + 4 + width, number_at(file, begin + 4, width, order))
        yield chunk
        begin = chunk.begin + chunk.length + (chunk.length % 2 if width == 4 else 0)


def _ends_there(file: BinaryIO, end: int, size: int, samples: SamplePlace, width: int, order: Order) -> bool:
    """Tell whether what follows the samples is something else: chunks, tags, zeros, or next to nothing."""
    following = at(file, end, 65_536)
    if size - end < max(16, _LEAST_SOUND_S * samples.bytes_a_second) or not any(following):
        return True
    for skipped in (end % 2, 0):
        begin = following[skipped : skipped + 4 + width]
        fits = int.from_bytes(begin[4:], order) <= size - end - skipped
        if begin.startswith(_TAGS_AT_THE_END) or (is_chunk_name(begin[:4]) and fits):
            return True
    return False


def sample_bytes(file: BinaryIO, size: int, samples: SamplePlace, width: int = 4, order: Order = "little") -> int:
    """Return how many bytes of samples there are, whatever the header says; chunk sizes have `width` bytes."""
    available = max(0, size - samples.begin)
    end = samples.begin + samples.declared
    is_short = 0 < samples.declared < available
    length = samples.declared if is_short and _ends_there(file, end, size, samples, width, order) else available
    return length - length % max(1, samples.frame_bytes)


def is_right(declared: int, length: int) -> bool:
    """Tell whether a decoder that believes a size reads all there is; it notices itself that a file is too short."""
    return declared in (length, length + 1) or declared > length
