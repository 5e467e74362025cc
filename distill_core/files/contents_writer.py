"""Plain values and tensors to a list of contents (`data.pkl`), in the opcodes that `pickle_opcodes` reads.

The bytes are those of `torch.save`, but tensors need not be built: `TensorFacts` are written as the tensors that they
describe.
"""

from __future__ import annotations

import struct
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

import torch
from torch import Tensor
from torch.nn import Parameter

from distill_core.files.pickle_opcodes import MAX_DEPTH
from distill_core.files.tensor_facts import DTYPES, StorageFacts, TensorFacts

Storage: TypeAlias = torch.UntypedStorage | StorageFacts

_STORAGES = {dtype: name for name, dtype in DTYPES.items()}
_TENSOR, _PARAMETER = "torch._utils _rebuild_tensor_v2", "torch._utils _rebuild_parameter"
_TUPLES = (b")", b"\x85", b"\x86", b"\x87")
_DEEPEST = 2 * MAX_DEPTH  # far below Python's own limit; the reader refuses less
_BATCH = 1000  # items that one opcode takes, as in Python's own writer


class _Writer:
    def __init__(self) -> None:
        self.out = bytearray(b"\x80\x02")
        self.storages: list[Storage] = []
        self._places: dict[object, int] = {}  # of written values, by their identities
        self._kept: list[object] = []  # alive, so that no identity is given twice
        self._keys: dict[object, str] = {}
        self._depth = 0

    def write(self, value: Any) -> None:
        if value is None:
            self.out += b"N"
        elif (kind := type(value)) is bool:
            self.out += b"\x88" if value else b"\x89"
        elif kind is int:
            self._integer(value)
        elif kind is float:
            self.out += struct.pack(">cd", b"G", value)
        elif not self._recalled(id(value)):
            self._depth += 1
            if self._depth > _DEEPEST:
                raise ValueError("the values are deeper than a model's")
            self._new(value)
            self._depth -= 1

    def _new(self, value: Any) -> None:
        if isinstance(value, Tensor | TensorFacts):
            self._tensor(value)
            self._remember(value)
            return
        write = _KINDS.get(type(value))
        if write is None:
            raise TypeError(f"a model holds no {type(value).__name__}")
        write(self, value)

    def _recalled(self, identity: object) -> bool:
        place = self._places.get(identity)
        if place is not None:
            self.out += struct.pack("<cB", b"h", place) if place < 256 else struct.pack("<cI", b"j", place)
        return place is not None

    def _remember(self, value: object, identity: object = None) -> None:
        place = self._places[identity or id(value)] = len(self._places)
        self._kept.append(value)
        self.out += struct.pack("<cB", b"q", place) if place < 256 else struct.pack("<cI", b"r", place)

    def _integer(self, value: int) -> None:
        if 0 <= value < 2**8:
            self.out += struct.pack("<cB", b"K", value)
        elif 0 <= value < 2**16:
            self.out += struct.pack("<cH", b"M", value)
        elif -(2**31) <= value < 2**31:
            self.out += struct.pack("<ci", b"J", value)
        else:
            size = max(value, ~value).bit_length() // 8 + 1
            self.out += struct.pack("<cB", b"\x8a", size) + value.to_bytes(size, "little", signed=True)

    def put_text(self, value: str) -> None:
        encoded = value.encode("utf-8", "surrogatepass")
        self.out += struct.pack("<cI", b"X", len(encoded)) + encoded
        self._remember(value)

    def put_tuple(self, value: tuple[Any, ...]) -> None:
        self._tuple(value)
        if value:
            self._remember(value)

    def _tuple(self, items: tuple[Any, ...]) -> None:
        if len(items) >= len(_TUPLES):
            self.out += b"("
        for item in items:
            self.write(item)
        self.out += _TUPLES[len(items)] if len(items) < len(_TUPLES) else b"t"

    def put_list(self, value: list[Any]) -> None:
        self.out += b"]"
        self._remember(value)
        self._batches(value, self.write, b"a", b"e")

    def put_dict(self, value: dict[Any, Any]) -> None:
        self.out += b"}"
        self._remember(value)
        self._batches([*value.items()], self._item, b"s", b"u")

    def put_ordered(self, value: OrderedDict[Any, Any]) -> None:
        self._empty_ordered()
        self._remember(value)
        self._batches([*value.items()], self._item, b"s", b"u")
        if state := vars(value):  # torch keeps versions of modules there
            self.write(state)
            self.out += b"b"

    def _item(self, item: tuple[Any, Any]) -> None:
        for part in item:
            self.write(part)

    def _batches(self, items: Sequence[Any], write: Callable[[Any], None], one: bytes, many: bytes) -> None:
        for start in range(0, len(items), _BATCH):
            batch = items[start : start + _BATCH]
            if len(batch) > 1:
                self.out += b"("
            for item in batch:
                write(item)
            self.out += many if len(batch) > 1 else one

    def _global(self, name: str) -> None:
        if not self._recalled(("global", name)):
            self.out += b"c" + name.replace(" ", "\n").encode() + b"\n"
            self._remember(None, ("global", name))

    def _empty_ordered(self) -> None:
        self._global("collections OrderedDict")
        self.out += b")R"

    def _no_hooks(self) -> None:
        self._empty_ordered()
        self._remember(object())

    def _reduce(self, tuple_opcode: bytes, opcode: bytes = b"R") -> None:
        """Close a tuple, and hand it to the item below it on the stack."""
        self.out += tuple_opcode
        self._remember(object())
        self.out += opcode

    def _tensor(self, tensor: Tensor | TensorFacts) -> None:
        if isinstance(tensor, Parameter):
            self._parameter(tensor.data, tensor.requires_grad)
        elif isinstance(tensor, TensorFacts) and tensor.parameter is not None:
            self._parameter(replace(tensor, parameter=None), tensor.parameter)
        else:
            self._plain_tensor(tensor)

    def _parameter(self, tensor: Tensor | TensorFacts, gradient: bool) -> None:
        self._global(_PARAMETER)
        self._new(tensor)
        self.write(gradient)
        self._no_hooks()
        self._reduce(b"\x87")

    def _plain_tensor(self, tensor: Tensor | TensorFacts) -> None:
        self._global(_TENSOR)
        self.out += b"("
        if isinstance(tensor, TensorFacts):
            self._storage(tensor.storage, tensor.storage, tensor.dtype, tensor.storage.numel)
            places = (tensor.offset, tensor.shape, tensor.stride)
        else:
            _check_tensor(tensor)
            storage = tensor.untyped_storage()
            self._storage(storage, storage._cdata, tensor.dtype, storage.nbytes() // tensor.itemsize)
            places = (int(tensor.storage_offset()), tuple(tensor.shape), tensor.stride())
        for place in (*places, tensor.requires_grad):
            self.write(place)
        self._no_hooks()
        self._reduce(b"t")

    def _storage(self, storage: Storage, identity: object, dtype: torch.dtype, numel: int) -> None:
        if identity not in self._keys:
            self._keys[identity] = str(len(self.storages))
            self.storages.append(storage)
        self.out += b"("
        self.write("storage")
        self._global(_STORAGES[dtype])
        self.write(self._keys[identity])
        self.write("cpu")
        self.write(numel)
        self._reduce(b"t", b"Q")


_KINDS: dict[type, Callable[[_Writer, Any], None]] = {
    str: _Writer.put_text,
    tuple: _Writer.put_tuple,
    list: _Writer.put_list,
    dict: _Writer.put_dict,
    OrderedDict: _Writer.put_ordered,
}


def _check_tensor(tensor: Tensor) -> None:
    if tensor.layout is not torch.strided or tensor.is_quantized or tensor.is_meta or tensor.is_neg():
        raise TypeError("a model holds plain tensors only")
    if tensor.dtype not in _STORAGES:
        raise TypeError(f"a model holds no {tensor.dtype}")


def write_contents(value: Any) -> tuple[bytes, list[Storage]]:
    """Return the bytes of a `data.pkl`, and the storages in the order of their keys, which count from "0".

    Raises:
        TypeError, ValueError: a value of a kind that models do not hold.
    """
    writer = _Writer()
    writer.write(value)
    return bytes(writer.out + b"."), writer.storages
