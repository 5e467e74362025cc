"""A log-mel back to a waveform: the same pitch, the same length, the same numbers each time."""

from __future__ import annotations

import math

import pytest
import torch

from distill_core.audio.inversion import waveform_of
from distill_core.audio.spectrogram import AudioSpectrogram, SpectrogramConfig

CONFIGS = [
    SpectrogramConfig(),
    SpectrogramConfig(sample_rate=24_000, n_fft=512, hop_length=300, n_mels=80),
    SpectrogramConfig(sample_rate=8_000, n_fft=2048, hop_length=64, n_mels=64, power=1.0),
]


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: str(config.hop_length))
def test_a_tone_comes_back_at_its_pitch_and_length(config: SpectrogramConfig) -> None:
    tone_T = 0.5 * torch.sin(2 * math.pi * 880 / config.sample_rate * torch.arange(config.sample_rate))
    waveform_T = waveform_of(AudioSpectrogram(config).log_mel(tone_T[None])[0, 0], config)
    assert waveform_T.shape == (config.chunk_frames * config.hop_length,)
    assert waveform_T.dtype == torch.float32
    spectrum = torch.fft.rfft(waveform_T[: config.sample_rate]).abs()
    assert float(spectrum.argmax()) == pytest.approx(880, rel=0.03)


@pytest.mark.parametrize("frames", [1, 2, 16])
def test_a_few_frames_are_enough(frames: int) -> None:
    config = SpectrogramConfig()
    assert len(waveform_of(torch.rand(128, frames), config)) == frames * config.hop_length


def test_silence_stays_silent() -> None:
    assert not waveform_of(torch.zeros(128, 32), SpectrogramConfig()).any()


def test_no_random_number_is_drawn_and_the_waveform_is_the_same_each_time() -> None:
    log_mel = torch.rand(128, 32, generator=torch.Generator().manual_seed(0))
    before = torch.get_rng_state()
    first = waveform_of(log_mel, SpectrogramConfig())
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(waveform_of(log_mel, SpectrogramConfig()), first)
