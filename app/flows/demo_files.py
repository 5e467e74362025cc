"""A copy of the bundled demo, to try things on."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from app.session.activity import Activity, Subject
from app.session.state import State
from app.session.task import Taken, Task
from app.theme import resource_path
from distill_core.errors import DistillError
from distill_core.events import OnEvent, ShouldStop
from distill_core.text import printable


@dataclass(frozen=True, slots=True)
class DemoFiles:
    """The paths of the copies."""

    model: Path
    sounds: Path


def copy_demo(folder: Path) -> tuple[Path, Path]:
    """Copy the bundled model and sounds into a folder, unless they are there, and return both paths."""
    model, sounds = folder / "demo.distill", folder / "sounds"
    if not model.exists():
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(resource_path("demo", "demo.distill"), model)
    if not sounds.exists():
        shutil.copytree(resource_path("demo", "sounds"), sounds)
    return model, sounds


def _take(state: State, demo: DemoFiles) -> Taken:
    return state, [("demo_copied", demo)]


def copying(folder: Path) -> Task[DemoFiles]:
    """Copy the demo into a folder."""

    def run(on_event: OnEvent, should_stop: ShouldStop) -> DemoFiles:
        try:
            return DemoFiles(*copy_demo(folder))
        except OSError as error:
            where = printable(str(folder))
            raise DistillError(f"The demo can't be copied to “{where}”: {error.strerror}.") from error

    return Task(Activity.OPENING, Subject.MODEL, run, _take)
