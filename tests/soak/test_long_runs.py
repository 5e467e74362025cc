"""A sample of the soak's harnesses of sounds and of long trainings."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.soak.sample import is_green, sample


@pytest.mark.parametrize(
    ("name", "trials"),
    [
        ("kills during training", 8),
        ("injected NaN and infinity", 12),
        ("mutated sounds", 200),
        ("awkward sounds", 81),
        ("files changed meanwhile", 3),
        ("the whole job over and over", 6),
    ],
)
def test_a_long_run_loses_nothing_and_its_control_does(name: str, trials: int, tmp_path: Path) -> None:
    record, report = sample(name, trials, tmp_path)
    if record["skipped"]:
        pytest.skip(record["skipped"])
    assert is_green(record), report
    assert (record["name"], record["wanted"], record["done"]) == (name, trials, trials)
