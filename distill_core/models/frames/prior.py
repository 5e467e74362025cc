"""The contract's side of the `frames` prior: its file, its order of codes, and its loss."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from distill_core.audio.geometry import Geometry
from distill_core.files.tensor_facts import Shape
from distill_core.models.frames.decoder import FramesDecoder
from distill_core.models.frames.layers import rope_tables
from distill_core.models.frames.network import FramesNetwork, in_steps
from distill_core.models.prior import (
    LONGEST_SEQUENCE,
    Layout,
    Prior,
    PriorLoss,
    Windows,
    check_transformer,
    each_loss,
    mean_loss,
    transformer_facts,
    without_first,
)
from distill_core.models.value_reader import ValueReader

_MOST_BANDS = 32
# A step's end weighs a fifth of its codes. As one code of 24 it is hardly learned: after 40 epochs on 18 sounds,
# held-out ends had the probability .21, with this .66, at the same perplexity. As much as all codes it costs 7 % of it.
_END_WEIGHT = 0.2
_WITH_ENDS = "frames-end"  # an older Distill takes a `frames` prior with more weights for damage


class FramesPrior(FramesNetwork, Prior):
    """The `frames` prior: logits of each code given all before it, positions in time order."""

    architecture: ClassVar[str] = "frames"
    layout: ClassVar[Layout] = "rows"

    @classmethod
    def network_facts(cls, config: Mapping[str, Any]) -> dict[str, int]:
        """Return layers, heads and width."""
        return transformer_facts(config)

    @classmethod
    def has_ends(cls, config: Mapping[str, Any]) -> bool:
        """Tell whether a file's prior learned where sounds end."""
        return bool(config.get("learns_end", False))

    @property
    def name_in_files(self) -> str:
        """The architecture's name, or another one that an older Distill does not know."""
        return _WITH_ENDS if self.learns_end else self.architecture

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
        learns_end = config.get("learns_end", False)
        if not isinstance(learns_end, bool) or (config.get("architecture") == _WITH_ENDS and not learns_end):
            raise reader.refuse("its prior's learns_end does not fit its architecture")
        if geometry is not None and grid[0] != geometry.bands:
            raise reader.refuse("its prior was made for another number of bands")

    @classmethod
    def begin(
        cls, geometry: Geometry, codebook_size: int, settings: Mapping[str, Any], context_steps: int
    ) -> FramesPrior:
        """Build an untrained prior; its context is no longer than the format allows."""
        steps = max(1, min(context_steps, LONGEST_SEQUENCE // geometry.codes_per_step))
        sizes = {name: settings[name] for name in ("hidden_size", "num_layers", "num_heads", "dropout")}
        sizes["learns_end"] = settings.get("learns_end", True)
        return cls(codebook_size, geometry.levels, geometry.bands, steps, **sizes)

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
        if cls.has_ends(config):
            shapes |= {"end_head.weight": (1, hidden), "end_head.bias": (1,)}
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
                cls.has_ends(config),
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
        names = ("hidden_size", "num_layers", "num_heads", "seq_len", "num_quantizers")
        sizes = {name: getattr(self, name) for name in names} | {"grid": [self.bands, self.steps]}
        ends = {"learns_end": True} if self.learns_end else {}
        return {"architecture": self.name_in_files, **sizes, **ends}

    def in_order(self, codes_BWHQ: Tensor) -> Tensor:
        """Return `[B, T]`: step by step, within a step low bands first, level inside position."""
        return codes_BWHQ.flatten(1)

    def in_steps(self, values_BT: Tensor, bands: int) -> Tensor:
        """Return `[B, W, H, Q]`."""
        return in_steps(values_BT, bands, self.num_quantizers)

    def logits_and_targets(self, windows: Windows, heard_BWHQ: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits and targets of all codes, including the first of each window, which is learned."""
        logits_BTK = self.logits_with_start(self.in_order(heard_BWHQ), windows.begins_B)
        return logits_BTK, self.in_order(windows.targets())

    def code_and_end_logits(self, windows: Windows, heard_BWHQ: Tensor) -> tuple[Tensor, Tensor]:
        """Return the codes' logits `[B, T, K]`, and `[B, W]`: those that the sound ends after each step."""
        codes_BPQ = heard_BWHQ.flatten(1, 2)
        hidden_BPC = self.positions(codes_BPQ, windows.begins_B)
        return self.depth(hidden_BPC, codes_BPQ).flatten(1, 2), self.step_end_logits(hidden_BPC, codes_BPQ)

    def loss(self, windows: Windows, heard_BWHQ: Tensor) -> PriorLoss:
        """Return the mean cross-entropy in nats of all codes; the mean one of ends is learned too, with a weight."""
        if not self.learns_end:
            return super().loss(windows, heard_BWHQ)
        logits_BTK, ends_BW = self.code_and_end_logits(windows, heard_BWHQ)
        shown = mean_loss(logits_BTK, self.in_order(windows.targets()))
        counted_BW, ends_N = windows.counted_BW, windows.end_targets()[windows.counted_BW]
        end_loss = functional.binary_cross_entropy_with_logits(ends_BW[counted_BW], ends_N.to(ends_BW.dtype))
        return PriorLoss(shown, shown + _END_WEIGHT * end_loss)

    def losses(self, logits_BTK: Tensor, targets_BT: Tensor, windows: Windows) -> Tensor:
        """Return each code's cross-entropy in nats `[B, W, H, Q]`."""
        losses_BT = each_loss(logits_BTK[:, 1:], targets_BT[:, 1:])
        return self.in_steps(without_first(losses_BT), windows.codes_BWHQ.shape[2])

    def matrices(self) -> list[nn.Parameter]:
        """Return the trunk's matrices."""
        return [weight for block in self.blocks for weight in block.parameters()]

    def decoder(self, batch: int) -> FramesDecoder:
        """Return a decoder whose window moves on by half a context."""
        decoder = FramesDecoder(self)
        decoder.begin(batch)
        return decoder
