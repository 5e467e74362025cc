"""Files whose list of contents describes tensors that do not fit their data."""

from __future__ import annotations

import struct
from collections.abc import Callable

from tests.soak.specimen import Specimen, text

_HOOKS = b"ccollections\nOrderedDict\n)R"


def _number(value: int) -> bytes:
    if -(2**31) <= value < 2**31:
        return b"J" + struct.pack("<i", value)
    return b"\x8a\x09" + value.to_bytes(9, "little", signed=True)


def _numbers(values: tuple[int, ...]) -> bytes:
    return b"(" + b"".join(_number(value) for value in values) + b"t"


def _storage(kind: str = "FloatStorage", key: str = "0", numel: int = 288) -> bytes:
    return (
        b"(" + text("storage") + b"ctorch\n" + kind.encode() + b"\n" + text(key) + text("cpu") + _number(numel) + b"tQ"
    )


def _tensor(
    shape: tuple[int, ...] = (288,),
    stride: tuple[int, ...] = (1,),
    offset: int = 0,
    storage: bytes | None = None,
    gradient: bytes = b"\x89",
    hooks: bytes = _HOOKS,
) -> bytes:
    arguments = (storage or _storage()) + _number(offset) + _numbers(shape) + _numbers(stride) + gradient + hooks
    return b"ctorch._utils\n_rebuild_tensor_v2\n(" + arguments + b"tR"


def tensor_attacks(specimen: Specimen) -> dict[str, Callable[[], bytes]]:
    """Return makers of files by name; `data/0` holds the 288 floats of the first convolution."""
    if len(specimen.records["data/0"]) != 4 * 288:
        raise ValueError("the specimen's first record is not what these attacks take it for")
    hook = b"ccollections\nOrderedDict\n)R" + text("x") + b"Ns"
    described = {
        "a size below zero": _tensor(shape=(-1,)),
        "two sizes below zero": _tensor(shape=(-2, -2), stride=(1, 1)),
        "a stride below zero": _tensor(stride=(-1,)),
        "an offset below zero": _tensor(offset=-1),
        "an offset beyond the data": _tensor(offset=1),
        "an offset of 64 bits": _tensor(offset=2**63),
        "a size beyond the data": _tensor(shape=(289,)),
        "a size of 64 bits": _tensor(shape=(2**63,)),
        "a product that overflows": _tensor(shape=(2**32, 2**32), stride=(1, 1)),
        "a product that overflows to nothing": _tensor(shape=(2**39, 2**39, 0), stride=(1, 1, 1)),
        "a stride beyond the data": _tensor(shape=(2,), stride=(288,)),
        "a stride of 64 bits": _tensor(shape=(2,), stride=(2**62,)),
        "more sizes than strides": _tensor(shape=(2, 2)),
        "a hundred dimensions": _tensor(shape=(1,) * 100, stride=(1,) * 100),
        "stride 0": _tensor(shape=(288,), stride=(0,)),
        "a size that is a text": _tensor().replace(_numbers((288,)), b"(" + text("288") + b"t"),
        "a size that is a list": _tensor().replace(_numbers((288,)), b"](" + _number(288) + b"e"),
        "a storage longer than its record": _tensor(storage=_storage(numel=289)),
        "a storage of 64 bits": _tensor(storage=_storage(numel=2**62)),
        "a storage below zero": _tensor(storage=_storage(numel=-1)),
        "a storage of another kind": _tensor(storage=_storage(kind="IntStorage")),
        "a storage of complex numbers": _tensor(storage=_storage(kind="ComplexFloatStorage", numel=144)),
        "a storage without a kind": _tensor(storage=_storage(kind="UntypedStorage")),
        "a storage that climbs out": _tensor(storage=_storage(key="../data.pkl")),
        "a storage that is the list of contents": _tensor(storage=_storage(key="../../archive/data.pkl")),
        "a storage that is not there": _tensor(storage=_storage(key="9999")),
        "a storage that is a text": _tensor(storage=text("storage")),
        "a gradient that is a text": _tensor(gradient=text("yes")),
        "hooks": _tensor(hooks=hook),
        "hooks that are a list": _tensor(hooks=b"]"),
        "twenty thousand tensors of one storage": b"](" + _tensor() * 20_000 + b"e",
    }
    return {name: (lambda value=value: specimen.with_value("extra", value)) for name, value in described.items()}
