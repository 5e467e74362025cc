"""The VQ-VAE of format version 2: log-mel in, residual codes, log-mel out.

van den Oord et al. 2017, "Neural Discrete Representation Learning"; residual quantization as in Zeghidour et al. 2021,
"SoundStream".
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from distill_core.audio.spectrogram import FRAMES_PER_STEP, padded_length
from distill_core.files.tensor_facts import Shape

CHANNELS = (1, 32, 64, 128, 256)
CONFIG_KEYS = (
    "codebook_dim",
    "codebook_size",
    "num_quantizers",
    "decay",
    "commitment_weight",
    "threshold_ema_dead_code",
    "dropout",
)
_TYPES = {"num_batches_tracked": torch.int64, "initted": torch.bool}  # the others are float32


def _finish(channels: int, dropout: float) -> list[nn.Module]:
    return [nn.BatchNorm2d(channels), nn.ReLU(), nn.Dropout2d(dropout)]


def _block_shapes(name: str, weight: tuple[int, ...], leaving: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": weight, f"{name}.bias": (leaving,)}


def _norm_shapes(name: str, channels: int) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {f"{name}.num_batches_tracked": ()}
    return shapes | {f"{name}.{key}": (channels,) for key in ("weight", "bias", "running_mean", "running_var")}


class Encoder(nn.Module):
    """Four convolutions of stride 2, then a projection to the codebook's dimension."""

    def __init__(self, codebook_dim: int, dropout: float) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for entering, leaving in pairwise(CHANNELS):
            layers += [nn.Conv2d(entering, leaving, 3, stride=2, padding=1), *_finish(leaving, dropout)]
        self.convs = nn.Sequential(*layers)
        self.proj = nn.Conv2d(CHANNELS[-1], codebook_dim, 1)

    def forward(self, mel: Tensor) -> Tensor:
        """Return `[B, D, H, W]` for `[B, 1, 16 H, 16 W]`."""
        latents: Tensor = self.proj(self.convs(mel))
        return latents


class Decoder(nn.Module):
    """The encoder mirrored with transposed convolutions; the output is positive (Softplus)."""

    def __init__(self, codebook_dim: int, dropout: float) -> None:
        super().__init__()
        self.proj = nn.Conv2d(codebook_dim, CHANNELS[-1], 1)
        layers: list[nn.Module] = []
        for entering, leaving in pairwise(reversed(CHANNELS)):
            layers.append(nn.ConvTranspose2d(entering, leaving, 3, stride=2, padding=1, output_padding=1))
            layers += _finish(leaving, dropout) if leaving > 1 else [nn.Softplus()]
        self.deconvs = nn.Sequential(*layers)

    def forward(self, embeddings: Tensor) -> Tensor:
        """Return `[B, 1, 16 H, 16 W]` for `[B, D, H, W]`."""
        mel: Tensor = self.deconvs(self.proj(embeddings))
        return mel


