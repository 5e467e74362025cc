"""The headers of sound files: the length that they state, and a right header in the place of a wrong one.

Recorders that lose power leave sizes of zero, streams leave sizes without meaning, editors leave chunks that libsndfile
refuses.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import BinaryIO

from distill_core.audio.decoding.chunked import (
    UNKNOWN_FROM,
    Header,
    Order,
    SamplePlace,
    at,
    file_chunks,
    is_right,
    number_at,
    sample_bytes,
)
from distill_core.audio.decoding.mpeg import id3_bytes
from distill_core.audio.decoding.wave import wave_header
from distill_core.parts import Part

# Bytes of a sample by AIFC's compression; 0: they follow from its bits.
_AIFC_BYTES = {b"NONE": 0, b"twos": 0, b"sowt": 0, b"in24": 3, b"in32": 4, b"fl32": 4, b"FL32": 4, b"fl64": 8}
_AIFC_BYTES |= {b"FL64": 8, b"ulaw": 1, b"ULAW": 1, b"alaw": 1, b"ALAW": 1}
_AU_BYTES = {1: 1, 2: 1, 3: 2, 4: 3, 5: 4, 6: 4, 7: 8, 27: 1}
_W64_FMT, _W64_DATA = b"fmt \xf3\xac\xd3\x11", b"data\xf3\xac\xd3\x11"  # each the beginning of a GUID


def _extended(content: bytes) -> float:
    """Return the value of an 80-bit number of IEEE 754, as AIFF writes its rate."""
    exponent, mantissa = int.from_bytes(content[:2], "big") & 0x7FFF, int.from_bytes(content[2:10], "big")
    return mantissa * 2.0 ** (exponent - 16_446) if exponent < 16_446 else 0.0  # no rate is larger


def _aiff_samples(comm: bytes, begin: int, declared: int) -> SamplePlace:
    channels, bits, codec = int.from_bytes(comm[:2], "big"), int.from_bytes(comm[6:8], "big"), comm[18:22] or b"NONE"
    width = _AIFC_BYTES.get(codec, -1) or -(-bits // 8)
    frame_bytes = channels * width if codec in _AIFC_BYTES else 0
    return SamplePlace(begin, declared, frame_bytes, _extended(comm[8:18]) * frame_bytes)


def aiff_header(file: BinaryIO, size: int) -> Header:
    """Return the verdict on the header of an AIFF or AIFC."""
    comm, has_odd_chunk, samples = b"", False, None
    for chunk in file_chunks(file, size, 12, 4, "big"):
        if chunk.name == b"COMM":
            comm = at(file, chunk.begin, min(chunk.length, 512))
        elif chunk.name == b"PEAK":
            has_odd_chunk = chunk.length != 8 + 8 * int.from_bytes(comm[:2], "big")
        elif chunk.name == b"SSND" and len(comm) >= 18:
            skipped = 8 + number_at(file, chunk.begin, 4, "big")
            samples = _aiff_samples(comm, chunk.begin + skipped, max(0, chunk.length - skipped))
    if samples is None or not samples.frame_bytes:
        return Header()
    frames = int.from_bytes(comm[2:6], "big")
    stated_s = frames * samples.frame_bytes / samples.bytes_per_second if samples.bytes_per_second else None
    length = sample_bytes(file, size, samples, order="big")
    is_sound = is_right(samples.declared, length) and frames * samples.frame_bytes >= length and not has_odd_chunk
    parts = (_new_aiff(at(file, 8, 4), comm, samples, length), (samples.begin, length)) if length < 2**31 else None
    return Header(stated_s if frames < UNKNOWN_FROM else None, parts, is_sound)


def _new_aiff(kind: bytes, comm: bytes, samples: SamplePlace, length: int) -> bytes:
    """Return a header for `length` bytes of samples."""
    version = b"FVER" + struct.pack(">II", 4, 0xA2805140) if kind == b"AIFC" else b""
    comm = comm[:2] + struct.pack(">I", length // samples.frame_bytes) + comm[6:]
    chunks = version + b"COMM" + struct.pack(">I", len(comm)) + comm + bytes(len(comm) % 2)
    chunks += b"SSND" + struct.pack(">III", 8 + length, 0, 0)
    return b"FORM" + struct.pack(">I", 4 + len(chunks) + length) + kind + chunks


def caf_header(file: BinaryIO, size: int) -> Header:
    """Return the verdict on a CAF's header: samples that last to the end of the file are refused by libsndfile."""
    frame_bytes, bytes_per_second, channels = 0, 0.0, 0
    before: tuple[Part, ...] = ()
    begin = 0  # of the span that is copied up to the samples' size
    for chunk in file_chunks(file, size, 8, 8, "big"):
        head = chunk.begin - 12
        if chunk.name == b"desc" and len(desc := at(file, chunk.begin, 28)) == 28:
            rate, _, _, frame_bytes, packet_frames, channels = struct.unpack(">d4sIIII", desc)
            bytes_per_second = rate * frame_bytes / packet_frames if packet_frames else 0.0
        elif chunk.name == b"peak" and chunk.length != 4 + 12 * channels:
            before, begin = (*before, (begin, head - begin)), chunk.begin + chunk.length
        elif chunk.name == b"data":
            declared = 2**63 if chunk.length >= 2**63 else max(0, chunk.length - 4)  # −1: to the end
            samples = SamplePlace(chunk.begin + 4, declared, frame_bytes, bytes_per_second)
            length = sample_bytes(file, size, samples, width=8, order="big")
            new_size = (4 + length).to_bytes(8, "big")
            parts = (*before, (begin, head + 4 - begin), new_size, (chunk.begin, 4 + length))
            return Header(samples.stated_s, parts, is_sound=declared == length and not before)
    return Header()


