"""The terminal program as a person or a script runs it: a process of its own."""

from __future__ import annotations

import json
import math
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from distill_core import load_model_v2, read_summary
from distill_core.cli import app
from distill_core.files.archive import read_archive
from tests.warm_python import warm_python

COLD = [sys.executable]
SMALL = ["--hidden-size", "32", "--layers", "1", "--heads", "2", "--no-audit"]
EPOCH_LINE = re.compile(
    r"^Epoch (\d+)/(\d+) \| train_loss: \d+\.\d{4} \| val_loss: \d+\.\d{4} \| perplexity: \d+\.\d \| best: \d+\.\d$",
    re.MULTILINE,
)


def _distill(*arguments: object, python: list[str] | None = None) -> subprocess.CompletedProcess[str]:
    command = [*(python or warm_python()), "-m", "distill_core.cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def _distill_here(*arguments: object) -> Result:
    """The same in this process: quicker, for what needs no signal."""
    return CliRunner().invoke(app, list(map(str, arguments)))


def _events(output: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.splitlines()]


def test_the_main_job(tiny_model: Path, sounds_folder: Path) -> None:
    run = _distill("train-prior", tiny_model, "--epochs", 2, sounds_folder, *SMALL, python=COLD)
    assert run.returncode == 0, run.stderr
    assert [match.groups() for match in EPOCH_LINE.finditer(run.stdout)] == [("1", "2"), ("2", "2")]
    assert "max_epochs: 2 (override)" in run.stdout
    assert "architecture: frames (auto)" in run.stdout
    assert re.search(r"by frequency alone: \d+\.\d, by level \d+\.\d, \d+\.\d", run.stdout)
    assert "of a validation sound's codes are those of its nearest training sound (median)." in run.stdout
    assert str(tiny_model) in run.stdout
    assert load_model_v2(tiny_model).prior is not None
    assert re.search(r"Computing on .+, (float32|bfloat16)\.", run.stdout)
    assert "Training ended after its last epoch." in run.stdout
    assert "Verdict: " in run.stdout
    again = _distill("train-prior", tiny_model, sounds_folder, "--epochs", 1, *SMALL)
    assert "already has a prior (perplexity" in again.stdout
    assert re.search(r"The prior in the file has perplexity \d+\.\d\d on these held-out sounds\.", again.stdout)


def test_json_lines(tiny_model: Path, sounds_folder: Path) -> None:
    (sounds_folder / "notes.wav").write_text("not a sound")
    run = _distill("train-prior", "--json", tiny_model, sounds_folder, "--epochs", 2, *SMALL)
    events = _events(run.stdout)
    assert [event["event"] for event in events] == ["scan", "start", "epoch", "epoch", "done"]
    scan, start, epoch, _, done = events
    assert [skipped["name"] for skipped in scan["skipped"]] == ["notes.wav"]
    assert len(scan["files"]) == 6
    assert start["train_files"] + start["validation_files"] == 6
    assert epoch["total_epochs"] == 2
    assert done["saved_to"] == str(tiny_model.resolve())
    assert done["stopped_early"] is False
    assert done["epochs_trained"] == 2
    assert done["ended"] == "last_epoch"
    assert {done["verdict"], epoch["verdict"]} <= {"learning", "fitting"}
    assert done["kept_epoch"] in (1, 2)
    assert start["number_format"] in ("float32", "bfloat16")
    assert start["unigram_perplexity"] == pytest.approx(math.prod(start["unigram_by_level"]) ** 0.5)
    assert "Epoch 2/2" in run.stderr


def test_no_cache_keeps_no_codes(tiny_model: Path, sounds_folder: Path, caches: Path) -> None:
    arguments = ["train-prior", tiny_model, sounds_folder, "--epochs", 1, "--save-worse", *SMALL]
    assert _distill_here(*arguments, "--no-cache").exit_code == 0
    assert not (caches / "distill" / "codes").exists()
    assert _distill_here(*arguments).exit_code == 0
    assert len(list((caches / "distill" / "codes").iterdir())) == 6  # variants join from the second epoch on


def test_output_goes_into_a_copy(tiny_model: Path, sounds_folder: Path, tmp_path: Path) -> None:
    before, copy = tiny_model.read_bytes(), tmp_path / "copy.distill"
    arguments = ["train-prior", tiny_model, sounds_folder, "-o", copy, "--epochs", 1, *SMALL]
    assert _distill_here(*arguments).exit_code == 0
    assert tiny_model.read_bytes() == before
    first = copy.read_bytes()
    refused = _distill_here(*arguments)
    assert refused.exit_code == 4
    assert "--force" in refused.stderr
    assert copy.read_bytes() == first
    assert _distill_here(*arguments, "--force").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["MODEL", "MISSING"], 2, "no folder"),
        (["MODEL", "EMPTY"], 2, "No sounds"),
        (["MODEL", "MODEL"], 2, "it is a model, and no sound"),
        (["MISSING", "SOUNDS"], 2, "no file"),
        (["TEXT", "SOUNDS"], 2, "not a Distill model"),
        (["MODEL", "TEXTS"], 2, "it is text, and no sound"),
        (["MODEL", "NANS"], 2, "not numbers"),
        (["MODEL", "SOUNDS", "--epochs", "0"], 2, "max_epochs"),
        (["MODEL", "SOUNDS", "--heads", "7"], 2, "num_heads"),
        (["MODEL", "SOUNDS", "--device", "abacus"], 2, "abacus"),
        (["MODEL", "SOUNDS", "--output", "MISSING/x.distill"], 4, "no folder"),
        (["MODEL", "SOUNDS", "--lr", "1e30"], 3, "diverged"),
    ],
)
def test_refusals_are_one_sentence_and_write_nothing(
    tiny_model: Path, sounds_folder: Path, tmp_path: Path, arguments: list[str], code: int, words: str
) -> None:
    places = {name: tmp_path / "places" / name.lower() for name in ("MISSING", "EMPTY", "TEXT", "TEXTS", "NANS")}
    for name in ("EMPTY", "TEXTS", "NANS"):
        places[name].mkdir(parents=True)
    places["TEXT"].write_text("hello " * 1000)
    (places["TEXTS"] / "a.wav").write_text("hello")
    _write_nan(places["NANS"] / "nan.wav")
    places |= {"MODEL": tiny_model, "SOUNDS": sounds_folder}
    spelled = [re.sub(r"^[A-Z]+", lambda word: str(places[word.group()]), argument) for argument in arguments]
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    run = _distill_here("train-prior", *spelled)
    assert run.exit_code == code, run.stderr
    assert words in run.stderr
    assert "Traceback" not in run.stderr
    as_json = _events(_distill_here("train-prior", *spelled, "--json").stdout)[-1]
    assert (as_json["event"], as_json["exit"]) == ("error", code)
    assert as_json["hint"]
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def _write_nan(path: Path) -> None:
    import numpy as np
    import soundfile

    soundfile.write(path, np.full(4800, np.nan, dtype=np.float32), 48_000, subtype="FLOAT")


