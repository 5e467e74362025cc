"""A toy third prior architecture: what a code is followed by one step later, in the same band and level.

It knows one step of the past, so its context is as long as one likes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn

from distill_core.audio.geometry import Geometry
from distill_core.files.tensor_facts import Shape
from distill_core.models.architectures import PRIORS, PriorRow
from distill_core.models.prior import Decoder, Layout, Prior, Windows, each_loss, without_first
from distill_core.models.value_reader import ValueReader

NAME = "toy"


class ToyPrior(Prior):
    """Logits from one table a level: row 0 for the first step of a sound, row k + 1 after code k."""

    architecture: ClassVar[str] = NAME
    layout: ClassVar[Layout] = "rows"

    def __init__(self, codebook_size: int, levels: int, bands: int, steps: int) -> None:
        super().__init__()
        self.codebook_size, self.num_quantizers, self.bands = codebook_size, levels, bands
        self.seq_len = bands * steps * levels
        self.table = nn.Parameter(torch.zeros(levels, codebook_size + 1, codebook_size))

    @classmethod
    def check_config(cls, config: Mapping[str, Any], reader: ValueReader, geometry: Geometry | None) -> None:
        reader.integers(config, {"bands": (1, 64), "seq_len": (1, 16_384), "num_quantizers": (1, 32)})
        if geometry is not None and config["bands"] != geometry.bands:
            raise reader.refuse("its prior was made for another number of bands")

    @classmethod
    def shapes(cls, config: Mapping[str, Any], codebook_size: int) -> dict[str, Shape]:
        return {"table": ((config["num_quantizers"], codebook_size + 1, codebook_size), torch.float32)}

    @classmethod
    def from_state(cls, config: Mapping[str, Any], codebook_size: int, state: Mapping[str, Tensor]) -> ToyPrior:
        levels, bands = config["num_quantizers"], config["bands"]
        prior = cls(codebook_size, levels, bands, config["seq_len"] // (bands * levels))
        prior.load_state_dict(state)
        return prior.eval()

    @classmethod
    def begin(cls, geometry: Geometry, codebook_size: int, settings: Mapping[str, Any], context_steps: int) -> ToyPrior:
        return cls(codebook_size, geometry.levels, geometry.bands, context_steps)

    @classmethod
    def cost(cls, settings: Mapping[str, Any], codebook_size: int, levels: int) -> float:
        return float(codebook_size)

    def sizes(self) -> dict[str, Any]:
        names = ("seq_len", "num_quantizers", "bands")
        return {name: getattr(self, name) for name in names}

    def in_order(self, codes_BWHQ: Tensor) -> Tensor:
        return codes_BWHQ.flatten(1)

    def in_steps(self, values_BT: Tensor, bands: int) -> Tensor:
        steps: Tensor = values_BT.unflatten(1, (-1, bands, self.num_quantizers))
        return steps

    def _logits(self, codes_BWHQ: Tensor) -> Tensor:
        """Return `[B, T, K]` for each code itself."""
        rows_BWHQ = nn.functional.pad(codes_BWHQ[:, :-1] + 1, (0, 0, 0, 0, 1, 0))
        levels_Q = torch.arange(self.num_quantizers, device=codes_BWHQ.device)
        logits: Tensor = self.table[levels_Q, rows_BWHQ]
        return logits.flatten(1, 3)

    def logits_and_targets(self, windows: Windows, heard_BWHQ: Tensor) -> tuple[Tensor, Tensor]:
        return self._logits(heard_BWHQ), self.in_order(windows.targets())

    def losses(self, logits_BTK: Tensor, targets_BT: Tensor, windows: Windows) -> Tensor:
        return self.in_steps(without_first(each_loss(logits_BTK, targets_BT)[:, 1:]), self.bands)

    def decoder(self, batch: int) -> ToyDecoder:
        return ToyDecoder(self)


class ToyDecoder(Decoder):
    """Logits of one code after another."""

    def __init__(self, prior: ToyPrior) -> None:
        self._prior = prior

    def logits(self, codes_BT: Tensor, index: int) -> Tensor:
        before = index - self._prior.bands * self._prior.num_quantizers
        level = index % self._prior.num_quantizers
        rows_B = codes_BT[:, before] + 1 if before >= 0 else torch.zeros_like(codes_BT[:, 0])
        return self._prior.table[level, rows_B]


@pytest.fixture
def toy_prior(monkeypatch: pytest.MonkeyPatch) -> str:
    """The row of the toy in the table of architectures, for one test."""
    monkeypatch.setitem(PRIORS, NAME, PriorRow(lambda: ToyPrior, is_transformer=False))
    return NAME
