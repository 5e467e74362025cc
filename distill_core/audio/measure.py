"""The facts of one sound, from decoding it to its end, or the reason why it cannot be used."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path

import numpy as np

from distill_core.audio.decoding.kinds import UnreadableSoundError
from distill_core.audio.decoding.samples import Samples
from distill_core.audio.decoding.sound import Sound, open_sound
from distill_core.audio.io import SILENCE_PEAK, to_mono
from distill_core.events import ShouldStop, stop_point

MAX_CHANNELS = 64
# Rates beyond these come of a wrong header or of other data: a "second" could become days of samples.
MIN_RATE, MAX_RATE = 1_000, 1_000_000
_MIN_DURATION_S = 0.001
_LARGEST_VALUE = 1e15
_CONSTANT_SWING = 1e-6
# A mean 40 dB below the loudest channel has cancelled out.
_CANCELLED_ENERGY_RATIO = 1e-4


@dataclass(frozen=True, slots=True)
class Measured:
    """The facts of a decoded sound, under the names of `AudioFile`."""

    duration_s: float
    sample_rate: int
    channels: int
    digest: str
    channel: int | None
    note: str


@dataclass(slots=True)
class _Pass:
    """The sums of one pass over a sound's samples.

    `swing` is the largest distance from the first sample; `channel_peaks` and `mono_peak` are the largest absolute
    values of each channel and of their mean.
    """

    frames: int = 0
    first: Samples | None = None
    swing: float = 0.0
    mono_energy: float = 0.0
    channel_energy: float | np.ndarray[tuple[int, ...], np.dtype[np.float64]] = 0.0
    channel_peaks: float | np.ndarray[tuple[int, ...], np.dtype[np.float32]] = 0.0
    mono_peak: float = 0.0
    is_sound: bool = True
    digest: blake2b = field(default_factory=lambda: blake2b(digest_size=16))

    def add(self, block: Samples) -> None:
        self.frames += block.shape[1]
        self.is_sound = self.is_sound and bool(np.abs(block).max() < _LARGEST_VALUE)  # NaN fails the comparison
        if not self.is_sound:
            return
        self.first = block[:, :1].copy() if self.first is None else self.first
        self.swing = max(self.swing, float(np.abs(block - self.first).max()))
        mono = to_mono(block, None)
        self.mono_energy += float(np.square(mono, dtype=np.float64).sum())
        self.mono_peak = max(self.mono_peak, float(np.abs(mono).max()))
        self.channel_peaks = np.maximum(self.channel_peaks, np.abs(block).max(axis=1))
        self.channel_energy = self.channel_energy + np.square(block, dtype=np.float64).sum(axis=1)
        self.digest.update(block.tobytes())

    def uncancelled_channel(self) -> int | None:
        """Return the loudest channel if the mean of all cancels out, else None."""
        loudest = int(np.argmax(self.channel_energy))
        energies = np.atleast_1d(self.channel_energy)
        return loudest if self.mono_energy < _CANCELLED_ENERGY_RATIO * energies[loudest] else None

    def peak(self, channel: int | None) -> float:
        """Return the largest absolute value of one channel, or of the mean of all."""
        return self.mono_peak if channel is None else float(np.atleast_1d(self.channel_peaks)[channel])


def _refuse_unusable(seen: _Pass, sound: Sound) -> None:
    if not seen.frames:
        raise UnreadableSoundError("none of its sound could be read" if sound.expected_s else "it holds no sound")
    if not seen.is_sound:
        raise UnreadableSoundError("it holds values that are not numbers (NaN or infinity) or too large to be sound")
    if seen.frames < 2 or seen.frames / sound.sample_rate < _MIN_DURATION_S:
        raise UnreadableSoundError("it is shorter than a millisecond")
    level = min(seen.peak(seen.uncancelled_channel()), seen.swing)  # a constant has a level, but is no sound
    if level <= _CONSTANT_SWING:
        raise UnreadableSoundError("it is silent")
    if level <= SILENCE_PEAK:  # the noise of its number format
        raise UnreadableSoundError(f"it is nearly silent (peak {20 * math.log10(level):.0f} dB)".replace("-", "−"))


def _read_through(sound: Sound, should_stop: ShouldStop) -> _Pass:
    if sound.channels > MAX_CHANNELS:
        raise UnreadableSoundError(f"it has {sound.channels} channels; up to {MAX_CHANNELS} are read")
    if not MIN_RATE <= sound.sample_rate <= MAX_RATE:
        raise UnreadableSoundError(f"its sample rate of {sound.sample_rate} Hz cannot be that of a sound")
    seen = _Pass()
    for block in sound.blocks:
        stop_point(should_stop)
        seen.add(block)
    _refuse_unusable(seen, sound)
    return seen


def _length_note(duration_s: float, sound: Sound) -> str:
    """Return a note on a sound whose length is not the one that its file states, "" if it is."""
    if sound.expected_s is None or abs(duration_s - sound.expected_s) <= sound.slack_s:
        return ""
    if duration_s < sound.expected_s:
        return f"only {duration_s:.2f} s of {sound.expected_s:.2f} s could be read"
    return f"its header says {sound.expected_s:.2f} s; all {duration_s:.2f} s that are there were read"


def measure_sound(path: Path, should_stop: ShouldStop) -> Measured:
    """Decode a file once and return its facts.

    Raises:
        UnreadableSoundError: it cannot be used; says why.
        Stopped: `should_stop()` turned true.
    """
    with open_sound(path, should_stop) as sound:
        seen = _read_through(sound, should_stop)
    duration_s, channel = seen.frames / sound.sample_rate, seen.uncancelled_channel()
    notes = [sound.note, _length_note(duration_s, sound)]
    if channel is not None:
        notes.append(f"its channels cancel out, so only channel {channel + 1} is used")
    note = "; ".join(filter(None, notes))
    return Measured(duration_s, sound.sample_rate, sound.channels, seen.digest.hexdigest(), channel, note)
