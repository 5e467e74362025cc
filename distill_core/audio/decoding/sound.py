"""A sound, opened by the best way to decode it and read from its beginning to its end.

The length that a header states is not believed: all of the file is read, and `expected_s` is there to compare.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, TypeAlias

import soundfile

from distill_core.audio.decoding.chunked import Header
from distill_core.audio.decoding.ffmpeg import open_with_ffmpeg
from distill_core.audio.decoding.headers import READERS
from distill_core.audio.decoding.kinds import (
    MPEG,
    SAMPLE_DUMP,
    UNKNOWN,
    FileKind,
    UnreadableSoundError,
    is_in_the_cloud,
    kind_of,
)
from distill_core.audio.decoding.mpeg import walk_mpeg
from distill_core.audio.decoding.ogg import links_of
from distill_core.audio.decoding.sample_dump import sample_dump_header
from distill_core.audio.decoding.samples import Samples, open_parts, open_path, open_piped, read_blocks_of
from distill_core.events import ShouldStop, never
from distill_core.memory import is_short_of_memory
from distill_core.parts import Span

_UNKNOWN_FRAMES = 2**63 - 1
_UNREAD = (0, 0, 0.0)
_LEAST_DAMAGE_S = 0.1
_COMPRESSED_SLACK_S, _SHARE_OF_SLACK = 0.25, 0.002  # the second for lengths from an average byte rate
_FRAMES_OF_SLACK = 4  # an encoder's delay and the padding of its last frame
# By libsndfile's names; these pack silence into next to nothing, other formats take bits for each sample.
_MOST_FRAMES_PER_BYTE = {"FLAC": 8192, "OGG": 8192, "MP3": 8192, "MPEG": 8192}


@dataclass(frozen=True, slots=True)
class Sound:
    """An open sound.

    `blocks` yields `[channels, frames]`; `expected_s` is the length that the file states, None for none, and `slack_s`
    the harmless difference from the decoded length; `note` names parts within it that are left out.
    """

    sample_rate: int
    channels: int
    blocks: Iterator[Samples]
    expected_s: float | None = None
    slack_s: float = 0.01
    note: str = ""


Way: TypeAlias = Callable[[], AbstractContextManager[Sound]]


def _status_of(path: Path) -> os.stat_result:
    try:
        status = path.stat()
    except FileNotFoundError as error:
        raise UnreadableSoundError("it is gone, or a link to what is gone") from error
    except PermissionError as error:
        raise UnreadableSoundError("no permission to read it") from error
    except OSError as error:
        raise UnreadableSoundError("it could not be opened") from error
    if not stat.S_ISREG(status.st_mode):  # a FIFO would hang
        raise UnreadableSoundError("not a regular file")
    if is_in_the_cloud(path.name, status):
        raise UnreadableSoundError("it is in the cloud only; download it first")
    if not status.st_size:
        raise UnreadableSoundError("it is empty")
    return status


@contextmanager
def _opened(path: Path) -> Iterator[tuple[BinaryIO, int]]:
    size = _status_of(path).st_size
    try:
        file = path.open("rb")
    except PermissionError as error:
        raise UnreadableSoundError("no permission to read it") from error
    except OSError as error:
        raise UnreadableSoundError("it could not be opened") from error
    with file:
        yield file, size


def kind_of_file(path: Path) -> FileKind:
    """Return the kind of a regular file by its bytes.

    Raises:
        UnreadableSoundError: it cannot be opened, or is empty.
    """
    with _opened(path) as (file, size):
        return kind_of(file, size)


def _limited(blocks: Iterator[Samples], most_frames: int) -> Iterator[Samples]:
    """Yield blocks up to the most frames that a file of its size can hold: further ones come of a wrong header."""
    for block in blocks:
        if most_frames <= 0:
            return
        yield block[:, :most_frames]
        most_frames -= block.shape[1]


def _from_libsndfile(sound: soundfile.SoundFile, size: int, expected_s: float | None, slack_s: float = 0.01) -> Sound:
    if sound.format == "RAW":  # libsndfile takes any file named .au or .snd for that
        raise soundfile.LibsndfileError(1)
    most = _MOST_FRAMES_PER_BYTE.get(sound.format, 64) * size
    return Sound(sound.samplerate, sound.channels, _limited(read_blocks_of(sound), most), expected_s, slack_s)


def _stated_s(sound: soundfile.SoundFile) -> float | None:
    return sound.frames / sound.samplerate if sound.frames < _UNKNOWN_FRAMES and sound.samplerate else None


@contextmanager
def _as_it_is(path: Path, expected_s: float | None = None) -> Iterator[Sound]:
    with open_path(path) as sound:
        expected_s = _stated_s(sound) if expected_s is None else expected_s
        slack_s = _COMPRESSED_SLACK_S + _SHARE_OF_SLACK * (expected_s or 0)
        yield _from_libsndfile(sound, path.stat().st_size, expected_s, slack_s)


@contextmanager
def _mended(path: Path, header: Header) -> Iterator[Sound]:
    open_them = open_piped if header.is_mpeg else open_parts
    with open_them(path, header.parts or ()) as sound:
        yield _from_libsndfile(sound, path.stat().st_size, header.duration_s)


def _by_header(path: Path, read_header: Callable[[BinaryIO, int], Header]) -> list[Way]:
    with _opened(path) as (file, size):
        header = read_header(file, size)
    mended: list[Way] = [lambda: _mended(path, header)] if header.parts else []
    as_it_is: list[Way] = [lambda: _as_it_is(path, header.duration_s)]
    return as_it_is + mended if header.is_sound else mended + as_it_is


@contextmanager
def _mpeg(path: Path, should_stop: ShouldStop) -> Iterator[Sound]:
    with _opened(path) as (file, size):
        stream = walk_mpeg(file, size, should_stop)
    if stream is None:
        raise UnreadableSoundError("damaged")
    damaged = f"{stream.damaged_s:.2f} s within it are damaged and left out"
    foreign = _left_out(stream.foreign_s)
    notes = [damaged] * (stream.damaged_s > _LEAST_DAMAGE_S) + [foreign] * (stream.foreign_s > _LEAST_DAMAGE_S)
    expected_s = stream.seconds(stream.announced) if stream.announced else stream.duration_s
    slack_s = stream.seconds(_FRAMES_OF_SLACK)
    with open_piped(path, stream.spans) as sound:
        yield replace(_from_libsndfile(sound, size, expected_s, slack_s), note="; ".join(notes))


@contextmanager
def _sample_dump(path: Path) -> Iterator[Sound]:
    with _opened(path) as (file, size):
        header = sample_dump_header(file, size)
    if header.parts is None:
        raise UnreadableSoundError("damaged")
    with _mended(path, header) as sound:
        yield sound


def _left_out(seconds: float) -> str:
    return f"{seconds:.2f} s of it have another rate or other channels and are left out"


def _one_after_another(path: Path, links: Sequence[Span]) -> Iterator[Samples]:
    for link in links:
        with open_parts(path, [link]) as sound:
            yield from read_blocks_of(sound)


def _look_into(path: Path, link: Span) -> tuple[int, int, float]:
    """Return a link's rate, channels and length in seconds, `_UNREAD` if it cannot be read."""
    try:
        with open_parts(path, [link]) as sound:
            return sound.samplerate, sound.channels, _stated_s(sound) or 0.0
    except soundfile.LibsndfileError as error:
        if is_short_of_memory(error):
            raise
        return _UNREAD


