"""The autoregressive prior: how codes follow one another (the format's `flat` architecture)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from distill_core.files.tensor_facts import Shape

ARCHITECTURE = "flat"


def flatten_codes(codes_NSQ: Tensor, order_S: Tensor | None = None) -> Tensor:
    """Return `[N, S·Q]`: position by position in the given order (None: as they come), level inside position."""
    ordered = codes_NSQ if order_S is None else codes_NSQ[:, order_S]
    return ordered.flatten(1)


def unflatten_codes(codes_NT: Tensor, num_quantizers: int, order_S: Tensor | None = None) -> Tensor:
    """Return `[N, T/Q, Q]`, the inverse of `flatten_codes` with the same order."""
    codes_NSQ = codes_NT.reshape(len(codes_NT), -1, num_quantizers)
    return codes_NSQ if order_S is None else codes_NSQ[:, order_S.argsort()]


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
        batch, steps, _ = hidden_BTC.shape
        query, key, value = packed.view(batch, steps, 3, self.num_heads, -1).permute(2, 0, 3, 1, 4)
        return query, key, value

    def finish(self, attended_BHTD: Tensor) -> Tensor:
        """Return `[B, T, C]`: the heads' findings together."""
        attended: Tensor = self.out_proj(attended_BHTD.transpose(1, 2).flatten(2))
        return attended


class Block(nn.Module):
    """Pre-norm attention and MLP; parameters are named as in `nn.TransformerEncoderLayer`.

    There is no dropout on the attention weights: it costs a fifth of the speed and the two others regularise enough.
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
        """Return `[B, T, C]`: what attention found is added, then the MLP."""
        attended_BTC: Tensor = hidden_BTC + self.dropout(self.self_attn.finish(attended_BHTD))
        expanded = self.dropout(functional.relu(self.linear1(self.norm2(attended_BTC))))
        added_BTC: Tensor = self.dropout(self.linear2(expanded))
        return attended_BTC + added_BTC

    def forward(self, hidden_BTC: Tensor) -> Tensor:
        """Return `[B, T, C]`."""
        query, key, value = self.project(hidden_BTC)
        return self.finish(hidden_BTC, functional.scaled_dot_product_attention(query, key, value, is_causal=True))


def _block_shapes(hidden: int) -> dict[str, tuple[int, ...]]:
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
    """The stack of blocks, under the name that the format gives it."""

    def __init__(self, hidden_size: int, num_layers: int, num_heads: int, dropout: float) -> None:
        super().__init__()
        self.layers = nn.ModuleList(Block(hidden_size, num_heads, dropout) for _ in range(num_layers))

    def forward(self, hidden_BTC: Tensor) -> Tensor:
        """Return `[B, T, C]`."""
        for block in self.layers:
            hidden_BTC = block(hidden_BTC)
        return hidden_BTC


class CodePrior(nn.Module):
    """A causal transformer over flattened codes."""

    architecture = ARCHITECTURE
    causal_mask: Tensor

    def __init__(
        self,
        codebook_size: int,
        num_quantizers: int,
        seq_len: int,
        hidden_size: int = 256,
        num_layers: int = 4,
        num_heads: int = 4,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.codebook_size, self.num_quantizers, self.seq_len = codebook_size, num_quantizers, seq_len
        self.hidden_size, self.num_layers, self.num_heads = hidden_size, num_layers, num_heads
        self.token_emb = nn.Embedding(codebook_size, hidden_size)
        self.pos_emb = nn.Embedding(seq_len, hidden_size)
        self.level_emb = nn.Embedding(num_quantizers, hidden_size)
        self.dropout = nn.Dropout(dropout)
        self.transformer = Transformer(hidden_size, num_layers, num_heads, dropout)
        self.ln_f = nn.LayerNorm(hidden_size)
        self.head = nn.Linear(hidden_size, codebook_size, bias=False)
        # Nothing here reads it, but the ancestor expects it in the file.
        self.register_buffer("causal_mask", torch.ones(seq_len, seq_len, dtype=torch.bool).triu(1))

    @classmethod
    def shapes(cls, config: Mapping[str, Any], codebook_size: int) -> dict[str, Shape]:
        """Return shape and type of each weight, from a file's `prior_config`, without building a thing."""
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
            shapes |= {f"{name}.{key}": shape for key, shape in _block_shapes(hidden).items()}
        return {
            "causal_mask": ((seq_len, seq_len), torch.bool),
            **{key: (shape, torch.float32) for key, shape in shapes.items()},
        }

    @classmethod
    def on_meta(cls, config: Mapping[str, Any], codebook_size: int) -> CodePrior:
        """Build the shapes alone, from a file's `prior_config`."""
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

    @property
    def unit(self) -> int:
        """Codes of one context: where a sequence may be cut."""
        return self.seq_len

    def order_of(self, positions: int) -> Tensor | None:
        """Return the order of so many positions: as the VQ-VAE gives them."""
        return None

    def sizes(self) -> dict[str, Any]:
        """Return what the file must tell to build these shapes again."""
        names = ("hidden_size", "num_layers", "num_heads", "seq_len", "num_quantizers")
        return {name: getattr(self, name) for name in names}

    def start_logits(self) -> Tensor:
        """Return logits `[codebook_size]` of the very first code, which this architecture does not learn."""
        return torch.zeros(self.codebook_size, device=self.head.weight.device)

    def slot_input(self, codes_B: Tensor, slot: int) -> Tensor:
        """Return `[B, 1, C]` for the code in one slot, as `forward` gives it to the transformer."""
        place_C = self.pos_emb.weight[slot] + self.level_emb.weight[slot % self.num_quantizers]
        embedded_BC: Tensor = self.token_emb(codes_B) + place_C
        return embedded_BC.unsqueeze(1)

    def next_logits(self, hidden_BC: Tensor) -> Tensor:
        """Return logits `[B, codebook_size]` of the code after the one that the transformer ended with."""
        logits: Tensor = self.head(self.ln_f(hidden_BC))
        return logits

    def forward(self, codes_BT: Tensor) -> Tensor:
        """Return logits `[B, T, codebook_size]` for the code after each of `[B, T ≤ seq_len]`."""
        positions_T = torch.arange(codes_BT.shape[1], device=codes_BT.device)
        levels_T = positions_T % self.num_quantizers
        hidden_BTC = self.token_emb(codes_BT) + self.pos_emb(positions_T) + self.level_emb(levels_T)
        logits: Tensor = self.head(self.ln_f(self.transformer(self.dropout(hidden_BTC))))
        return logits
