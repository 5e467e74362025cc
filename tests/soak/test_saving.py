"""A sample of the soak's saving half. Each runs in a fresh process: one that used torch's threads must not fork."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.soak.result import Moments, Result, result_of


def _sample(name: str, trials: int, folder: Path) -> tuple[dict[str, Any], str]:
    """Run a harness and return its record and its readable report."""
    command = [sys.executable, "-m", "tests.soak", "--only", name, "--trials", str(trials)]
    environment = os.environ | {"TMPDIR": str(folder)}
    run = subprocess.run(command, env=environment, cwd=Path(__file__).parents[2], capture_output=True, text=True)
    reports = Path(run.stdout.splitlines()[0].removeprefix("Reporting to "))
    (record,) = json.loads((reports / "soak-report.json").read_text())
    text = (reports / "soak-report.md").read_text()
    assert run.returncode == (0 if record["skipped"] or (not record["violations"] and record["control_failed"]) else 1)
    return record, text


@pytest.mark.parametrize(
    ("name", "trials"),
    [("kill −9 during saves", 10), ("power cuts", 4), ("syscall failures", 20), ("concurrent saver pairs", 4)],
)
def test_a_struck_save_loses_nothing_and_its_control_does(name: str, trials: int, tmp_path: Path) -> None:
    record, report = _sample(name, trials, tmp_path)
    if record["skipped"]:
        pytest.skip(record["skipped"])
    assert record["control_failed"], report
    assert record["violations"] == 0, report
    assert (record["name"], record["wanted"], record["done"]) == (name, trials, trials)


def test_strikes_beside_the_save_are_told() -> None:
    moments = Moments(1.0, seed=0)
    for number in range(100):
        assert moments.next() >= 0
        moments.note(number % 3 == 0)
    assert moments.doubts() == ["Struck beside the save: 34 of 100 hit inside the save, the others after it."]


def test_a_result_is_green_only_with_a_control_that_failed() -> None:
    fields = {"name": "x", "wanted": 2, "done": 2, "violations": [], "skipped": None, "seconds": 1.0}
    assert result_of(fields | {"control_failed": True}).is_green
    assert not result_of(fields | {"control_failed": False}).is_green
    assert not Result("x", 2, 2, ["lost"], True, None, 1.0).is_green
    assert not Result("x", 2, 0, [], True, None, 1.0).is_green
