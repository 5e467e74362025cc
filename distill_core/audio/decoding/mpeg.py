"""MPEG audio (MP1, MP2, MP3) frame by frame: how long it is, and where its sound lies (ISO 11172-3, 13818-3).

Such a file has no header: what libraries say of its length is a guess from its first frames.
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
_WINDOW_BYTES, _SEARCH_BYTES = 65_536, 2**20
_LONGEST_TAG_HEAD = 32
_FRAMES_IN_A_ROW = 4  # so many are no accident
_FRAMES_BETWEEN_STOP_POINTS = 10_000
_MOST_TRIES, _MOST_TAGS = 200_000, 100  # a file that is made to be searched for ever is given up after a second or two
# The first three bytes of a frame's header, but for values that none has.
_BEGINNING = re.compile(
    rb"\xff["
    + re.escape(bytes(b for b in range(0xE0, 0x100) if b >> 3 & 3 != 1 and b >> 1 & 3))
    + rb"]["
    + re.escape(bytes(b for b in range(0x10, 0xF0) if b >> 2 & 3 != 3))
    + rb"]"
)
# kbit/s by (version is 1, layer); the first entry, "free", has a length that no header tells.
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


FrameKind: TypeAlias = tuple[int, int, int, bool]  # version, layer and rate as the header has them, whether mono


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame: what all of a stream share, its length in bytes and in samples of each channel, its rate in Hz."""

    kind: FrameKind
    size: int
    samples: int
    rate: int


@dataclass(frozen=True, slots=True)
class MpegStream:
    """Where the frames of a file lie, in `spans`, and how many there are.

    `announced` is the number of frames that the file itself tells, None where it tells none. `foreign_s` are the
    seconds of frames with another rate or other channels, which lie elsewhere; `damaged_bytes` lie between frames and
    are none.
    """

    spans: tuple[Span, ...]
    rate: int
    frames: int
    samples_a_frame: int
    announced: int | None
    foreign_s: float
    damaged_bytes: int

    @property
    def duration_s(self) -> float:
        """Seconds that the frames sound."""
        return self.seconds(self.frames)

    def seconds(self, frames: int) -> float:
        """Return how many seconds so many frames sound."""
        return frames * self.samples_a_frame / self.rate

    @property
    def damaged_s(self) -> float:
        """Seconds that would have been where no frames are, if they were like the others."""
        whole = sum(size for _, size in self.spans)
        return self.damaged_bytes * self.duration_s / whole if whole else 0.0


def frame_of(header: bytes) -> Frame | None:
    """Return what a frame's four first bytes tell, None where they begin none."""
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
    """Return the length of the ID3v2, ID3v1 or APE tag that begins there, 0 where none does."""
    if head[:3] == b"ID3" and len(head) >= _ID3V2_BYTES:
        return _ID3V2_BYTES + sum((byte & 127) << 7 * place for place, byte in enumerate(reversed(head[6:10])))
    if head[:3] == b"TAG":
        return _ID3V1_BYTES
    if head[:8] == b"APETAGEX" and len(head) >= 16:
        return 32 + int.from_bytes(head[12:16], "little")
    return 0


def id3_bytes(file: BinaryIO) -> int:
    """Return the length of the ID3 tag that a file begins with, 0 where it begins with none."""
    file.seek(0)
    head = file.read(_ID3V2_BYTES)
    return _tag_bytes(head) if head[:3] == b"ID3" else 0