@contextmanager
def _chain(path: Path, links: Sequence[Span]) -> Iterator[Sound]:
    """Open the links of a chained Ogg as one sound, without those of another rate or number of channels."""
    facts = [_look_into(path, link) for link in links]
    rate, channels, _ = next((fact for fact in facts if fact is not _UNREAD), _UNREAD)
    if not rate:
        raise soundfile.LibsndfileError(1)
    alike = [link for link, fact in zip(links, facts, strict=True) if fact[:2] == (rate, channels)]
    expected_s = sum(fact[2] for fact in facts if fact[:2] == (rate, channels))
    left_out_s, unread = sum(fact[2] for fact in facts) - expected_s, facts.count(_UNREAD)
    notes = [_left_out(left_out_s)] * (left_out_s > 0)
    notes += [f"{unread} of its {len(links)} parts can't be read"] * (unread > 0)
    blocks = _one_after_another(path, alike)
    yield Sound(rate, channels, blocks, expected_s, _COMPRESSED_SLACK_S * len(alike), "; ".join(notes))


def _ogg_ways(path: Path) -> list[Way]:
    with _opened(path) as (file, _):
        links = links_of(file)
    is_plain = len(links) == 1 and links[0][0] == 0
    chain: list[Way] = [lambda: _chain(path, links)] if links and not is_plain else []
    return [*chain, lambda: _as_it_is(path)]


