"""A warm Python does what a cold one does, as far as whoever starts it can tell."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.warm_python import warm_python

TELL = "import json, os, sys; print(json.dumps([sys.argv, os.getcwd(), os.environ.get('ODD'), sys.stdin.read()]))"


@pytest.fixture(params=["cold", "warm"])
def python(request: pytest.FixtureRequest) -> list[str]:
    return [sys.executable] if request.param == "cold" else warm_python()


def test_arguments_folder_environment_and_input_arrive(python: list[str], tmp_path: Path) -> None:
    command = [*python, "-c", TELL, "a b", os.fsdecode(b"caf\xe9"), "-x"]
    environment = os.environ | {"ODD": "ü"}
    run = subprocess.run(command, cwd=tmp_path, env=environment, input="words", capture_output=True, text=True)
    assert run.stderr == ""
    assert run.stdout == f'[["-c", "a b", "caf\\udce9", "-x"], "{tmp_path}", "\\u00fc", "words"]\n'


@pytest.mark.parametrize(
    ("program", "code", "last_line"),
    [
        ("pass", 0, ""),
        ("import sys; sys.exit(7)", 7, ""),
        ("import sys; sys.exit('in words')", 1, "in words"),
        ("1 / 0", 1, "ZeroDivisionError: division by zero"),
        ("import os; os.kill(os.getpid(), 9)", -9, ""),
        ("raise KeyboardInterrupt", -2, "KeyboardInterrupt"),
        ("import atexit, sys; atexit.register(print, 'left', file=sys.stderr)", 0, "left"),
    ],
)
@pytest.mark.skipif(os.name == "nt", reason="Windows has no signals of this kind")
def test_it_ends_as_the_program_ends(python: list[str], program: str, code: int, last_line: str) -> None:
    run = subprocess.run([*python, "-c", program], capture_output=True, text=True)
    assert run.returncode == code
    assert run.stderr.splitlines()[-1:] == [last_line] * bool(last_line)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no signals of this kind")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_arrive(python: list[str], number: int) -> None:
    program = (
        "import signal, sys\n"
        f"signal.signal({int(number)}, lambda *_: sys.exit(5))\n"
        "print('ready', flush=True)\n"
        "signal.pause()\n"
    )
    with subprocess.Popen([*python, "-c", program], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
    assert process.returncode == 5


@pytest.mark.skipif(sys.platform != "linux", reason="there is no warm Python")
def test_what_nobody_waits_for_any_more_is_killed() -> None:
    program = "import os, time; print(os.getpid(), flush=True); time.sleep(600)"
    with subprocess.Popen([*warm_python(), "-c", program], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        number = int(process.stdout.readline())
        process.kill()
    until = time.monotonic() + 60
    while Path(f"/proc/{number}").exists() and time.monotonic() < until:
        time.sleep(0.01)
    assert not Path(f"/proc/{number}").exists()
