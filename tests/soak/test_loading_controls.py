"""The loaders' controls fail for their own reason only: they open or execute something that the door refuses."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

import pytest

loading_controls = pytest.importorskip("tests.soak.loading_controls", reason="this system tells no process's memory")


def _refuse(path: Path) -> NoReturn:
    raise RuntimeError("refused, but with another exception")


@pytest.mark.parametrize("name", ["mutated files", "attack corpus", "bit flips", "truncation"])
def test_a_door_that_refuses_everything_in_its_own_way_lets_no_control_fail(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for door in ("open_as_the_program", "open_and_judge"):
        monkeypatch.setattr(loading_controls, door, _refuse)
    assert not any(loading_controls.run(name, tmp_path))
