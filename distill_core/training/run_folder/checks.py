"""Checks of values in a run's file, and the errors of those that do not fit; they know none of its keys."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from distill_core.errors import ConfigError, ModelFileError
from distill_core.memory import is_short_of_memory

KeyTypes = dict[str, type | tuple[type, ...]]


class NewerRunError(ModelFileError):
    """The error of a run's state that a newer Distill made; `model` is the path of its model, empty if unreadable."""

    model = Path()


def newer_run(values: Mapping[str, Any]) -> NewerRunError:
    """Return the error of a run's state that only a newer Distill can read."""
    error = NewerRunError(
        "The unfinished training was made by a newer Distill; nothing was changed.",
        "Please update Distill. A training afresh leaves it as it is.",
    )
    path = values.get("model_path")
    error.model = Path(path if isinstance(path, str) else "")
    return error


def damaged_run() -> ModelFileError:
    """Return the error of a run whose file is of this format, but damaged."""
    return ModelFileError(
        "The unfinished training can't be read: its file is damaged.",
        "Train afresh; distill runs lists it, and discards it.",
    )


def run_is_gone() -> ModelFileError:
    """Return the error of a run that was to be gone on with, and that was discarded or saved meanwhile."""
    return ModelFileError(
        "This training can't go on: what it reached is no longer on disk; nothing was changed.",
        "Save the prior that it found, or train afresh.",
    )


@contextmanager
def reading_a_run() -> Iterator[None]:
    """Turn each error that an unfit value of a run's state leads to into one sentence; nothing else belongs inside.

    Raises:
        ModelFileError: the run is damaged.
    """
    try:
        yield
    except (ArithmeticError, LookupError, RuntimeError, TypeError, ValueError, AttributeError, ConfigError) as error:
        if is_short_of_memory(error):
            raise
        raise damaged_run() from error


def require(holds: bool) -> None:
    """Refuse a run as damaged unless a condition `holds`.

    Raises:
        ModelFileError: it does not.
    """
    if not holds:
        raise damaged_run()


def is_within(value: object, least: float, most: float) -> bool:
    """Tell whether a value is a number from `least` to `most`; NaN, infinity, True and False are none."""
    return isinstance(value, int | float) and not isinstance(value, bool) and least <= value <= most


def is_count(value: object, least: int, most: int) -> bool:
    """Tell whether a value is a whole number from `least` to `most`."""
    return type(value) is int and least <= value <= most


def are_finite(value: Any) -> bool:
    """Tell whether every number in plain values and tensors is finite; tensors that are only described are skipped."""
    if isinstance(value, Tensor):
        # NaN becomes the least and the greatest number: many times faster than a mask of all numbers.
        is_empty = not value.is_floating_point() or not value.numel()
        return is_empty or bool(torch.isfinite(torch.stack(torch.aminmax(value))).all())
    if isinstance(value, Mapping):
        return all(map(are_finite, value.values()))
    if isinstance(value, list | tuple):
        return all(map(are_finite, value))
    return not isinstance(value, float) or math.isfinite(value)


def has_keys(values: Mapping[str, Any], keys: KeyTypes) -> bool:
    """Tell whether values have all keys, with values of their types."""
    return all(isinstance(values.get(key), kind) for key, kind in keys.items())
