"""Short sounds that all differ – clicks, sines, sweeps and bursts of noise – and a model that learned from some."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from distill_core.training.codec.train import train_codec

RATE = 24_000
_SHORTEST_S, _LONGEST_S = 0.1, 1.0
_LEARNED_BY_CODEC = 100
_Samples = NDArray[np.float64]


def _click(random: np.random.Generator, seconds_T: _Samples) -> _Samples:
    places = random.random(len(seconds_T)) < random.uniform(2, 40) / RATE
    places[random.integers(len(places))] = True
    decay_T = np.exp(-random.uniform(100, 1000) * np.arange(512) / RATE)
    clicks_T = np.convolve(places * random.uniform(-1, 1, len(places)), decay_T)[: len(places)]
    return clicks_T + 1e-3 * random.standard_normal(len(places))


def _sine(random: np.random.Generator, seconds_T: _Samples) -> _Samples:
    partials = random.uniform(0.5, 4, 4) * 60 * 2 ** random.uniform(0, 6)
    phases_TP = seconds_T[:, None] * partials + random.random(4)
    decays_TP = np.exp(-seconds_T[:, None] * random.uniform(0, 12, 4))
    return np.asarray((np.sin(2 * np.pi * phases_TP) * decays_TP) @ random.uniform(0, 1, 4))


def _sweep(random: np.random.Generator, seconds_T: _Samples) -> _Samples:
    hertz_T = np.geomspace(*(60 * 2 ** random.uniform(0, 7, 2)), num=len(seconds_T))
    return np.sin(2 * np.pi * np.cumsum(hertz_T) / RATE) * np.exp(-random.uniform(0, 5) * seconds_T)


def _burst(random: np.random.Generator, seconds_T: _Samples) -> _Samples:
    noise_T, share = random.standard_normal(len(seconds_T)), random.uniform(-0.95, 0.95)
    coloured_T = noise_T + share * np.roll(noise_T, 1)
    return coloured_T * np.exp(-random.uniform(0, 20) * np.abs(seconds_T - random.uniform(0, 0.3)))


_KINDS: tuple[Callable[[np.random.Generator, _Samples], _Samples], ...] = (_click, _sine, _sweep, _burst)


def short_sound(number: int) -> _Samples:
    """Return a sound `[T]` of 0.1 to 1 s; each number has one of its own."""
    random = np.random.default_rng(number)
    seconds_T = np.arange(round(random.uniform(_SHORTEST_S, _LONGEST_S) * RATE)) / RATE
    sound_T = _KINDS[number % len(_KINDS)](random, seconds_T) + 1e-3 * random.standard_normal(len(seconds_T))
    return np.asarray(0.7 * sound_T / np.abs(sound_T).max())


def write_short_sounds(folder: Path, count: int) -> Path:
    """Write the first `count` sounds into a folder, and return it."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        soundfile.write(folder / f"{number:06d}.wav", short_sound(number), RATE)
    return folder


def link_sounds(of: Path, folder: Path, count: int) -> Path:
    """Give the first `count` sounds of a folder names in another one, and return that."""
    folder.mkdir()
    for path in sorted(of.iterdir())[:count]:
        os.link(path, folder / path.name)
    return folder


def train_model(folder: Path, codec: str) -> Path:
    """Train a codec on some short sounds for an epoch, and return its file."""
    sounds = write_short_sounds(folder / "sounds of the codec", _LEARNED_BY_CODEC)
    trained = train_codec(sounds, {"max_epochs": 1, "device": "cpu"}, architecture=codec)
    return trained.save(folder / f"{codec}.distill")
