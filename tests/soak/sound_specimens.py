"""Short valid sounds in every format that is at hand: libsndfile's, and ffmpeg's where there is one."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile

from distill_core.audio.decoding.ffmpeg import find_ffmpeg

RATE, SECONDS = 16_000, 0.25
# Suffix, libsndfile's format and subtype.
_BY_LIBSNDFILE = (
    ("wav", "WAV", "PCM_16"),
    ("float.wav", "WAV", "FLOAT"),
    ("mulaw.wav", "WAV", "ULAW"),
    ("adpcm.wav", "WAV", "IMA_ADPCM"),
    ("ms.wav", "WAV", "MS_ADPCM"),
    ("gsm.wav", "WAV", "GSM610"),
    ("24.wav", "WAVEX", "PCM_24"),
    ("rf64", "RF64", "PCM_16"),
    ("w64", "W64", "PCM_24"),
    ("aiff", "AIFF", "PCM_16"),
    ("aifc", "AIFF", "FLOAT"),
    ("au", "AU", "PCM_16"),
    ("g721.au", "AU", "G721_32"),
    ("caf", "CAF", "PCM_16"),
    ("alac.caf", "CAF", "ALAC_16"),
    ("flac", "FLAC", "PCM_16"),
    ("ogg", "OGG", "VORBIS"),
    ("opus", "OGG", "OPUS"),
    ("mp3", "MP3", "MPEG_LAYER_III"),
    ("voc", "VOC", "PCM_16"),
    ("svx", "SVX", "PCM_16"),
    ("sph", "NIST", "PCM_16"),
    ("sf", "IRCAM", "PCM_16"),
    ("paf", "PAF", "PCM_24"),
    ("pvf", "PVF", "PCM_16"),
    ("xi", "XI", "DPCM_16"),
    ("sds", "SDS", "PCM_16"),
    ("avr", "AVR", "PCM_16"),
    ("htk", "HTK", "PCM_16"),
    ("mat", "MAT5", "PCM_16"),
    ("mpc", "MPC2K", "PCM_16"),
)
# Suffix, ffmpeg's arguments.
_BY_FFMPEG = (
    ("m4a", ("-c:a", "aac")),
    ("alac.m4a", ("-c:a", "alac")),
    ("mp2", ("-c:a", "mp2")),
    ("wma", ("-c:a", "wmav2")),
    ("mka", ("-c:a", "pcm_s16le")),
    ("wv", ("-c:a", "wavpack")),
    ("tta", ("-c:a", "tta")),
)
_ONE_CHANNEL = ("SVX", "XI", "SDS", "HTK", "MPC2K", "GSM610", "G721_32")


def noisy_tone(channels: int = 2, seconds: float = SECONDS, rate: int = RATE) -> np.ndarray:
    """Return `[frames, channels]`, the same each time: a tone with noise, which no codec packs into nothing."""
    random, seconds_T1 = np.random.default_rng(0), np.arange(round(seconds * rate))[:, None] / rate
    tone_T1 = 0.4 * np.sin(2 * np.pi * 330 * seconds_T1 * (1 + seconds_T1))
    return (tone_T1 + random.uniform(-0.1, 0.1, (len(seconds_T1), channels))).astype(np.float32)


def _with_libsndfile(folder: Path) -> Iterator[Path]:
    for suffix, container, subtype in _BY_LIBSNDFILE:
        path = folder / f"sound.{suffix}"
        samples = noisy_tone(1 if {container, subtype} & {*_ONE_CHANNEL} else 2)
        soundfile.write(path, samples, RATE, format=container, subtype=subtype)
        yield path


def _with_ffmpeg(folder: Path, source: Path) -> Iterator[Path]:
    program = find_ffmpeg()
    for suffix, arguments in _BY_FFMPEG if program else ():
        path = folder / f"sound.{suffix}"
        command = [str(program), "-nostdin", "-loglevel", "error", "-i", str(source), *arguments, str(path)]
        if subprocess.run(command, check=False, capture_output=True).returncode == 0:
            yield path


def write_specimens(folder: Path) -> list[Path]:
    """Write a valid sound of each format into a folder and return their paths; a few KB each."""
    paths = [*_with_libsndfile(folder)]
    return [*paths, *_with_ffmpeg(folder, paths[0])]
