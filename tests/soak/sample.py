"""A sample of a harness as CI runs it: in a process of its own, which has not used torch's threads."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from tests.warm_python import warm_python


def is_green(record: dict[str, Any]) -> bool:
    """Tell whether a harness did something, nothing went wrong and its control failed."""
    return bool(record["violations"] == 0 and record["control_failed"] and record["done"] > 0)


def sample(name: str, trials: int, folder: Path) -> tuple[dict[str, Any], str]:
    """Run a harness and return its record and its readable report."""
    command = [*warm_python(), "-m", "tests.soak", "--only", name, "--trials", str(trials)]
    environment = os.environ | {"TMPDIR": str(folder)}
    run = subprocess.run(command, env=environment, cwd=Path(__file__).parents[2], capture_output=True, text=True)
    reports = Path(run.stdout.splitlines()[0].removeprefix("Reporting to "))
    (record,) = json.loads((reports / "soak-report.json").read_text())
    assert (run.returncode == 0) is (record["skipped"] is not None or is_green(record)), run.stderr
    return record, (reports / "soak-report.md").read_text()