@contextmanager
def _with_ffmpeg(path: Path, kind: FileKind) -> Iterator[Sound]:
    with open_with_ffmpeg(path, kind) as decoded:
        # A video's length is that of its picture, which may be longer than the sound.
        slack_s = _COMPRESSED_SLACK_S + (0.1 * (decoded.expected_s or 0) if "video" in kind.name else 0)
        yield Sound(decoded.sample_rate, decoded.channels, decoded.blocks, decoded.expected_s, slack_s)


def _ways(path: Path, kind: FileKind, should_stop: ShouldStop) -> list[Way]:
    """Return the ways to decode a file of that kind, best first."""
    by_ffmpeg: list[Way] = [lambda: _with_ffmpeg(path, kind)] if kind.demuxer else []
    if kind is MPEG:
        return [lambda: _mpeg(path, should_stop), lambda: _as_it_is(path), *by_ffmpeg]
    if kind is SAMPLE_DUMP:
        return [lambda: _sample_dump(path)]
    if kind.demuxer == "ogg":
        return _ogg_ways(path) + by_ffmpeg
    if kind.group == "needs_ffmpeg":
        # libsndfile reads some of these, depending on its version and on the file's writer.
        return [lambda: _as_it_is(path), *by_ffmpeg] if kind.demuxer in ("caf", "wav") else by_ffmpeg
    if kind.name in READERS:
        return _by_header(path, READERS[kind.name]) + by_ffmpeg
    return [lambda: _as_it_is(path), *by_ffmpeg]


def _what_it_is(kind: FileKind) -> str:
    """Return the reason why a file of a kind gives no sound, if no other is known."""
    if kind is UNKNOWN:
        return "not a sound file that can be read"
    return f"damaged ({kind.name})" if kind.name else "damaged"


@contextmanager
def open_sound(path: Path, should_stop: ShouldStop = never) -> Iterator[Sound]:
    """Open a regular file for decoding.

    Raises:
        UnreadableSoundError: it is gone, no regular file, or gives no sound; says why.
        Stopped: `should_stop()` turned true.
    """
    kind = kind_of_file(path)
    if kind.group == "protected":
        raise UnreadableSoundError(f"it is {kind.name}")
    if kind.group in ("archive", "other"):
        raise UnreadableSoundError(f"it is {kind.name}, and no sound")
    reason = _what_it_is(kind)
    with ExitStack() as stack:
        for way in _ways(path, kind, should_stop):
            try:
                sound = stack.enter_context(way())
                break
            except soundfile.LibsndfileError as error:
                if is_short_of_memory(error):
                    raise
            except UnreadableSoundError as error:
                if kind.group == "needs_ffmpeg":
                    reason = str(error)
        else:
            raise UnreadableSoundError(reason)
        yield sound
