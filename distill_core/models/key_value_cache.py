"""Keys and values of a transformer's layers, kept from one step of decoding to the next."""

# TorchScript makes no types of `from __future__ import annotations`.
from torch import Tensor, nn
from torch.nn import functional


class KeyValueCache(nn.Module):
    """Keys and values `[B, heads, slots, D]` of all layers, in memory that is taken once."""

    _keys: list[Tensor]
    _values: list[Tensor]

    def __init__(self) -> None:
        super().__init__()
        self._keys, self._values = [], []

    def take_memory(self, like: Tensor, layers: int, shape: list[int]) -> None:
        """Take memory for `layers` times `shape` = [B, heads, slots, D], of the type and on the device of `like`."""
        self._keys = [like.new_empty(shape) for _ in range(layers)]
        self._values = [like.new_empty(shape) for _ in range(layers)]

    def attend(self, layer: int, slot: int, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Keep a layer's keys and values from `slot` on, and return the queries' attention `[B, heads, length, D]`.

        Several slots at once are causal among each other and begin at slot 0; a single one may be anywhere.
        """
        end, several = slot + key.shape[2], key.shape[2] > 1
        keys, values = self._keys[layer][:, :, :end], self._values[layer][:, :, :end]
        keys[:, :, slot:] = key
        values[:, :, slot:] = value
        return functional.scaled_dot_product_attention(query, keys, values, is_causal=several)
