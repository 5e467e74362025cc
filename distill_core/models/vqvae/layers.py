"""The layers of the VQ-VAE under the format's names, and the shapes of their weights."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from distill_core.files.tensor_facts import Shape
from distill_core.models.codec import vectors_of

CHANNELS = (1, 32, 64, 128, 256)
_TYPES = {"num_batches_tracked": torch.int64, "initted": torch.bool}  # the others are float32


def _finish(channels: int, dropout: float) -> list[nn.Module]:
    return [nn.BatchNorm2d(channels), nn.ReLU(), nn.Dropout2d(dropout)]


class MelEncoder(nn.Module):
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


class MelDecoder(nn.Module):
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


def residual_vq() -> Any:
    """Return the class of residual vector quantization.

    It is imported late: that takes longer than torch itself, and a file's facts do not need it.
    """
    from vector_quantize_pytorch import ResidualVQ

    return ResidualVQ


class Quantizer(nn.Module):
    """Residual vector quantization, as a module under the format's name."""

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
        self.rvq = residual_vq()(
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

    def embeddings(self, indices_BSQ: Tensor) -> Tensor:
        """Return embeddings `[B, S, D]` of indices `[B, S, Q]`: per position the sum of its levels' entries.

        Q may be less than the codec's levels: the finer ones add nothing then. The library's own way works a program
        out for each new S, which takes 60 ms, and the first time 0.5 s.
        """
        vectors_ND = vectors_of(indices_BSQ.flatten(0, 1), self.rvq.codebooks)
        embeddings_BSD: Tensor = self.rvq.project_out(vectors_ND.unflatten(0, indices_BSQ.shape[:2]))
        return embeddings_BSD


def _block_shapes(name: str, weight: tuple[int, ...], leaving: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": weight, f"{name}.bias": (leaving,)}


def _norm_shapes(name: str, channels: int) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {f"{name}.num_batches_tracked": ()}
    return shapes | {f"{name}.{key}": (channels,) for key in ("weight", "bias", "running_mean", "running_var")}


def weight_shapes(config: Mapping[str, Any]) -> dict[str, Shape]:
    """Return shape and type of each weight, from a file's `vqvae_config`."""
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
