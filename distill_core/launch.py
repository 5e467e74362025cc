"""The start of this process by torchrun, as its environment tells (PyTorch, "torchrun: Environment Variables")."""

from __future__ import annotations

import os
import platform
from contextlib import suppress
from pathlib import Path


def is_launched() -> bool:
    """Tell whether torchrun started this process."""
    return "TORCHELASTIC_RUN_ID" in os.environ and "RANK" in os.environ


def is_first_rank() -> bool:
    """Tell whether this process is the first of its training, also before it has joined the others."""
    return not is_launched() or os.environ["RANK"] == "0"


def _start_of(process: int) -> str:
    """Return what tells a process from former ones with its number, "" where the system does not tell.

    In a container torchrun is always process 1. See proc(5): the 22nd number is the start, in ticks since the boot.
    """
    with suppress(OSError, IndexError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}:{Path(f'/proc/{process}/stat').read_text().rpartition(')')[2].split()[19]}"
    return ""


def launch_id() -> str:
    """Return a name of this start of torchrun on this machine, the same for processes that it starts again, else "".

    Its own process is the parent: a run's name (`--rdzv-id`) may be used again.
    """
    if not is_launched():
        return ""
    parent = os.getppid()
    return f"{os.environ['TORCHELASTIC_RUN_ID']}:{platform.node()}:{parent}:{_start_of(parent)}"


def is_restart() -> bool:
    """Tell whether torchrun has started this process in the place of one that ended."""
    return is_launched() and int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")) > 0


def local_ranks() -> int:
    """Return the number of ranks on this machine, which share its processors."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", "1")) if is_launched() else 1
