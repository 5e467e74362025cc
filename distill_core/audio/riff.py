"""The chunks of a WAV file, and those that mark a loop, which libsndfile's Python binding cannot write."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator

_FORM, _KIND = b"RIFF", b"WAVE"
_HEADER = struct.Struct("<4sI")
_MIDDLE_C = 60
_CUE_ID, _FORWARD, _FOREVER = 1, 0, 0
_DATED = b"PEAK"  # libsndfile's, with the time of writing
_FORMAT, _SHORT_FORMAT, _WHOLE_NUMBERS = b"fmt ", 16, 1


def chunks_of(wav: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the id and the content of each chunk of a whole WAV file."""
    position = _HEADER.size + len(_KIND)
    while position < len(wav):
        name, size = _HEADER.unpack_from(wav, position)
        position += _HEADER.size
        yield name, wav[position : position + size]
        position += size + size % 2


def wav_of(chunks: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Return the WAV file of chunks; one of odd length is followed by a zero that it does not count."""
    body = b"".join(_HEADER.pack(name, len(content)) + content + b"\0" * (len(content) % 2) for name, content in chunks)
    return _HEADER.pack(_FORM, len(_KIND) + len(body)) + _KIND + body


def _sampler(frames: int, sample_rate: int) -> bytes:
    """Return a `smpl` chunk: all of the sound is played forward, again and again; the last frame belongs to it."""
    nanoseconds = round(1e9 / sample_rate)
    header = struct.pack("<9I", 0, 0, nanoseconds, _MIDDLE_C, 0, 0, 0, 1, 0)
    return header + struct.pack("<6I", _CUE_ID, _FORWARD, 0, frames - 1, 0, _FOREVER)


def _cue() -> bytes:
    """Return a `cue ` chunk with a point at the first frame, where the loop begins."""
    return struct.pack("<I", 1) + struct.pack("<2I4s3I", _CUE_ID, 0, b"data", 0, 0, 0)


def _whole_format(content: bytes) -> bytes:
    """Return a `fmt ` chunk with the length of its extension, which all but whole numbers must have; libsndfile's not.

    The length is 0.
    """
    (kind,) = struct.unpack_from("<H", content)
    return content + b"\0\0" if len(content) == _SHORT_FORMAT and kind != _WHOLE_NUMBERS else content


def tidied(wav: bytes) -> bytes:
    """Return libsndfile's WAV file as the format wants it, the same for the same sound at any time."""
    kept = ((name, content) for name, content in chunks_of(wav) if name != _DATED)
    return wav_of((name, _whole_format(content) if name == _FORMAT else content) for name, content in kept)


def with_loop(wav: bytes, frames: int, sample_rate: int) -> bytes:
    """Return a WAV file that says that all of its `frames` are a loop."""
    return wav_of([*chunks_of(wav), (b"smpl", _sampler(frames, sample_rate)), (b"cue ", _cue())])
