"""The processor that computes, and its threads."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from distill_core.distributed import local_ranks
from distill_core.errors import ConfigError

if TYPE_CHECKING:
    import torch

# OpenMP reads this once, when torch is imported. By default its threads spin while they wait, which made training
# 2.5 times slower on a busy laptop.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

_trainings: list[None] = []  # one entry for each training under way
DEVICE_NAMES = ("auto", "cpu", "cuda", "mps")


def training_threads() -> int:
    """Return the number of threads for training: all cores but one, which the window keeps, or this rank's part."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, cores - 1 if local_ranks() == 1 else cores // local_ranks())


@contextmanager
def using_training_threads() -> Iterator[None]:
    """Have the calling thread train with its number of threads, which nobody changes meanwhile."""
    import torch

    _trainings.append(None)
    torch.set_num_threads(training_threads())
    try:
        yield
    finally:
        _trainings.pop()


def use_one_thread() -> None:
    """Have the calling thread compute alone, as small operations are fastest; a training under way goes before.

    MKL has one number of threads for the whole process, so a listener would change the rounding of a training.
    """
    import torch

    if not _trainings:
        torch.set_num_threads(1)


def resolve_device(name: str) -> torch.device:
    """Return the device that "auto", "cpu", "cuda" or "mps" stands for.

    Raises:
        ConfigError: the name is unknown, or this computer has no such device.
    """
    import torch

    if name not in DEVICE_NAMES:
        raise ConfigError("device", f"There is no device called “{name}”.", f"Choose one of {', '.join(DEVICE_NAMES)}.")
    present = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        return torch.device(next(kind for kind, is_present in present.items() if is_present))
    if not present[name]:
        raise ConfigError("device", f"This computer has no “{name}” device.", "Choose “auto” or “cpu”.")
    return torch.device(name)


def describe_device(device: torch.device) -> str:
    """Return the device's name as a person knows it."""
    import torch

    if device.type == "cuda":
        return str(torch.cuda.get_device_name(device))
    return {"mps": "Apple GPU"}.get(device.type, f"CPU, {training_threads()} thread{'s' * (training_threads() > 1)}")
