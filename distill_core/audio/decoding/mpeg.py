"""MPEG audio (MP1, MP2, MP3) frame by frame: its length, and the place of its sound (ISO 11172-3, 13818-3).

Such a file has no header: libraries guess its length from its first frames.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import BinaryIO, TypeAlias

from distill_core.events import ShouldStop, never, stop_point
from distill_core.parts import Span

_HEADER_BYTES = 4
_ID3V2_BYTES, _ID3V1_BYTES = 10, 128
_BUFFER_BYTES, _SEARCH_BYTES = 65_536, 2**20
_LONGEST_TAG_HEAD = 32
_FRAMES_IN_A_ROW = 4  # fewer may be an accident
_FRAMES_BETWEEN_STOP_POINTS = 10_000
_MOST_TRIES, _MOST_TAGS = 200_000, 100  # a file made to be searched for ever takes a second or two
# The first three bytes of a frame's header, without the values that no frame has.
_BEGINNING = re.compile(
    rb"\xff["
    + re.escape(bytes(b for b in range(0xE0, 0x100) if b >> 3 & 3 != 1 and b >> 1 & 3))
    + rb"]["
    + re.escape(bytes(b for b in range(0x10, 0xF0) if b >> 2 & 3 != 3))
    + rb"]"
)
# kbit/s by (version is 1, layer); the first entry, "free", leaves the length of a frame open.
_KBITS = {
    (True, 1): (0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (True, 2): (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 3): (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 1): (0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, 2): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 3): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_RATES = (44_100, 48_000, 32_000)
_RATE_DIVISORS = {3: 1, 2: 2, 0: 4}  # MPEG 1, 2 and 2.5 by their two bits


FrameKind: TypeAlias = tuple[int, int, int, bool]  # version, layer and rate as in the header, and whether it is mono


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame: the kind that a stream's frames share, its bytes, its samples per channel, and its rate in Hz."""

    kind: FrameKind
    size: int
    samples: int
    rate: int


@dataclass(frozen=True, slots=True)
class MpegStream:
    """The spans of a file's frames, and the number of frames.

    `announced` is the number that the file itself states, None for none. `foreign_s` are the seconds of frames with
    another rate or other channels, which lie elsewhere; `damaged_bytes` are those between frames.
    """

    spans: tuple[Span, ...]
    rate: int
    frames: int
    samples_per_frame: int
    announced: int | None
    foreign_s: float
    damaged_bytes: int

    @property
    def duration_s(self) -> float:
        """Seconds of sound in the frames."""
        return self.seconds(self.frames)

    def seconds(self, frames: int) -> float:
        """Return the seconds of sound in `frames` frames."""
        return frames * self.samples_per_frame / self.rate

    @property
    def damaged_s(self) -> float:
        """Seconds that the damaged bytes would hold at the frames' own rate."""
        whole = sum(size for _, size in self.spans)
        return self.damaged_bytes * self.duration_s / whole if whole else 0.0


