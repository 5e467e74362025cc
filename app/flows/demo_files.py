"""A copy of the bundled demo, to try things on."""

from __future__ import annotations

import shutil
from pathlib import Path

from app.theme import resource_path


def copy_demo(folder: Path) -> tuple[Path, Path]:
    """Copy the bundled model and sounds into a folder, unless they are there, and return both paths."""
    model, sounds = folder / "demo.distill", folder / "sounds"
    if not model.exists():
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(resource_path("demo", "demo.distill"), model)
    if not sounds.exists():
        shutil.copytree(resource_path("demo", "sounds"), sounds)
    return model, sounds
