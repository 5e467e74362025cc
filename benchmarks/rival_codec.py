"""The rival of a codec: the format's VQ-VAE, trained by the ancestor's recipe, which stays as it is here.

Log1p-mels of one-second chunks with one gain a file; mean of the squared errors at full, half and quarter resolution,
plus the commitment loss (weight .25); AdamW with decay .01, gradients clipped to 1, a cosine that moves once an epoch;
sizes, rates and number of epochs follow from the number of files. Augmentation is on: an epoch has each sound 15, 10 or
5 times, once as it is and otherwise as a variant, by the product's `augment`. Codebooks begin by k-means on the first
batch. The weights with the lowest validation loss are kept; epochs are long, so it is also measured every tenth of the
budget.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import process_time
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.nn.utils import clip_grad_norm_
from torch.optim import AdamW
from torch.optim.lr_scheduler import LambdaLR

from distill_core.audio.dataset import AudioDataset, AudioFile, split_files
from distill_core.audio.io import cut_blocks
from distill_core.audio.spectrogram import AudioSpectrogram, SpectrogramConfig
from distill_core.audio.variants import read_with_one_gain
from distill_core.events import never
from distill_core.models.persistence import save_model_v2
from distill_core.models.vqvae import ConvVQVAE
from distill_core.training.data.augmentation import augment

_POOLED_BY = (1, 2, 4)
_MEASURED_PER_BUDGET = 10
_BATCH_HELD_OUT = 32


@dataclass(frozen=True)
class Recipe:
    """The ancestor's settings for a number of files."""

    codebook_size: int
    learning_rate: float
    dropout: float
    decay: float
    epochs: int
    copies: int
    batch_size: int
    val_fraction: float

    @classmethod
    def of(cls, files: int) -> Recipe:
        """Return the settings for a number of training and validation files together."""
        batch_size = min(32, max(1, 5 * files // 4))
        if files <= 20:
            return cls(64, 5e-4, 0.4, 0.8, 100, 15, batch_size, 0.5 if files < 10 else 0.3)
        if files <= 100:
            return cls(128, 1e-3, 0.2, 0.9, 200, 10, batch_size, 0.3 if files < 50 else 0.2)
        return cls(256, 1e-3, 0.1, 0.95, 300, 5, batch_size, 0.2 if files < 200 else 0.1)

    @property
    def vqvae_config(self) -> dict[str, Any]:
        """The codec's settings as the file holds them."""
        sizes = {"codebook_dim": 128, "codebook_size": self.codebook_size, "num_quantizers": 3, "decay": self.decay}
        return sizes | {"commitment_weight": 0.25, "threshold_ema_dead_code": 2.0, "dropout": self.dropout}


def reconstruction_loss(found: Tensor, mels: Tensor) -> Tensor:
    """Return the mean of the squared errors of log-mels `[B, 1, F, frames]` at three resolutions."""
    pooled = [(functional.avg_pool2d(found, size), functional.avg_pool2d(mels, size)) for size in _POOLED_BY]
    return torch.stack([functional.mse_loss(*each) for each in pooled]).mean()


class RivalCodec:
    """The training under way: network, optimizer, sounds, and the best weights so far."""

    def __init__(self, dataset: AudioDataset, seed: int, cpu_s: float) -> None:
        self._begun, self._cpu_s = process_time(), cpu_s
        self.recipe = Recipe.of(len(dataset.files))
        self._spectrogram = AudioSpectrogram(SpectrogramConfig())
        known, held_out = split_files(dataset.files, self.recipe.val_fraction, seed)
        self._known_NT = self._chunks(known)
        self._held_out = self._spectrogram.log_mel(self._chunks(held_out))
        torch.manual_seed(seed)
        self.model = ConvVQVAE(**self.recipe.vqvae_config)
        self._optimizer = AdamW(self.model.parameters(), lr=self.recipe.learning_rate, weight_decay=0.01)
        self._scheduler = LambdaLR(self._optimizer, self._cosine)
        self._generator = torch.Generator().manual_seed(seed)
        self.best_loss, self.usable_cpu_s = math.inf, math.inf
        self._best: dict[str, Tensor] = {}
        self.epochs = 0

    @property
    def spent_s(self) -> float:
        """CPU seconds since it began to read its sounds."""
        return process_time() - self._begun

    def _cosine(self, epoch: int) -> float:
        return 0.5 * (1 + math.cos(math.pi * min(1.0, epoch / self.recipe.epochs)))

    def _chunks(self, files: Sequence[AudioFile]) -> Tensor:
        rate = self._spectrogram.config.sample_rate
        geometry = ConvVQVAE.geometry(self.recipe.vqvae_config, self._spectrogram.config)
        read = (cut_blocks(read_with_one_gain(file, geometry, never), rate) for file in files)
        return torch.cat([chunks_NT for chunks in read for chunks_NT in chunks])

    def _batches(self) -> Iterator[Tensor]:
        """Yield an epoch's waveforms `[B, T]` in random order."""
        chunks = len(self._known_NT)
        total = chunks * self.recipe.copies
        order = torch.randperm(total, generator=self._generator)
        for entries_B in order.tensor_split(-(-total // self.recipe.batch_size)):
            waveforms_BT = self._known_NT[entries_B % chunks]
            if bool((is_changed_B := entries_B >= chunks).any()):
                waveforms_BT[is_changed_B] = augment(waveforms_BT[is_changed_B], self._generator)
            yield waveforms_BT

    def _learn(self, waveforms_BT: Tensor) -> None:
        mels = self._spectrogram.log_mel(waveforms_BT)
        found, _, commitment = self.model.train()(mels)
        self._optimizer.zero_grad(set_to_none=True)
        (reconstruction_loss(found, mels) + commitment).backward()
        clip_grad_norm_(self.model.parameters(), 1.0)
        self._optimizer.step()

    @torch.no_grad()
    def _measure(self) -> None:
        """Keep the weights if the held-out loss is the lowest so far."""
        self.model.eval()
        parts = self._held_out.split(_BATCH_HELD_OUT)
        summed = sum(float(reconstruction_loss(self.model(mels)[0], mels)) * len(mels) for mels in parts)
        if (loss := summed / len(self._held_out)) < self.best_loss:
            self.best_loss = loss
            self._best = {name: weight.clone() for name, weight in self.model.state_dict().items()}
        self.usable_cpu_s = min(self.usable_cpu_s, self.spent_s)

    def train(self) -> None:
        """Train until the CPU time is spent, or the recipe's epochs are over."""
        measured_at = 0.0
        while self.spent_s < self._cpu_s and self.epochs < self.recipe.epochs:
            for waveforms_BT in self._batches():
                self._learn(waveforms_BT)
                if self.spent_s >= self._cpu_s:
                    break
                if self.spent_s - measured_at > self._cpu_s / _MEASURED_PER_BUDGET:
                    self._measure()
                    measured_at = self.spent_s
            self._measure()
            self.epochs += 1
            self._scheduler.step()

    def save(self, path: Path) -> Path:
        """Write the best weights as a model file."""
        self.model.load_state_dict(self._best)
        return save_model_v2(
            path,
            self.model.eval(),
            spectrogram_config=self._spectrogram.config,
            vqvae_config=self.recipe.vqvae_config,
            training_config={"learning_rate": self.recipe.learning_rate, "max_epochs": self.recipe.epochs},
            metadata={"training_epochs": self.epochs, "final_val_loss": self.best_loss},
        )


def train_rival(dataset: AudioDataset, seed: int, cpu_s: float) -> RivalCodec:
    """Train the ancestor's codec on sounds for some CPU seconds; torch's random state is as before afterwards.

    Raises:
        DatasetError: there are fewer than two sounds.
    """
    with torch.random.fork_rng():
        rival = RivalCodec(dataset, seed, cpu_s)
        rival.train()
    return rival
