"""A limiter: peaks above full scale are turned down, and nothing else is.

Phases that were estimated add up to peaks that the sound never had. Turning down the whole sound for one of them would
make all of it quieter.
"""

# TorchScript makes no types of `from __future__ import annotations`.
from collections.abc import Iterable, Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional

_REACH_S = 0.01  # in which the gain falls before a peak, and rises after it


class Limiter(nn.Module):
    """A limiter for a sample rate in Hz; no sample that it yields is above full scale.

    The gain is one, but for `reach` samples before and after each sample above full scale, where it falls and rises
    along a Hann window: the least gain within half of it, smoothed by it.
    """

    _window_11T: Tensor

    def __init__(self, sample_rate: int) -> None:
        super().__init__()
        self._half = max(1, round(_REACH_S * sample_rate / 2))
        self.reach = 2 * self._half
        window_T = torch.hann_window(2 * self._half + 3, periodic=False)[1:-1]
        self.register_buffer("_window_11T", (window_T / window_T.sum()).view(1, 1, -1))

    def blocks_of(self, blocks: Iterable[Tensor]) -> Iterator[Tensor]:
        """Yield a sound's blocks `[T]`, each `reach` samples late; they have as many samples together."""
        known_T, behind = torch.zeros(self.reach), self.reach  # of these, what is behind was yielded
        for block_T in blocks:
            known_T = torch.cat([known_T, block_T])
            if len(known_T) > behind + self.reach:
                yield self._limited(known_T)[behind : -self.reach]
                known_T, behind = known_T[-2 * self.reach :], self.reach
        if len(known_T) > behind:
            yield self._limited(functional.pad(known_T, (0, self.reach)))[behind : -self.reach]

    def whole(self, waveform_T: Tensor) -> Tensor:
        """Return a whole sound `[T]` as `blocks_of` yields it."""
        return self._limited(functional.pad(waveform_T, (self.reach, self.reach)))[self.reach : -self.reach]

    def _limited(self, waveform_T: Tensor) -> Tensor:
        if float(waveform_T.abs().max()) <= 1:
            return waveform_T
        loudest_11T = functional.max_pool1d(waveform_T.abs().view(1, 1, -1), self.reach + 1, 1, self._half)
        padded_11T = functional.pad(1 / loudest_11T.clamp(min=1), (self._half, self._half), mode="replicate")
        return waveform_T * functional.conv1d(padded_11T, self._window_11T).view(-1)
