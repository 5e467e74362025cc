"""A sample of the soak's saving half and of short memory, each in a process that has not used torch's threads."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.warm_python import warm_python


def _sample(name: str, trials: int, folder: Path) -> tuple[dict[str, Any], str]:
    """Run a harness and return its record and its readable report."""
    command = [*warm_python(), "-m", "tests.soak", "--only", name, "--trials", str(trials)]
    environment = os.environ | {"TMPDIR": str(folder)}
    run = subprocess.run(command, env=environment, cwd=Path(__file__).parents[2], capture_output=True, text=True)
    reports = Path(run.stdout.splitlines()[0].removeprefix("Reporting to "))
    (record,) = json.loads((reports / "soak-report.json").read_text())
    assert (run.returncode == 0) is (record["skipped"] is not None or is_green(record)), run.stderr
    return record, (reports / "soak-report.md").read_text()


def is_green(record: dict[str, Any]) -> bool:
    return bool(record["violations"] == 0 and record["control_failed"] and record["done"] > 0)


@pytest.mark.parametrize(
    ("name", "trials"),
    [
        ("kill −9 during saves", 10),
        ("kill −9 during restores", 20),
        ("power cuts", 4),
        ("syscall failures", 20),
        ("concurrent saver pairs", 4),
        ("short memory", 15),
        ("blocked terminal", 1),
    ],
)
def test_a_struck_save_loses_nothing_and_its_control_does(name: str, trials: int, tmp_path: Path) -> None:
    record, report = _sample(name, trials, tmp_path)
    if record["skipped"]:
        pytest.skip(record["skipped"])
    assert is_green(record), report
    assert (record["name"], record["wanted"], record["done"]) == (name, trials, trials)
