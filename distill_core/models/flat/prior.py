"""The contract's side of the `flat` prior: its file, its order of codes, and its loss."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from distill_core.audio.geometry import Geometry
from distill_core.errors import ModelFileError
from distill_core.files.tensor_facts import Shape
from distill_core.models.flat.layers import block_shapes
from distill_core.models.flat.network import FlatDecoder, FlatNetwork, in_steps
from distill_core.models.prior import (
    LONGEST_SEQUENCE,
    Layout,
    Prior,
    Windows,
    check_transformer,
    each_loss,
    transformer_facts,
    without_first,
)
from distill_core.models.value_reader import ValueReader

_MASK_LINES = 1024  # 16 MB of the largest mask


def _check_mask(mask: Tensor, reader: ValueReader) -> None:
    """Check that a mask hides the later places from each place, and no others, a block of its lines at a time.

    Raises:
        ModelFileError: it does not.
    """
    places = torch.arange(len(mask))
    for lines in places.split(_MASK_LINES):
        if not torch.equal(mask[lines[0] : lines[-1] + 1], places > lines[:, None]):
            raise reader.refuse("“causal_mask” is not causal")


class CodePrior(FlatNetwork, Prior):
    """The `flat` prior: a causal transformer over the codes of one second, position by position, band by band."""

    architecture: ClassVar[str] = "flat"
    layout: ClassVar[Layout] = "chunks"
    bands = 1  # the network does not tell bands apart

    @classmethod
    def complete_config(cls, config: Mapping[str, Any], state: Mapping[str, Any]) -> dict[str, Any]:
        """Return the settings with two that the ancestor left out; they follow from the embeddings' shapes."""
        complete = dict(config)
        for key, tensor_name in (("seq_len", "pos_emb.weight"), ("num_quantizers", "level_emb.weight")):
            shape = tuple(getattr(state.get(tensor_name), "shape", ()))
            if key not in config and len(shape) == 2:
                complete[key] = shape[0]
        return complete

    @classmethod
    def network_facts(cls, config: Mapping[str, Any]) -> dict[str, int]:
        """Return layers, heads and width."""
        return transformer_facts(config)

    @classmethod
    def check_config(cls, config: Mapping[str, Any], reader: ValueReader, geometry: Geometry | None) -> None:
        """Check the sizes in a file."""
        check_transformer(config, reader)

    @classmethod
    def check_numbers(cls, state: Mapping[str, Any], reader: ValueReader) -> None:
        """Check that the mask is causal."""
        if isinstance(state["causal_mask"], Tensor):
            _check_mask(state["causal_mask"], reader)

    @classmethod
    def check_geometry(cls, geometry: Geometry, name: str) -> None:
        """Check that a prior with a context of one second could be opened again."""
        if geometry.codes_per_second > LONGEST_SEQUENCE:
            raise ModelFileError(
                f"“{name}” has {geometry.codes_per_second} codes a second; a flat prior can learn at most "
                f"{LONGEST_SEQUENCE}.",
                "Choose the architecture frames, or a model with fewer levels.",
            )

    @classmethod
    def begin(
        cls, geometry: Geometry, codebook_size: int, settings: Mapping[str, Any], context_steps: int
    ) -> CodePrior:
        """Build an untrained prior, whose context is a second."""
        names = ("hidden_size", "num_layers", "num_heads", "dropout")
        sizes = (settings[name] for name in names)
        return cls(codebook_size, geometry.levels, geometry.codes_per_second, *sizes)

    @classmethod
    def cost(cls, settings: Mapping[str, Any], codebook_size: int, levels: int) -> float:
        """Return the multiplications per code: of the layers, of the head, and of the embedding's gradient."""
        hidden = settings["hidden_size"]
        return float(12 * settings["num_layers"] * hidden**2 + 2 * codebook_size * hidden)

    @classmethod
    def shapes(cls, config: Mapping[str, Any], codebook_size: int) -> dict[str, Shape]:
        """Return shape and type of each weight, from a file's `prior_config`, without building a network."""
        hidden, seq_len = config["hidden_size"], config["seq_len"]
        shapes: dict[str, tuple[int, ...]] = {
            "token_emb.weight": (codebook_size, hidden),
            "pos_emb.weight": (seq_len, hidden),
            "level_emb.weight": (config["num_quantizers"], hidden),
            "ln_f.weight": (hidden,),
            "ln_f.bias": (hidden,),
            "head.weight": (codebook_size, hidden),
        }
        for layer in range(config["num_layers"]):
            name = f"transformer.layers.{layer}"
            shapes |= {f"{name}.{key}": shape for key, shape in block_shapes(hidden).items()}
        return {
            "causal_mask": ((seq_len, seq_len), torch.bool),
            **{key: (shape, torch.float32) for key, shape in shapes.items()},
        }

    @classmethod
    def on_meta(cls, config: Mapping[str, Any], codebook_size: int) -> CodePrior:
        """Build the prior without memory for its weights, from a file's `prior_config`."""
        with torch.device("meta"):
            return cls(
                codebook_size,
                config["num_quantizers"],
                config["seq_len"],
                config["hidden_size"],
                config["num_layers"],
                config["num_heads"],
                config.get("dropout", 0.0),
            )

    @classmethod
    def from_state(cls, config: Mapping[str, Any], codebook_size: int, state: Mapping[str, Tensor]) -> CodePrior:
        """Build the prior with given weights, in eval mode, without drawing from the global random generator."""
        prior = cls.on_meta(config, codebook_size).to_empty(device="cpu")
        prior.load_state_dict(state)
        return prior.eval()

    def sizes(self) -> dict[str, Any]:
        """Return the settings that a file needs to build these shapes again."""
        names = ("hidden_size", "num_layers", "num_heads", "seq_len", "num_quantizers")
        return {name: getattr(self, name) for name in names}

    def in_order(self, codes_BWHQ: Tensor) -> Tensor:
        """Return `[B, T]`: second by second, within a second band by band."""
        batch, steps, bands, levels = codes_BWHQ.shape
        chunk_steps = min(steps, self.seq_len // (bands * levels))
        chunks_BNWHQ: Tensor = codes_BWHQ.unflatten(1, (-1, chunk_steps))
        return chunks_BNWHQ.transpose(2, 3).reshape(batch, -1)

    def in_steps(self, values_BT: Tensor, bands: int) -> Tensor:
        """Return `[B, W, H, Q]`."""
        return in_steps(values_BT, bands, self.num_quantizers, self.seq_len)

    def code_count(self, steps: int, counted: int, bands: int) -> int:
        """Return the number of codes up to the last that is no padding: it lies in the highest band."""
        return ((bands - 1) * steps + counted) * self.num_quantizers

    def _length(self, windows: Windows) -> int:
        """Return the number of codes up to the last that is no padding in any of the windows."""
        counted_BT = self.in_order(windows.counted_BW[:, :, None, None].expand_as(windows.codes_BWHQ))
        return 1 + int(counted_BT.any(0).nonzero()[-1])

    def logits_and_targets(self, windows: Windows, heard_BWHQ: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits `[B, T, K]` and targets `[B, T]` of the codes after the first, without the last padding."""
        length = self._length(windows)
        logits_BTK: Tensor = self(self.in_order(heard_BWHQ)[:, : length - 1])
        return logits_BTK, self.in_order(windows.targets())[:, 1:length]

    def learned_count(self, windows: Windows) -> int:
        """Return the number of codes without the first of each window."""
        return windows.count - int(windows.counted_BW[:, 0].sum())

    def losses(self, logits_BTK: Tensor, targets_BT: Tensor, windows: Windows) -> Tensor:
        """Return each code's cross-entropy in nats `[B, W, H, Q]`."""
        losses_BT = without_first(each_loss(logits_BTK, targets_BT))
        padding = windows.codes_BWHQ[0].numel() - losses_BT.shape[1]
        whole_BT = functional.pad(losses_BT, (0, padding), value=torch.nan)
        return self.in_steps(whole_BT, windows.codes_BWHQ.shape[2])

    def decoder(self, batch: int) -> FlatDecoder:
        """Return a decoder that begins each context from the start."""
        decoder = FlatDecoder(self)
        decoder.begin(batch)
        return decoder
