"""MIDI sample dumps (SDS) packet by packet: libsndfile prints into the standard output where one is damaged."""

from __future__ import annotations

from typing import BinaryIO

from distill_core.audio.decoding.chunked import Header, at
from distill_core.parts import Span

_HEADER_BYTES, _PACKET_BYTES = 21, 127
_PACKET, _PACKET_END = b"\xf0\x7e", b"\xf7"
_DATA_AT, _DATA = 3, 2  # the byte that says what a message is, and its value for samples


def _number(content: bytes) -> int:
    """Return a number of seven bits a byte, the lowest first."""
    return sum((byte & 127) << 7 * place for place, byte in enumerate(content))


def _is_packet(packet: bytes) -> bool:
    ends = packet.startswith(_PACKET) and packet.endswith(_PACKET_END) and len(packet) == _PACKET_BYTES
    return ends and packet[_DATA_AT] == _DATA


def sample_dump_header(file: BinaryIO, size: int) -> Header:
    """Return the verdict on a sample dump: its header and its whole packets, and the length that it states."""
    head = at(file, 0, _HEADER_BYTES)
    nanoseconds, frames = _number(head[7:10]), _number(head[10:13])
    begins = range(_HEADER_BYTES, size - _PACKET_BYTES + 1, _PACKET_BYTES)
    whole: list[Span] = [(begin, _PACKET_BYTES) for begin in begins if _is_packet(at(file, begin, _PACKET_BYTES))]
    return Header(frames * nanoseconds / 1e9 or None, ((0, _HEADER_BYTES), *whole) if whole else None, is_sound=False)