class Quantizer(nn.Module):
    """Residual vector quantization; holds the module under the name that the format gives it."""

    def __init__(
        self,
        codebook_dim: int,
        codebook_size: int,
        num_quantizers: int,
        decay: float,
        commitment_weight: float,
        threshold_ema_dead_code: float,
    ) -> None:
        super().__init__()
        # Imported late: it takes longer than torch itself, and a file's facts need none of it.
        from vector_quantize_pytorch import ResidualVQ

        self.rvq = ResidualVQ(
            dim=codebook_dim,
            codebook_size=codebook_size,
            num_quantizers=num_quantizers,
            decay=decay,
            commitment_weight=commitment_weight,
            threshold_ema_dead_code=threshold_ema_dead_code,
            kmeans_init=True,
            kmeans_iters=10,
        )

    def forward(self, positions_BSD: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return quantized `[B, S, D]`, indices `[B, S, Q]` and the commitment loss summed over levels."""
        quantized, indices, losses = self.rvq(positions_BSD)
        return quantized, indices, losses.sum()


class ConvVQVAE(nn.Module):
    """The codec. Positions are read row by row: all of time at the lowest frequencies first."""

    def __init__(
        self,
        codebook_dim: int = 128,
        codebook_size: int = 256,
        num_quantizers: int = 3,
        decay: float = 0.95,
        commitment_weight: float = 0.25,
        threshold_ema_dead_code: float = 2,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.codebook_dim, self.codebook_size, self.num_quantizers = codebook_dim, codebook_size, num_quantizers
        self._quantizer_settings = (
            codebook_dim,
            codebook_size,
            num_quantizers,
            decay,
            commitment_weight,
            threshold_ema_dead_code,
        )
        self.encoder = Encoder(codebook_dim, dropout)
        self.quantizer = Quantizer(*self._quantizer_settings)
        self.decoder = Decoder(codebook_dim, dropout)

    @classmethod
    def shapes(cls, config: Mapping[str, Any]) -> dict[str, Shape]:
        """Return shape and type of each weight, from a file's `vqvae_config`, without building or importing a thing."""
        dim, size = config["codebook_dim"], config["codebook_size"]
        shapes: dict[str, tuple[int, ...]] = {}
        for number, (entering, leaving) in enumerate(pairwise(CHANNELS)):
            shapes |= _block_shapes(f"encoder.convs.{4 * number}", (leaving, entering, 3, 3), leaving)
            shapes |= _norm_shapes(f"encoder.convs.{4 * number + 1}", leaving)
        for number, (entering, leaving) in enumerate(pairwise(reversed(CHANNELS))):
            shapes |= _block_shapes(f"decoder.deconvs.{4 * number}", (entering, leaving, 3, 3), leaving)
            shapes |= _norm_shapes(f"decoder.deconvs.{4 * number + 1}", leaving) if leaving > 1 else {}
        shapes |= _block_shapes("encoder.proj", (dim, CHANNELS[-1], 1, 1), dim)
        shapes |= _block_shapes("decoder.proj", (CHANNELS[-1], dim, 1, 1), CHANNELS[-1])
        for level in range(config["num_quantizers"]):
            codebook = f"quantizer.rvq.layers.{level}._codebook."
            shapes |= {f"{codebook}initted": (), f"{codebook}cluster_size": (1, size)}
            shapes |= {f"{codebook}embed": (1, size, dim), f"{codebook}embed_avg": (1, size, dim)}
        return {key: (shape, _TYPES.get(key.rpartition(".")[2], torch.float32)) for key, shape in shapes.items()}

    @classmethod
    def on_meta(cls, config: Mapping[str, Any]) -> ConvVQVAE:
        """Build the shapes alone, from a file's `vqvae_config`; further keys are ignored."""
        with torch.device("meta"):
            return cls(**{key: config[key] for key in CONFIG_KEYS})

    @classmethod
    def from_state(cls, config: Mapping[str, Any], state: Mapping[str, Tensor]) -> ConvVQVAE:
        """Build the model with given weights, in eval mode, without drawing from the global random generator."""
        model = cls.on_meta(config)
        model.encoder.to_empty(device="cpu")
        model.decoder.to_empty(device="cpu")
        # Its buffers outside the state dict must be real; with k-means initialisation it draws nothing yet.
        model.quantizer = Quantizer(*model._quantizer_settings)
        model.load_state_dict(state)
        return model.eval()

    def encode(self, mel: Tensor) -> Tensor:
        """Return latents `[B, D, H, W]` for log-mels `[B, 1, n_mels, frames]`, zero-padded to multiples of 16."""
        n_mels, frames = mel.shape[-2:]
        padding = (0, padded_length(frames) - frames, 0, padded_length(n_mels) - n_mels)
        latents: Tensor = self.encoder(functional.pad(mel, padding))
        return latents

    def quantize(self, latents: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return embeddings `[B, D, H, W]`, indices `[B, H·W, Q]` and the commitment loss (scalar)."""
        positions_BSD = latents.flatten(2).transpose(1, 2)
        quantized_BSD, indices_BSQ, commit_loss = self.quantizer(positions_BSD)
        return quantized_BSD.transpose(1, 2).reshape(latents.shape), indices_BSQ, commit_loss

    def codes_to_embeddings(self, indices_BSQ: Tensor, bands: int = 8) -> Tensor:
        """Return embeddings `[B, D, bands, W]` for indices `[B, bands·W, Q]`."""
        embeddings_BSD: Tensor = self.quantizer.rvq.get_output_from_indices(indices_BSQ)
        batch, positions, dim = embeddings_BSD.shape
        return embeddings_BSD.transpose(1, 2).reshape(batch, dim, bands, positions // bands)

    def decode(self, embeddings: Tensor, n_mels: int | None = None, frames: int | None = None) -> Tensor:
        """Return log-mels `[B, 1, n_mels, frames]`, cropped to that size, for embeddings `[B, D, H, W]`."""
        mel: Tensor = self.decoder(embeddings)
        return mel[..., :n_mels, :frames]

    def forward(self, mel: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the reconstruction `[B, 1, n_mels, frames]`, indices `[B, H·W, Q]`, commitment loss (scalar)."""
        embeddings, indices, commit_loss = self.quantize(self.encode(mel))
        return self.decode(embeddings, *mel.shape[-2:]), indices, commit_loss


def grid_of(n_mels: int, frames: int) -> tuple[int, int]:
    """Return how many (bands, steps) of positions a mel of that size has."""
    return padded_length(n_mels) // FRAMES_PER_STEP, padded_length(frames) // FRAMES_PER_STEP


def codec_digest(state: Mapping[str, Tensor]) -> str:
    """Return what is the same for the same weights, codebooks included: codes mean nothing to another VQ-VAE."""
    digest = blake2b(digest_size=16)
    for key, value in sorted(state.items()):
        digest.update(f"{key} {value.dtype} {tuple(value.shape)}".encode())
        digest.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
