"""Whether the state of an optimizer and its schedule fits fresh ones: torch takes any, and fails in a later step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor
from torch.optim import AdamW, Optimizer
from torch.optim.lr_scheduler import LambdaLR

from distill_core.training.prior.muon import Muon
from distill_core.training.prior.optimizers import JointOptimizer
from distill_core.training.run_folder.format import is_count, is_within, require

_MOMENTS: dict[type[Optimizer], set[str]] = {AdamW: {"step", "exp_avg", "exp_avg_sq"}, Muon: {"momentum_buffer"}}
_NUMBERS = {"lr", "initial_lr", "betas", "eps", "weight_decay"}
_LARGEST_DECAY, _MOST_STEPS = 1e6, 10**15


def _is_rate(value: object, most: float) -> bool:
    """Tell whether a learning rate is one that a schedule, which only lowers it, can have reached."""
    return is_within(value, 0, most * (1 + 1e-9))


def _check_group(group: Mapping[str, Any], own: Mapping[str, Any]) -> None:
    """Check the settings of a group; flags may be missing, which other versions of torch do not know."""
    require(set(own) & _NUMBERS <= set(group) <= set(own))
    flags = set(group) - _NUMBERS
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


def check_optimizer(optimizer: JointOptimizer, states: Sequence[Mapping[str, Any]]) -> None:
    """Check that states are those of such an optimizer; after a roll-back they have no moments.

    Raises:
        ModelFileError: they are not.
    """
    require(len(states) == len(optimizer.parts))
    for part, state in zip(optimizer.parts, states, strict=True):
        groups = part.state_dict()["param_groups"]
        require(len(state["param_groups"]) == len(groups))
        for group, own in zip(state["param_groups"], groups, strict=True):
            _check_group(group, own)
        weights = [weight for group in part.param_groups for weight in group["params"]]
        for number, moments in state["state"].items():
            require(is_count(number, 0, len(weights) - 1))
            _check_moments(moments, _MOMENTS[type(part)], weights[number])


def check_schedule(schedule: LambdaLR, state: Mapping[str, Any]) -> None:
    """Check that a state is one of such a schedule.

    Raises:
        ModelFileError: it is not.
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
