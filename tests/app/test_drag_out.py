"""A take dragged with a real pointer from the window into another program, on a screen of its own."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from distill_core import load_model_v2
from distill_core.generation.generate import generate
from distill_core.generation.request import GenerateRequest
from distill_core.generation.takes.shelf import TakeShelf
from tests.app.real_screen import Start, drag, line, needs, screen, start  # noqa: F401 - fixtures
from tests.app.test_generating import shared_model  # noqa: F401 - fixture

# ruff: noqa: F811

pytestmark = needs()


def test_a_take_is_dragged_into_another_program(
    start: Start, screen: dict[str, str], shared_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = Path(screen["XDG_DATA_HOME"])
    monkeypatch.setattr("distill_core.folders.user_data_path", lambda name, **options: data / name)
    model = Path(shutil.copy(shared_model, tmp_path / "drums.distill"))
    TakeShelf(model).add(generate(load_model_v2(model), GenerateRequest(seconds=0.25, seed=41)))
    target = start(sys.executable, "-m", "tests.app.drop_target", **screen)
    if line(target) != "ready":
        pytest.skip("Qt's libraries for X11 are missing")
    window = start(sys.executable, "-m", "tests.app.telling_window", str(model), **screen)
    assert [line(window), line(window)] == ["shown", f"model {model}"]
    _, x, y = line(window).split()
    drag(screen, (int(x), int(y)), (250, 250))
    dropped = Path(line(target))
    assert dropped.name.startswith("drums_take")
    assert dropped.name.endswith(".wav")
    kept = {take.wav.read_bytes() for take in TakeShelf(model).takes()}
    assert dropped.read_bytes() in kept
