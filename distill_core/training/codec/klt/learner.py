"""How the KLT codec learns: everything but its refiner in closed form at first, then the refiner along gradients.

The codes stay those of the fit, so a prior that learned them goes on to fit while the sound gets better.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from itertools import chain, islice
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from distill_core.audio.io import SILENCE_PEAK
from distill_core.audio.spectrogram import AudioSpectrogram
from distill_core.events import JobProgress, OnEvent, Phase, ShouldStop, stop_point, unless_stopped
from distill_core.models.codec import Codec
from distill_core.models.klt import KLTCodec
from distill_core.models.klt.patches import FLOOR, log_mel_of, loudness_of
from distill_core.training.batch_parts import in_halves
from distill_core.training.codec.klt.config import KLTConfig
from distill_core.training.codec.klt.fit import fit, rounds_of
from distill_core.training.codec.klt.layout import MOST_HELD_OUT, MOST_KNOWN, settled
from distill_core.training.codec.learner import CodecLearner, Validation
from distill_core.training.codec.quality import mean_frame_l1
from distill_core.training.data.chunk_store import Chunks, StoredChunks, pieces_of
from distill_core.training.data.chunks import SplitSounds, VariantBatches
from distill_core.training.stop_points import stopping_inside

_MOST_FITTED = 1500  # chunks, of which log-mels take 70 MB
_MOST_FOR_LOSS = 64  # chunks
_CHUNKS_AT_ONCE = 8  # log-mels between two stop points, some 10 ms
_LOUDEST = 25.0  # of loudness; no sound at full scale reaches 22
_SOFT_PEAK = 0.7


def _log_mels_of(
    chunks: Iterable[Tensor],
    step_frames: int,
    spectrogram: AudioSpectrogram,
    device: torch.device,
    should_stop: ShouldStop,
) -> Tensor:
    """Return log-mels `[N, F, M]` of the whole steps of chunks: the last step of most is cut, and is like no other.

    The chunks come some at a time: their samples take four times as much memory as their log-mels.
    """
    frames = spectrogram.config.chunk_frames
    whole = max(frames - frames % step_frames, min(step_frames, frames))
    found = [
        spectrogram.log_mel(piece_BT.to(device))[:, 0, :, :whole].transpose(1, 2)
        for piece_BT in unless_stopped(chunks, should_stop)
    ]
    stop_point(should_stop)
    return torch.cat(found)


def _raised(chunks_NT: Tensor) -> tuple[Tensor, Tensor]:
    """Return which chunks are much softer than their sound `[N]`, and those at full level.

    A codec that has not learned from them, too, hears a note's soft end, played loud, with twice the error.
    """
    peaks_N = chunks_NT.abs().amax(1)
    is_soft_N = (peaks_N < _SOFT_PEAK) & (peaks_N > SILENCE_PEAK)
    return is_soft_N, chunks_NT[is_soft_N] / peaks_N[is_soft_N, None]


def _with_raised(chunks_NT: Chunks, most: int) -> Iterator[Tensor]:
    """Yield up to `most` chunks from all over a set some at a time, and the soft ones once more at full level."""
    raised = (chunk_T for piece_BT in pieces_of(chunks_NT, most, _CHUNKS_AT_ONCE) for chunk_T in _raised(piece_BT)[1])
    chunks = (chunk_T for piece_BT in pieces_of(chunks_NT, most, _CHUNKS_AT_ONCE) for chunk_T in piece_BT)
    both = chain(chunks, raised)
    while piece := [*islice(both, _CHUNKS_AT_ONCE)]:
        yield torch.stack(piece)


def _half_raised(chunks_NT: Tensor) -> Tensor:
    """Return chunks, about every second soft one at full level."""
    is_soft_N, raised_NT = _raised(chunks_NT)
    mixed_NT = chunks_NT.clone()
    mixed_NT[is_soft_N] = raised_NT
    return mixed_NT.where(torch.rand(len(chunks_NT), 1) < 0.5, chunks_NT)


def _differentiable_log_mel(loudness: Tensor) -> Tensor:
    """Return the log-mels behind loudness; silence is not cut off as in `log_mel_of`, where it has no gradient."""
    return (loudness.clamp(max=_LOUDEST).expm1() * FLOOR).log1p()


def _loss(refined_NFM: Tensor, log_mel_NFM: Tensor) -> Tensor:
    """Return the mean error of loudness and of the log-mel together."""
    by_loudness = functional.l1_loss(refined_NFM, loudness_of(log_mel_NFM))
    return by_loudness + functional.l1_loss(_differentiable_log_mel(refined_NFM), log_mel_NFM)


class KLTLearner(CodecLearner[KLTCodec, KLTConfig]):
    """How the KLT codec learns."""

    codec_class: ClassVar[type[Codec]] = KLTCodec
    fits_alone: ClassVar[bool] = True
    val_mels: StoredChunks

    @classmethod
    def settle(
        cls,
        config: KLTConfig,
        sounds: SplitSounds,
        spectrogram: AudioSpectrogram,
        on_event: OnEvent,
        should_stop: ShouldStop,
    ) -> KLTConfig:
        """Return the settings with the bands and levels that describe the held-out sounds best.

        Raises:
            Stopped: `should_stop()` turned true.
        """
        device = spectrogram.filters.device
        known, held_out = (
            _log_mels_of(_with_raised(chunks_NT, most), config.step_frames, spectrogram, device, should_stop)
            for chunks_NT, most in ((sounds.train_NT, MOST_KNOWN), (sounds.val_NT, MOST_HELD_OUT))
        )
        return settled(config, len(sounds.train_NT), known, held_out, on_event, should_stop)

    def _mels(self, chunks: Iterable[Tensor], should_stop: ShouldStop) -> Tensor:
        return _log_mels_of(chunks, self.config.step_frames, self.spectrogram, self.device, should_stop)

    def untrained(self) -> KLTCodec:
        """Return the codec with empty codebooks, and a refiner that changes nothing yet."""
        return KLTCodec(self.config.to_file())

    def prepare(self, should_stop: ShouldStop) -> None:
        """Compute the held-out log-mels.

        Raises:
            Stopped: `should_stop()` turned true.
        """
        batches = self.sounds.val_NT.split(_CHUNKS_AT_ONCE)
        self.val_mels = StoredChunks.of(self._mels([chunks_NT], should_stop).cpu() for chunks_NT in batches)
        stored = self.val_mels.split(_CHUNKS_AT_ONCE)
        self.mean_frame_l1 = mean_frame_l1(mels_NFM.transpose(1, 2) for mels_NFM in stored)

    def fit(self, batches: VariantBatches, on_event: OnEvent, should_stop: ShouldStop) -> float:
        """Fit basis and codebooks to the training sounds as they are, and return the loss of some of these.

        Raises:
            Stopped: `should_stop()` turned true.
        """
        mels_NFM = self._mels(_with_raised(self.sounds.train_NT, _MOST_FITTED), should_stop)
        for_loss_NFM = torch.cat([*pieces_of(mels_NFM, _MOST_FOR_LOSS, _CHUNKS_AT_ONCE)])
        loudness_NFM = loudness_of(mels_NFM)
        del mels_NFM  # 140 MB at most
        generator = torch.Generator().manual_seed(self.config.seed)
        for done in fit(self.codec, loudness_NFM, generator, should_stop):
            on_event(JobProgress(Phase.FIT, done, rounds_of(self.codec)))
        return self._mean_loss(for_loss_NFM, should_stop)

    @torch.no_grad()
    def _mean_loss(self, mels_NFM: Tensor, should_stop: ShouldStop) -> float:
        total = 0.0
        with stopping_inside(self.codec, should_stop):  # a wide refiner takes a second for some chunks
            for part_BFM in unless_stopped(mels_NFM.split(_CHUNKS_AT_ONCE), should_stop):
                total += self._loss_of(part_BFM).item() * len(part_BFM)
        stop_point(should_stop)
        return total / len(mels_NFM)

    @torch.no_grad()
    def _codes_of(self, log_mel_NFM: Tensor) -> Tensor:
        return self.codec.encode(loudness_of(log_mel_NFM))

    def _refined(self, codes_NWHQ: Tensor, log_mel_NFM: Tensor) -> Tensor:
        """Return the refined loudness of codes, as many frames and mel bands as the log-mels have."""
        frames, mels = log_mel_NFM.shape[1:]
        with torch.no_grad():
            decoded_NFM = self.codec.decode(codes_NWHQ)
        refined_NFM: Tensor = self.codec.refiner(decoded_NFM)
        return refined_NFM[:, :frames, :mels]

    def _loss_of(self, log_mel_NFM: Tensor) -> Tensor:
        """Return the loss of what the codes of log-mels become."""
        return _loss(self._refined(self._codes_of(log_mel_NFM), log_mel_NFM), log_mel_NFM)

    def loss(self, waveforms_BT: Tensor, should_stop: ShouldStop) -> tuple[Tensor, Tensor]:
        """Return the mean error of loudness and log-mel together; nothing is committed to.

        Raises:
            Stopped: `should_stop()` turned true.
        """
        loss = self._loss_of(self._mels(_half_raised(waveforms_BT).split(_CHUNKS_AT_ONCE), should_stop))
        return loss, loss.new_zeros(())

    def _figures(self, mels_NFM: Tensor, part: slice) -> tuple[float, float, list[int]]:
        """Return the sums of loss and error of some log-mels, and the codes of the first level in them."""
        mels_NFM = mels_NFM[part].to(self.device)
        codes_NWHQ = self._codes_of(mels_NFM)
        refined_NFM = self._refined(codes_NWHQ, mels_NFM)
        loss = _loss(refined_NFM, mels_NFM).item() * len(mels_NFM)
        l1 = functional.l1_loss(log_mel_of(refined_NFM), mels_NFM).item() * len(mels_NFM)
        return loss, l1, codes_NWHQ[..., 0].unique().tolist()

    def validate(self, should_stop: ShouldStop) -> Validation:
        """Return the figures of the held-out log-mels.

        Raises:
            Stopped: `should_stop()` turned true.
        """
        loss, l1, used = 0.0, 0.0, set()
        for mels_NFM in unless_stopped(self.val_mels.split(self.config.batch_size), should_stop):
            for part_loss, part_l1, part_used in in_halves(len(mels_NFM), partial(self._figures, mels_NFM)):
                loss, l1 = loss + part_loss, l1 + part_l1
                used.update(part_used)
        total = len(self.val_mels)
        return Validation(loss / total, l1 / total, len(used) / self.config.codebook_size)