@pytest.fixture
def long_run(tiny_model: Path, sounds_folder: Path) -> list[str]:
    command = ["-m", "distill_core.cli", "train-prior", "--no-audit", str(tiny_model), str(sounds_folder)]
    return [*command, "--json", "--epochs", "100000", *SMALL]


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_first_signal_saves_the_best(long_run: list[str], tiny_model: Path, name: str) -> None:
    command = [*(COLD if name == "SIGINT" else warm_python()), *long_run]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if json.loads(line)["event"] == "epoch":
                process.send_signal(getattr(signal, name))
                break
        rest = _events(process.stdout.read())
    assert process.returncode == 0
    assert rest[-1]["event"] == "done"
    assert rest[-1]["stopped_early"] is True
    assert read_summary(tiny_model).best_perplexity == pytest.approx(rest[-1]["best_perplexity"])


@pytest.mark.parametrize(("name", "wait_s"), [("SIGINT", 0.01), ("SIGTERM", 0.05), ("SIGHUP", 0.1)])
def test_a_signal_after_the_end_does_not_spoil_the_exit_code(
    tiny_model: Path, sounds_folder: Path, name: str, wait_s: float
) -> None:
    """Leaving takes Python a moment, with all that torch loaded."""
    python = COLD if name == "SIGINT" else warm_python(leaves_slowly=True)
    command = [*python, "-m", "distill_core.cli", "train-prior", "--no-audit", str(tiny_model), str(sounds_folder)]
    command += ["--json", "--epochs", "1", *SMALL]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        while json.loads(process.stdout.readline())["event"] != "done":
            pass
        time.sleep(wait_s)
        process.send_signal(getattr(signal, name))
    assert process.returncode == 0


