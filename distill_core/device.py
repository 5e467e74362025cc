"""The processor that computes, and its threads."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from distill_core.errors import ConfigError, TrainingError
from distill_core.launch import local_ranks

if TYPE_CHECKING:
    import torch

# OpenMP reads this once, when torch is imported. By default its threads spin while they wait, which made training
# 2.5 times slower on a busy laptop.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
# So is this: what an Apple GPU can't compute yet, the processor does.
os.environ.setdefault("PYTORCH_ENABLE_MPS_FALLBACK", "1")

_OF_A_CARD = re.compile(r"CUDA|cuDNN|CUDNN_|CUBLAS_|\bMPS\b|\bmps\b|no kernel image")
_LONGEST_REASON = 200
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


def _has_cuda() -> tuple[bool, str]:
    """Return whether torch can use an NVIDIA card, and if not, why: a driver that is too old, say."""
    import torch

    if torch.version.cuda is None:
        return False, "the installed torch is the one without NVIDIA's CUDA"
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        is_present = torch.cuda.is_available()
    return is_present, str(told[0].message).partition(". ")[0] if told else ""


def _check_cards(cards: int) -> None:
    """Check that each rank of this machine can have a card of its own: NCCL refuses to share one.

    Raises:
        ConfigError: there are fewer cards than ranks.
    """
    if local_ranks() > cards:
        message = f"{local_ranks()} processes were started here for {cards} graphics card{'s' * (cards != 1)}."
        raise ConfigError("device", message, f"Start {cards} (--nproc-per-node), or choose “cpu”.")


def resolve_device(name: str) -> torch.device:
    """Return the device that "auto", "cpu", "cuda" or "mps" stands for: for "auto", a graphics card if there is one.

    Raises:
        ConfigError: the name is unknown, or this computer has no such device, or fewer cards than ranks.
    """
    import torch

    if name not in DEVICE_NAMES:
        raise ConfigError("device", f"There is no device called “{name}”.", f"Choose one of {', '.join(DEVICE_NAMES)}.")
    has_cuda, why_not = _has_cuda()
    present = {"cuda": has_cuda, "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        name = next(kind for kind, is_present in present.items() if is_present)
    if not present[name]:
        why = f": {why_not}" if name == "cuda" and why_not else ""
        raise ConfigError("device", f"This computer has no “{name}” device{why}.", "Choose “auto” or “cpu”.")
    if name == "cuda":
        _check_cards(torch.cuda.device_count())
        # By default convolutions on a card round to ten bits: codes would be others than the processor's.
        torch.backends.cudnn.conv.fp32_precision = "ieee"  # type: ignore[attr-defined]
        # cuDNN's attention plans for each shape anew, 6 ms each time, and windows have many shapes.
        torch.backends.cuda.enable_cudnn_sdp(False)
    return torch.device(name)


def device_to_go_on_with(name: str) -> torch.device:
    """Return the device that a training was begun on, or if this computer has none, the one that "auto" stands for."""
    try:
        return resolve_device(name)
    except ConfigError:
        return resolve_device("auto")


@contextmanager
def device_in_words() -> Iterator[None]:
    """Turn the failure of a graphics card in the body into a sentence; another error passes as it is.

    Raises:
        TrainingError: the card lacks an operation, or its driver failed; names the processor as the way out.
    """
    try:
        yield
    except (RuntimeError, TypeError, AssertionError) as error:
        # torch ends some messages with a list of all kinds of devices.
        reason = str(error).partition(" is only available for ")[0]
        if not _OF_A_CARD.search(reason) or "NCCL" in reason:  # that tells of another rank
            raise
        first = re.split(r"\. |\n", reason.strip())[0].rstrip(".")[:_LONGEST_REASON]
        raise TrainingError(
            f"The graphics card can't go on: {first}. Your files are unchanged.",
            "Compute on the processor: --device cpu in the terminal, Device under Options ▸ Expert in the window.",
        ) from error


def describe_device(device: torch.device) -> str:
    """Return the device's name as a person knows it."""
    import torch

    if device.type == "cuda":
        return str(torch.cuda.get_device_name(device))
    return {"mps": "Apple GPU"}.get(device.type, f"CPU, {training_threads()} thread{'s' * (training_threads() > 1)}")
