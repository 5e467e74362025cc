"""The harness of strange sounds ends when there are no more, and every sound that is refused is named."""

from __future__ import annotations

import importlib.util
import math
from pathlib import Path

import pytest

from tests.soak import awkward_cases, sound_door, sounds
from tests.soak.sound_door import AWKWARD, FOREIGN

needs_memory_figures = pytest.mark.skipif(importlib.util.find_spec("resource") is None, reason="no memory figures")


@needs_memory_figures
def test_fewer_foreign_sounds_than_the_bar_are_scanned_once_each(tmp_path: Path) -> None:
    (tmp_path / FOREIGN).mkdir()
    awkward_cases.write_good(tmp_path / FOREIGN)
    tally = sounds._scan_all("foreign", 5, math.inf, tmp_path)
    assert (tally.done, tally.used, tally.violations) == (1, 1, [])


def test_all_awkward_sounds_and_the_training_on_them_are_the_most_there_are(tmp_path: Path) -> None:
    assert len([*sound_door._awkward(tmp_path, 0)]) == AWKWARD


def test_a_refusal_that_names_nothing_is_a_violation() -> None:
    with pytest.raises(sound_door.NotSound, match="without its name"):
        sound_door._check_named(Path("sounds/kick.wav"), "No usable sound in “sounds”.")
    with pytest.raises(sound_door.NotSound, match="without its name"):
        sound_door._check_named(Path("sounds/kick.wav"), "No sounds in “sounds” (1 other file passed over).")
    sound_door._check_named(Path("sounds/kick.wav"), "No usable sound in “sounds” (kick.wav: it is empty).")
    sound_door._check_named(Path("sounds/notes.mat"), "No sounds in “sounds” (1 other file passed over).")
