"""The errors of round trips: one-second pieces of a sound and of what came back, each divided by the original's peak.

Three errors, of real frames only; padding is not counted. *log1p* is the mean difference of the format's mel,
`log1p(power)`. *dB* is that of the same mel in decibels: `10 log10(max(power, 1e-8 · full) / full)`, where `full` is
the power of a sine at full scale in its own bin; so it ends at −80 dB. *stft* is the multi-resolution STFT loss of
Yamamoto et al. 2020: spectral convergence plus the mean difference of log magnitudes, at 512, 1024 and 2048 samples
with hops of a quarter. Pieces below −60 dB of their sound's peak are left out; what comes back in silence is the hum.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean

import torch
from torch import Tensor
from torch.nn import functional

from distill_core.audio.spectrogram import AudioSpectrogram, SpectrogramConfig

CONFIG = SpectrogramConfig()
RATE = CONFIG.sample_rate
FLOOR_DB = -80.0
_FULL_SCALE = (CONFIG.n_fft / 4) ** 2  # a sine of amplitude 1 under a Hann window
_QUIETEST_PIECE = 1e-3
_FFTS = (512, 1024, 2048)
_LEAST_POWER = 1e-7  # of an STFT bin, as in the source
_SILENCE = 10 ** (FLOOR_DB / 20)
_SILENT_FOR = RATE // 20
SPECTROGRAM = AudioSpectrogram(CONFIG)


@dataclass(frozen=True)
class PieceError:
    """The errors of a piece, and its number of frames; `stft` is NaN where there is no sound."""

    frames: int
    log1p: float
    db: float
    stft: float


def in_db(log_mel: Tensor) -> Tensor:
    """Return the decibels of a log1p-mel, 0 for a sine at full scale, at least −80."""
    return 10 * (log_mel.expm1() / _FULL_SCALE).clamp(min=10 ** (FLOOR_DB / 10)).log10()


def real_frames(samples: int, hop: int) -> int:
    """Return how many frames have their middle in the sound."""
    return samples // hop + 1


def log_mel_of(waveform_T: Tensor) -> Tensor:
    """Return the log1p-mel `[F, frames]` of a sound's real frames."""
    padded_T = functional.pad(waveform_T, (0, max(0, CONFIG.n_fft - len(waveform_T))))
    return SPECTROGRAM.log_mel(padded_T[None])[0, 0, :, : real_frames(len(waveform_T), CONFIG.hop_length)]


def _magnitudes(waveform_T: Tensor, n_fft: int) -> Tensor:
    padded_T = functional.pad(waveform_T, (0, max(0, n_fft - len(waveform_T))))
    spectrum = torch.stft(padded_T, n_fft, n_fft // 4, window=torch.hann_window(n_fft), return_complex=True)
    squared = torch.view_as_real(spectrum).square().sum(-1).clamp(min=_LEAST_POWER)
    return squared.sqrt()[:, : real_frames(len(waveform_T), n_fft // 4)]


def stft_error(original_T: Tensor, heard_T: Tensor) -> float:
    """Return spectral convergence plus mean difference of log magnitudes, the mean of three resolutions."""
    errors = []
    for n_fft in _FFTS:
        true, found = _magnitudes(original_T, n_fft), _magnitudes(heard_T, n_fft)
        convergence = (true - found).norm() / true.norm()
        errors.append(float(convergence + (true.log() - found.log()).abs().mean()))
    return fmean(errors)


def pieces_of(*sounds: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """Yield the same seconds of sounds, all divided by the first one's peak there; quiet seconds are left out."""
    loudest = float(sounds[0].abs().max())
    for pieces in zip(*(sound_T.split(RATE) for sound_T in sounds), strict=True):
        if (peak := float(pieces[0].abs().max())) > _QUIETEST_PIECE * loudest:
            yield tuple(piece_T / peak for piece_T in pieces)


def _difference(true: Tensor, found: Tensor) -> float:
    return float((true - found).abs().mean())


def errors_of(original_T: Tensor, heard_T: Tensor) -> Iterator[PieceError]:
    """Yield the errors of a sound that came back as another one of its length."""
    for piece_T, back_T in pieces_of(original_T, heard_T):
        true, found = log_mel_of(piece_T), log_mel_of(back_T)
        log1p, db = _difference(true, found), _difference(in_db(true), in_db(found))
        yield PieceError(true.shape[-1], log1p, db, stft_error(piece_T, back_T))


def mean_frame_errors(original_T: Tensor) -> Iterator[PieceError]:
    """Yield the errors of each piece's mean frame in the place of all its frames, the mean of log1p or of dB."""
    for (piece_T,) in pieces_of(original_T):
        true = log_mel_of(piece_T)
        log1p, db = (_difference(mel, mel.mean(-1, keepdim=True)) for mel in (true, in_db(true)))
        yield PieceError(true.shape[-1], log1p, db, math.nan)


def pooled(errors: Sequence[PieceError]) -> dict[str, float | None]:
    """Return the errors of all pieces together; each frame counts once."""
    frames = sum(error.frames for error in errors)
    found = {}
    for name in ("log1p", "db", "stft"):
        mean = sum(error.frames * getattr(error, name) for error in errors) / frames
        found[name] = mean if math.isfinite(mean) else None
    return found


def _is_silent(waveform_T: Tensor) -> Tensor:
    """Return where a sound at full level is below −80 dB, and 25 ms before and after."""
    reach = _SILENT_FOR // 2
    loud_T = functional.pad((waveform_T.abs() > _SILENCE).double(), (reach + 1, reach)).cumsum(0)
    return loud_T[2 * reach + 1 :] == loud_T[: -2 * reach - 1]


def hum_db(original_T: Tensor, heard_T: Tensor) -> float | None:
    """Return the level of a round trip where the original is silent for 50 ms or more, None if it never is."""
    in_silence_T = heard_T[_is_silent(original_T / original_T.abs().max())]
    return decibels(float(in_silence_T.square().mean().sqrt())) if len(in_silence_T) else None


def decibels(amplitude: float) -> float:
    """Return an amplitude in dBFS, −200 at least."""
    return 20 * math.log10(max(amplitude, 1e-10))


def highest(values: Iterable[float | None]) -> float | None:
    """Return the largest value that is there."""
    return max((value for value in values if value is not None), default=None)
