"""RIFF, RIFX, RF64 (EBU Tech 3306) and BW64 (ITU-R BS.2088): WAV and its kin."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import BinaryIO

from distill_core.audio.decoding.chunked import (
    UNKNOWN_FROM,
    Header,
    Order,
    SamplePlace,
    at,
    file_chunks,
    is_chunk_name,
    is_right,
    number_at,
    sample_bytes,
)
from distill_core.parts import Span

_LARGEST_SIZE = 2**32 - 1
_PLAIN_TAGS = (1, 3, 6, 7, 0xFFFE)  # PCM, float, A-law, µ-law, extensible: frames of one size
_MPEG_TAGS = (0x50, 0x55)  # a WAV around an MPEG stream; there are some around an Ogg, too
_MOST_CHUNKS, _MOST_FMT_BYTES, _SEARCHED_BYTES = 10_000, 4096, 2**20
_FMT_NUMBERS = ((2, 2), (4, 4), (8, 4), (12, 2), (14, 2))  # channels, rate, bytes per second, bytes per frame, bits
_KNOWN_CHUNKS = b"fmt |data|fact|LIST|PEAK|bext|smpl|cue |JUNK|id3 |iXML".split(b"|")


@dataclass(slots=True)
class _Wave:
    """The findings of a walk over a WAV's chunks."""

    order: Order
    fmt: bytes = b""
    data_at: int = 0
    declared: int = 0
    long_size: int = 0
    has_odd_chunk: bool = False

    def number(self, position: int, width: int) -> int:
        """Return a number in the format chunk."""
        return int.from_bytes(self.fmt[position : position + width], self.order)

    @property
    def tag(self) -> int:
        return self.number(0, 2)

    @property
    def samples(self) -> SamplePlace:
        """The place of the samples; bytes per second follow from the frame, or else are the header's own average."""
        channels, rate, average, block, bits = (self.number(*place) for place in _FMT_NUMBERS)
        if self.tag not in _PLAIN_TAGS:
            return SamplePlace(self.data_at, self.declared, block, average)
        frame_bytes = channels * -(-bits // 8) or block
        return SamplePlace(self.data_at, self.declared, frame_bytes, rate * frame_bytes)


def _walk(file: BinaryIO, size: int, order: Order) -> _Wave | None:
    """Return a WAV's settings and the place of its samples, None without either."""
    wave = _Wave(order)
    if not _follow_chunks(wave, file, size):
        place = at(file, 12, _SEARCHED_BYTES).find(b"data")  # a chunk before it has a wrong size
        if place < 0:
            return None
        wave.data_at, wave.declared = 12 + place + 8, number_at(file, 12 + place + 4, 4, order)
        wave.has_odd_chunk = True
    return wave if len(wave.fmt) >= 16 else None


def _follow_chunks(wave: _Wave, file: BinaryIO, size: int) -> bool:
    """Go from chunk to chunk to the samples, and return whether they were reached."""
    position, order = 12, wave.order
    for _ in range(_MOST_CHUNKS):
        name, length = at(file, position, 4), number_at(file, position + 4, 4, order)
        if name not in _KNOWN_CHUNKS and at(file, position - 1, 4) in _KNOWN_CHUNKS:
            position -= 1  # the chunk before has an odd length and no padding
            continue
        if not is_chunk_name(name) or position + 8 > size:
            return False
        if name == b"data":
            wave.data_at, wave.declared = position + 8, length
            return True
        _take_chunk(wave, name, at(file, position + 8, min(length, _MOST_FMT_BYTES)))
        position += 8 + length + length % 2
    return False


def _take_chunk(wave: _Wave, name: bytes, content: bytes) -> None:
    if name == b"fmt ":
        wave.fmt = content
    elif name == b"ds64":
        wave.long_size = int.from_bytes(content[8:16], wave.order)
    elif name == b"PEAK":
        wave.has_odd_chunk = len(content) != 8 + 8 * wave.number(2, 2)


def _later_data(file: BinaryIO, size: int, wave: _Wave) -> list[Span]:
    """Return the spans of further chunks of samples."""
    end = wave.data_at + wave.declared + wave.declared % 2
    spans: list[Span] = []
    for chunk in file_chunks(file, size, end, 4, wave.order):
        if not is_chunk_name(chunk.name) or chunk.begin + chunk.length > size:
            break
        if chunk.name == b"data":
            spans.append((chunk.begin, chunk.length))
    return spans


def _new_header(wave: _Wave, length: int) -> bytes:
    """Return a header for `length` bytes of samples: RIFF, or RF64 if they are too many for that."""
    fmt = b"fmt " + len(wave.fmt).to_bytes(4, wave.order) + wave.fmt + bytes(len(wave.fmt) % 2)
    if length < _LARGEST_SIZE - 2 * _MOST_FMT_BYTES:
        magic = b"RIFF" if wave.order == "little" else b"RIFX"
        total = (4 + len(fmt) + 8 + length).to_bytes(4, wave.order)
        return magic + total + b"WAVE" + fmt + b"data" + length.to_bytes(4, wave.order)
    unknown, frames = struct.pack("<I", _LARGEST_SIZE), length // max(1, wave.samples.frame_bytes)
    sizes = b"ds64" + struct.pack("<IQQQI", 28, 4 + 36 + len(fmt) + 8 + length, length, frames, 0)
    return b"RF64" + unknown + b"WAVE" + sizes + fmt + b"data" + unknown


def wave_header(file: BinaryIO, size: int) -> Header:
    """Return the verdict on a WAV's header."""
    magic = at(file, 0, 4)
    wave = _walk(file, size, "big" if magic == b"RIFX" else "little")
    if wave is None or not wave.samples.frame_bytes:
        return Header()
    if magic in (b"RF64", b"BW64") and wave.declared == _LARGEST_SIZE:
        wave.declared = wave.long_size
    samples = wave.samples
    length = sample_bytes(file, size, samples, order=wave.order)
    if (wrapped := at(file, wave.data_at, 4)) == b"OggS" or wave.tag in _MPEG_TAGS:
        return Header(None, ((wave.data_at, length),), is_sound=False, is_mpeg=wrapped != b"OggS")
    later = _later_data(file, size, wave) if wave.declared == length else []
    total = length + sum(span[1] for span in later)
    is_known = bool(later) or wave.declared < UNKNOWN_FROM or wave.declared == length
    stated_s = (
        (total if later else wave.declared) / samples.bytes_per_second
        if is_known and samples.bytes_per_second
        else None
    )
    is_sound = is_right(wave.declared, length) and not (later or wave.has_odd_chunk or magic == b"BW64")
    return Header(stated_s, (_new_header(wave, total), (wave.data_at, length), *later), is_sound)


_TAG_NAMES = {
    0x02: "",  # libsndfile reads those without a name
    0x11: "",
    0x31: "",
    0x38: "",
    0x40: "",
    0x20: "Yamaha ADPCM",
    0x45: "G.726",
    0x64: "G.726",
    0x65: "G.722",
    0x28F: "G.722",
    0xFF: "AAC",
    0x1600: "AAC",
    0x1610: "AAC",
    0x706D: "AAC",
    0x160: "WMA",
    0x161: "WMA",
    0x162: "WMA",
    0x163: "WMA",
    0x2000: "AC-3",
    0x2001: "DTS",
    0x5346: "SWF ADPCM",
}


def foreign_codec(head: bytes) -> str:
    """Return the name of a WAV's codec if libsndfile does not read it, else ""."""
    order: Order = "big" if head[:4] == b"RIFX" else "little"
    place = head.find(b"fmt ")
    tag = int.from_bytes(head[place + 8 : place + 10], order)
    if place < 0 or not tag or tag in _PLAIN_TAGS or tag in _MPEG_TAGS or 0x674F <= tag <= 0x6771:
        return ""
    return _TAG_NAMES.get(tag, f"codec {tag:#06x}")