class _Window:
    """A file to look at anywhere; what lies near is read once."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file, self.size = file, size
        self._begin, self._content = 0, b""

    def at(self, position: int, length: int) -> bytes:
        """Return so many bytes, fewer at the end of the file."""
        begin = position - self._begin
        if not 0 <= begin <= len(self._content) - length:
            self._file.seek(position)
            self._begin, self._content, begin = position, self._file.read(_WINDOW_BYTES), 0
        return self._content[begin : begin + length]

    def frame_at(self, position: int) -> Frame | None:
        """Return the whole frame that begins there, None where none does."""
        frame = frame_of(self.at(position, _HEADER_BYTES))
        return frame if frame is not None and position + frame.size <= self.size else None

    def begins_frames(self, position: int, wanted: int) -> bool:
        """Tell whether so many frames of one kind, or as many as there are to the end of the file, lie in a row."""
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
    """A walk through a file from frame to frame, which gives up on one that is made of false beginnings."""

    def __init__(self, file: BinaryIO, size: int, should_stop: ShouldStop) -> None:
        self.window, self._should_stop = _Window(file, size), should_stop
        self.position, self._tries = 0, 0

    def skip_tag(self) -> bool:
        """Move past a tag and return whether there was one."""
        length = _tag_bytes(self.window.at(self.position, _LONGEST_TAG_HEAD))
        self.position += length
        return length > 0

    def find_frame(self, most_bytes: int | None = None) -> bool:
        """Move on to the next frames in a row, or to the end; return whether there are such, and so near."""
        end = self.window.size if most_bytes is None else min(self.window.size, self.position + most_bytes)
        while self.position < end:
            stop_point(self._should_stop)
            content = self.window.at(self.position, _WINDOW_BYTES)
            for match in _BEGINNING.finditer(content):
                self._tries += 1
                if self._tries > _MOST_TRIES:
                    self.position = self.window.size
                    return False
                if self.window.begins_frames(self.position + match.start(), 2):
                    self.position += match.start()
                    return True
            self.position += max(1, len(content) - _HEADER_BYTES + 1)
        return False

    def runs(self) -> Iterator[tuple[Span, Frame, int]]:
        """Yield where frames of one kind lie in a row, the first of them, and how many they are."""
        while self.position < self.window.size:
            self._tries += 1
            if self._tries > _MOST_TRIES:
                return
            if self.skip_tag() or not self.find_frame():
                continue
            begin, first, count = self.position, self.window.frame_at(self.position), 0
            frame = first
            while first is not None and frame is not None and frame.kind == first.kind:
                self.position, count = self.position + frame.size, count + 1
                if not count % _FRAMES_BETWEEN_STOP_POINTS:
                    stop_point(self._should_stop)
                frame = self.window.frame_at(self.position)
            if first is not None:
                yield (begin, self.position - begin), first, count


def looks_like_mpeg(file: BinaryIO, size: int) -> bool:
    """Tell whether some MPEG frames in a row begin near a file's beginning."""
    walk = _Walk(file, size, never)
    for _ in range(_MOST_TAGS):
        if not walk.skip_tag():
            break
    end = walk.position + _SEARCH_BYTES
    while walk.find_frame(end - walk.position):
        if walk.window.begins_frames(walk.position, _FRAMES_IN_A_ROW):
            return True
        walk.position += 1
    return False


def _announced_frames(file: BinaryIO, position: int, frame: Frame) -> int | None:
    """Return the frame count in a Xing or Info frame, -1 where it has none; None where it is a frame of sound."""
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
    """Return where a file's sound lies and how long it is; None where there are no two frames in a row.

    A first frame that announces another number of frames than there are is left out: decoders believe it.

    Raises:
        Stopped: `should_stop()` turned true.
    """
    runs = [*_Walk(file, size, should_stop).runs()]
    if not runs:
        return None
    seconds: dict[FrameKind, float] = {}
    for _, frame, count in runs:
        seconds[frame.kind] = seconds.get(frame.kind, 0.0) + count * frame.samples / frame.rate
    kind = max(seconds, key=lambda kind: seconds[kind])
    alike = [run for run in runs if run[1].kind == kind]
    foreign_s = sum(length for other, length in seconds.items() if other != kind)
    spans, (_, first, _) = [span for span, _, _ in alike], alike[0]
    frames = sum(count for *_, count in alike)
    announced = _announced_frames(file, spans[0][0], first)
    if announced is not None:
        frames -= 1
        if announced not in (frames, frames + 1):
            spans[0] = (spans[0][0] + first.size, spans[0][1] - first.size)
    told = announced if announced is not None and announced > 0 else None
    return MpegStream(tuple(spans), first.rate, frames, first.samples, told, foreign_s, _between(runs, file))


def _between(runs: Sequence[tuple[Span, Frame, int]], file: BinaryIO) -> int:
    """Return how many bytes between the runs are neither frames nor tags."""
    total = 0
    for ((begin, length), *_), ((following, _), *_) in pairwise(runs):
        file.seek(begin + length)
        total += max(0, following - begin - length - _tag_bytes(file.read(_LONGEST_TAG_HEAD)))
    return total
