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

from distill_core.files.tensor_facts import Shape
from distill_core.models.fused import rms_norm, squared_relu

ARCHITECTURE = "frames"
_ROPE_BASE = 10_000.0
_EMBEDDING_STD = 0.02
_LONGEST_PLAIN_ATTENTION = 768


def time_order(bands: int, steps: int) -> Tensor:
    """Return `[bands · steps]`: which of the VQ-VAE's positions (band by band) comes when: step by step."""
    return torch.arange(bands * steps).view(bands, steps).T.flatten()


def rope_tables(length: int, head_dim: int) -> tuple[Tensor, Tensor]:
    """Return cosines and sines `[length, head_dim / 2]`."""
    rates_D = _ROPE_BASE ** (-torch.arange(0, head_dim, 2, dtype=torch.float32) / head_dim)
    angles_PD = torch.arange(length, dtype=torch.float32)[:, None] * rates_D
    return angles_PD.cos(), angles_PD.sin()


def causal_attention(query_BHPD: Tensor, key_BHPD: Tensor, value_BHPD: Tensor) -> Tensor:
    """Return what each position finds in itself and those before it, `[B, heads, P, D]`.

    torch's fused kernel takes three times as long as plain products on a CPU in bfloat16 (48 positions, backward too);
    only from a thousand positions on it is the faster one.
    """
    is_reduced_on_cpu = value_BHPD.device.type == "cpu" and value_BHPD.dtype == torch.bfloat16
    if not is_reduced_on_cpu or value_BHPD.shape[2] > _LONGEST_PLAIN_ATTENTION:
        return functional.scaled_dot_product_attention(query_BHPD, key_BHPD, value_BHPD, is_causal=True)
    length, width = query_BHPD.shape[2:]
    scores_BHPP = query_BHPD @ key_BHPD.transpose(2, 3) / math.sqrt(width)
    later_PP = torch.full((length, length), -math.inf, dtype=scores_BHPP.dtype).triu(1)
    return (scores_BHPP + later_PP).softmax(-1) @ value_BHPD


