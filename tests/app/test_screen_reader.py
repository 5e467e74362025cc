"""The main job, from sounds to a take, by what a screen reader is told and by nothing else."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from distill_core import read_summary
from tests.app.real_screen import ROOT, Start, needs, screen, start  # noqa: F401 - fixtures

# ruff: noqa: F811

PYTHON = "/usr/bin/python3"  # the system's, which has the bindings
PATIENCE_S = 240  # twelve times of what it takes


def _can_read() -> bool:
    if shutil.which("dbus-run-session") is None or not Path(PYTHON).exists():
        return False
    return subprocess.run([PYTHON, "-c", "import pyatspi"], capture_output=True).returncode == 0


@needs()
@pytest.mark.slow
@pytest.mark.skipif(not _can_read(), reason="needs dbus-run-session and python3-pyatspi")
def test_the_main_job_is_done_by_accessible_names_alone(
    start: Start, screen: dict[str, str], sounds_folder: Path
) -> None:
    client = start(
        *("dbus-run-session", "--", PYTHON, "-u", str(ROOT / "tests/app/screen_reader.py"), str(sounds_folder)),
        *(sys.executable, "-m", "app"),
        **screen,
        QT_LINUX_ACCESSIBILITY_ALWAYS_ON="1",
    )
    said = client.communicate(timeout=PATIENCE_S)[0].splitlines()
    assert said[-1] == "done", "\n".join(said)
    person = Path(screen["HOME"]).parent
    (model,) = person.rglob("*.distill")
    assert read_summary(model).has_prior
    assert len([*person.rglob("sound.wav")]) == 2
