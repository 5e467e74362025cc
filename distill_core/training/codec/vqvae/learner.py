"""How the VQ-VAE of the format learns: codebooks by k-means at first, then gradients through log-mels."""

from __future__ import annotations

from functools import partial
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from distill_core.events import ShouldStop, stop_point, unless_stopped
from distill_core.models.codec import Codec
from distill_core.models.vqvae import CONFIG_KEYS, ConvVQVAE
from distill_core.training.batch_parts import in_halves
from distill_core.training.codec.learner import CodecLearner, Validation
from distill_core.training.codec.quality import mean_frame_l1, reconstruction_loss
from distill_core.training.codec.vqvae.config import VQVAEConfig
from distill_core.training.data.chunk_store import StoredChunks
from distill_core.training.data.chunks import VariantBatches
from distill_core.training.stop_points import stopping_inside

_VECTORS_PER_CODE = 4  # for k-means
_MOST_CHUNKS_FOR_K_MEANS = 128
_CHUNKS_AT_ONCE = 8  # log-mels between two stop points, some 10 ms


class VQVAELearner(CodecLearner[ConvVQVAE, VQVAEConfig]):
    """How the VQ-VAE of the format learns."""

    codec_class: ClassVar[type[Codec]] = ConvVQVAE
    val_mels: StoredChunks

    def untrained(self) -> ConvVQVAE:
        """Return the codec with random weights and no codebooks."""
        return ConvVQVAE(**{key: getattr(self.config, key) for key in CONFIG_KEYS})

    def _mels(self, waveforms_BT: Tensor, should_stop: ShouldStop) -> Tensor:
        pieces = unless_stopped(waveforms_BT.split(_CHUNKS_AT_ONCE), should_stop)
        return torch.cat([self.spectrogram.log_mel(piece_BT.to(self.device)) for piece_BT in pieces])

    def prepare(self, should_stop: ShouldStop) -> None:
        """Compute the held-out log-mels.

        Raises:
            Stopped: `should_stop()` turned true.
        """
        batches = self.sounds.val_NT.split(self.config.batch_size)
        self.val_mels = StoredChunks.of(self._mels(waveforms_BT, should_stop).cpu() for waveforms_BT in batches)
        stop_point(should_stop)
        self.mean_frame_l1 = mean_frame_l1(self.val_mels.split(_CHUNKS_AT_ONCE))

    @torch.no_grad()
    def initialise(self, batches: VariantBatches, should_stop: ShouldStop) -> None:
        """Initialise the codebooks by k-means on enough vectors: the first batch of a small set has too few.

        Raises:
            Stopped: `should_stop()` turned true.
        """
        geometry = self.codec.geometry(self.vqvae_config, self.spectrogram.config)
        positions = geometry.bands * geometry.chunk_steps
        enough = -(-self.config.codebook_size * _VECTORS_PER_CODE // positions)
        count = max(self.config.batch_size, min(enough, _MOST_CHUNKS_FOR_K_MEANS))
        with stopping_inside(self.codec, should_stop):
            self.codec.train()(self._mels(batches.sample(count, should_stop), should_stop))

    def loss(self, waveforms_BT: Tensor, should_stop: ShouldStop) -> tuple[Tensor, Tensor]:
        """Return the loss of the reconstruction and the commitment together, and that of the commitment.

        Raises:
            Stopped: `should_stop()` turned true.
        """
        mels = self._mels(waveforms_BT, should_stop)
        recon, _, commit_loss = self.codec(mels)
        return reconstruction_loss(recon, mels) + commit_loss, commit_loss

    def _figures(self, mels: Tensor, part: slice) -> tuple[float, float, list[int]]:
        """Return the sums of loss and error of some log-mels, and the codes of the first level in them."""
        mels = mels[part].to(self.device)
        recon, indices_BSQ, _ = self.codec(mels)
        loss = reconstruction_loss(recon, mels).item() * len(mels)
        return loss, functional.l1_loss(recon, mels).item() * len(mels), indices_BSQ[..., 0].unique().tolist()

    def validate(self, should_stop: ShouldStop) -> Validation:
        """Return the figures of the held-out log-mels.

        Raises:
            Stopped: `should_stop()` turned true.
        """
        loss, l1, used = 0.0, 0.0, set()
        for mels in unless_stopped(self.val_mels.split(self.config.batch_size), should_stop):
            for part_loss, part_l1, part_used in in_halves(len(mels), partial(self._figures, mels)):
                loss, l1 = loss + part_loss, l1 + part_l1
                used.update(part_used)
        total = len(self.val_mels)
        return Validation(loss / total, l1 / total, len(used) / self.config.codebook_size)
