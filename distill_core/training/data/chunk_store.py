"""Chunks of sound, or what was computed of each, out of memory's way: tensors of one shape, read by their numbers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from distill_core.training.data.scratch import Scratch

_Numbers: TypeAlias = NDArray[np.int64]


class Chunks(Protocol):
    """A sequence of chunks, one tensor in memory or many on disk: what is asked for comes as a tensor."""

    @property
    def shape(self) -> torch.Size:
        """The number of chunks, and the shape of each."""

    def __len__(self) -> int:
        """Return the number of chunks."""

    def __getitem__(self, chosen: slice | Tensor) -> Tensor:
        """Return some chunks, as a copy if they are chosen by their numbers."""

    def __iter__(self) -> Iterator[Tensor]:
        """Yield each chunk."""

    def split(self, size: int) -> Iterable[Tensor]:
        """Return the chunks in order, `size` at a time."""


def pieces_of(chunks: Chunks, most: int, size: int) -> Iterator[Tensor]:
    """Yield up to `most` chunks from all over a set, `size` at a time."""
    every = -(-len(chunks) // most)
    return (chunks[start : start + size * every : every] for start in range(0, len(chunks), size * every))


class StoredChunks:
    """Float32 chunks of one shape in a store, in an order of their own."""

    def __init__(self, scratch: Scratch, chunk_shape: tuple[int, ...], numbers_N: _Numbers) -> None:
        self._scratch, self._chunk_shape, self._numbers_N = scratch, chunk_shape, numbers_N

    @classmethod
    def of(cls, parts: Iterable[Tensor]) -> StoredChunks:
        """Store chunks `[n, …]`, some at a time.

        Raises:
            ValueError: there are none.
        """
        scratch, shape, count = Scratch(), None, 0
        for part in parts:
            shape = tuple(part.shape[1:])
            for chunk in part:  # so that none is longer than what memory has room for
                scratch.append(chunk.to(torch.float32).contiguous().numpy().tobytes())
            count += len(part)
        if shape is None:
            raise ValueError("there are no chunks")
        return cls(scratch, shape, np.arange(count))

    @property
    def shape(self) -> torch.Size:
        """The number of chunks, and the shape of each."""
        return torch.Size((len(self), *self._chunk_shape))

    def __len__(self) -> int:
        return len(self._numbers_N)

    def __getitem__(self, chosen: slice | Tensor) -> Tensor:
        numbers = self._numbers_N[chosen if isinstance(chosen, slice) else chosen.numpy()]
        found = torch.empty((len(numbers), *self._chunk_shape))
        for chunk, number in zip(found, numbers.tolist(), strict=True):
            chunk.copy_(self._chunk(number))
        return found

    def __iter__(self) -> Iterator[Tensor]:
        return map(self._chunk, self._numbers_N.tolist())

    def split(self, size: int) -> Iterator[Tensor]:
        """Yield the chunks in order, `size` at a time."""
        return (self[start : start + size] for start in range(0, len(self), size))

    def part(self, numbers_N: Tensor) -> StoredChunks:
        """Return some of the chunks, which stay where they are."""
        return StoredChunks(self._scratch, self._chunk_shape, self._numbers_N[numbers_N.numpy()])

    def _chunk(self, number: int) -> Tensor:
        size = 4 * int(np.prod(self._chunk_shape))
        return torch.frombuffer(self._scratch.read(number * size, size), dtype=torch.float32).view(self._chunk_shape)
