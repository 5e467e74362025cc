"""The network of the `frames` prior: logits of all codes at once, or of one after another.

A position's codes are predicted level by level (as in RQ-Transformer, Lee et al. 2022, but by an MLP), so the chain
rule over codes is exact, in time order, and perplexities compare with those of `flat`. The trunk runs once for each
position instead of once for each code.
"""

# TorchScript makes no types of `from __future__ import annotations`.
import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from distill_core.models.frames.fused import rms_norm, squared_relu
from distill_core.models.frames.layers import SequenceDropout, TrunkBlock, rope_tables

_EMBEDDING_STD = 0.02
_END_BIAS = -3.0  # sounds are some twenty steps long before anything is known


def in_steps(values_BT: Tensor, bands: int, num_quantizers: int) -> Tensor:
    """Return `[B, W, H, Q]` of values step by step, within a step low bands first, level inside position."""
    steps: Tensor = values_BT.unflatten(1, (-1, bands, num_quantizers))
    return steps


class FramesNetwork(nn.Module):
    """A causal trunk over positions in time order, and a small network over the levels of each."""

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
        learns_end: bool = False,
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
        self.learns_end = learns_end
        if learns_end:
            # Filled with constants: a prior with ends draws the same random numbers as one without.
            self.end_head = nn.utils.skip_init(nn.Linear, hidden_size, 1, device=self.start_emb.device)
            nn.init.zeros_(self.end_head.weight)
            nn.init.constant_(self.end_head.bias, _END_BIAS)
        for embedding in (self.previous_emb, self.earlier_emb, self.band_emb, self.level_emb):
            nn.init.normal_(embedding.weight, std=_EMBEDDING_STD)
        nn.init.normal_(self.depth_up, std=1 / math.sqrt(hidden_size))
        cos_PD, sin_PD = rope_tables(bands * steps + 1, hidden_size // num_heads)
        self.register_buffer("cos_PD", cos_PD, persistent=False)
        self.register_buffer("sin_PD", sin_PD, persistent=False)

    def start_logits(self) -> Tensor:
        """Return the learned logits `[codebook_size]` of a sound's first code."""
        nothing = torch.zeros(1, 1, self.num_quantizers, dtype=torch.long, device=self.start_emb.device)
        return self.position_logits(nothing)[0, 0, 0]

    @torch.jit.unused
    def forward(self, codes_BT: Tensor, begins_B: Tensor | None = None) -> Tensor:
        """Return logits `[B, T, codebook_size]` for the code after each of `[B, T ≤ seq_len]`, in time order.

        The last codes may end within a position; the code after `seq_len` codes is the next one of the same context.
        """
        length = codes_BT.shape[1]
        return self.logits_with_start(functional.pad(codes_BT, (0, 1)), begins_B)[:, 1 : length + 1]

    def logits_with_start(self, codes_BT: Tensor, begins_B: Tensor | None = None) -> Tensor:
        """Return logits `[B, T, codebook_size]` of each code given those before it, the first included.

        `begins_B` marks the sequences that begin with their sound, and not in its middle; None for all.
        """
        length, levels = codes_BT.shape[1], self.num_quantizers
        codes_BPQ = functional.pad(codes_BT, (0, -length % levels)).unflatten(1, (-1, levels))
        return self.position_logits(codes_BPQ, begins_B).flatten(1, 2)[:, :length]

    def _entries(self, codes_BPQ: Tensor) -> Tensor:
        """Return the index of each code in a table of all levels, one level after another."""
        return codes_BPQ + self.codebook_size * torch.arange(codes_BPQ.shape[2], device=codes_BPQ.device)

    def _start(self, batch: int, begins_B: Tensor | None) -> Tensor:
        """Return the input of slot 0 `[B, 1, C]`, which tells whether the sound begins there."""
        if begins_B is None:
            return self.start_emb[0].expand(batch, 1, -1)
        return self.start_emb[2 * (~begins_B).long()].unsqueeze(1)

    def trunk_input(self, codes_BPQ: Tensor, length: int, begins_B: Tensor | None = None) -> Tensor:
        """Return `[B, length, C]` for slots 0 to length − 1; slot i sees only positions before i."""
        batch = len(codes_BPQ)
        entries = self._entries(codes_BPQ)
        previous = self.previous_emb(entries[:, : length - 1]).sum(2)
        earlier = self.earlier_emb(entries[:, : max(0, length - self.bands)]).sum(2)
        none_yet = self.start_emb[1].expand(batch, min(length, self.bands), -1)
        bands = self.band_emb(torch.arange(length, device=codes_BPQ.device) % self.bands)
        before = torch.cat([self._start(batch, begins_B), previous], 1)
        summed: Tensor = before + torch.cat([none_yet, earlier], 1) + bands
        return summed

    def slot_input(self, codes_BPQ: Tensor, slot: int) -> Tensor:
        """Return `[B, 1, C]`: the `trunk_input` of one slot, from the positions before it."""
        entries = self._entries(codes_BPQ[:, max(0, slot - self.bands) : slot])
        input_C = self.band_emb.weight[slot % self.bands]
        previous = self.previous_emb(entries[:, -1]).sum(1) if slot else self.start_emb[0]
        earlier = self.earlier_emb(entries[:, 0]).sum(1) if slot >= self.bands else self.start_emb[1]
        summed: Tensor = previous + earlier + input_C
        return summed.expand(len(codes_BPQ), -1).unsqueeze(1)

    def enter(self, hidden_BPC: Tensor) -> Tensor:
        """Return `[B, P, C]`: the trunk's input, normed and with dropout, for its first block."""
        entered: Tensor = self.dropout(rms_norm(hidden_BPC))
        return entered

    def trunk(self, hidden_BPC: Tensor) -> Tensor:
        """Return the trunk's output `[B, P, C]`."""
        length = hidden_BPC.shape[1]
        hidden_BPC = self.enter(hidden_BPC)
        for block in self.blocks:
            hidden_BPC = block(hidden_BPC, self.cos_PD[:length], self.sin_PD[:length])
        return hidden_BPC

    def depth(self, hidden_BPC: Tensor, codes_BPQ: Tensor) -> Tensor:
        """Return logits `[B, P, Q, K]`; level q sees the position's codes of the levels below it."""
        lower = self.level_emb(self._entries(codes_BPQ[:, :, :-1])).cumsum(2)
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
        """Return `[B, C]`, the input of the levels above a level whose codes are known."""
        added: Tensor = hidden_BC + self.level_emb(codes_B + level * self.codebook_size)
        return added

    def one_level_logits(self, hidden_BC: Tensor, level: int) -> Tensor:
        """Return logits `[B, K]` of one level's small network."""
        expanded = squared_relu(rms_norm(hidden_BC) @ self.depth_up[level])
        hidden_BC = hidden_BC + expanded @ self.depth_down[level]
        return rms_norm(hidden_BC) @ self.heads[level]

    def end_logits(self, hidden_BC: Tensor) -> Tensor:
        """Return logits `[B]` that the sound ends after a step, from its last band's `[B, C]` with all codes added."""
        logits: Tensor = self.end_head(rms_norm(hidden_BC))
        return logits.squeeze(-1)

    def step_end_logits(self, hidden_BPC: Tensor, codes_BPQ: Tensor) -> Tensor:
        """Return logits `[B, W]` that the sound ends after each step, from the trunk's output and the codes."""
        last = slice(self.bands - 1, None, self.bands)
        known = self.level_emb(self._entries(codes_BPQ[:, last])).sum(2)
        return self.end_logits(hidden_BPC[:, last] + known)

    def positions(self, codes_BPQ: Tensor, begins_B: Tensor | None = None) -> Tensor:
        """Return the trunk's output `[B, P, C]` for every position, the first included."""
        return self.trunk(self.trunk_input(codes_BPQ, codes_BPQ.shape[1], begins_B))

    def position_logits(self, codes_BPQ: Tensor, begins_B: Tensor | None = None) -> Tensor:
        """Return logits `[B, P, Q, K]` of every code, the first included."""
        return self.depth(self.positions(codes_BPQ, begins_B), codes_BPQ)
