"""Waveform to log-mel spectrogram, as the model file says."""

from __future__ import annotations

import math
import warnings
from dataclasses import asdict, dataclass

import torch
from torch import Tensor

from distill_core.audio.torchaudio_import import MelSpectrogram

FRAMES_PER_STEP = 16  # the encoder halves both axes four times


@dataclass(frozen=True, slots=True)
class SpectrogramConfig:
    """The seven settings of the format; the ancestor fails on an eighth.

    `sample_rate`, `f_min` and `f_max` are in Hz (`f_max` None: half the rate), `n_fft` and `hop_length` in samples.
    """

    sample_rate: int = 48_000
    n_fft: int = 2048
    hop_length: int = 512
    n_mels: int = 128
    f_min: float = 0.0
    f_max: float | None = None
    power: float = 2.0

    @property
    def chunk_samples(self) -> int:
        """Samples of one chunk: one second."""
        return self.sample_rate

    @property
    def chunk_frames(self) -> int:
        """Mel frames of one chunk (centred frames)."""
        return self.frames_of(1)

    def frames_of(self, seconds: float) -> int:
        """Return how many centred mel frames so many seconds have."""
        return int(seconds * self.chunk_samples) // self.hop_length + 1

    def steps_of(self, seconds: float) -> int:
        """Return how many steps the encoder makes of so many seconds in a row."""
        return padded_length(self.frames_of(seconds)) // FRAMES_PER_STEP

    def to_dict(self) -> dict[str, object]:
        """Return the settings as the file holds them."""
        return asdict(self)


class AudioSpectrogram:
    """Computes log1p of the power mel spectrogram (HTK scale, no filter normalisation, periodic Hann, centred)."""

    def __init__(self, config: SpectrogramConfig, device: torch.device | str = "cpu") -> None:
        self.config = config
        with warnings.catch_warnings():
            # Bands too narrow for the FFT stay zero: the file says so, and nobody who opens it can change that.
            warnings.filterwarnings("ignore", "At least one mel filterbank", UserWarning)
            self._mel = MelSpectrogram(**asdict(config)).to(device)

    def to(self, device: torch.device | str) -> AudioSpectrogram:
        """Move the window and the filters to a device and return self."""
        self._mel.to(device)
        return self

    def log_mel(self, waveforms_BT: Tensor) -> Tensor:
        """Return `[B, 1, n_mels, frames]` for waveforms `[B, T]` on the spectrogram's device."""
        mel: Tensor = self._mel(waveforms_BT)
        return torch.log1p(mel).unsqueeze(1)


def padded_length(length: int) -> int:
    """Return a mel's bands or frames rounded up to what the encoder takes."""
    return math.ceil(length / FRAMES_PER_STEP) * FRAMES_PER_STEP
