"""The step-by-step decoding of the `frames` prior."""

# TorchScript makes no types of `from __future__ import annotations`.
import torch
from torch import Tensor

from distill_core.models.frames.layers import TrunkBlock, rope_tables
from distill_core.models.frames.network import FramesNetwork, in_steps
from distill_core.models.key_value_cache import KeyValueCache
from distill_core.models.prior import ScriptableDecoder, never_ending


class FramesDecoder(ScriptableDecoder):
    """The decoder of a `FramesNetwork`, for a sound from its beginning: the trunk once for each position.

    When the context is full, its later half (whole steps) is fed again as the middle of a sound. Codes that are known
    already, such as a prompt's, are fed at once.
    """

    __constants__ = ("learns_end",)

    def __init__(self, prior: FramesNetwork) -> None:
        super().__init__()
        self._prior, self._slots = prior, prior.bands * prior.steps
        self.learns_end = prior.learns_end
        self._head_dim = prior.hidden_size // prior.num_heads
        self._cache = KeyValueCache()
        cos_PD, sin_PD = rope_tables(self._slots, self._head_dim, prior.heads.dtype)
        self._cos_PD, self._sin_PD = cos_PD.to(prior.heads.device), sin_PD.to(prior.heads.device)
        self._first = 0  # the position in slot 0
        self._filled = 0  # the number of slots whose keys and values are known
        self._hidden_BC = torch.empty(0)

    def begin(self, batch: int) -> None:
        """Begin `batch` new sounds; see `ScriptableDecoder.begin`."""
        shape = [batch, self._prior.num_heads, self._slots, self._head_dim]
        self._cache.take_memory(self._prior.heads, self._prior.num_layers, shape)
        self._first, self._filled = 0, 0

    def logits(self, codes_BT: Tensor, index: int) -> Tensor:
        """Return logits `[B, K]` of the code at `index` given those of the window before it."""
        position, level = divmod(index, self._prior.num_quantizers)
        if level == 0:
            self._hidden_BC = self._at_position(codes_BT, position)
        else:
            self._hidden_BC = self._prior.add_code(self._hidden_BC, codes_BT[:, index - 1], level - 1)
        return self._prior.one_level_logits(self._hidden_BC, level)

    def end_logits(self, codes_BT: Tensor, index: int) -> Tensor:
        """Return the logits `[B]` that the sound ends before `index`, where a step is complete."""
        if self.learns_end:  # a constant: of a prior without ends, TorchScript compiles the other branch alone
            last_BC = self._prior.add_code(self._hidden_BC, codes_BT[:, index - 1], self._prior.num_quantizers - 1)
            return self._prior.end_logits(last_BC)
        else:
            return never_ending(codes_BT)

    def in_steps(self, codes_BT: Tensor, bands: int) -> Tensor:
        """Return `[B, W, H, Q]`."""
        return in_steps(codes_BT, bands, self._prior.num_quantizers)

    def _window_start(self, position: int) -> int:
        """Return the first position of the window that a position is the next of."""
        if position < self._slots:
            return 0
        kept = self._prior.steps // 2 * self._prior.bands
        moved = self._slots - kept
        return (position - kept) // moved * moved

    def _at_position(self, codes_BT: Tensor, position: int) -> Tensor:
        """Return the trunk's output `[B, C]` for a position, given the codes of the window before it."""
        levels, first = self._prior.num_quantizers, self._window_start(position)
        window_BPQ = codes_BT[:, first * levels : position * levels].unflatten(1, (-1, levels))
        slot = window_BPQ.shape[1]
        if first == self._first and slot == self._filled:
            return self._extend(self._prior.slot_input(window_BPQ, slot), slot)
        self._first = first
        begins_B = torch.full((len(window_BPQ),), first == 0, dtype=torch.bool, device=window_BPQ.device)
        return self._extend(self._prior.trunk_input(window_BPQ, slot + 1, begins_B), 0)

    def _extend(self, hidden_BPC: Tensor, slot: int) -> Tensor:
        """Add the inputs from `slot` on to the cache and return the trunk's output `[B, C]` for the last."""
        self._filled = end = slot + hidden_BPC.shape[1]
        cos_PD, sin_PD = self._cos_PD[slot:end], self._sin_PD[slot:end]
        hidden_BPC = self._prior.enter(hidden_BPC)
        for layer, block in enumerate(self._prior.blocks):
            assert isinstance(block, TrunkBlock)
            found = self._cache.attend(layer, slot, *block.project(hidden_BPC, cos_PD, sin_PD))
            hidden_BPC = block.finish(hidden_BPC, found)
        return hidden_BPC[:, -1]
