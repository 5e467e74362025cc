"""Waveform to log-mel spectrogram, by the settings of a model file."""

from __future__ import annotations

import warnings
from dataclasses import asdict, dataclass

import torch
from torch import Tensor

from distill_core.audio.torchaudio_import import MelSpectrogram


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
    def chunk_frames(self) -> int:
        """Mel frames (centred ones) of a one-second chunk."""
        return self.sample_rate // self.hop_length + 1


class AudioSpectrogram:
    """The log1p of a mel power spectrogram (HTK scale, no filter normalisation, periodic Hann, centred)."""

    def __init__(self, config: SpectrogramConfig, device: torch.device | str = "cpu") -> None:
        self.config = config
        with warnings.catch_warnings():
            # Bands too narrow for the FFT stay zero, as the file's settings demand: a warning would help nobody.
            warnings.filterwarnings("ignore", "At least one mel filterbank", UserWarning)
            self._mel = MelSpectrogram(**asdict(config)).to(device)

    def to(self, device: torch.device | str) -> AudioSpectrogram:
        """Move the window and the filters to a device and return self."""
        self._mel.to(device)
        return self

    @property
    def filters(self) -> Tensor:
        """The mel filters `[bins, n_mels]`."""
        filters: Tensor = self._mel.mel_scale.fb
        return filters

    def log_mel(self, waveforms_BT: Tensor) -> Tensor:
        """Return `[B, 1, n_mels, frames]` for waveforms `[B, T]` on the spectrogram's device."""
        mel: Tensor = self._mel(waveforms_BT)
        return torch.log1p(mel).unsqueeze(1)
