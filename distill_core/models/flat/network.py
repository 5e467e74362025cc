"""The network of the `flat` prior: logits of all codes at once, or of one after another."""

# TorchScript makes no types of `from __future__ import annotations`.
import torch
from torch import Tensor, nn

from distill_core.models.flat.layers import Block, Transformer
from distill_core.models.key_value_cache import KeyValueCache
from distill_core.models.prior import ScriptableDecoder


def in_steps(values_BT: Tensor, bands: int, num_quantizers: int, seq_len: int) -> Tensor:
    """Return `[B, W, H, Q]` of values second by second, within a second band by band, level inside position."""
    steps = min(values_BT.shape[1], seq_len) // (bands * num_quantizers)
    chunks_BNHWQ: Tensor = values_BT.unflatten(1, (-1, bands, steps, num_quantizers))
    return chunks_BNHWQ.transpose(2, 3).flatten(1, 2)


class FlatNetwork(nn.Module):
    """A causal transformer over the codes of one second."""

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
        # Unused here, but the ancestor expects it in the file.
        self.register_buffer("causal_mask", torch.ones(seq_len, seq_len, dtype=torch.bool).triu(1))

    def start_logits(self) -> Tensor:
        """Return equal logits `[codebook_size]`: this architecture does not learn the first code."""
        return torch.zeros(self.codebook_size, device=self.head.weight.device)

    def inputs(self, codes_BT: Tensor, first: int = 0) -> Tensor:
        """Return the transformer's inputs `[B, T, C]` for codes in the slots from `first` on."""
        slots_T = torch.arange(first, first + codes_BT.shape[1], device=codes_BT.device)
        embedded: Tensor = self.token_emb(codes_BT) + self.pos_emb(slots_T)
        placed: Tensor = embedded + self.level_emb(slots_T % self.num_quantizers)
        return placed

    def next_logits(self, hidden_BC: Tensor) -> Tensor:
        """Return logits `[B, codebook_size]` of the next code, from the transformer's last output."""
        logits: Tensor = self.head(self.ln_f(hidden_BC))
        return logits

    def forward(self, codes_BT: Tensor) -> Tensor:
        """Return logits `[B, T, codebook_size]` for the code after each of `[B, T ≤ seq_len]`."""
        logits: Tensor = self.head(self.ln_f(self.transformer(self.dropout(self.inputs(codes_BT)))))
        return logits


class FlatDecoder(ScriptableDecoder):
    """The decoder of a `FlatNetwork`, context after context: none knows of the one before."""

    def __init__(self, prior: FlatNetwork) -> None:
        super().__init__()
        self._prior, self._cache = prior, KeyValueCache()
        self._head_dim = prior.hidden_size // prior.num_heads
        self._fed = 0  # the index of the code after those that are in the cache

    def begin(self, batch: int) -> None:
        """Begin `batch` new sounds; see `ScriptableDecoder.begin`."""
        shape = [batch, self._prior.num_heads, self._prior.seq_len, self._head_dim]
        self._cache.take_memory(self._prior.head.weight, self._prior.num_layers, shape)
        self._fed = 0

    def logits(self, codes_BT: Tensor, index: int) -> Tensor:
        """Return logits `[B, K]` of the code at `index` given those of its context before it."""
        begin = index - index % self._prior.seq_len
        if index == begin:
            return self._prior.start_logits().expand(len(codes_BT), -1)
        first = index - 1 if self._fed == index - 1 and index - 1 > begin else begin
        hidden_BTC = self._prior.inputs(codes_BT[:, first:index], first - begin)
        for layer, block in enumerate(self._prior.transformer.layers):
            assert isinstance(block, Block)
            found = self._cache.attend(layer, first - begin, *block.project(hidden_BTC))
            hidden_BTC = block.finish(hidden_BTC, found)
        self._fed = index
        return self._prior.next_logits(hidden_BTC[:, -1])

    def in_steps(self, codes_BT: Tensor, bands: int) -> Tensor:
        """Return `[B, W, H, Q]`."""
        return in_steps(codes_BT, bands, self._prior.num_quantizers, self._prior.seq_len)
