"""The network that refines decoded loudness: what neighbouring patches say of each other, and where their edges are."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from distill_core.files.tensor_facts import Shape

CELL = 4  # mel frames, and mel bands, that are one place of the network: a sixteenth of the work
KERNEL = 3
_SCALE = 4.0  # of loudness: most of what is heard lies below it
_COORDINATES = 2


def reach_frames(depth: int) -> int:
    """Return how many frames before and after a place change it."""
    return (depth + 2) * (KERNEL // 2) * CELL


class _Block(nn.Module):
    """A depthwise convolution and a small network for each place (ConvNeXt, Liu et al. 2022, without norms)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.around = nn.Conv2d(width, width, KERNEL, padding=KERNEL // 2, groups=width)
        self.up = nn.Conv2d(width, 2 * width, 1)
        self.down = nn.Conv2d(2 * width, width, 1)

    def forward(self, hidden: Tensor) -> Tensor:
        changed: Tensor = self.down(functional.gelu(self.up(self.around(hidden))))
        return hidden + changed


class Refiner(nn.Module):
    """A convolutional network that adds to loudness `[B, F, M]`; it changes nothing before it is trained.

    Where there is silence, it leaves silence.
    """

    def __init__(self, width: int, depth: int, step_frames: int, band_mels: int) -> None:
        super().__init__()
        self._cell, self._scale = CELL, _SCALE  # TorchScript knows no global constants
        self.enter = nn.Conv2d(CELL**2 + _COORDINATES, width, KERNEL, padding=KERNEL // 2)
        self.place_in_patch = nn.Parameter(torch.zeros(width, band_mels // CELL, step_frames // CELL))
        self.blocks = nn.ModuleList(_Block(width) for _ in range(depth))
        self.leave = nn.Conv2d(width, CELL**2, KERNEL, padding=KERNEL // 2)
        nn.init.zeros_(self.leave.weight)
        if self.leave.bias is not None:
            nn.init.zeros_(self.leave.bias)

    def forward(self, loudness_BFM: Tensor) -> Tensor:
        """Return refined loudness; frames and mel bands are those of whole patches, from a patch's beginning on."""
        cells = functional.pixel_unshuffle(loudness_BFM.transpose(1, 2)[:, None] / self._scale, self._cell)
        bands, frames = cells.shape[2:]
        height = torch.linspace(-1, 1, bands, device=cells.device)[None, None, :, None].expand(
            len(cells), 1, -1, frames
        )
        hidden = self.enter(torch.cat([cells, height, height.square()], 1))
        _, patch_bands, patch_frames = self.place_in_patch.shape
        hidden = hidden + self.place_in_patch.repeat(1, bands // patch_bands, frames // patch_frames)
        for block in self.blocks:
            hidden = block(hidden)
        added = functional.pixel_shuffle(self.leave(functional.gelu(hidden)), self._cell)[:, 0].transpose(1, 2)
        # Nothing is added to silence, and little to what is hardly louder.
        return (loudness_BFM + self._scale * added * (1 - (-loudness_BFM).exp())).clamp(min=0)


def shapes(width: int, depth: int, step_frames: int, band_mels: int) -> dict[str, Shape]:
    """Return shape and type of each weight of a refiner."""
    found: dict[str, tuple[int, ...]] = {
        "enter.weight": (width, CELL**2 + _COORDINATES, KERNEL, KERNEL),
        "enter.bias": (width,),
        "place_in_patch": (width, band_mels // CELL, step_frames // CELL),
        "leave.weight": (CELL**2, width, KERNEL, KERNEL),
        "leave.bias": (CELL**2,),
    }
    for number in range(depth):
        block = f"blocks.{number}"
        found |= {f"{block}.around.weight": (width, 1, KERNEL, KERNEL), f"{block}.around.bias": (width,)}
        found |= {f"{block}.up.weight": (2 * width, width, 1, 1), f"{block}.up.bias": (2 * width,)}
        found |= {f"{block}.down.weight": (width, 2 * width, 1, 1), f"{block}.down.bias": (width,)}
    return {key: (shape, torch.float32) for key, shape in found.items()}
