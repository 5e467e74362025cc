"""`python -m tests.soak.training_program WAY ARGUMENTS` is `distill ARGUMENTS` that writes its state at every chance.

So no training that can be killed hundreds of times an hour has to run for the minutes that lie between two writes. With
`--json` it tells each optimizer step, too, as soon as a person could see it. The ways but "whole" are controls:
"without moments" goes on without the optimizer's state, "epochs anew" begins the epoch under way anew, "in place"
writes states as a careless program does, and "without a run" keeps no state.
"""

from __future__ import annotations

import io
import sys
import time
from contextlib import ExitStack
from dataclasses import fields, replace
from typing import Any
from unittest.mock import patch

import torch

from distill_core.cli import main
from distill_core.cli.progress import TrainingProgress
from distill_core.training.codec import epochs
from distill_core.training.codec.descent import Descent
from distill_core.training.events import StepMetrics
from distill_core.training.keeper import Keeper
from distill_core.training.prior import train
from distill_core.training.prior.optimizers import JointOptimizer
from distill_core.training.run_folder.format import FORMAT, VERSION
from distill_core.training.run_folder.stored import StoredRun

_SLOWNESS_S = 0.2


def _no_pause(writing_s: float) -> float:
    return 0.0


def _at_every_chance(rule: Any) -> Any:
    """Return a rule of writing without its pauses."""
    return replace(rule, **{each.name: _no_pause for each in fields(rule) if each.name.startswith("pause")})


def _save_in_place(run: StoredRun, values: dict[str, Any], should_stop: object = None) -> None:
    run.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    content = io.BytesIO()
    torch.save({"format": FORMAT, "version": VERSION, **values}, content)
    with run.file.open("wb", buffering=0) as file:
        file.write(content.getbuffer()[: len(content.getbuffer()) // 2])
        time.sleep(_SLOWNESS_S)  # of a disk; a state of some MB is written too fast to be struck
        file.write(content.getbuffer()[len(content.getbuffer()) // 2 :])


def _tell_steps(progress: TrainingProgress, event: object, show: Any = TrainingProgress.on_event) -> None:
    if isinstance(event, StepMetrics):
        progress.terminal.emit("step", event)
    show(progress, event)


def _do_nothing(*_: object, **__: object) -> None:
    pass


if __name__ == "__main__":
    way = sys.argv.pop(1)
    with ExitStack() as stack:
        for module in (train, epochs):
            stack.enter_context(patch.object(module, "WRITING", _at_every_chance(module.WRITING)))
        stack.enter_context(patch.object(TrainingProgress, "on_event", _tell_steps))
        if way == "without moments":
            stack.enter_context(patch.object(JointOptimizer, "restore", _do_nothing))
            stack.enter_context(patch.object(Descent, "restore", _do_nothing))
        if way == "epochs anew":
            stack.enter_context(patch.object(Keeper, "_keep_part", _do_nothing))
        if way == "in place":
            stack.enter_context(patch.object(StoredRun, "save", _save_in_place))
        if way == "without a run":
            stack.enter_context(patch.object(StoredRun, "save", _do_nothing))
        main()
