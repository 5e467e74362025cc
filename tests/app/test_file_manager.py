"""The window beside a real file manager: files dropped from it and double-clicked in it, and a take dropped into it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from time import sleep

import pytest

from tests.app.real_screen import ROOT, Start, drag, line, needs, screen, start, xdotool  # noqa: F401 - fixtures
from tests.app.test_generating import shared_model  # noqa: F401 - fixture

# ruff: noqa: F811

pytestmark = [needs("pcmanfm", "update-mime-database", "xdg-mime"), pytest.mark.slow]

SETTINGS = """[ui]
always_show_tabs=0
view_mode=list
sort=name;ascending;
show_statusbar=0
"""
MIDDLE = (800, 250)  # of Distill's window
BESIDE_FILES = (240, 350)


def _row(number: int) -> tuple[int, int]:
    """Return the place of a file in the manager's list."""
    return 240, 117 + 28 * number


@pytest.fixture
def files(tmp_path: Path, shared_model: Path, shared_sounds_folder: Path) -> list[Path]:
    """A folder, a model and two sounds, as the manager sorts them."""
    folder = tmp_path / "files"
    paths = [folder / name for name in ("kicks #1 ü %20", "drüms #1 %20.distill", "snare #2 ö%.wav", "tom.wav")]
    shutil.copytree(shared_sounds_folder, paths[0])
    shutil.copy(shared_model, paths[1])
    for path, sound in zip(paths[2:], sorted(shared_sounds_folder.iterdir()), strict=False):
        shutil.copy(sound, path)
    return paths


@pytest.fixture
def manager(start: Start, screen: dict[str, str], files: list[Path]) -> None:
    """The file manager in the top left corner, in which models open with Distill."""
    subprocess.run([sys.executable, "-m", "app", "--register"], cwd=ROOT, env={**os.environ, **screen}, check=True)
    settings = Path(screen["XDG_CONFIG_HOME"], "pcmanfm/default/pcmanfm.conf")
    settings.parent.mkdir(parents=True)
    settings.write_text(SETTINGS)
    start("pcmanfm", "--no-desktop", str(files[0].parent), **screen)
    xdotool(
        screen, "search", "--sync", "--onlyvisible", "--class", "pcmanfm", "windowsize", 420, 500, "windowmove", 0, 0
    )


def test_files_come_from_a_file_manager_and_a_take_goes_into_it(
    start: Start, screen: dict[str, str], manager: None, files: list[Path]
) -> None:
    folder, model, snare, tom = files
    window = start(sys.executable, "-m", "tests.app.telling_window", **screen)
    if line(window) != "shown":
        pytest.skip("Qt's libraries for X11 are missing")
    drag(screen, _row(0), MIDDLE)
    assert line(window) == f"sounds {folder.name}"
    drag(screen, _row(1), MIDDLE)
    assert line(window) == f"model {model}"
    assert line(window).startswith("clip")

    xdotool(screen, "mousemove", *_row(2), "click", 1)
    xdotool(screen, "mousemove", *_row(3), "keydown", "ctrl", "click", 1, "keyup", "ctrl")
    drag(screen, _row(2), MIDDLE)
    assert line(window) == f"sounds {snare.name} {tom.name}"

    xdotool(screen, "mousemove", *_row(1), "click", "--repeat", 2, "--delay", 80, 1)
    assert line(window) == f"model {model}"  # in this window, by a second start that has ended
    _, x, y = line(window).split()

    drag(screen, (int(x), int(y)), BESIDE_FILES)
    while not (takes := [*folder.parent.glob("*_take1_*.wav")]):
        assert window.poll() is None
        sleep(0.1)
    assert takes[0].read_bytes()[:4] == b"RIFF"
