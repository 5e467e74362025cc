"""What the terminal program writes where, and what it does when that place refuses."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from distill_core.models.archive import read_archive
from tests.warm_python import warm_python

COLD = [sys.executable]
TRAIN = ["-m", "distill_core.cli", "train-prior"]
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
