"""Awkward sounds, generated: each case writes something into an empty folder, and says what a scan makes of it."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import soundfile

from tests.soak.sound_specimens import noisy_tone

USED, NOTED, SKIPPED, COUNTED, UNSEEN = "used", "used with a note", "skipped", "counted", "unseen"
_RATE, _SECONDS = 16_000, 0.3
_MU_LAW, _FLOAT, _EXTENSIBLE = 7, 3, 0xFFFE
_PCM_GUID = b"\x01\0\0\0\0\0\x10\0\x80\0\0\xaa\0\x38\x9b\x71"


@dataclass(frozen=True, slots=True)
class Case:
    """What is written, in words, who writes it into a folder, and the verdicts that a scan may come to."""

    name: str
    write: Callable[[Path], object]
    verdicts: tuple[str, ...]


def _tone(rate: int = _RATE, channels: int = 1, seconds: float = _SECONDS) -> np.ndarray:
    return noisy_tone(channels, seconds, rate)


def _write(folder: Path, name: str | bytes = "x.wav", samples: np.ndarray | None = None, **how: object) -> Path:
    """Write samples with libsndfile, under any name."""
    plain = folder / "plain"
    given = {"samplerate": _RATE, "format": "WAV", "subtype": "PCM_16"} | how
    soundfile.write(plain, _tone() if samples is None else samples, **given)
    path = folder / os.fsdecode(name)
    plain.rename(path)
    return path


def write_good(folder: Path) -> Path:
    """Write a sound that nothing is wrong with beside a case."""
    return _write(folder, "zz-good.wav", _tone(seconds=0.2))


def _fmt(rate: int, channels: int, bits: int, tag: int = 1, more: bytes = b"") -> bytes:
    block = channels * -(-bits // 8)
    return struct.pack("<HHIIHH", tag, channels, rate, rate * block % 2**32, block % 2**16, bits) + more


def _wave(fmt: bytes, data: bytes, data_bytes: int | None = None, riff_bytes: int | None = None) -> bytes:
    size = len(data) if data_bytes is None else data_bytes
    body = b"WAVE" + b"fmt " + struct.pack("<I", len(fmt)) + fmt + b"data" + struct.pack("<I", size) + data
    return b"RIFF" + struct.pack("<I", len(body) if riff_bytes is None else riff_bytes) + body


def _pcm(samples: np.ndarray) -> bytes:
    return (samples * 32_767).astype("<i2").tobytes()


def _put(content: bytes, name: str | bytes, folder: Path) -> None:
    (folder / os.fsdecode(name)).write_bytes(content)


def _as_wave(folder: Path, rate: int = _RATE, channels: int = 1, **sizes: int) -> None:
    samples = _tone(min(rate, 200_000), channels)
    _put(_wave(_fmt(rate, channels, 16), _pcm(samples), **sizes), "x.wav", folder)


def _as_24_in_32(folder: Path) -> None:
    more = struct.pack("<HHI", 22, 24, 4) + _PCM_GUID
    data = (_tone() * 2**31).astype("<i4").tobytes()
    _put(_wave(_fmt(_RATE, 1, 32, _EXTENSIBLE, more), data), "x.wav", folder)


def _as_mu_law(folder: Path) -> None:
    _write(folder, "x.wav", _tone(), subtype="ULAW")


def _with_value(value: float, folder: Path) -> None:
    samples = _tone()
    samples[1000] = value
    _write(folder, "x.wav", samples, subtype="FLOAT")


def _in_anti_phase(folder: Path) -> None:
    tone_T1 = _tone()
    _write(folder, "x.wav", np.concatenate([tone_T1, -tone_T1], axis=1))


def _cut(how: dict[str, str], share: float, folder: Path) -> None:
    path = _write(folder, "x." + how["format"].lower(), _tone(seconds=2), **how)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])


def _chained(folder: Path) -> None:
    path = _write(folder, "x.ogg", _tone(seconds=1), format="OGG", subtype="VORBIS")
    path.write_bytes(path.read_bytes() * 3)


def _mpeg_without_header(folder: Path) -> None:
    path = _write(folder, "x.mp3", _tone(seconds=2), format="MP3", subtype="MPEG_LAYER_III")
    content = path.read_bytes()
    place = max(content.find(b"Xing"), content.find(b"Info"), 0)
    first = content.rfind(b"\xff\xfb", 0, place) if place else 0
    following = content.find(content[first : first + 2], first + 48)
    path.write_bytes(content[following if place else 0 :])


def _mpeg_that_claims(frames: int, folder: Path) -> None:
    path = _write(folder, "x.mp3", _tone(seconds=1), format="MP3", subtype="MPEG_LAYER_III")
    content = bytearray(path.read_bytes())
    for mark in (b"Xing", b"Info"):
        if (place := content.find(mark)) >= 0:
            content[place + 8 : place + 12] = frames.to_bytes(4, "big")
    path.write_bytes(content)


def _flac_that_claims(frames: int, folder: Path) -> None:
    path = _write(folder, "x.flac", _tone(seconds=1), format="FLAC")
    content = bytearray(path.read_bytes())
    packed = int.from_bytes(content[18:26], "big") >> 36 << 36 | frames
    content[18:26] = packed.to_bytes(8, "big")
    path.write_bytes(content)


def _link_circle(folder: Path) -> None:
    _write(folder)
    (folder / "round").symlink_to(folder, target_is_directory=True)
    (folder / "again").symlink_to(folder / "round", target_is_directory=True)


def _broken_link(folder: Path) -> None:
    (folder / "x.wav").symlink_to(folder / "nowhere.wav")


def _link_to_itself(folder: Path) -> None:
    (folder / "x.wav").symlink_to(folder / "x.wav")


def _sparse(folder: Path) -> None:
    content = _wave(_fmt(_RATE, 1, 16), b"", 2**31 - 100, 2**31 - 50)
    with (folder / "x.wav").open("wb") as file:
        file.write(content)
        file.truncate(64 * 2**20)


def _many_chunks(folder: Path) -> None:
    chunks = b"JUNK\0\0\0\0" * 200_000
    body = b"WAVE" + chunks + b"fmt " + struct.pack("<I", 16) + _fmt(_RATE, 1, 16)
    data = _pcm(_tone())
    body += b"data" + struct.pack("<I", len(data)) + data
    _put(b"RIFF" + struct.pack("<I", len(body)) + body, "x.wav", folder)


def _named(name: str | bytes, folder: Path) -> None:
    _write(folder, name)


def _at_rate(rate: int, folder: Path) -> None:
    _write(folder, "x.wav", _tone(rate), samplerate=rate)


def _channels(number: int, folder: Path) -> None:
    _write(folder, "x.wav", np.repeat(_tone(), number, axis=1), format="WAV")


def _silent(folder: Path) -> None:
    _write(folder, "x.wav", np.zeros((8000, 1)))


def _constant(folder: Path) -> None:
    _write(folder, "x.wav", np.full((8000, 1), 0.3))


def _samples(number: int, folder: Path) -> None:
    _write(folder, "x.wav", _tone()[:number])


_RATES = (8_000, 11_025, 22_050, 44_101, 47_999, 88_200, 176_400, 192_000, 384_000)
_NAMES: tuple[tuple[str, str | bytes, str], ...] = (
    ("a line break in its name", "a\nb.wav", USED),
    ("quotes in its name", 'it\'s "so".wav', USED),
    ("a name like an option", "--help.wav", USED),
    ("a name that is not UTF-8", b"\xff\xfe\xe9.wav", USED),
    ("a name that is a command", "; rm -rf $(HOME) `x`.wav", USED),
    ("a name that turns writing round", "\u202evaw.wav", USED),
    ("a name of 250 bytes", "n" * 246 + ".wav", USED),
    ("a name without a suffix", "sound", USED),
    ("an upper-case suffix", "X.WAV", USED),
    ("macOS's side file", "._x.wav", UNSEEN),
    ("a hidden sound", ".x.wav", UNSEEN),
)
_CUTS: tuple[tuple[dict[str, str], float], ...] = (
    ({"format": "WAV"}, 0.5),
    ({"format": "AIFF"}, 0.5),
    ({"format": "FLAC"}, 0.5),
    ({"format": "OGG", "subtype": "VORBIS"}, 0.5),
    ({"format": "MP3", "subtype": "MPEG_LAYER_III"}, 0.5),
    ({"format": "WAV"}, 0.0005),
)
_CONTENTS: tuple[tuple[str, bytes, str | bytes, tuple[str, ...]], ...] = (
    ("nothing", b"", "x.wav", (SKIPPED,)),
    ("a text named .wav", b"this is no sound\n" * 50, "x.wav", (SKIPPED,)),
    ("zeros named .wav", bytes(5000), "x.wav", (SKIPPED,)),
    ("noise named .mp3", np.random.default_rng(0).bytes(50_000), "x.mp3", (SKIPPED, USED, NOTED)),
    ("a picture named .wav", b"\x89PNG\r\n\x1a\n" + bytes(500), "x.wav", (SKIPPED,)),
    ("a web page named .mp3", b"<!DOCTYPE html><html>404</html>", "x.mp3", (SKIPPED,)),
    ("an archive", b"PK\3\4" + bytes(200), "x.zip", (COUNTED,)),
    ("a WAV's header alone", _wave(_fmt(_RATE, 1, 16), b""), "x.wav", (SKIPPED,)),
    ("a WAV of no channels", _wave(_fmt(_RATE, 0, 16), bytes(2000)), "x.wav", (SKIPPED,)),
    ("a WAV of rate 0", _wave(_fmt(0, 1, 16), _pcm(_tone())), "x.wav", (SKIPPED,)),
    (
        "a WAV of rate 2³²−1",
        _wave(_fmt(2**32 - 1, 1, 16), _pcm(_tone())),
        "x.wav",
        (SKIPPED,),
    ),
    ("a WAV of no bits", _wave(_fmt(_RATE, 1, 0), _pcm(_tone())), "x.wav", (SKIPPED, USED, NOTED)),
    ("a WAV of 65,535 channels", _wave(_fmt(_RATE, 65_535, 16), bytes(2000)), "x.wav", (SKIPPED,)),
    ("an ID3 tag without an end", b"ID3\4\0\0\x7f\x7f\x7f\x7f" + bytes(500), "x.mp3", (SKIPPED,)),
)


def _all() -> Iterator[Case]:
    for rate in _RATES:
        yield Case(f"{rate:,} Hz", partial(_at_rate, rate), (USED,))
    for number, verdict in ((3, USED), (64, USED), (65, SKIPPED), (255, SKIPPED)):
        yield Case(f"{number} channels", partial(_channels, number), (verdict,))
    yield Case("anti-phase stereo", _in_anti_phase, (NOTED,))
    yield Case("silence", _silent, (SKIPPED,))
    yield Case("a constant", _constant, (SKIPPED,))
    for number in (1, 2, 15):
        yield Case(f"{number} samples", partial(_samples, number), (SKIPPED,))
    for value in (np.nan, np.inf, -np.inf, 1e30):
        yield Case(f"a sample of {value}", partial(_with_value, value), (SKIPPED,))
    for subtype in ("DOUBLE", "PCM_U8", "PCM_32", "FLOAT"):
        yield Case(f"samples as {subtype}", partial(_write, subtype=subtype), (USED,))
    yield Case("µ-law", _as_mu_law, (USED,))
    yield Case("24 in 32 bits, extensible", _as_24_in_32, (USED,))
    for size in (0, 0xFFFF_FFFF, 0x7FFF_FFFF, 3):
        yield Case(f"a data size of {size:#x}", partial(_as_wave, data_bytes=size), (USED, NOTED))
    for size in (0, 0xFFFF_FFFF):
        yield Case(f"a file size of {size:#x}", partial(_as_wave, riff_bytes=size), (USED, NOTED))
    for how, share in _CUTS:
        # A short Ogg is one page, which is there or not.
        verdicts = (SKIPPED,) if share < 0.5 else (NOTED, SKIPPED) if how["format"] == "OGG" else (NOTED,)
        yield Case(f"{share:.2%} of a {how['format']}", partial(_cut, how, share), verdicts)
    yield Case("a chained Ogg", _chained, (USED, NOTED))
    yield Case("MPEG without a Xing frame", _mpeg_without_header, (USED, NOTED))
    for frames in (1, 2**31 - 1, 2**32 - 1):
        yield Case(f"an MP3 that claims {frames:,} frames", partial(_mpeg_that_claims, frames), (USED, NOTED))
    for frames in (1, 2**36 - 1):
        yield Case(f"a FLAC that claims {frames:,} frames", partial(_flac_that_claims, frames), (USED, NOTED))
    for name, file, verdict in _NAMES:
        yield Case(name, partial(_named, file), (verdict,))
    yield Case("links in a circle", _link_circle, (USED,))
    yield Case("a link to nothing", _broken_link, (SKIPPED,))
    yield Case("a link to itself", _link_to_itself, (SKIPPED,))
    yield Case("a pipe", lambda folder: os.mkfifo(folder / "x.wav"), (SKIPPED,))
    yield Case("a folder named x.wav", lambda folder: (folder / "x.wav").mkdir(), (UNSEEN,))
    yield Case("a sparse file of zeros", _sparse, (SKIPPED,))
    yield Case("200,000 chunks", _many_chunks, (USED, NOTED, SKIPPED))
    for name, content, file, verdicts in _CONTENTS:
        yield Case(name, partial(_put, content, file), verdicts)


CASES = (*_all(),)
