"""Values that ranks send each other come out as they went in."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from distill_core.messages import empty_tensors, put_together, taken_apart

SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.binary())
KEYS = st.one_of(st.integers(), st.text(), st.booleans())
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner), st.lists(inner).map(tuple), st.dictionaries(KEYS, inner)),
    max_leaves=20,
)


def _sent(value: Any) -> Any:
    tensors: list[torch.Tensor] = []
    plain = json.loads(json.dumps(taken_apart(value, tensors)).encode())
    received = dict(empty_tensors(plain))
    assert sorted(received) == list(range(len(tensors)))
    for number, tensor in enumerate(tensors):
        assert (received[number].shape, received[number].dtype) == (tensor.shape, tensor.dtype)
        received[number].copy_(tensor)
    return put_together(plain, [received[number] for number in range(len(tensors))])


def _is_same(one: Any, other: Any) -> bool:
    if isinstance(one, float) and math.isnan(one):
        return isinstance(other, float) and math.isnan(other)
    if isinstance(one, dict):
        return list(one) == list(other) and all(_is_same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(_is_same, one, other)) and type(one) is type(other)
    return type(one) is type(other) and one == other


@given(VALUES)
def test_plain_values_come_out_as_they_went_in(value: Any) -> None:
    assert _is_same(value, _sent(value))


def test_names_that_no_text_can_hold_do_too() -> None:
    assert _sent("kick\udcff.wav") == "kick\udcff.wav"


def test_tensors_come_out_in_their_places() -> None:
    state = {0: {"step": torch.tensor(3.0), "moment": torch.randn(2, 3).bfloat16()}, "codes": (torch.arange(4), [1])}
    found = _sent(state)
    assert torch.equal(found[0]["step"], state[0]["step"])
    assert torch.equal(found[0]["moment"], state[0]["moment"])
    assert torch.equal(found["codes"][0], torch.arange(4))
    assert found["codes"][1] == [1]


def test_an_object_is_not_sent() -> None:
    with pytest.raises(TypeError, match="cannot be sent"):
        taken_apart(object(), [])
