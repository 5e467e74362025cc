"""The second way to decode: an ffmpeg on this computer, as a program of its own.

It gets arguments and no shell line; a name is never an option; the container is named by the first bytes, so that no
playlist leads to other files; protocols, time and memory are bounded.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO

import numpy as np

from distill_core.audio.decoding.kinds import FileKind, UnreadableSoundError
from distill_core.audio.decoding.samples import BLOCK_FRAMES, Samples

_MEMORY_BYTES = 2 * 1024**3
_PROCESSOR_S = 3600  # of processor time; an hour of sound takes half a minute
_STUCK_S = 60.0  # without a byte of output
# Programs here are not on the path of a window that was started by double-click on macOS.
_MORE_FOLDERS = ("/opt/homebrew/bin", "/usr/local/bin")
_HEADER_BYTES = 24
_LONGEST_NOTE_BYTES = 4096
_DURATION = re.compile(rb"  Duration: (\d+):(\d+):(\d+\.\d+)")
# Containers without a length: ffmpeg guesses one.
_GUESSING_DEMUXERS = ("aac", "ac3", "dts", "amr", "mp3", "mpegts", "mpeg", "shn", "rm")
_NEW_GROUP_WITHOUT_WINDOW = getattr(subprocess, "CREATE_NO_WINDOW", 0) | getattr(
    subprocess, "CREATE_NEW_PROCESS_GROUP", 0
)


@cache
def bundled() -> str | None:
    """Return the path of the ffmpeg of the extra `aac`, None without it."""
    try:
        import imageio_ffmpeg

        return str(imageio_ffmpeg.get_ffmpeg_exe())
    except (ImportError, OSError, RuntimeError):
        return None


def find_ffmpeg() -> str | None:
    """Return the path of the system's ffmpeg, or else of the extra `aac`'s; None without either."""
    folders = os.pathsep.join([os.environ.get("PATH", os.defpath), *_MORE_FOLDERS])
    found = shutil.which("ffmpeg", path=folders)
    return found if found and Path(found).is_absolute() else bundled()


@dataclass(frozen=True, slots=True)
class Decoded:
    """The output of ffmpeg: rate in Hz, channels, blocks `[channels, frames]`, and the length that the file states."""

    sample_rate: int
    channels: int
    blocks: Iterator[Samples]
    expected_s: float | None


def _command(program: str, path: Path, demuxer: str) -> list[str | bytes]:
    source = f"file:{path.absolute()}" if os.name == "nt" else b"file:" + os.fsencode(path.absolute())
    # AU, because its header goes through a pipe in one piece, without a length.
    return [
        *(program, "-nostdin", "-hide_banner", "-nostats", "-loglevel", "info", "-threads", "1"),
        *("-max_alloc", str(_MEMORY_BYTES // 4), "-timelimit", str(_PROCESSOR_S)),
        *("-protocol_whitelist", "file", "-f", demuxer, "-i", source),
        *("-map", "0:a:0", "-f", "au", "-c:a", "pcm_f32be", "-protocol_whitelist", "pipe", "pipe:1"),
    ]


def _bound_memory(process: subprocess.Popen[bytes]) -> None:
    if sys.platform == "linux":
        import resource

        with suppress(OSError, ValueError):
            resource.prlimit(process.pid, resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))


class _Watch:
    """A watch over ffmpeg that ends it after a minute without output and reads the file's length from its messages."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.received = 0
        self._process, self._has_ended = process, threading.Event()
        self._has_told, self._expected_s = threading.Event(), 0.0

    def expected_s(self) -> float | None:
        """Return the length that the file states, None for none; ffmpeg reports it before the first sample."""
        self._has_told.wait(1.0)
        return self._expected_s or None

    def _watch(self) -> None:
        before = -1
        while not self._has_ended.wait(_STUCK_S):
            if self.received == before:
                self._process.kill()
            before = self.received

    def _listen(self, notes: IO[bytes]) -> None:
        for note in iter(lambda: notes.readline(_LONGEST_NOTE_BYTES), b""):
            if not self._has_told.is_set() and (found := _DURATION.match(note)):
                hours, minutes, seconds = map(float, found.groups())
                self._expected_s = 3600 * hours + 60 * minutes + seconds
            if note.startswith((b"  Duration:", b"Stream mapping:")):
                self._has_told.set()

    @contextmanager
    def at_work(self, notes: IO[bytes]) -> Iterator[_Watch]:
        """Watch during the body, then end the program."""
        threads = [threading.Thread(target=self._watch, name="ffmpeg watcher", daemon=True)]
        threads.append(threading.Thread(target=self._listen, args=(notes,), name="ffmpeg listener", daemon=True))
        for thread in threads:
            thread.start()
        try:
            yield self
        finally:
            self._has_ended.set()
            self._process.kill()
            self._process.wait()
            for thread in threads:
                thread.join()


def _blocks(process: subprocess.Popen[bytes], output: IO[bytes], channels: int, watch: _Watch) -> Iterator[Samples]:
    frame_bytes = 4 * channels
    while content := output.read(BLOCK_FRAMES * frame_bytes):
        watch.received += len(content)
        whole = len(content) - len(content) % frame_bytes
        block = np.frombuffer(content[:whole], dtype=">f4").reshape(-1, channels)
        if len(block):
            yield np.ascontiguousarray(block.T, dtype=np.float32)
    if process.wait() < 0:  # a signal ended it, for its time or its memory: the sound may be incomplete
        raise UnreadableSoundError("ffmpeg could not decode it to its end")


@contextmanager
def open_with_ffmpeg(path: Path, kind: FileKind) -> Iterator[Decoded]:
    """Decode a file's first sound stream during the body.

    Raises:
        UnreadableSoundError: there is no ffmpeg, or it finds no sound in the file.
    """
    program = find_ffmpeg()
    if program is None:
        raise UnreadableSoundError(f"{kind.name}: install ffmpeg, or convert it to WAV or FLAC")
    try:
        process = subprocess.Popen(
            _command(program, path, kind.demuxer),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,  # a Ctrl-C is for Distill alone; it would cut the sound short
            creationflags=_NEW_GROUP_WITHOUT_WINDOW,
        )
    except OSError as error:
        raise UnreadableSoundError(f"{kind.name}: ffmpeg could not be started ({error.strerror})") from error
    _bound_memory(process)
    if process.stdout is None or process.stderr is None:
        raise UnreadableSoundError(f"{kind.name}: ffmpeg could not be started")
    with process, _Watch(process).at_work(process.stderr) as watch:
        header = process.stdout.read(_HEADER_BYTES)
        begin, rate, channels = (int.from_bytes(header[at : at + 4], "big") for at in (4, 16, 20))
        if len(header) < _HEADER_BYTES or channels < 1:
            raise UnreadableSoundError(f"{kind.name}: damaged, or without sound")
        process.stdout.read(begin - _HEADER_BYTES)
        expected_s = None if kind.demuxer in _GUESSING_DEMUXERS else watch.expected_s()
        yield Decoded(rate, channels, _blocks(process, process.stdout, channels, watch), expected_s)