def test_stopping_before_the_first_epoch_saves_nothing(long_run: list[str], tiny_model: Path) -> None:
    before = tiny_model.read_bytes()
    command = [*warm_python(), *long_run, "--batch-size", "1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        while json.loads(process.stdout.readline())["event"] != "scan":
            pass
        process.send_signal(signal.SIGINT)
        rest, words = _events(process.stdout.read()), process.stderr.read()
    assert process.returncode == 0
    if rest[-1]["saved_to"] is None:  # a fast machine may have finished an epoch
        assert "Stopped before the first epoch: nothing to save." in words
        assert tiny_model.read_bytes() == before


def test_a_second_ctrl_c_quits(long_run: list[str], tiny_model: Path, tmp_path: Path) -> None:
    """The first one is held up by a stopped process, so both are there when it goes on."""
    before = tiny_model.read_bytes()
    command = [*warm_python(), *long_run]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        while json.loads(process.stdout.readline())["event"] != "scan":
            pass
        process.send_signal(signal.SIGINT)
        while "Stopping" not in process.stderr.readline():
            pass
        process.send_signal(signal.SIGINT)
        process.communicate()
    assert process.returncode in (0, 130)
    if process.returncode == 130:
        assert tiny_model.read_bytes() == before


def test_a_reader_that_goes_away_does_not_end_training(tiny_model: Path, sounds_folder: Path) -> None:
    command = [
        *warm_python(),
        "-m",
        "distill_core.cli",
        "train-prior",
        "--no-audit",
        str(tiny_model),
        str(sounds_folder),
    ]
    with subprocess.Popen([*command, "--epochs", "5", *SMALL], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.close()
    assert process.returncode == 0
    assert load_model_v2(tiny_model).prior is not None


def test_inspect_tells_the_facts(tiny_model: Path, sounds_folder: Path) -> None:
    plain = _distill_here("inspect", tiny_model)
    assert plain.exit_code == 0
    assert "2 levels × 16 codes" in plain.stdout
    assert "  sound: 48 kHz, 128 mel bands, hop length 512, FFT 2048\n" in plain.stdout
    assert "Prior: none yet" in plain.stdout
    _distill_here("train-prior", tiny_model, sounds_folder, "--epochs", 1, *SMALL)
    facts = json.loads(_distill_here("inspect", "--json", "--verify", tiny_model).stdout)
    assert facts["has_prior"] is True
    assert facts["prior_config"]["seq_len"] == 9 * 8 * 2  # a second and a half
    assert facts["prior_metadata"]["measure"] == 2
    for fact in ("verdict", "run_verdict", "kept", "kept_epoch", "ended", "format", "final_perplexity"):
        assert facts["prior_metadata"][fact]
    assert facts["verified"] is True
    shown = _distill_here("inspect", "--verify", tiny_model).stdout
    assert "Prior: frames" in shown
    assert re.search(r"  sibling agreement: \d+% of a validation sound's codes are those of its nearest", shown)
    assert re.search(r"  very predictable: (no|yes, in some epoch)\n", shown)
    assert re.search(r"  endings: learned\n", shown)
    assert re.search(r"  temperature: \d\.\d\d \(fitted on held-out sounds\)\n", shown)
    assert re.search(r"  training ended: after its last epoch\n", shown)


@pytest.mark.parametrize("odd", [None, "words", 5, [1], {"utilization": "most", "perplexity": None}, "tensor"])
def test_inspect_shows_what_it_can_of_odd_facts(tiny_model: Path, odd: Any) -> None:
    import torch

    values, _ = read_archive(tiny_model)
    odd = torch.ones(2) if odd == "tensor" else odd
    values["codebook_health_snapshot"] = {"level_0": odd, "level_1": {"utilization": 0.5, "perplexity": 4.0}}
    values["metadata"]["name"] = odd
    torch.save(values, tiny_model)
    plain = _distill_here("inspect", tiny_model)
    assert plain.exit_code == 0
    assert "level  1" not in plain.stdout
    assert "level  2 ██████████░░░░░░░░░░ 50% in use, perplexity 4.0\n" in plain.stdout
    as_json = _distill_here("inspect", "--json", tiny_model)
    assert as_json.exit_code == 0
    assert json.loads(as_json.stdout)["codebook_health"]["level_1"]["perplexity"] == 4.0


def test_inspect_refuses_damage_that_only_verify_sees(tiny_model: Path) -> None:
    import torch

    values, _ = read_archive(tiny_model)
    values["model_state_dict"]["encoder.proj.bias"].fill_(torch.nan)
    torch.save(values, tiny_model)
    assert _distill_here("inspect", "--verify", tiny_model).exit_code == 2
    shutil.copy(__file__, tiny_model)
    refused = _distill_here("inspect", tiny_model)
    assert refused.exit_code == 2
    assert "Traceback" not in refused.stderr


def test_names_that_are_not_utf8(tiny_model: Path, sounds_folder: Path) -> None:
    if sys.platform != "linux":
        pytest.skip("only Linux has such names")
    odd = os.fsencode(sounds_folder) + b"/caf\xe9\n-x.wav"
    (sounds_folder / "sound 0.wav").rename(os.fsdecode(odd))
    run = _distill("train-prior", tiny_model, sounds_folder, "--epochs", 1, "--json", *SMALL)
    assert run.returncode == 0, run.stderr
    assert any("caf\ufffd" in file["name"] for file in _events(run.stdout)[0]["files"])


@pytest.mark.parametrize("command", [[], ["train-prior"], ["inspect"], ["generate"]])
def test_help_loads_no_engine(command: list[str]) -> None:
    program = (
        "import sys; from distill_core.cli import main; sys.argv = ['distill', *sys.argv[1:], '--help']\n"
        "try: main()\n"
        "except SystemExit as end: assert not end.code, end.code\n"
        "heavy = {'torch', 'numpy', 'PySide6', 'soundfile'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    run = subprocess.run([sys.executable, "-c", program, *command], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert "Usage" in run.stdout
