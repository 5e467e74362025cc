"""Stop points within an optimizer step: a step that is stopped changes nothing, and the network's code has no part.

A step of a network 512 wide and 6 deep takes seconds; the time from one stop point to the next is that of one matrix.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import torch
from torch import nn
from torch.optim import Optimizer

from distill_core.events import ShouldStop, Stopped, never, stop_point


@contextmanager
def stopping_inside(network: nn.Module, should_stop: ShouldStop) -> Iterator[None]:
    """Ask `should_stop()` around each module's forward pass, and after each parameter's gradient in a backward one.

    It costs about two microseconds each time, and changes no number.

    Raises:
        Stopped: `should_stop()` turned true; some parameters may have gradients.
    """

    def ask(*_: object) -> None:
        stop_point(should_stop)

    with ExitStack() as hooks:
        if should_stop is not never:
            for module in network.modules():
                hooks.enter_context(module.register_forward_pre_hook(ask))
                hooks.enter_context(module.register_forward_hook(ask))
            for parameter in network.parameters():
                if parameter.requires_grad:
                    hooks.enter_context(parameter.register_post_accumulate_grad_hook(ask))
        yield


@contextmanager
def all_or_nothing(optimizer: Optimizer, device: torch.device) -> Iterator[Callable[[], None]]:
    """Undo an optimizer step that is stopped: no gradients stay, and the next step draws the same random numbers.

    Yield the function that undoes it, for a step that is taken once more.
    """
    drawn, is_cuda = torch.get_rng_state(), device.type == "cuda"
    drawn_there = torch.cuda.get_rng_state(device) if is_cuda else None

    def undo() -> None:
        optimizer.zero_grad(set_to_none=True)
        torch.set_rng_state(drawn)
        if drawn_there is not None:
            torch.cuda.set_rng_state(drawn_there, device)

    try:
        yield undo
    except Stopped:
        undo()
        raise
