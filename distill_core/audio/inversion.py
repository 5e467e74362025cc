"""Log-mel spectrogram back to a waveform: least squares for the magnitudes, fast Griffin-Lim for the phases.

Perraudin, Balazs, Søndergaard 2013, "A fast Griffin-Lim algorithm".
"""

from __future__ import annotations

import math
import warnings
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional

from distill_core.audio.spectrogram import SpectrogramConfig
from distill_core.audio.torchaudio_import import GriffinLim, InverseMelScale

_ROUNDS = 32  # about 0.1 s of processor time per second of sound; doubling them is hardly heard
_MOMENTUM = 0.99


@lru_cache(maxsize=2)
def _inverse_mel(config: SpectrogramConfig) -> InverseMelScale:
    with warnings.catch_warnings():
        # Bands too narrow for the FFT stay zero, as in the spectrogram.
        warnings.filterwarnings("ignore", "At least one mel filterbank", UserWarning)
        # Their filters make the matrix singular, which this driver accepts.
        return InverseMelScale(
            config.n_fft // 2 + 1, config.n_mels, config.sample_rate, config.f_min, config.f_max, driver="gelsd"
        )


@torch.no_grad()
def waveform_of(log_mel: Tensor, config: SpectrogramConfig) -> Tensor:
    """Return the waveform `[frames · hop_length]` (float32, CPU) of a log-mel `[n_mels, frames]`.

    The phases begin at zero, so the same log-mel gives the same waveform and no random number is drawn.
    """
    length = log_mel.shape[1] * config.hop_length
    # Half an FFT window more than needed: Griffin-Lim reflects the end, and needs a frame centred there.
    extra = math.ceil(config.n_fft / 2 / config.hop_length)
    mel = functional.pad(log_mel.float().cpu().expm1()[None], (0, extra + 1), mode="replicate")[0]
    griffin_lim = GriffinLim(
        config.n_fft,
        _ROUNDS,
        hop_length=config.hop_length,
        power=config.power,
        momentum=_MOMENTUM,
        length=length + extra * config.hop_length,
        rand_init=False,
    )
    waveform_T: Tensor = griffin_lim(_inverse_mel(config)(mel))
    return waveform_T[:length]
