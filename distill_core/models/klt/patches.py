"""Log-mels as patches of some frames by some mel bands, in a measure of loudness that has a floor.

`F` is an axis of mel frames here, `M` one of mel bands, `D` that of the numbers of a patch.
"""

# TorchScript makes no types of `from __future__ import annotations`, and knows no global constants: those of
# functions are defaults of parameters here.
import math

from torch import Tensor
from torch.nn import functional

# Of mel power, 96 dB below a sine at full scale; what lies below counts little. From a floor 20 dB higher, the tails of
# notes come back as silence.
FLOOR = 1e-4
_SILENCE = FLOOR / 4  # what comes out as less is silence
_HEARD = math.log1p(_SILENCE / FLOOR)  # of loudness
_LOUDEST = 60.0  # of loudness; no file's spectrogram reaches 45, and from 88 on it has no power that is a number
_SINE = 1.5  # the mel power of a sine at full scale in squared quarters of an FFT: a Hann window passes into three bins


def loudness_of(log_mel: Tensor) -> Tensor:
    """Return log1p(power / floor) of log-mels, log1p(power): zero for silence, logarithmic from the floor on."""
    return log_mel.expm1().div_(FLOOR).log1p_()


def log_mel_of(loudness: Tensor, loudest: float = _LOUDEST, floor: float = FLOOR, silence: float = _SILENCE) -> Tensor:
    """Return the log-mels, log1p(power), behind loudness; what lies 6 dB below the floor is silence."""
    return loudness.clamp(max=loudest).expm1_().mul_(floor).sub_(silence).clamp_(min=0).log1p_()


def within_full_scale(log_mel_BFM: Tensor, n_fft: int, power: float, sine: float = _SINE) -> Tensor:
    """Return log-mels whose frames have at most twice the power of a sine at full scale, as much as a square wave.

    Sounds are coded at full level, so a frame with more is an error of the codes, and would make all others quieter. Of
    spectra that are no power, the sum has no such limit.
    """
    if power != 2:
        return log_mel_BFM
    full = 2 * sine * (n_fft / 4) ** 2
    mel_BFM = log_mel_BFM.expm1()
    return mel_BFM.mul_(full / mel_BFM.sum(2, keepdim=True).clamp(min=full)).log1p_()


def is_heard(patches: Tensor) -> Tensor:
    """Return which patches `[…, D]` are louder somewhere than silence."""
    return patches.amax(-1) > _HEARD


def patches_of(loudness_BFM: Tensor, step_frames: int, band_mels: int) -> Tensor:
    """Return patches `[B, W, H, D]`; the last ones of time and frequency are filled up with silence."""
    frames, mels = loudness_BFM.shape[1:]
    padded_BFM = functional.pad(loudness_BFM, (0, -mels % band_mels, 0, -frames % step_frames))
    parts = padded_BFM.unflatten(2, (-1, band_mels)).unflatten(1, (-1, step_frames))
    patches_BWHD: Tensor = parts.transpose(2, 3).flatten(3)
    return patches_BWHD


def loudness_of_patches(patches_BWHD: Tensor, step_frames: int) -> Tensor:
    """Return the loudness `[B, F, M]` of patches, that of padding included."""
    parts = patches_BWHD.unflatten(3, (step_frames, -1))
    loudness_BFM: Tensor = parts.transpose(2, 3).flatten(1, 2).flatten(2)
    return loudness_BFM
