"""Values as JSON beside their tensors, so that nothing that another process sends is unpickled."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

_TENSOR, _DICT, _TUPLE, _LIST, _BYTES = "tensor", "dict", "tuple", "list", "bytes"


def taken_apart(value: Any, tensors: list[Tensor]) -> Any:
    """Return a value as JSON can hold it; its tensors are added to a list, and their places name them."""
    import torch

    match value:
        case torch.Tensor():
            tensors.append(value.detach().cpu().contiguous())
            return [_TENSOR, len(tensors) - 1, str(value.dtype).removeprefix("torch."), list(value.shape)]
        case dict():
            pairs = [[taken_apart(key, tensors), taken_apart(inner, tensors)] for key, inner in value.items()]
            return [_DICT, pairs]
        case tuple() | list():
            inner = [taken_apart(each, tensors) for each in value]
            return [_TUPLE if isinstance(value, tuple) else _LIST, inner]
        case bytes():
            return [_BYTES, value.decode("latin-1")]
        case None | bool() | int() | float() | str():
            return value
    raise TypeError(f"a {type(value).__name__} cannot be sent to other ranks")


def put_together(plain: Any, tensors: Sequence[Tensor]) -> Any:
    """Return the value that `taken_apart` made plain."""
    if not isinstance(plain, list):
        return plain
    kind, inner = plain[:2]
    if kind == _TENSOR:
        return tensors[inner]
    if kind == _BYTES:
        return str(inner).encode("latin-1")
    if kind == _DICT:
        return {put_together(key, tensors): put_together(each, tensors) for key, each in inner}
    found = [put_together(each, tensors) for each in inner]
    return tuple(found) if kind == _TUPLE else found


def empty_tensors(plain: Any) -> Iterator[tuple[int, Tensor]]:
    """Yield the number of each tensor in a plain value, and a tensor of its shape and type to receive into."""
    import torch

    if isinstance(plain, list):
        if plain[0] == _TENSOR:
            _, number, dtype, shape = plain
            yield number, torch.empty(shape, dtype=getattr(torch, dtype))
        else:
            for inner in plain[1]:
                for each in inner if plain[0] == _DICT else (inner,):
                    yield from empty_tensors(each)
