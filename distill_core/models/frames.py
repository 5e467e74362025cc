"""The `frames` prior: a causal trunk over positions in time order, and a small network over the levels of each.

A position's codes are predicted level by level (as in RQ-Transformer, Lee et al. 2022, but by an MLP), so the chain
rule over codes is exact, in the order in which they are flattened, and perplexities compare with those of `flat`.
The trunk takes one step a position instead of one a code. RMSNorm (Zhang & Sennrich 2019), RoPE (Su et al. 2021),
QK-norm (Henry et al. 2020), squared ReLU (So et al. 2021).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

ARCHITECTURE = "frames"
_ROPE_BASE = 10_000.0
_EMBEDDING_STD = 0.02


def time_order(bands: int, steps: int) -> Tensor:
    """Return `[bands · steps]`: which of the VQ-VAE's positions (band by band) comes when: step by step."""
    return torch.arange(bands * steps).view(bands, steps).T.flatten()


def _rms_norm(hidden: Tensor) -> Tensor:
    return functional.rms_norm(hidden, (hidden.shape[-1],))


def rope_tables(length: int, head_dim: int) -> tuple[Tensor, Tensor]:
    """Return cosines and sines `[length, head_dim / 2]`."""
    rates_D = _ROPE_BASE ** (-torch.arange(0, head_dim, 2, dtype=torch.float32) / head_dim)
    angles_PD = torch.arange(length, dtype=torch.float32)[:, None] * rates_D
    return angles_PD.cos(), angles_PD.sin()


def _rotate(heads_BHPD: Tensor, cos_PD: Tensor, sin_PD: Tensor) -> Tensor:
    first, second = heads_BHPD.chunk(2, dim=-1)
    return torch.cat([first * cos_PD - second * sin_PD, second * cos_PD + first * sin_PD], dim=-1)


