"""A terminal that nobody reads keeps no training from being stopped and saved."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from distill_core import read_summary
from tests.soak.terminal import CASES, PROGRAM, Case, blocked, is_possible, write_subject
from tests.warm_python import warm_python

if sys.platform == "linux":
    import fcntl

pytestmark = pytest.mark.skipif(not is_possible(), reason="this system does not tell when a process is blocked")


@pytest.fixture(scope="module")
def subject(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("blocked")
    write_subject(folder)
    return folder


SAMPLE = [case for case in CASES if case.stream == "pipe" or case.as_json is (case.signal == "SIGTERM")]


@pytest.mark.parametrize("case", SAMPLE, ids=str)
def test_training_that_is_blocked_is_stopped_and_saved(case: Case, subject: Path) -> None:
    assert blocked(case, subject) == []


def test_a_second_signal_quits_at_once_though_nobody_reads(subject: Path) -> None:
    def twice(process: subprocess.Popen[bytes]) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            process.send_signal(number)

    assert blocked(CASES[0], subject, stop=twice) == ["pipe, SIGINT: exit code 130", "pipe, SIGINT: nothing was saved"]


@pytest.mark.parametrize("flags", [[], ["--json"]])
def test_training_goes_on_while_nobody_reads_and_a_late_reader_gets_every_line(
    subject: Path, tmp_path: Path, flags: list[str]
) -> None:
    model = Path(shutil.copy(subject / "empty.distill", tmp_path / "model.distill"))
    command = [*warm_python(), "-m", PROGRAM, "train-prior", "--no-audit", str(model), str(subject / "sounds"), *flags]
    command += ["--epochs", "40", "--hidden-size", "32", "--layers", "1", "--heads", "2", "--save-worse"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        fcntl.fcntl(process.stdout, fcntl.F_SETPIPE_SZ, 4096)
        end = time.monotonic() + 60
        while not read_summary(model).has_prior and time.monotonic() < end:
            time.sleep(0.05)
        assert read_summary(model).has_prior
        lines = process.stdout.read().splitlines()
    assert process.returncode == 0
    if flags:
        events = [json.loads(line) for line in lines]
        assert [event["event"] for event in events] == ["scan", "start", *["epoch"] * (len(events) - 3), "done"]
        assert events[-1]["epochs_trained"] == len(events) - 3
    else:
        assert lines[-1] == f"Saved into {model}"
