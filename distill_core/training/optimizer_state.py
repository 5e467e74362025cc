"""The states of optimizers and schedules: the same for all devices, and checked.

torch loads any state, and fails in a later optimizer step.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from torch import Tensor, nn
from torch.optim import AdamW, Optimizer
from torch.optim.lr_scheduler import LambdaLR

from distill_core.training.run_folder.checks import are_finite, is_count, is_within, require

Moments: TypeAlias = Mapping[type[Optimizer], set[str]]
ADAM_MOMENTS: Moments = {AdamW: {"step", "exp_avg", "exp_avg_sq"}}
_NUMBERS = {"lr", "initial_lr", "betas", "eps", "weight_decay"}
_OF_THE_DEVICE = {"fused"}  # how a device computes: no part of a state, for a run goes on on another device
_BETAS = (0.9, 0.999)
_LARGEST, _LARGEST_DECAY, _MOST_STEPS = 1e12, 1e6, 10**15


def adam_w(weights: list[nn.Parameter], rate: float, weight_decay: float, betas: tuple[float, float] = _BETAS) -> AdamW:
    """Return AdamW as it is fastest on the weights' device; on a graphics card it is one kernel for all weights."""
    fused = True if weights and weights[0].is_cuda else None
    return AdamW(weights, lr=rate, weight_decay=weight_decay, betas=betas, fused=fused)


def portable_state(optimizer: Optimizer) -> dict[str, Any]:
    """Return an optimizer's state without what its device has made of it."""
    state = optimizer.state_dict()
    groups = [{**group, **dict.fromkeys(_OF_THE_DEVICE & set(group))} for group in state["param_groups"]]
    return {**state, "param_groups": groups}


def load_state(optimizer: Optimizer, state: Mapping[str, Any]) -> None:
    """Set an optimizer to a state of any device; it goes on as its own device computes."""
    own = optimizer.state_dict()["param_groups"]
    groups = [
        {**group, **{key: ours[key] for key in _OF_THE_DEVICE & set(ours)}}
        for group, ours in zip(state["param_groups"], own, strict=True)
    ]
    optimizer.load_state_dict({**state, "param_groups": groups})


def _is_rate(value: object, most: float) -> bool:
    """Tell whether a learning rate is within the `most` that a schedule starts from, and only lowers."""
    return is_within(value, 0, most * (1 + 1e-9))


def _check_group(group: Mapping[str, Any], own: Mapping[str, Any]) -> None:
    """Check the settings of a parameter group; a flag that not every version of torch knows may be missing."""
    require(set(own) & _NUMBERS <= set(group) <= set(own))
    flags = set(group) - _NUMBERS - _OF_THE_DEVICE
    require("params" in flags and all(group[key] == own[key] for key in flags))
    require(all(_is_rate(group[key], own["initial_lr"]) for key in ("lr", "initial_lr")))
    require(is_within(group["weight_decay"], 0, _LARGEST_DECAY))
    if "betas" in own:
        require(len(group["betas"]) == 2 and all(is_within(beta, 0, 1) and beta < 1 for beta in group["betas"]))
        require(is_within(group["eps"], 0, 1) and group["eps"] > 0)


def _check_moments(moments: Mapping[str, Any], names: set[str], weight: Tensor) -> None:
    require(set(moments) == names and all(isinstance(moment, Tensor) for moment in moments.values()))
    for name, moment in moments.items():
        require(moment.shape == (() if name == "step" else weight.shape) and moment.is_floating_point())
    if "step" in names:
        require(moments["step"].item() >= 0)


def check_optimizers(
    optimizers: Sequence[Optimizer], states: Sequence[Mapping[str, Any]], moments: Moments = ADAM_MOMENTS
) -> None:
    """Check that the states fit the optimizers; after a roll-back they have no moments.

    `moments` names the moments of each class of optimizer.

    Raises:
        ModelFileError: a state does not fit.
    """
    require(len(states) == len(optimizers))
    for optimizer, state in zip(optimizers, states, strict=True):
        groups = optimizer.state_dict()["param_groups"]
        require(len(state["param_groups"]) == len(groups))
        for group, own in zip(state["param_groups"], groups, strict=True):
            _check_group(group, own)
        weights = [weight for group in optimizer.param_groups for weight in group["params"]]
        for number, values in state["state"].items():
            require(is_count(number, 0, len(weights) - 1))
            _check_moments(values, moments[type(optimizer)], weights[number])


def check_optimizer_numbers(states: Sequence[Mapping[str, Any]]) -> None:
    """Check the numbers in states of any optimizers: the root of a variance below zero makes every weight NaN.

    Raises:
        ModelFileError: a number is out of range.
    """
    require(are_finite(states))
    for state in states:
        require(all(is_within(group["lr"], 0, _LARGEST) for group in state["param_groups"]))
        variances = [moments["exp_avg_sq"] for moments in state["state"].values() if "exp_avg_sq" in moments]
        require(all(bool((variance >= 0).all()) for variance in variances))


def check_schedule_numbers(schedule: Mapping[str, Any]) -> None:
    """Check the numbers in the state of any schedule.

    Raises:
        ModelFileError: a number is out of range.
    """
    require(bool(schedule) and are_finite(schedule))
    require(all(is_within(rate, 0, _LARGEST) for rate in schedule["base_lrs"]))
    require(is_count(schedule["last_epoch"], 0, _MOST_STEPS))


def check_schedule(schedule: LambdaLR, state: Mapping[str, Any]) -> None:
    """Check that a state fits a schedule.

    Raises:
        ModelFileError: it does not.
    """
    own = schedule.state_dict()
    require({"base_lrs", "last_epoch", "_step_count", "_last_lr"} <= set(state) <= set(own))
    for rates in (state["base_lrs"], state["_last_lr"]):
        require(isinstance(rates, list) and len(rates) == len(own["base_lrs"]))
        require(all(map(_is_rate, rates, own["base_lrs"])))
    require(all(is_count(state[key], 0, _MOST_STEPS) for key in ("last_epoch", "_step_count")))
    others = set(state) - {"base_lrs", "last_epoch", "_step_count", "_last_lr"}
    require(all(type(state[key]) is type(own[key]) for key in others))
    require(state.get("lr_lambdas", own["lr_lambdas"]) == own["lr_lambdas"])