class TrunkBlock(nn.Module):
    """Pre-norm attention and MLP without biases."""

    def __init__(self, hidden_size: int, num_heads: int, dropout: float) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.qkv = nn.Linear(hidden_size, 3 * hidden_size, bias=False)
        self.out = nn.Linear(hidden_size, hidden_size, bias=False)
        self.up = nn.Linear(hidden_size, 4 * hidden_size, bias=False)
        self.down = nn.Linear(4 * hidden_size, hidden_size, bias=False)
        self.dropout = nn.Dropout(dropout)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.down.weight)

    def project(self, hidden_BPC: Tensor, cos_PD: Tensor, sin_PD: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return queries, keys and values `[B, heads, P, D]`, the first two normed and rotated."""
        batch, length, _ = hidden_BPC.shape
        packed = self.qkv(_rms_norm(hidden_BPC)).view(batch, length, 3, self.num_heads, -1).permute(2, 0, 3, 1, 4)
        query, key, value = packed.unbind(0)
        return _rotate(_rms_norm(query), cos_PD, sin_PD), _rotate(_rms_norm(key), cos_PD, sin_PD), value

    def finish(self, hidden_BPC: Tensor, attended_BHPD: Tensor) -> Tensor:
        """Return `[B, P, C]`: what attention found is added, then the MLP."""
        attended_BPC = attended_BHPD.transpose(1, 2).reshape(hidden_BPC.shape)
        hidden_BPC = hidden_BPC + self.dropout(self.out(attended_BPC))
        expanded = functional.relu(self.up(_rms_norm(hidden_BPC))).square()
        added: Tensor = self.dropout(self.down(expanded))
        return hidden_BPC + added

    def forward(self, hidden_BPC: Tensor, cos_PD: Tensor, sin_PD: Tensor) -> Tensor:
        """Return `[B, P, C]`."""
        query, key, value = self.project(hidden_BPC, cos_PD, sin_PD)
        return self.finish(hidden_BPC, functional.scaled_dot_product_attention(query, key, value, is_causal=True))


class FramesPrior(nn.Module):
    """Logits of each code given all before it, positions in time order."""

    architecture = ARCHITECTURE
    cos_PD: Tensor
    sin_PD: Tensor

    def __init__(
        self,
        codebook_size: int,
        num_quantizers: int,
        bands: int,
        steps: int,
        hidden_size: int = 256,
        num_layers: int = 4,
        num_heads: int = 4,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.codebook_size, self.num_quantizers = codebook_size, num_quantizers
        self.bands, self.steps = bands, steps
        self.hidden_size, self.num_layers, self.num_heads = hidden_size, num_layers, num_heads
        self.seq_len = bands * steps * num_quantizers
        self.previous_emb = nn.Embedding(num_quantizers * codebook_size, hidden_size)
        self.earlier_emb = nn.Embedding(num_quantizers * codebook_size, hidden_size)
        self.band_emb = nn.Embedding(bands, hidden_size)
        self.start_emb = nn.Parameter(torch.zeros(2, hidden_size))
        self.blocks = nn.ModuleList(TrunkBlock(hidden_size, num_heads, dropout) for _ in range(num_layers))
        self.level_emb = nn.Embedding(num_quantizers * codebook_size, hidden_size)
        self.depth_up = nn.Parameter(torch.empty(num_quantizers, hidden_size, 2 * hidden_size))
        self.depth_down = nn.Parameter(torch.zeros(num_quantizers, 2 * hidden_size, hidden_size))
        self.heads = nn.Parameter(torch.zeros(num_quantizers, hidden_size, codebook_size))
        self.dropout = nn.Dropout(dropout)
        for embedding in (self.previous_emb, self.earlier_emb, self.band_emb, self.level_emb):
            nn.init.normal_(embedding.weight, std=_EMBEDDING_STD)
        nn.init.normal_(self.depth_up, std=1 / math.sqrt(hidden_size))
        cos_PD, sin_PD = rope_tables(bands * steps + 1, hidden_size // num_heads)
        self.register_buffer("cos_PD", cos_PD, persistent=False)
        self.register_buffer("sin_PD", sin_PD, persistent=False)

    @classmethod
    def on_meta(cls, config: Mapping[str, Any], codebook_size: int) -> FramesPrior:
        """Build the shapes alone, from a file's `prior_config`."""
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

    @property
    def order_S(self) -> Tensor:
        """The order of positions: by time, low bands first within a step."""
        return time_order(self.bands, self.steps)

    def sizes(self) -> dict[str, Any]:
        """Return what the file must tell to build these shapes again."""
        names = ("architecture", "hidden_size", "num_layers", "num_heads", "seq_len", "num_quantizers")
        return {name: getattr(self, name) for name in names} | {"grid": [self.bands, self.steps]}

    def start_logits(self) -> Tensor:
        """Return logits `[codebook_size]` of the very first code, which are learned."""
        nothing = torch.zeros(1, 1, self.num_quantizers, dtype=torch.long, device=self.start_emb.device)
        return self.position_logits(nothing)[0, 0, 0]

    def forward(self, codes_BT: Tensor) -> Tensor:
        """Return logits `[B, T, codebook_size]` for the code after each of `[B, T ≤ seq_len]`, in time order.

        The last codes may end within a position; the one after `seq_len` codes counts as the context's next.
        """
        length = codes_BT.shape[1]
        positions = length // self.num_quantizers + 1
        missing = positions * self.num_quantizers - length
        codes_BPQ = functional.pad(codes_BT, (0, missing)).unflatten(1, (positions, self.num_quantizers))
        logits_BNK = self.position_logits(codes_BPQ).flatten(1, 2)
        return logits_BNK[:, 1 : length + 1]

    def _rows(self, codes_BPQ: Tensor) -> Tensor:
        """Return the row of each code in a table that holds the levels one after another."""
        return codes_BPQ + self.codebook_size * torch.arange(codes_BPQ.shape[2], device=codes_BPQ.device)

    def trunk_input(self, codes_BPQ: Tensor, length: int) -> Tensor:
        """Return `[B, length, C]` for slots 0…length−1; slot i sees positions before i only."""
        batch = len(codes_BPQ)
        rows = self._rows(codes_BPQ)
        previous = self.previous_emb(rows[:, : length - 1]).sum(2)
        earlier = self.earlier_emb(rows[:, : max(0, length - self.bands)]).sum(2)
        start = self.start_emb[0].expand(batch, 1, -1)
        none_yet = self.start_emb[1].expand(batch, min(length, self.bands), -1)
        bands = self.band_emb(torch.arange(length, device=codes_BPQ.device) % self.bands)
        summed: Tensor = torch.cat([start, previous], 1) + torch.cat([none_yet, earlier], 1) + bands
        return summed

    def slot_input(self, codes_BPQ: Tensor, slot: int) -> Tensor:
        """Return `[B, 1, C]`: the row of `trunk_input` for one slot, of whose position nothing is known yet."""
        rows = self._rows(codes_BPQ[:, max(0, slot - self.bands) : slot])
        input_C = self.band_emb.weight[slot % self.bands]
        previous = self.previous_emb(rows[:, -1]).sum(1) if slot else self.start_emb[0]
        earlier = self.earlier_emb(rows[:, 0]).sum(1) if slot >= self.bands else self.start_emb[1]
        summed: Tensor = previous + earlier + input_C
        return summed.expand(len(codes_BPQ), -1).unsqueeze(1)

    def enter(self, hidden_BPC: Tensor) -> Tensor:
        """Return `[B, P, C]`: the trunk's input as its first block takes it."""
        entered: Tensor = self.dropout(_rms_norm(hidden_BPC))
        return entered

    def trunk(self, hidden_BPC: Tensor) -> Tensor:
        """Return `[B, P, C]`."""
        length = hidden_BPC.shape[1]
        hidden_BPC = self.enter(hidden_BPC)
        for block in self.blocks:
            hidden_BPC = block(hidden_BPC, self.cos_PD[:length], self.sin_PD[:length])
        return hidden_BPC

    def depth(self, hidden_BPC: Tensor, codes_BPQ: Tensor) -> Tensor:
        """Return logits `[B, P, Q, K]`; level q sees the position's codes of the levels below it."""
        lower = self.level_emb(self._rows(codes_BPQ[:, :, :-1])).cumsum(2)
        lower = functional.pad(lower, (0, 0, 1, 0))
        return self.level_logits(hidden_BPC.unsqueeze(2) + lower)

    def level_logits(self, hidden_BPQC: Tensor) -> Tensor:
        """Return logits `[B, P, Q, K]` of all levels' small networks."""
        by_level = hidden_BPQC.flatten(0, 1).transpose(0, 1)
        expanded = torch.bmm(_rms_norm(by_level), self.depth_up).relu().square()
        by_level = by_level + torch.bmm(self.dropout(expanded), self.depth_down)
        logits_QNK = torch.bmm(_rms_norm(by_level), self.heads)
        return logits_QNK.transpose(0, 1).reshape(*hidden_BPQC.shape[:3], self.codebook_size)

    def add_code(self, hidden_BC: Tensor, codes_B: Tensor, level: int) -> Tensor:
        """Return `[B, C]`, what the levels above see, once a position's code of this level is known."""
        added: Tensor = hidden_BC + self.level_emb(codes_B + level * self.codebook_size)
        return added

    def one_level_logits(self, hidden_BC: Tensor, level: int) -> Tensor:
        """Return logits `[B, K]` of one level's small network."""
        expanded = (_rms_norm(hidden_BC) @ self.depth_up[level]).relu().square()
        hidden_BC = hidden_BC + expanded @ self.depth_down[level]
        return _rms_norm(hidden_BC) @ self.heads[level]

    def position_logits(self, codes_BPQ: Tensor) -> Tensor:
        """Return logits `[B, P, Q, K]` of every code, the first included."""
        return self.depth(self.trunk(self.trunk_input(codes_BPQ, codes_BPQ.shape[1])), codes_BPQ)
