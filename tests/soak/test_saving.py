"""A sample of the soak's saving half and of short memory."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.soak.sample import is_green, sample


@pytest.mark.parametrize(
    ("name", "trials"),
    [
        ("kill −9 during saves", 10),
        ("kill −9 during restores", 20),
        ("power cuts", 4),
        ("syscall failures", 20),
        ("concurrent saver pairs", 4),
        ("short memory", 5),
        ("blocked terminal", 1),
    ],
)
def test_a_struck_save_loses_nothing_and_its_control_does(name: str, trials: int, tmp_path: Path) -> None:
    record, report = sample(name, trials, tmp_path)
    if record["skipped"]:
        pytest.skip(record["skipped"])
    assert is_green(record), report
    assert (record["name"], record["wanted"], record["done"]) == (name, trials, trials)