class SequenceDropout(nn.Module):
    """Drops the same channels at all positions of a sequence (Gal & Ghahramani 2016).

    It draws a number for each sequence and channel only: a mask of its own for each position costs a tenth of a step.
    """

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def forward(self, hidden_BPC: Tensor) -> Tensor:
        """Return `[…, P, C]`, in eval mode as it is."""
        if not self.training or not self.share:
            return hidden_BPC
        shape = (*hidden_BPC.shape[:-2], 1, hidden_BPC.shape[-1])
        return hidden_BPC * hidden_BPC.new_empty(shape).bernoulli_(1 - self.share).div_(1 - self.share)


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
        self.dropout = SequenceDropout(dropout)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.down.weight)

    def project(self, hidden_BPC: Tensor, cos_PD: Tensor, sin_PD: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return queries, keys and values `[B, heads, P, D]`, the first two normed and rotated."""
        batch, length, _ = hidden_BPC.shape
        packed = self.qkv(rms_norm(hidden_BPC)).view(batch, length, 3, self.num_heads, -1).permute(2, 0, 3, 1, 4)
        query, key, value = packed.unbind(0)
        return _rotate(rms_norm(query), cos_PD, sin_PD), _rotate(rms_norm(key), cos_PD, sin_PD), value

    def finish(self, hidden_BPC: Tensor, attended_BHPD: Tensor) -> Tensor:
        """Return `[B, P, C]`: what attention found is added, then the MLP."""
        attended_BPC = attended_BHPD.transpose(1, 2).reshape(hidden_BPC.shape)
        hidden_BPC = hidden_BPC + self.dropout(self.out(attended_BPC))
        expanded = squared_relu(self.up(rms_norm(hidden_BPC)))
        added: Tensor = self.dropout(self.down(expanded))
        return hidden_BPC + added

    def forward(self, hidden_BPC: Tensor, cos_PD: Tensor, sin_PD: Tensor) -> Tensor:
        """Return `[B, P, C]`."""
        return self.finish(hidden_BPC, causal_attention(*self.project(hidden_BPC, cos_PD, sin_PD)))


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
        self.start_emb = nn.Parameter(torch.zeros(3, hidden_size))
        self.blocks = nn.ModuleList(TrunkBlock(hidden_size, num_heads, dropout) for _ in range(num_layers))
        self.level_emb = nn.Embedding(num_quantizers * codebook_size, hidden_size)
        self.depth_up = nn.Parameter(torch.empty(num_quantizers, hidden_size, 2 * hidden_size))
        self.depth_down = nn.Parameter(torch.zeros(num_quantizers, 2 * hidden_size, hidden_size))
        self.heads = nn.Parameter(torch.zeros(num_quantizers, hidden_size, codebook_size))
        self.dropout = SequenceDropout(dropout)
        for embedding in (self.previous_emb, self.earlier_emb, self.band_emb, self.level_emb):
            nn.init.normal_(embedding.weight, std=_EMBEDDING_STD)
        nn.init.normal_(self.depth_up, std=1 / math.sqrt(hidden_size))
        cos_PD, sin_PD = rope_tables(bands * steps + 1, hidden_size // num_heads)
        self.register_buffer("cos_PD", cos_PD, persistent=False)
        self.register_buffer("sin_PD", sin_PD, persistent=False)

    @classmethod
    def shapes(cls, config: Mapping[str, Any], codebook_size: int) -> dict[str, Shape]:
        """Return shape and type of each weight, from a file's `prior_config`, without building a thing."""
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
    def unit(self) -> int:
        """Codes of one time step: where a sequence may be cut."""
        return self.bands * self.num_quantizers

    def order_of(self, positions: int) -> Tensor:
        """Return the order of so many positions: by time, low bands first within a step."""
        return time_order(self.bands, positions // self.bands)

    def sizes(self) -> dict[str, Any]:
        """Return what the file must tell to build these shapes again."""
        names = ("architecture", "hidden_size", "num_layers", "num_heads", "seq_len", "num_quantizers")
        return {name: getattr(self, name) for name in names} | {"grid": [self.bands, self.steps]}

    def start_logits(self) -> Tensor:
        """Return logits `[codebook_size]` of the very first code, which are learned."""
        nothing = torch.zeros(1, 1, self.num_quantizers, dtype=torch.long, device=self.start_emb.device)
        return self.position_logits(nothing)[0, 0, 0]

    def forward(self, codes_BT: Tensor, begins_B: Tensor | None = None) -> Tensor:
        """Return logits `[B, T, codebook_size]` for the code after each of `[B, T ≤ seq_len]`, in time order.

        The last codes may end within a position; the one after `seq_len` codes counts as the context's next.
        """
        length = codes_BT.shape[1]
        return self.logits_with_start(functional.pad(codes_BT, (0, 1)), begins_B)[:, 1 : length + 1]

    def logits_with_start(self, codes_BT: Tensor, begins_B: Tensor | None = None) -> Tensor:
        """Return logits `[B, T, codebook_size]` of each code itself given those before it, the first included.

        `begins_B` tells which sequences begin where their sound does, and not in its middle; None: all do.
        """
        length, levels = codes_BT.shape[1], self.num_quantizers
        codes_BPQ = functional.pad(codes_BT, (0, -length % levels)).unflatten(1, (-1, levels))
        return self.position_logits(codes_BPQ, begins_B).flatten(1, 2)[:, :length]

    def _rows(self, codes_BPQ: Tensor) -> Tensor:
        """Return the row of each code in a table that holds the levels one after another."""
        return codes_BPQ + self.codebook_size * torch.arange(codes_BPQ.shape[2], device=codes_BPQ.device)

    def _start(self, batch: int, begins_B: Tensor | None) -> Tensor:
        """Return `[B, 1, C]`: what slot 0 knows, which is whether the sound begins there."""
        if begins_B is None:
            return self.start_emb[0].expand(batch, 1, -1)
        return self.start_emb[2 * (~begins_B).long()].unsqueeze(1)

    def trunk_input(self, codes_BPQ: Tensor, length: int, begins_B: Tensor | None = None) -> Tensor:
        """Return `[B, length, C]` for slots 0…length−1; slot i sees positions before i only."""
        batch = len(codes_BPQ)
        rows = self._rows(codes_BPQ)
        previous = self.previous_emb(rows[:, : length - 1]).sum(2)
        earlier = self.earlier_emb(rows[:, : max(0, length - self.bands)]).sum(2)
        none_yet = self.start_emb[1].expand(batch, min(length, self.bands), -1)
        bands = self.band_emb(torch.arange(length, device=codes_BPQ.device) % self.bands)
        before = torch.cat([self._start(batch, begins_B), previous], 1)
        summed: Tensor = before + torch.cat([none_yet, earlier], 1) + bands
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
        entered: Tensor = self.dropout(rms_norm(hidden_BPC))
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
        expanded = squared_relu(torch.bmm(rms_norm(by_level), self.depth_up))
        kept = self.dropout(expanded.unflatten(1, hidden_BPQC.shape[:2])).flatten(1, 2)
        by_level = by_level + torch.bmm(kept, self.depth_down)
        logits_QNK = torch.bmm(rms_norm(by_level), self.heads)
        return logits_QNK.transpose(0, 1).reshape(*hidden_BPQC.shape[:3], self.codebook_size)

    def add_code(self, hidden_BC: Tensor, codes_B: Tensor, level: int) -> Tensor:
        """Return `[B, C]`, what the levels above see, once a position's code of this level is known."""
        added: Tensor = hidden_BC + self.level_emb(codes_B + level * self.codebook_size)
        return added

    def one_level_logits(self, hidden_BC: Tensor, level: int) -> Tensor:
        """Return logits `[B, K]` of one level's small network."""
        expanded = squared_relu(rms_norm(hidden_BC) @ self.depth_up[level])
        hidden_BC = hidden_BC + expanded @ self.depth_down[level]
        return rms_norm(hidden_BC) @ self.heads[level]

    def position_logits(self, codes_BPQ: Tensor, begins_B: Tensor | None = None) -> Tensor:
        """Return logits `[B, P, Q, K]` of every code, the first included."""
        return self.depth(self.trunk(self.trunk_input(codes_BPQ, codes_BPQ.shape[1], begins_B)), codes_BPQ)
