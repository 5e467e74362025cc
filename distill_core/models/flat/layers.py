"""The layers of the `flat` transformer; parameters have the names of torch's own layers, which the ancestor used."""

# TorchScript makes no types of `from __future__ import annotations`.
import torch
from torch import Tensor, nn
from torch.nn import functional


class SelfAttention(nn.Module):
    """Causal multi-head attention; parameters are named as in `nn.MultiheadAttention`."""

    def __init__(self, hidden_size: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.in_proj_weight = nn.Parameter(torch.empty(3 * hidden_size, hidden_size))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * hidden_size))
        self.out_proj = nn.Linear(hidden_size, hidden_size)
        nn.init.xavier_uniform_(self.in_proj_weight)
        nn.init.zeros_(self.out_proj.bias)

    def project(self, hidden_BTC: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return queries, keys and values `[B, heads, T, D]`."""
        packed = functional.linear(hidden_BTC, self.in_proj_weight, self.in_proj_bias)
        batch, length, _ = hidden_BTC.shape
        query, key, value = packed.view(batch, length, 3, self.num_heads, -1).permute(2, 0, 3, 1, 4).unbind(0)
        return query, key, value

    def finish(self, attended_BHTD: Tensor) -> Tensor:
        """Return `[B, T, C]`: the heads' outputs, joined and projected."""
        attended: Tensor = self.out_proj(attended_BHTD.transpose(1, 2).flatten(2))
        return attended


class Block(nn.Module):
    """Pre-norm attention and MLP; parameters are named as in `nn.TransformerEncoderLayer`.

    There is no dropout on the attention weights: it costs a fifth of the speed, and the two others regularise enough.
    """

    def __init__(self, hidden_size: int, num_heads: int, dropout: float) -> None:
        super().__init__()
        self.self_attn = SelfAttention(hidden_size, num_heads)
        self.linear1 = nn.Linear(hidden_size, 4 * hidden_size)
        self.linear2 = nn.Linear(4 * hidden_size, hidden_size)
        self.norm1 = nn.LayerNorm(hidden_size)
        self.norm2 = nn.LayerNorm(hidden_size)
        self.dropout = nn.Dropout(dropout)

    def project(self, hidden_BTC: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return queries, keys and values `[B, heads, T, D]`."""
        return self.self_attn.project(self.norm1(hidden_BTC))

    def finish(self, hidden_BTC: Tensor, attended_BHTD: Tensor) -> Tensor:
        """Return `[B, T, C]`: the attention's output is added, then the MLP's."""
        attended_BTC: Tensor = hidden_BTC + self.dropout(self.self_attn.finish(attended_BHTD))
        expanded = self.dropout(functional.relu(self.linear1(self.norm2(attended_BTC))))
        added_BTC: Tensor = self.dropout(self.linear2(expanded))
        return attended_BTC + added_BTC

    def forward(self, hidden_BTC: Tensor) -> Tensor:
        """Return `[B, T, C]`."""
        query, key, value = self.project(hidden_BTC)
        return self.finish(hidden_BTC, functional.scaled_dot_product_attention(query, key, value, is_causal=True))


def block_shapes(hidden: int) -> dict[str, tuple[int, ...]]:
    """Return the shape of each parameter of a block."""
    matrices = {
        "self_attn.out_proj": (hidden, hidden),
        "linear1": (4 * hidden, hidden),
        "linear2": (hidden, 4 * hidden),
    }
    shapes: dict[str, tuple[int, ...]] = {f"{name}.weight": shape for name, shape in matrices.items()}
    shapes |= {f"{name}.bias": shape[:1] for name, shape in matrices.items()}
    shapes |= {f"{norm}.{key}": (hidden,) for norm in ("norm1", "norm2") for key in ("weight", "bias")}
    return shapes | {"self_attn.in_proj_weight": (3 * hidden, hidden), "self_attn.in_proj_bias": (3 * hidden,)}


class Transformer(nn.Module):
    """The stack of blocks, under the format's names."""

    def __init__(self, hidden_size: int, num_layers: int, num_heads: int, dropout: float) -> None:
        super().__init__()
        self.layers = nn.ModuleList(Block(hidden_size, num_heads, dropout) for _ in range(num_layers))

    def forward(self, hidden_BTC: Tensor) -> Tensor:
        """Return `[B, T, C]`."""
        for block in self.layers:
            hidden_BTC = block(hidden_BTC)
        return hidden_BTC
