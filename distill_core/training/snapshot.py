"""The parts of a state that all trainings share: weights and random numbers, copied, for training changes them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from distill_core.events import ShouldStop, stop_point
from distill_core.training.loop import Weights


def on_cpu(value: Any, should_stop: ShouldStop) -> Any:
    """Return plain values with their tensors copied to the CPU, for training goes on in the originals.

    Raises:
        Stopped: `should_stop()` turned true.
    """
    if isinstance(value, Tensor):
        stop_point(should_stop)
        return value.detach().to("cpu", copy=True).contiguous()
    if isinstance(value, dict):
        return {key: on_cpu(inner, should_stop) for key, inner in value.items()}
    is_row = isinstance(value, list | tuple)
    return type(value)(on_cpu(inner, should_stop) for inner in value) if is_row else value


def written_once(current: Weights, known: Sequence[Weights]) -> Weights:
    """Return the known weights that equal the current ones, else those: equal ones are written once, a quarter less."""
    for state in known:
        if state and all(torch.equal(value, state[key]) for key, value in current.items()):
            return state
    return current


def random_states(order: Tensor) -> list[Tensor]:
    """Return the states of all generators that training draws from: `order` is one, with torch's and the cards'."""
    states = [order, torch.get_rng_state()]
    return states + (torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [])


def restore_random(order: torch.Generator, states: Sequence[Tensor]) -> None:
    """Set all generators back to `random_states`."""
    order.set_state(states[0])
    torch.set_rng_state(states[1])
    for index, state in enumerate(states[2 : 2 + torch.cuda.device_count()]):
        torch.cuda.set_rng_state(state, index)
