"""The facts that a file states of its tensors, checked against its bytes before any of them is built."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any, TypeAlias

import torch

from distill_core.files.refusals import require

DTYPES = {
    "torch DoubleStorage": torch.float64,
    "torch FloatStorage": torch.float32,
    "torch HalfStorage": torch.float16,
    "torch BFloat16Storage": torch.bfloat16,
    "torch LongStorage": torch.int64,
    "torch IntStorage": torch.int32,
    "torch ShortStorage": torch.int16,
    "torch CharStorage": torch.int8,
    "torch ByteStorage": torch.uint8,
    "torch BoolStorage": torch.bool,
}
Shape: TypeAlias = tuple[tuple[int, ...], torch.dtype]
MAX_DIMENSIONS = 8
_LARGEST = 2**40
# Two tensors may share all of their numbers; more would let a small file ask for much memory.
MAX_SHARING = 2


@dataclass(frozen=True, slots=True)
class StorageFacts:
    """The facts of a storage, numbers of one type in a row: the record `data/KEY`."""

    key: str
    dtype: torch.dtype
    numel: int


def _are_sizes(values: Any) -> bool:
    return type(values) is tuple and all(type(value) is int and 0 <= value < _LARGEST for value in values)


@dataclass(frozen=True, slots=True)
class TensorFacts:
    """The facts of a tensor that is not built, under the names that a tensor itself has for them.

    `parameter` tells whether a network's `Parameter` has a gradient, None for a tensor that is none.
    """

    storage: StorageFacts
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]
    requires_grad: bool = False
    parameter: bool | None = None

    @classmethod
    def checked(cls, storage: StorageFacts, offset: Any, shape: Any, stride: Any, gradient: bool) -> TensorFacts:
        """Return the facts of a tensor that lies within its storage and has no more numbers than it.

        Raises:
            DamagedFileError: it does not.
        """
        require(_are_sizes(shape) and _are_sizes(stride) and _are_sizes((offset,)), "a tensor's size can't be")
        require(len(shape) == len(stride) <= MAX_DIMENSIONS, "a tensor has too many dimensions")
        # Without zeros, because torch multiplies the sizes before it finds one.
        require(prod(size for size in shape if size) < _LARGEST, "a tensor's size can't be")
        reach = sum((size - 1) * step for size, step in zip(shape, stride, strict=True)) + 1 if all(shape) else 0
        require(offset + reach <= storage.numel, "a tensor is larger than its data")
        repeated = any(size > 1 and step == 0 for size, step in zip(shape, stride, strict=True))
        require(not repeated and prod(shape) <= storage.numel, "a tensor is larger than its data")
        return cls(storage, offset, shape, stride, gradient)

    @property
    def dtype(self) -> torch.dtype:
        """The type of its numbers."""
        return self.storage.dtype

    @property
    def nbytes(self) -> int:
        """The size of its numbers in bytes."""
        return self.numel() * self.dtype.itemsize

    def numel(self) -> int:
        """Return the number of its numbers."""
        return prod(self.shape)


def check_storages(tensors: Iterable[TensorFacts], record_bytes: Mapping[str, int], file_bytes: int) -> None:
    """Check that storages and records match one to one, and that the tensors are not larger than the file.

    Raises:
        DamagedFileError: a storage without a match, or tensors that are larger.
    """
    storages: dict[str, StorageFacts] = {}
    total = 0
    for tensor in tensors:
        storage = storages.setdefault(tensor.storage.key, tensor.storage)
        require(storage == tensor.storage, "one storage is described in two ways")
        total += tensor.nbytes
    described = {key: storage.numel * storage.dtype.itemsize for key, storage in storages.items()}
    require(described == dict(record_bytes), "its data has not the size that its list of contents tells")
    require(total <= MAX_SHARING * file_bytes, "its tensors are larger than the file")


def tensors_in(value: Any) -> Iterator[TensorFacts]:
    """Yield the unbuilt tensors in a file's value, each as often as it is referred to."""
    if isinstance(value, TensorFacts):
        yield value
        return
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()
    for item in inner:
        yield from tensors_in(item)
