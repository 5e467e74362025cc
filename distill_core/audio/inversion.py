"""Log-mel spectrogram back to a waveform, at once or block by block."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache

import torch
from torch import Tensor

from distill_core.audio.griffin_lim import Frames, waveforms_of
from distill_core.audio.mel_inverse import MelInverse
from distill_core.audio.spectrogram import SpectrogramConfig

_ROUNDS = 32
_LOUDEST = 40.0  # of a log-mel; no sound reaches 25, and from e⁸⁸ on a square is no number any more
_FADE_S = 0.005
_AHEAD = 1.25  # windows that a block is estimated beyond its end; with half of them its error is 2 % larger
_LEAST_OVERLAP = 2.5  # windows over each sample; with fewer, loudness trembles between the frames
_OVERLAP = 4


@lru_cache(maxsize=2)
def mel_inversion(config: SpectrogramConfig) -> MelInversion:
    """Return the inversion of a spectrogram; making one takes longer than a block of sound."""
    return MelInversion(config)


def _mirrored(middle: int) -> Callable[[Tensor], None]:
    """Return the constraint of a sound's beginning: as in its spectrogram, the sound is mirrored at `middle`."""

    def constrain(waveforms_BT: Tensor) -> None:
        waveforms_BT[:, :middle] = waveforms_BT[:, middle + 1 : 2 * middle + 1].flip(1)

    return constrain


def _joined(before_BT: Tensor, fade: int) -> Callable[[Tensor], None]:
    """Return the constraint of a sound's middle: it begins with `before_BT`, whose last `fade` samples fade out."""
    known = before_BT.shape[1] - fade
    falling_T = torch.linspace(1, 0, fade + 2)[1:-1]

    def constrain(waveforms_BT: Tensor) -> None:
        waveforms_BT[:, :known] = before_BT[:, :known]
        waveforms_BT[:, known : known + fade].lerp_(before_BT[:, known:], falling_T)

    return constrain


class MelInversion:
    """The way from log-mels to waveforms for one kind of spectrogram.

    Where windows hardly overlap, spectra between those of the mel are guessed on a straight line.
    """

    def __init__(self, config: SpectrogramConfig) -> None:
        self._config, self._mel_inverse = config, MelInverse(config)
        is_dense = config.hop_length * _LEAST_OVERLAP <= config.n_fft
        finer = 1 if is_dense else math.ceil(_OVERLAP * config.hop_length / config.n_fft)
        self._frames = Frames(config.n_fft, math.ceil(config.hop_length / finer))
        half, hop = config.n_fft // 2, config.hop_length
        self._fade = round(_FADE_S * config.sample_rate)
        self.ahead = math.ceil((_AHEAD * config.n_fft + self._fade) / hop)
        self._back = math.ceil(half / hop) + 1

    def waveforms_of(self, log_mel: Tensor) -> Tensor:
        """Return waveforms `[B, frames · hop_length]` (float32, CPU) of log-mels `[B, n_mels, frames]`.

        The same log-mel gives the same waveform, and no random number is drawn.
        """
        half, length = self._config.n_fft // 2, log_mel.shape[2] * self._config.hop_length
        return self._estimate(self._with_end(log_mel), None)[:, half : half + length]

    def blocks_of(self, log_mels: Iterable[Tensor]) -> Iterator[Tensor]:
        """Yield the waveforms `[B, T]` of log-mels that come in blocks `[B, n_mels, frames]`.

        A waveform ends `ahead` frames before its log-mel. The same blocks give the same waveforms; another division
        into blocks gives others, which sound the same.
        """
        past, frames = None, []
        for log_mel in log_mels:
            frames.append(log_mel)
            known = torch.cat(frames, dim=2)
            if known.shape[2] >= 2 * self._back + self.ahead:
                block_BT, past = self._block(known, past)
                yield block_BT
                frames = [known[..., -(self.ahead + self._back) :]]
        if frames:
            yield self._block(self._with_end(torch.cat(frames, dim=2)), past)[0]

    def _block(self, log_mel: Tensor, past_BT: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return the waveforms of all but the past and the last frames, and the past of the block after this one."""
        hop, waveforms_BT = self._config.hop_length, self._estimate(log_mel, past_BT)
        begin = self._config.n_fft // 2 + (0 if past_BT is None else self._back * hop)
        end = self._config.n_fft // 2 + (log_mel.shape[2] - self.ahead) * hop
        past_begin = end - self._back * hop - self._config.n_fft // 2
        return waveforms_BT[:, begin:end].clone(), waveforms_BT[:, past_begin : end + self._fade].clone()

    def _with_end(self, log_mel: Tensor) -> Tensor:
        """Return the log-mel as though it went on as it ends, so that all of it is a middle."""
        return torch.cat([log_mel, log_mel[..., -1:].expand(-1, -1, self.ahead)], dim=2)

    def _mel_of(self, log_mel: Tensor) -> Tensor:
        """Return the mel `[B, finer frames, n_mels]`."""
        mel = log_mel.float().cpu().clamp(0, _LOUDEST * min(1.0, self._config.power)).expm1().transpose(1, 2)
        hop, finer_hop = self._config.hop_length, self._frames.hop
        if hop == finer_hop:
            return mel.contiguous()
        places = torch.arange(0, (mel.shape[1] - 1) * hop + 1, finer_hop) / hop
        left = places.long()
        right = (left + 1).clamp(max=mel.shape[1] - 1)
        return mel[:, left].lerp(mel[:, right], (places - left)[:, None])

    def _estimate(self, log_mel: Tensor, past_BT: Tensor | None) -> Tensor:
        """Return waveforms that begin half a window before the first frame's middle, with `past_BT`."""
        mel, exponent, n_fft = self._mel_of(log_mel), self._config.power, self._config.n_fft

        def correct(squared: Tensor) -> Tensor:
            power = squared.pow(exponent / 2)
            return power.mul_(self._mel_inverse.correction(power, mel)).pow_(1 / exponent)

        magnitudes = self._mel_inverse.power_of(mel).pow_(1 / exponent)
        first = None if past_BT is None else self._frames.spectra_of(past_BT[:, :n_fft])[:, 0]
        constrain = _mirrored(n_fft // 2) if past_BT is None else _joined(past_BT, self._fade)
        return waveforms_of(magnitudes, self._frames, rounds=_ROUNDS, correct=correct, constrain=constrain, first=first)
