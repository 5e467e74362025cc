"""Sleep is held off while something trains; with the process ends what holds it off, however it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from distill_core.awake import Awake, awake
from distill_core.cli import app

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="systemd-inhibit is Linux's way")
_PATIENCE_S = 20.0


def _wait_until(holds: Callable[[], bool]) -> None:
    ends_at = time.monotonic() + _PATIENCE_S
    while not holds():
        assert time.monotonic() < ends_at, "it never came"
        time.sleep(0.01)


def _is_alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.fixture
def holder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in for systemd's program, which writes its number and what it was told.

    A test must not keep a computer awake, and few test machines have the program.
    """
    told = tmp_path / "told"
    program = tmp_path / "bin" / "systemd-inhibit"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\necho "$$ $@" >> "{told}"\nexec cat\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    return told


def _process_in(told: Path) -> int:
    _wait_until(lambda: told.exists() and told.read_text().endswith("\n"))
    return int(told.read_text().split()[0])


def test_sleep_is_held_off_while_wanted(holder: Path) -> None:
    keeper = Awake()
    keeper.hold(True)
    keeper.hold(True)
    process = _process_in(holder)
    assert "--what=idle:sleep" in holder.read_text()
    assert _is_alive(process)
    keeper.hold(False)
    assert not _is_alive(process)
    keeper.hold(False)
    assert len(holder.read_text().splitlines()) == 1


def test_it_ends_with_a_process_that_is_killed(holder: Path) -> None:
    script = "import time; from distill_core.awake import Awake; a = Awake(); a.hold(True); time.sleep(600)"
    process = subprocess.Popen([sys.executable, "-c", script], cwd=Path(__file__).parents[2])
    held_by = _process_in(holder)
    process.send_signal(signal.SIGKILL)
    process.wait()
    _wait_until(lambda: not _is_alive(held_by))


def test_a_training_in_the_terminal_holds_sleep_off(holder: Path, tiny_model: Path, sounds_folder: Path) -> None:
    sizes = ["--epochs", "1", "--hidden-size", "32", "--layers", "1", "--heads", "2", "--no-audit"]
    result = CliRunner().invoke(app, ["train-prior", str(tiny_model), str(sounds_folder), *sizes])
    assert result.exit_code == 0, result.output
    assert not _is_alive(_process_in(holder))
    new = str(tiny_model.parent / "new.distill")
    codec = ["--epochs", "1", "--codebook-size", "16", "--refiner-width", "8", "--refiner-depth", "1"]
    result = CliRunner().invoke(app, ["train", str(sounds_folder), "-o", new, *codec])
    assert result.exit_code == 0, result.output
    assert len(holder.read_text().splitlines()) == 2


@pytest.mark.parametrize("is_there", [False, True])
def test_where_the_system_offers_nothing_the_log_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, is_there: bool
) -> None:
    if is_there:
        program = tmp_path / "systemd-inhibit"
        program.write_text(f"#!/bin/sh\necho no bus here >&2\necho $$ > {tmp_path / 'ended'}\nexit 1\n")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with caplog.at_level("INFO", logger="distill"), awake():
        if is_there:
            ended = _process_in(tmp_path / "ended")
            _wait_until(lambda: not _is_alive(ended))
    assert ("sleep was not held off: no bus here" if is_there else "sleep is not held off") in caplog.text
