"""What the terminal program writes where, and what it does when that place refuses."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from distill_core import read_summary
from distill_core.cli.outbox import Outbox
from distill_core.files.archive import read_archive
from tests.warm_python import warm_python

COLD = [sys.executable]
TRAIN = ["-m", "distill_core.cli", "train-prior", "--no-audit"]
INSPECT = ["-m", "distill_core.cli", "inspect"]
ONE_SMALL_EPOCH = ["--epochs", "1", "--hidden-size", "32", "--layers", "1", "--heads", "2"]

needs_unix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such device")


def _names(output: str) -> list[str]:
    return [json.loads(line)["event"] for line in output.splitlines()]


@needs_unix
def test_json_stays_on_stdout_while_a_person_watches_the_bar(tiny_model: Path, sounds_folder: Path) -> None:
    import pty

    try:
        watched, screen = pty.openpty()
    except OSError:
        pytest.skip("this computer gives no pseudo-terminals")
    command = [*warm_python(), *TRAIN, str(tiny_model), str(sounds_folder), "--json", *ONE_SMALL_EPOCH]
    environment = os.environ | {"TERM": "xterm"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=screen, text=True, env=environment) as process:
        os.close(screen)
        shown = b""
        while process.poll() is None:
            shown += _read_some(watched)
        assert process.stdout is not None
        assert _names(process.stdout.read()) == ["scan", "start", "epoch", "done"]
    os.close(watched)
    assert b"Epoch 1/1" in shown
    assert b'"event"' not in shown


def _read_some(watched: int) -> bytes:
    try:
        return os.read(watched, 65_536)
    except OSError:  # nobody holds the other end any more
        return b""


def _write_damaged_sds(path: Path) -> None:
    """Write a sound about whose damage libsndfile prints lines, on stdout."""
    soundfile.write(path, np.random.default_rng(0).uniform(-0.5, 0.5, 8000), 8000, format="SDS", subtype="PCM_16")
    content = bytearray(path.read_bytes())
    for place in range(2000, len(content), 500):
        content[place] ^= 0xFF
    path.write_bytes(content)


def test_what_a_decoder_prints_is_not_among_the_json_lines(tiny_model: Path, sounds_folder: Path) -> None:
    _write_damaged_sds(sounds_folder / "damaged.sds")
    command = [*COLD, *TRAIN, str(tiny_model), str(sounds_folder), "--json", *ONE_SMALL_EPOCH]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    assert _names(run.stdout) == ["scan", "start", "epoch", "done"]


def test_letters_that_the_terminal_lacks_do_not_end_the_command(tiny_model: Path, sounds_folder: Path) -> None:
    command = [*warm_python(), *TRAIN, str(tiny_model), str(sounds_folder), *ONE_SMALL_EPOCH]
    environment = os.environ | {"PYTHONIOENCODING": "ascii"}
    run = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    assert "Epoch 1/1" in run.stdout


@needs_unix
@pytest.mark.parametrize("arguments", [["--epochs", "0"], ["--epochs", "0", "--json"]])
def test_a_full_disk_behind_the_output_leaves_the_exit_code(
    tiny_model: Path, sounds_folder: Path, arguments: list[str]
) -> None:
    with Path("/dev/full").open("w") as full:
        command = [*COLD, *TRAIN, str(tiny_model), str(sounds_folder), *arguments]
        assert subprocess.run(command, stdout=full, stderr=full, check=False).returncode == 2


def _rename_inside(path: Path, name: str) -> None:
    values, _ = read_archive(path)
    values["metadata"]["name"] = name
    torch.save(values, path)


@pytest.mark.parametrize("name", ["\x1b]0;owned\x07", "\ud800", "two\nlines"])
def test_a_name_from_a_stranger_cannot_steer_the_terminal(tiny_model: Path, name: str) -> None:
    _rename_inside(tiny_model, name)
    python = COLD if "\n" in name else warm_python()
    plain = subprocess.run([*python, *INSPECT, str(tiny_model)], capture_output=True, text=True, check=True)
    assert plain.stdout.splitlines()[1].startswith("  file: ")
    assert "\x1b" not in plain.stdout
    command = [*warm_python(), *INSPECT, str(tiny_model), "--json"]
    as_json = subprocess.run(command, capture_output=True, text=True, check=True)
    facts: dict[str, Any] = json.loads(as_json.stdout)
    facts["name"].encode()


@needs_unix
@pytest.mark.parametrize("kind", ["link to itself", "too long", "pipe", "folder"])
def test_an_output_that_no_file_can_be_is_refused(
    tiny_model: Path, sounds_folder: Path, tmp_path: Path, kind: str
) -> None:
    output = tmp_path / ("x" * 300 if kind == "too long" else "output")
    if kind == "link to itself":
        output.symlink_to(output)
    elif kind == "pipe":
        os.mkfifo(output)
    elif kind == "folder":
        output.mkdir()
    before = sorted(tmp_path.iterdir())
    command = [*warm_python(), *TRAIN, str(tiny_model), str(sounds_folder), "-o", str(output), "--force"]
    command += ONE_SMALL_EPOCH
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 4
    assert "nothing was written" in run.stderr
    assert sorted(tmp_path.iterdir()) == before
    assert not os.path.isfile(output)  # a Path would raise at the long name


def test_replacing_the_models_own_prior_is_told_by_whatever_name(tiny_model: Path, sounds_folder: Path) -> None:
    command = [*warm_python(), *TRAIN, str(tiny_model), str(sounds_folder), *ONE_SMALL_EPOCH]
    subprocess.run(command, capture_output=True, check=True)
    again = [*command, "--output", str(tiny_model), "--force", "--save-worse"]
    assert "already has a prior" in subprocess.run(again, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("more", [[], ["--json"]], ids=["for people", "json"])
def test_what_decoders_say_reaches_no_terminal(
    tiny_model: Path, sounds_folder: Path, tmp_path: Path, more: list[str]
) -> None:
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 48_000)
    soundfile.write(tmp_path / "x.mp3", noise, 48_000, bitrate_mode="CONSTANT")
    content = bytearray((tmp_path / "x.mp3").read_bytes())
    content[3000:3400] = bytes(400)
    (sounds_folder / "x.mp3").write_bytes(content)
    silent = b"\xff\xfb\x90\x64"
    (sounds_folder / "y.mp3").write_bytes((silent + bytes(413)) * 9 + silent + b"\xaa" * 900)
    command = [*COLD, *TRAIN, str(tiny_model), str(sounds_folder), *more, *ONE_SMALL_EPOCH]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "mpg123" not in done.stdout + done.stderr
    assert "Saved into" in done.stderr + done.stdout
    if more:
        assert _names(done.stdout)[0] == "scan"


@needs_unix
@pytest.mark.parametrize("command", ["inspect", "train"])
def test_output_that_is_lost_is_told_and_the_work_is_done(tiny_model: Path, sounds_folder: Path, command: str) -> None:
    training = [*TRAIN, str(tiny_model), str(sounds_folder), "--json", *ONE_SMALL_EPOCH]
    arguments = training if command == "train" else [*INSPECT, str(tiny_model)]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([*warm_python(), *arguments], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 4, done.stderr
    assert "The output could not be written: No space left on device." in done.stderr
    assert read_summary(tiny_model).has_prior is (command == "train")


@needs_unix
def test_a_reader_who_leaves_is_no_failure(tiny_model: Path) -> None:
    ours, theirs = os.pipe()
    os.close(ours)
    command = [*warm_python(), *INSPECT, str(tiny_model)]
    done = subprocess.run(command, stdout=theirs, stderr=subprocess.PIPE, text=True, check=False)
    os.close(theirs)
    assert (done.returncode, done.stderr) == (0, "")


@needs_unix
def test_a_signal_that_was_ignored_before_stays_ignored(tiny_model: Path, sounds_folder: Path) -> None:
    command = ["sh", "-c", 'trap "" HUP; exec "$@"', "sh", *COLD, *TRAIN, str(tiny_model), str(sounds_folder)]
    command += ["--epochs", "100000", *ONE_SMALL_EPOCH[2:], "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        epochs = 0
        for line in process.stdout:
            if '"event": "epoch"' not in line:
                continue
            epochs += 1
            if epochs == 1:
                process.send_signal(signal.SIGHUP)
            elif epochs == 20:
                process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
    assert epochs >= 20


@needs_unix
def test_a_second_signal_quits_also_while_a_slow_reader_reads(tiny_model: Path) -> None:
    _rename_inside(tiny_model, "x" * 900_000)
    command = [*warm_python(), *INSPECT, str(tiny_model), "--json"]
    ours, theirs = os.pipe()
    with subprocess.Popen(command, stdout=theirs, stderr=subprocess.DEVNULL) as process:
        os.close(theirs)
        rounds = 0
        while process.poll() is None and rounds < 100:  # less than half of all that there is
            time.sleep(0.1)
            os.read(ours, 4096)
            rounds += 1
            if rounds in {5, 10}:
                process.send_signal(signal.SIGINT)
        process.kill()
    os.close(ours)
    assert process.returncode == 130


@contextmanager
def _unread_box(*, waits: bool) -> Iterator[Outbox]:
    """Yield a box of more than its pipe holds."""
    ours, theirs = os.pipe()
    os.set_blocking(theirs, waits)
    with open(theirs, "wb", buffering=0) as stream:
        box = Outbox(stream)
        box.write(bytes(200_000))
        yield box
        os.close(ours)
        box.drain(lambda: math.inf)


@needs_unix
def test_those_who_read_nothing_are_waited_for_together() -> None:
    with ExitStack() as stack:
        boxes = [stack.enter_context(_unread_box(waits=True)) for _ in range(3)]
        stopped_at, took = time.monotonic(), []
        for box in boxes:
            start = time.monotonic()
            box.drain(lambda: stopped_at)
            took.append(time.monotonic() - start)
            assert box.is_behind
    assert sum(took[1:]) < took[0] / 2


@needs_unix
def test_output_that_does_not_wait_is_given_up_on_without_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_thread(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr("_thread.start_new_thread", no_thread)
    with _unread_box(waits=False) as box:
        box.drain(lambda: 0.0)
        assert box.is_behind


_SIGNALS_AFTER_THE_WORK = """
import signal
from distill_core.cli.terminal import stop_on_signals, terminal_session

before = signal.getsignal(signal.SIGINT)
with terminal_session(False) as terminal, stop_on_signals(terminal) as stop:
    signal.raise_signal(signal.SIGINT)
    assert stop.is_set()
    terminal.is_done = True
    signal.raise_signal(signal.SIGINT)
    terminal.say("Saved")
assert signal.getsignal(signal.SIGINT) is before
"""


def test_a_signal_after_the_work_loses_nothing_of_what_is_told() -> None:
    done = subprocess.run([*COLD, "-c", _SIGNALS_AFTER_THE_WORK], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Saved" in done.stdout
