"""How far a run came: its whole epochs, the best of them, and the part of the next one that is done."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from distill_core.errors import ModelFileError
from distill_core.training.run_folder.checks import is_count, require
from distill_core.training.run_folder.facts import NO_BEST, NO_BEST_HINT

UNDER_WAY = "under_way"  # the key of the part of the next epoch that is done, empty between two epochs
_MOST_EPOCHS, _MOST_STEPS = 1_000_000, 10**12


def part_of(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the part of the next epoch that is done, empty between two epochs and in older versions."""
    part: Mapping[str, Any] = values.get(UNDER_WAY, {})
    return part


def has_best(values: Mapping[str, Any]) -> bool:
    """Tell whether an epoch is finished, and so the best one so far known."""
    return bool(values["best_epoch"] != 0)


def last_epoch(values: Mapping[str, Any]) -> int:
    """Return the last whole epoch, 0 without one."""
    return int(values["history"][-1]["epoch"]) if values["history"] else 0


def require_best(values: Mapping[str, Any]) -> None:
    """Refuse to take the best of a run that has none.

    Raises:
        ModelFileError: no epoch is finished.
    """
    if not has_best(values):
        raise ModelFileError(NO_BEST, NO_BEST_HINT)


def _check_part(part: Mapping[str, Any], last: int) -> None:
    require(is_count(part.get("total_epochs"), 1, _MOST_EPOCHS))
    require(is_count(part.get("epoch"), last + 1, part["total_epochs"]))
    require(is_count(part.get("steps"), 1, _MOST_STEPS) and is_count(part.get("step"), 1, part["steps"]))


def check_epochs(values: Mapping[str, Any]) -> None:
    """Check that the epochs come in order, that the best is one of them, and that what is under way comes then.

    Where no epoch is finished yet, one is under way. Errors of other types than the checks' are those of damage, too.

    Raises:
        ModelFileError: it is not so.
    """
    last = 0
    for metrics in values["history"]:
        require(isinstance(metrics, dict) and all(isinstance(name, str) for name in metrics))
        require(is_count(metrics.get("total_epochs"), 1, _MOST_EPOCHS))
        require(is_count(metrics.get("epoch"), last + 1, metrics["total_epochs"]))
        last = metrics["epoch"]
    if part := part_of(values):
        _check_part(part, last)
    require(bool(values["history"] or part))
    epochs = [metrics["epoch"] for metrics in values["history"]]
    require(values["best_epoch"] in (epochs or [0]))


def reached_facts(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of `UnfinishedRun` that tell how far it came, of values that passed `check_epochs`."""
    part = part_of(values)
    return {
        "epoch": last_epoch(values),
        "total_epochs": (part or values["history"][-1])["total_epochs"],
        "best_epoch": values["best_epoch"],
        "under_way": part.get("epoch", 0),
        "share": part["step"] / part["steps"] if part else 0.0,
    }
