"""The layers of the `frames` trunk: attention with rotary positions, an MLP, dropout of whole channels.

RMSNorm (Zhang & Sennrich 2019), RoPE (Su et al. 2021), QK-norm (Henry et al. 2020), squared ReLU (So et al. 2021).
"""

# TorchScript makes no types of `from __future__ import annotations`.
import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from distill_core.models.frames.fused import rms_norm, squared_relu

_ROPE_BASE = 10_000.0
_LONGEST_PLAIN_ATTENTION = 768


def rope_tables(length: int, head_dim: int, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor]:
    """Return cosines and sines `[length, head_dim / 2]`."""
    rates_D = _ROPE_BASE ** (-torch.arange(0, head_dim, 2, dtype=dtype) / head_dim)
    angles_PD = torch.arange(length, dtype=dtype)[:, None] * rates_D
    return angles_PD.cos(), angles_PD.sin()


def causal_attention(query_BHPD: Tensor, key_BHPD: Tensor, value_BHPD: Tensor) -> Tensor:
    """Return the attention of each position to itself and those before it, `[B, heads, P, D]`.

    In bfloat16 on a CPU, torch's fused kernel takes three times as long as plain products (48 positions, with
    backward); it is the faster one only from a thousand positions on.
    """
    is_reduced_on_cpu = value_BHPD.device.type == "cpu" and value_BHPD.dtype == torch.bfloat16
    if not is_reduced_on_cpu or value_BHPD.shape[2] > _LONGEST_PLAIN_ATTENTION:
        return functional.scaled_dot_product_attention(query_BHPD, key_BHPD, value_BHPD, is_causal=True)
    length, width = query_BHPD.shape[2:]
    scores_BHPP = query_BHPD @ key_BHPD.transpose(2, 3) / math.sqrt(width)
    later_PP = torch.full((length, length), -math.inf, dtype=scores_BHPP.dtype).triu(1)
    return (scores_BHPP + later_PP).softmax(-1) @ value_BHPD


class SequenceDropout(nn.Module):
    """Dropout of the same channels at all positions of a sequence (Gal & Ghahramani 2016).

    One random number for each sequence and channel is enough; one for each position costs a tenth of an optimizer step.
    """

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def forward(self, hidden_BPC: Tensor) -> Tensor:
        """Return `[…, P, C]`, unchanged in eval mode."""
        return self._dropped(hidden_BPC) if self.training and self.share > 0 else hidden_BPC

    @torch.jit.unused
    def _dropped(self, hidden_BPC: Tensor) -> Tensor:
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
        """Return `[B, P, C]`: the attention's output is added, then the MLP's."""
        attended_BPC = attended_BHPD.transpose(1, 2).reshape(hidden_BPC.shape)
        hidden_BPC = hidden_BPC + self.dropout(self.out(attended_BPC))
        expanded = squared_relu(self.up(rms_norm(hidden_BPC)))
        added: Tensor = self.dropout(self.down(expanded))
        return hidden_BPC + added

    @torch.jit.unused
    def forward(self, hidden_BPC: Tensor, cos_PD: Tensor, sin_PD: Tensor) -> Tensor:
        """Return `[B, P, C]`."""
        return self.finish(hidden_BPC, causal_attention(*self.project(hidden_BPC, cos_PD, sin_PD)))