def frame_of(header: bytes) -> Frame | None:
    """Return the frame that begins with these four bytes, None if none does."""
    if len(header) < _HEADER_BYTES or header[0] != 0xFF or header[1] & 0xE0 != 0xE0:
        return None
    version, layer = header[1] >> 3 & 3, 4 - (header[1] >> 1 & 3)
    bits, rate_index, padding = header[2] >> 4, header[2] >> 2 & 3, header[2] >> 1 & 1
    if version == 1 or layer == 4 or bits in (0, 15) or rate_index == 3:
        return None
    rate = _RATES[rate_index] // _RATE_DIVISORS[version]
    kbits = _KBITS[version == 3, layer][bits]
    samples = 384 if layer == 1 else 576 if layer == 3 and version != 3 else 1152
    slot = 4 if layer == 1 else 1
    size = (samples // 8 * kbits * 1000 // rate // slot + padding) * slot
    is_mono = header[3] >> 6 == 3
    return Frame((version, layer, rate_index, is_mono), size, samples, rate)


def _tag_bytes(head: bytes) -> int:
    """Return the length of the ID3v2, ID3v1 or APE tag at the begin of some bytes, 0 for none."""
    if head[:3] == b"ID3" and len(head) >= _ID3V2_BYTES:
        return _ID3V2_BYTES + sum((byte & 127) << 7 * place for place, byte in enumerate(reversed(head[6:10])))
    if head[:3] == b"TAG":
        return _ID3V1_BYTES
    if head[:8] == b"APETAGEX" and len(head) >= 16:
        return 32 + int.from_bytes(head[12:16], "little")
    return 0


def id3_bytes(file: BinaryIO) -> int:
    """Return the length of the ID3 tag at the begin of a file, 0 for none."""
    file.seek(0)
    head = file.read(_ID3V2_BYTES)
    return _tag_bytes(head) if head[:3] == b"ID3" else 0


class _Buffer:
    """A file for reads anywhere, of which the surroundings are read along."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file, self.size = file, size
        self._begin, self._content = 0, b""

    def at(self, position: int, length: int) -> bytes:
        """Return `length` bytes, fewer at the end of the file."""
        begin = position - self._begin
        if not 0 <= begin <= len(self._content) - length:
            self._file.seek(position)
            self._begin, self._content, begin = position, self._file.read(_BUFFER_BYTES), 0
        return self._content[begin : begin + length]

    def frame_at(self, position: int) -> Frame | None:
        """Return the frame that begins at a position, None if there is no whole one."""
        frame = frame_of(self.at(position, _HEADER_BYTES))
        return frame if frame is not None and position + frame.size <= self.size else None

    def begins_frames(self, position: int, wanted: int) -> bool:
        """Tell whether `wanted` frames of one kind lie in a row, or all to the end of the file are of one kind."""
        first = self.frame_at(position)
        after = first
        for _ in range(wanted):
            if first is None or after is None or after.kind != first.kind:
                return False
            position += after.size
            if position >= self.size:
                return True
            after = self.frame_at(position)
        return True


class _Walk:
    """A walk through a file from frame to frame, which gives up on a file of false beginnings."""

    def __init__(self, file: BinaryIO, size: int, should_stop: ShouldStop) -> None:
        self.buffer, self._should_stop = _Buffer(file, size), should_stop
        self.position, self._tries = 0, 0

    def skip_tag(self) -> bool:
        """Move past a tag, and return whether there is one."""
        length = _tag_bytes(self.buffer.at(self.position, _LONGEST_TAG_HEAD))
        self.position += length
        return length > 0

    def find_frame(self, most_bytes: int | None = None) -> bool:
        """Move to the next two frames in a row within `most_bytes`, and return whether there are any."""
        end = self.buffer.size if most_bytes is None else min(self.buffer.size, self.position + most_bytes)
        while self.position < end:
            stop_point(self._should_stop)
            content = self.buffer.at(self.position, _BUFFER_BYTES)
            for match in _BEGINNING.finditer(content):
                self._tries += 1
                if self._tries > _MOST_TRIES:
                    self.position = self.buffer.size
                    return False
                if self.buffer.begins_frames(self.position + match.start(), 2):
                    self.position += match.start()
                    return True
            self.position += max(1, len(content) - _HEADER_BYTES + 1)
        return False

    def stretches(self) -> Iterator[tuple[Span, Frame, int]]:
        """Yield each stretch of frames of one kind in a row: its span, its first frame, and the number of frames."""
        while self.position < self.buffer.size:
            self._tries += 1
            if self._tries > _MOST_TRIES:
                return
            if self.skip_tag() or not self.find_frame():
                continue
            begin, first, count = self.position, self.buffer.frame_at(self.position), 0
            frame = first
            while first is not None and frame is not None and frame.kind == first.kind:
                self.position, count = self.position + frame.size, count + 1
                if not count % _FRAMES_BETWEEN_STOP_POINTS:
                    stop_point(self._should_stop)
                frame = self.buffer.frame_at(self.position)
            if first is not None:
                yield (begin, self.position - begin), first, count


def looks_like_mpeg(file: BinaryIO, size: int) -> bool:
    """Tell whether some MPEG frames in a row lie near the begin of a file."""
    walk = _Walk(file, size, never)
    for _ in range(_MOST_TAGS):
        if not walk.skip_tag():
            break
    end = walk.position + _SEARCH_BYTES
    while walk.find_frame(end - walk.position):
        if walk.buffer.begins_frames(walk.position, _FRAMES_IN_A_ROW):
            return True
        walk.position += 1
    return False


def _announced_frames(file: BinaryIO, position: int, frame: Frame) -> int | None:
    """Return the frame count in a Xing, Info or VBRI frame, -1 without a count; None if it is a frame of sound."""
    file.seek(position)
    content = file.read(frame.size)
    is_version_1 = frame.kind[0] == 3
    is_mono = frame.kind[-1]
    side = (17 if is_mono else 32) if is_version_1 else (9 if is_mono else 17)
    if content[36:40] == b"VBRI":
        return int.from_bytes(content[50:54], "big")
    if content[4 + side : 8 + side] not in (b"Xing", b"Info"):
        return None
    has_count = content[11 + side] & 1
    return int.from_bytes(content[12 + side : 16 + side], "big") if has_count else -1


def walk_mpeg(file: BinaryIO, size: int, should_stop: ShouldStop) -> MpegStream | None:
    """Return the place and the length of a file's sound, None if there are no two frames in a row.

    A first frame that announces a wrong number of frames is left out: decoders would believe it.

    Raises:
        Stopped: `should_stop()` turned true.
    """
    stretches = [*_Walk(file, size, should_stop).stretches()]
    if not stretches:
        return None
    seconds: dict[FrameKind, float] = {}
    for _, frame, count in stretches:
        seconds[frame.kind] = seconds.get(frame.kind, 0.0) + count * frame.samples / frame.rate
    kind = max(seconds, key=lambda kind: seconds[kind])
    alike = [run for run in stretches if run[1].kind == kind]
    foreign_s = sum(length for other, length in seconds.items() if other != kind)
    spans, (_, first, _) = [span for span, _, _ in alike], alike[0]
    frames = sum(count for *_, count in alike)
    announced = _announced_frames(file, spans[0][0], first)
    if announced is not None:
        frames -= 1
        if announced not in (frames, frames + 1):
            spans[0] = (spans[0][0] + first.size, spans[0][1] - first.size)
    stated = announced if announced is not None and announced > 0 else None
    return MpegStream(tuple(spans), first.rate, frames, first.samples, stated, foreign_s, _between(stretches, file))


def _between(stretches: Sequence[tuple[Span, Frame, int]], file: BinaryIO) -> int:
    """Return the number of bytes between the stretches that are neither frames nor tags."""
    total = 0
    for ((begin, length), *_), ((following, _), *_) in pairwise(stretches):
        file.seek(begin + length)
        total += max(0, following - begin - length - _tag_bytes(file.read(_LONGEST_TAG_HEAD)))
    return total
