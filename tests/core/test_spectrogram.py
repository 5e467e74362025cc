"""Log-mel: exactly torchaudio's, then log1p."""

from dataclasses import asdict

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from distill_core.audio.spectrogram import AudioSpectrogram, SpectrogramConfig
from distill_core.audio.torchaudio_import import MelSpectrogram


@pytest.mark.parametrize(
    "config",
    [
        SpectrogramConfig(),
        SpectrogramConfig(sample_rate=16_000, n_fft=1024, hop_length=200, n_mels=40, f_min=50, f_max=7000, power=1),
    ],
)
def test_it_is_a_plain_mel_spectrogram_and_log1p(config, tone):
    waveform_BT = torch.from_numpy(tone(seconds=1, rate=config.sample_rate, channels=2).T.copy())
    mel = MelSpectrogram(
        sample_rate=config.sample_rate,
        n_fft=config.n_fft,
        win_length=config.n_fft,
        hop_length=config.hop_length,
        f_min=config.f_min,
        f_max=config.f_max or config.sample_rate / 2,
        n_mels=config.n_mels,
        power=config.power,
        normalized=False,
        center=True,
        pad_mode="reflect",
        norm=None,
        mel_scale="htk",
    )
    log_mel = AudioSpectrogram(config).log_mel(waveform_BT)
    assert torch.equal(log_mel[:, 0], torch.log1p(mel(waveform_BT)))
    assert log_mel.min() >= 0


def test_it_is_the_spectrogram_of_the_definition(tone):
    """Written out by hand, so that a torchaudio that changes its defaults is noticed."""
    config = SpectrogramConfig(sample_rate=8_000, n_fft=256, hop_length=64, n_mels=8)
    waveform_T = torch.from_numpy(tone(rate=8_000)[:, 0])
    padded = torch.nn.functional.pad(waveform_T[None], (128, 128), mode="reflect")[0]
    frames_FT = padded.unfold(0, 256, 64) * torch.hann_window(256, periodic=True)
    power_FK = torch.fft.rfft(frames_FT).abs() ** 2
    top_mel = 2595 * torch.log10(torch.tensor(1 + 4000 / 700))
    corners = 700 * (10 ** (torch.linspace(0, 1, 10) * top_mel / 2595) - 1)
    hertz_K1 = torch.linspace(0, 4000, 129)[:, None]
    rising = (hertz_K1 - corners[:-2]) / (corners[1:-1] - corners[:-2])
    falling = (corners[2:] - hertz_K1) / (corners[2:] - corners[1:-1])
    mel_FM = power_FK @ torch.minimum(rising, falling).clamp(min=0)
    found = AudioSpectrogram(config).log_mel(waveform_T[None])[0, 0]
    assert torch.allclose(found, torch.log1p(mel_FM).T, rtol=1e-3, atol=1e-4)


@settings(derandomize=True, deadline=None, max_examples=15)
@given(
    rate=st.integers(8_000, 48_000),
    n_fft=st.sampled_from([512, 1024, 2048]),
    hop=st.integers(64, 700),
    mels=st.integers(16, 40),
)
def test_one_second_has_chunk_frames(rate, n_fft, hop, mels):
    config = SpectrogramConfig(sample_rate=rate, n_fft=n_fft, hop_length=hop, n_mels=mels)
    log_mel = AudioSpectrogram(config).log_mel(torch.zeros(1, config.sample_rate))
    assert log_mel.shape == (1, 1, mels, config.chunk_frames)
    assert not log_mel.any()


@pytest.mark.parametrize("n_mels", [16, 17, 127, 129, 512])
def test_any_number_of_bands_runs_without_a_warning(n_mels):
    log_mel = AudioSpectrogram(SpectrogramConfig(n_mels=n_mels)).log_mel(torch.randn(1, 48_000))
    assert log_mel.shape == (1, 1, n_mels, 94)
    assert bool(log_mel.isfinite().all())


def test_the_file_gets_seven_settings():
    assert asdict(SpectrogramConfig()) == {
        "sample_rate": 48_000,
        "n_fft": 2048,
        "hop_length": 512,
        "n_mels": 128,
        "f_min": 0.0,
        "f_max": None,
        "power": 2.0,
    }
