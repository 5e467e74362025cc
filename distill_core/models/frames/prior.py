"""The contract's side of the `frames` prior: its file, its order of codes, and its loss."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from distill_core.audio.geometry import Geometry
from distill_core.files.tensor_facts import Shape
from distill_core.models.frames.layers import rope_tables
from distill_core.models.frames.network import FramesDecoder, FramesNetwork
from distill_core.models.prior import (
    LONGEST_SEQUENCE,
    Layout,
    Prior,
    Windows,
    check_transformer,
    each_loss,
    mean_loss,
    transformer_facts,
    without_first,
)
from distill_core.models.value_reader import ValueReader

_MOST_BANDS = 32


class FramesPrior(FramesNetwork, Prior):
    """The `frames` prior: logits of each code given all before it, positions in time order."""

    architecture: ClassVar[str] = "frames"
    layout: ClassVar[Layout] = "rows"

    @classmethod
    def network_facts(cls, config: Mapping[str, Any]) -> dict[str, int]:
        """Return layers, heads and width."""
        return transformer_facts(config)

    @classmethod
    def check_config(cls, config: Mapping[str, Any], reader: ValueReader, geometry: Geometry | None) -> None:
        """Check the sizes in a file, and that the prior has the codec's number of bands."""
        check_transformer(config, reader)
        grid = config.get("grid")
        if not isinstance(grid, list) or len(grid) != 2 or not all(type(side) is int and side > 0 for side in grid):
            raise reader.refuse("its prior's grid is not two whole numbers")
        if grid[0] * grid[1] * config["num_quantizers"] != config["seq_len"] or grid[0] > _MOST_BANDS:
            raise reader.refuse("its prior's grid does not fit its length")
        if config["hidden_size"] // config["num_heads"] % 2:
            raise reader.refuse("its prior's heads have an odd width")
        if geometry is not None and grid[0] != geometry.bands:
            raise reader.refuse("its prior was made for another number of bands")

    @classmethod
    def begin(
        cls, geometry: Geometry, codebook_size: int, settings: Mapping[str, Any], context_steps: int
    ) -> FramesPrior:
        """Build an untrained prior; its context is no longer than the format allows."""
        steps = max(1, min(context_steps, LONGEST_SEQUENCE // geometry.codes_per_step))
        sizes = (settings[name] for name in ("hidden_size", "num_layers", "num_heads", "dropout"))
        return cls(codebook_size, geometry.levels, geometry.bands, steps, *sizes)

    @classmethod
    def cost(cls, settings: Mapping[str, Any], codebook_size: int, levels: int) -> float:
        """Return the multiplications per code: the layers run once for each position, a small network for each code."""
        hidden = settings["hidden_size"]
        layers = 12 * settings["num_layers"] * hidden**2
        return float(layers / levels + 4 * hidden**2 + codebook_size * hidden)

    @classmethod
    def shapes(cls, config: Mapping[str, Any], codebook_size: int) -> dict[str, Shape]:
        """Return shape and type of each weight, from a file's `prior_config`, without building a network."""
        hidden, levels = config["hidden_size"], config["num_quantizers"]
        shapes: dict[str, tuple[int, ...]] = {
            "band_emb.weight": (config["grid"][0], hidden),
            "start_emb": (3, hidden),
            "depth_up": (levels, hidden, 2 * hidden),
            "depth_down": (levels, 2 * hidden, hidden),
            "heads": (levels, hidden, codebook_size),
        }
        shapes |= {f"{name}_emb.weight": (levels * codebook_size, hidden) for name in ("previous", "earlier", "level")}
        widths = {"qkv": (3, 1), "out": (1, 1), "up": (4, 1), "down": (1, 4)}
        for layer in range(config["num_layers"]):
            for name, (leaving, entering) in widths.items():
                shapes[f"blocks.{layer}.{name}.weight"] = (leaving * hidden, entering * hidden)
        return {key: (shape, torch.float32) for key, shape in shapes.items()}

    @classmethod
    def on_meta(cls, config: Mapping[str, Any], codebook_size: int) -> FramesPrior:
        """Build the prior without memory for its weights, from a file's `prior_config`."""
        bands, steps = config["grid"]
        with torch.device("meta"):
            return cls(
                codebook_size,
                config["num_quantizers"],
                bands,
                steps,
                config["hidden_size"],
                config["num_layers"],
                config["num_heads"],
                config.get("dropout", 0.0),
            )

    @classmethod
    def from_state(cls, config: Mapping[str, Any], codebook_size: int, state: Mapping[str, Tensor]) -> FramesPrior:
        """Build the prior with given weights, in eval mode, without drawing from the global random generator."""
        prior = cls.on_meta(config, codebook_size).to_empty(device="cpu")
        prior.cos_PD, prior.sin_PD = rope_tables(prior.bands * prior.steps + 1, prior.hidden_size // prior.num_heads)
        prior.load_state_dict(state)
        return prior.eval()

    def sizes(self) -> dict[str, Any]:
        """Return the settings that a file needs to build these shapes again."""
        names = ("architecture", "hidden_size", "num_layers", "num_heads", "seq_len", "num_quantizers")
        return {name: getattr(self, name) for name in names} | {"grid": [self.bands, self.steps]}

    def in_order(self, codes_BWHQ: Tensor) -> Tensor:
        """Return `[B, T]`: step by step, within a step low bands first, level inside position."""
        return codes_BWHQ.flatten(1)

    def in_steps(self, values_BT: Tensor, bands: int) -> Tensor:
        """Return `[B, W, H, Q]`."""
        steps: Tensor = values_BT.unflatten(1, (-1, bands, self.num_quantizers))
        return steps

    def loss(self, windows: Windows, heard_BWHQ: Tensor) -> Tensor:
        """Return the mean cross-entropy in nats of all codes, including the first of each window, which is learned."""
        logits_BTK = self.logits_with_start(self.in_order(heard_BWHQ), windows.begins_B)
        return mean_loss(logits_BTK, self.in_order(windows.targets()))

    def losses(self, windows: Windows) -> Tensor:
        """Return each code's cross-entropy in nats `[B, W, H, Q]`."""
        codes_BT, targets_BT = self.in_order(windows.codes_BWHQ), self.in_order(windows.targets())
        losses_BT = each_loss(self(codes_BT[:, :-1], windows.begins_B), targets_BT[:, 1:])
        return self.in_steps(without_first(losses_BT), windows.codes_BWHQ.shape[2])

    def matrices(self) -> list[nn.Parameter]:
        """Return the trunk's matrices."""
        return [weight for block in self.blocks for weight in block.parameters()]

    def decoder(self, batch: int) -> FramesDecoder:
        """Return a decoder whose window moves on by half a context."""
        return FramesDecoder(self, batch)
