"""Log-mel spectrogram back to a waveform, at once or block by block."""

# TorchScript makes no types of `from __future__ import annotations`, and knows no global constants.
import math
from collections.abc import Iterable, Iterator
from functools import lru_cache

import torch
from torch import Tensor

from distill_core.audio.griffin_lim import Frames, GriffinLim
from distill_core.audio.mel_inverse import MelInverse
from distill_core.audio.spectrogram import SpectrogramConfig

_ROUNDS = 32
_LOUDEST = 40.0  # of a log-mel; no sound reaches 25, and from e⁸⁸ on a square is no number any more
_FADE_S = 0.005
_AHEAD = 1.25  # windows that a block is estimated beyond its end; with half of them its error is 2 % larger
_LEAST_OVERLAP = 2.5  # windows over each sample; with fewer, loudness trembles between the frames
_OVERLAP = 4


class MelInversion(GriffinLim):
    """The way from log-mels to waveforms for one kind of spectrogram.

    Where windows hardly overlap, spectra between those of the mel are guessed on a straight line.
    """

    _falling_T: Tensor

    def __init__(self, config: SpectrogramConfig) -> None:
        is_dense = config.hop_length * _LEAST_OVERLAP <= config.n_fft
        finer = 1 if is_dense else math.ceil(_OVERLAP * config.hop_length / config.n_fft)
        super().__init__(Frames(config.n_fft, math.ceil(config.hop_length / finer)), _ROUNDS)
        self._hop, self._half, self._exponent = config.hop_length, config.n_fft // 2, float(config.power)
        self._loudest = _LOUDEST * min(1.0, config.power)
        self._mel_inverse = MelInverse(config)
        self._fade = round(_FADE_S * config.sample_rate)
        self.register_buffer("_falling_T", torch.linspace(1, 0, self._fade + 2)[1:-1])
        self.ahead = math.ceil((_AHEAD * config.n_fft + self._fade) / config.hop_length)
        self._back = math.ceil(self._half / config.hop_length) + 1

    def waveforms_of(self, log_mel: Tensor) -> Tensor:
        """Return waveforms `[B, frames · hop_length]` (float32, CPU) of log-mels `[B, n_mels, frames]`.

        The same log-mel gives the same waveform, and no random number is drawn.
        """
        length = log_mel.shape[2] * self._hop
        return self._estimate(self._with_end(log_mel), None)[:, self._half : self._half + length]

    def blocks_of(self, log_mels: Iterable[Tensor]) -> Iterator[Tensor]:
        """Yield the waveforms `[B, T]` of log-mels that come in blocks `[B, n_mels, frames]`.

        A waveform ends `ahead` frames before its log-mel. The same blocks give the same waveforms; another division
        into blocks gives others, which sound the same.
        """
        past_BT, waiting = None, None
        for log_mel in log_mels:
            block_BT, past_BT, waiting = self.next_block(log_mel, past_BT, waiting)
            if block_BT.shape[1]:
                yield block_BT
        if waiting is not None:
            yield self.last_block(waiting, past_BT)

    def next_block(
        self, log_mel: Tensor, past_BT: Tensor | None, waiting: Tensor | None
    ) -> tuple[Tensor, Tensor | None, Tensor]:
        """Return the next waveforms, and what the block after them has as `past_BT` and `waiting`: at first None.

        The waveforms are empty where more of the log-mel is to be known first.
        """
        known = log_mel if waiting is None else torch.cat([waiting, log_mel], dim=2)
        if known.shape[2] < 2 * self._back + self.ahead:
            return known.new_empty(len(known), 0), past_BT, known
        block_BT, past_BT = self._block(known, past_BT)
        return block_BT, past_BT, known[..., -(self.ahead + self._back) :]

    def last_block(self, waiting: Tensor, past_BT: Tensor | None) -> Tensor:
        """Return the waveforms that end with their log-mel, from what `next_block` left."""
        return self._block(self._with_end(waiting), past_BT)[0]

    def _block(self, log_mel: Tensor, past_BT: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return the waveforms of all but the past and the last frames, and the past of the block after this one."""
        waveforms_BT = self._estimate(log_mel, past_BT)
        begin = self._half + (0 if past_BT is None else self._back * self._hop)
        end = self._half + (log_mel.shape[2] - self.ahead) * self._hop
        past_begin = end - self._back * self._hop - self._half
        return waveforms_BT[:, begin:end].clone(), waveforms_BT[:, past_begin : end + self._fade].clone()

    def _with_end(self, log_mel: Tensor) -> Tensor:
        """Return the log-mel as though it went on as it ends, so that all of it is a middle."""
        return torch.cat([log_mel, log_mel[..., -1:].expand(-1, -1, self.ahead)], dim=2)

    def _mel_of(self, log_mel: Tensor) -> Tensor:
        """Return the mel `[B, finer frames, n_mels]`."""
        mel = log_mel.float().cpu().clamp(0, self._loudest).expm1().transpose(1, 2)
        hop, finer_hop = self._hop, self.frames.hop
        if hop == finer_hop:
            return mel.contiguous()
        places = torch.arange(0, (mel.shape[1] - 1) * hop + 1, finer_hop) / hop
        left = places.long()
        right = (left + 1).clamp(max=mel.shape[1] - 1)
        return mel[:, left].lerp(mel[:, right], (places - left)[:, None])

    def correct(self, squared: Tensor, known: Tensor) -> Tensor:
        """Return magnitudes that are nearer to the mel `known`."""
        power = squared.pow(self._exponent / 2)
        return power.mul_(self._mel_inverse.correction(power, known)).pow_(1 / self._exponent)

    def constrain(self, waveforms_BT: Tensor, past_BT: Tensor | None) -> None:
        """Begin with the past, which fades out; a sound's beginning is mirrored, as in its spectrogram."""
        if past_BT is None:
            waveforms_BT[:, : self._half] = waveforms_BT[:, self._half + 1 : 2 * self._half + 1].flip(1)
        else:
            known = past_BT.shape[1] - self._fade
            waveforms_BT[:, :known] = past_BT[:, :known]
            waveforms_BT[:, known : known + self._fade].lerp_(past_BT[:, known:], self._falling_T)

    def _estimate(self, log_mel: Tensor, past_BT: Tensor | None) -> Tensor:
        """Return waveforms that begin half a window before the first frame's middle, with `past_BT`."""
        mel = self._mel_of(log_mel)
        magnitudes = self._mel_inverse.power_of(mel).pow_(1 / self._exponent)
        first = None if past_BT is None else self.frames.spectra_of(past_BT[:, : self.frames.n_fft])[:, 0]
        return self.waveforms_for(magnitudes, mel, past_BT, first)


@lru_cache(maxsize=2)
def mel_inversion(config: SpectrogramConfig) -> MelInversion:
    """Return the inversion of a spectrogram; making one takes longer than a block of sound."""
    return MelInversion(config)