def au_header(file: BinaryIO, size: int) -> Header:
    """Return the verdict on a Sun/NeXT header; a size of all ones means "to the end"."""
    head = at(file, 0, 24)
    order: Order = "big" if head[:4] == b".snd" else "little"
    begin, declared, encoding, rate, channels = (int.from_bytes(head[i : i + 4], order) for i in range(4, 24, 4))
    frame_bytes = channels * _AU_BYTES.get(encoding, 0)
    samples = SamplePlace(begin, declared, frame_bytes, rate * frame_bytes)
    length = sample_bytes(file, size, samples, order=order)
    is_sound = is_right(declared, length) and not UNKNOWN_FROM <= declared < 2**32 - 1
    return Header(samples.stated_s, ((0, 8), b"\xff" * 4, (12, max(0, begin + length - 12))), is_sound)


def w64_header(file: BinaryIO, size: int) -> Header:
    """Return the length that a Sony Wave64 states; libsndfile reads its samples to the end of the file anyway."""
    position, bytes_per_second = 40, 0
    while position + 24 <= size:
        name, length = at(file, position, 8), number_at(file, position + 16, 8, "little")
        if name == _W64_FMT:
            fmt = at(file, position + 24, 16)
            is_plain = int.from_bytes(fmt[:2], "little") in (1, 3, 0xFFFE)
            bytes_per_second = int.from_bytes(fmt[8:12], "little") if is_plain else 0
        if name == _W64_DATA:
            return Header(SamplePlace(position + 24, max(0, length - 24), 0, bytes_per_second).stated_s)
        position += max(24, length + -length % 8)
    return Header()


def flac_header(file: BinaryIO, size: int) -> Header:
    """Return the length in STREAMINFO (RFC 9639), and the file with "unknown" there: a decoder would stop at it."""
    begin = id3_bytes(file)
    if at(file, begin, 4) != b"fLaC":
        return Header()
    packed = number_at(file, begin + 18, 8, "big")  # rate (20 bits), channels (3), depth (5), frames (36)
    rate, frames = packed >> 44, packed & (2**36 - 1)
    unknown = (packed >> 36 << 36).to_bytes(8, "big")
    stated_s = frames / rate if rate and frames else None
    return Header(stated_s, ((0, begin + 18), unknown, (begin + 26, max(0, size - begin - 26))), is_sound=False)


READERS: dict[str, Callable[[BinaryIO, int], Header]] = {
    "WAV": wave_header,
    "AIFF": aiff_header,
    "CAF": caf_header,
    "AU": au_header,
    "W64": w64_header,
    "FLAC": flac_header,
}
