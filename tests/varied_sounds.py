"""Sounds that differ from one another as recordings do: plucks, sweeps, bursts of noise, pulses; all from seeds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

RATE = 48_000
_Samples = np.ndarray[Any, np.dtype[np.float64]]


def _pluck(random: np.random.Generator, seconds_T: _Samples) -> _Samples:
    hertz, decay = 80 * 2 ** random.uniform(0, 4), random.uniform(1, 8)
    partials = [random.uniform(0, 1) / k * np.sin(2 * np.pi * k * hertz * seconds_T) for k in range(1, 9)]
    return np.exp(-decay * seconds_T) * np.sum(partials, axis=0)


def _sweep(random: np.random.Generator, seconds_T: _Samples) -> _Samples:
    low, high = 60 * 2 ** random.uniform(0, 6, 2)
    hertz_T = low * (high / low) ** (seconds_T / seconds_T[-1])
    return np.sin(2 * np.pi * np.cumsum(hertz_T) / RATE) * np.exp(-random.uniform(0, 3) * seconds_T)


def _burst(random: np.random.Generator, seconds_T: _Samples) -> _Samples:
    spectrum_F = np.fft.rfft(random.standard_normal(len(seconds_T)))
    hertz_F = np.fft.rfftfreq(len(seconds_T), 1 / RATE)
    middle, width = 200 * 2 ** random.uniform(0, 6), random.uniform(0.2, 1.5)
    spectrum_F *= np.exp(-((np.log2(np.maximum(hertz_F, 1) / middle) / width) ** 2))
    return np.asarray(np.fft.irfft(spectrum_F, len(seconds_T)) * np.exp(-random.uniform(2, 12) * seconds_T))


def _pulses(random: np.random.Generator, seconds_T: _Samples) -> _Samples:
    carrier_T = np.sin(2 * np.pi * 100 * 2 ** random.uniform(0, 5) * seconds_T)
    return carrier_T * (np.sin(2 * np.pi * random.uniform(2, 12) * seconds_T) > random.uniform(-0.6, 0.6))


_KINDS = (_pluck, _sweep, _burst, _pulses)


def varied_sound(seed: int, seconds: float | None = None) -> _Samples:
    """Return a sound `[T]` at 48 kHz with a peak of 0.5, 0.5 to 1.5 s long unless asked for another length."""
    random = np.random.default_rng(seed)
    length = random.uniform(0.5, 1.5) if seconds is None else seconds
    seconds_T = np.arange(round(length * RATE)) / RATE
    sound_T = _KINDS[seed % len(_KINDS)](random, seconds_T) + 1e-3 * random.standard_normal(len(seconds_T))
    return np.asarray(0.5 * sound_T / np.abs(sound_T).max())


def write_varied_sounds(folder: Path, count: int, first_seed: int = 0) -> Path:
    """Write sounds of so many seeds into a folder, and return it."""
    import soundfile

    folder.mkdir(parents=True, exist_ok=True)
    for seed in range(first_seed, first_seed + count):
        soundfile.write(folder / f"sound {seed:02d}.wav", varied_sound(seed), RATE)
    return folder
