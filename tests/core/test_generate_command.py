"""`distill generate`: takes as files, the same for the same seed, and nothing written over."""

from __future__ import annotations

import json
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from typer.testing import CliRunner, Result

from distill_core import GenerateRequest, generate, load_model_v2
from distill_core.cli import app
from distill_core.files.archive import read_archive
from distill_core.generation.takes.shelf import TakeShelf
from tests.warm_python import warm_python

DATA = Path(__file__).parents[1] / "data"
SECOND = ["--seconds", "1"]


def _generate(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["generate", *map(str, arguments)])


def _events(output: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.splitlines()]


@pytest.fixture(scope="module")
def model() -> Path:
    return DATA / "ref_small_prior.distill"


def test_one_take_is_the_file_that_the_window_keeps(model: Path, tmp_path: Path) -> None:
    path = tmp_path / "take.wav"
    run = _generate(model, "-o", path, "--seconds", 2, "--seed", 41)
    assert run.exit_code == 0, run.output
    assert f"{path}: 2.00 s, mono, 48 kHz, seed 41" in run.stdout
    info = soundfile.info(path)
    assert (info.frames, info.samplerate, info.channels, info.subtype) == (96_000, 48_000, 1, "PCM_24")
    sample = generate(load_model_v2(model), GenerateRequest(seconds=2.0, seed=41))
    assert TakeShelf(model).add(sample).wav.read_bytes() == path.read_bytes()


def test_several_takes_go_into_a_folder_and_equal_those_made_alone(model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "new" / "takes"
    run = _generate(model, "-o", folder, *SECOND, "--count", 3, "--seed", 7, "--json")
    assert run.exit_code == 0, run.output
    start, *takes, done = _events(run.stdout)
    assert (start["event"], start["seed"], start["count"]) == ("start", 7, 3)
    names = [f"ref_small_prior_take{number}_seed{number + 6}.wav" for number in (1, 2, 3)]
    assert sorted(path.name for path in folder.iterdir()) == names
    assert [Path(take["path"]).name for take in takes] == names
    assert [(take["event"], take["number"], take["seed"]) for take in takes] == [("take", n, n + 6) for n in (1, 2, 3)]
    assert done == {"event": "done", "written": [take["path"] for take in takes], "stopped_early": False}
    alone = tmp_path / "alone.wav"
    assert _generate(model, "-o", alone, *SECOND, "--seed", 8).exit_code == 0
    assert alone.read_bytes() == (folder / names[1]).read_bytes()
    assert alone.read_bytes() != (folder / names[0]).read_bytes()


def test_the_settings_in_the_tags_make_the_same_file(model: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "first.flac", tmp_path / "second.flac"
    settings = ["--temperature", "0.9", "--top-p", "0.8", "--level-temperatures", "1,1.1,0.7", *SECOND]
    assert _generate(model, "-o", first, *settings, "--top-k", 9).exit_code == 0
    with soundfile.SoundFile(first) as sound:
        flags = shlex.split(sound.comment, comments=True)  # as a shell would
    assert _generate(model, "-o", second, *flags).exit_code == 0
    assert first.read_bytes() == second.read_bytes()


def test_a_seed_is_drawn_and_said(model: Path, tmp_path: Path) -> None:
    runs = [_generate(model, "-o", tmp_path / f"{number}.wav", *SECOND) for number in (1, 2)]
    seeds = [re.search(r"seed (\d+)\.", run.stdout) for run in runs]
    assert all(seeds)
    assert seeds[0].group() != seeds[1].group()  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("arguments", "name", "facts"),
    [
        (["-o", "x.FLAC"], "x.FLAC", ("FLAC", "PCM_24", 48_000)),
        (["-o", "x.wav", "--subtype", "float"], "x.wav", ("WAV", "FLOAT", 48_000)),
        (["-o", "x.wav", "--subtype", "pcm_16", "--rate", "44100"], "x.wav", ("WAV", "PCM_16", 44_100)),
        (["-o", "x", "--format", "flac"], "x", ("FLAC", "PCM_24", 48_000)),
        (["-o", "folder/", "--format", "flac"], "folder/ref_small_prior_take1_seed5.flac", ("FLAC", "PCM_24", 48_000)),
        (["-o", "."], "ref_small_prior_take1_seed5.wav", ("WAV", "PCM_24", 48_000)),
    ],
)
def test_formats_and_places(
    model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    name: str,
    facts: tuple[str, str, int],
) -> None:
    monkeypatch.chdir(tmp_path)
    run = _generate(model, *arguments, *SECOND, "--seed", 5)
    assert run.exit_code == 0, run.output
    info = soundfile.info(tmp_path / name)
    assert (info.format, info.subtype, info.samplerate) == facts
    assert info.frames == facts[2]


def _write_louder(model: Path, path: Path) -> Path:
    """Write a model whose decoder makes everything louder, by e⁵ in power."""
    values, _ = read_archive(model)
    values["model_state_dict"]["decoder.deconvs.12.bias"] += 5.0
    torch.save(values, path)
    return path


def test_a_loud_take_is_lowered_and_that_is_said(model: Path, tmp_path: Path) -> None:
    loud = _write_louder(model, tmp_path / "loud.distill")
    run = _generate(loud, "-o", tmp_path / "x.wav", *SECOND, "--seed", 0)
    lowered = re.search(r"lowered by (\d+\.\d) dB to keep the true peak at −1 dBFS", run.stdout)
    assert lowered, run.output
    as_json = _generate(loud, "-o", tmp_path / "y.wav", *SECOND, "--seed", 0, "--json")
    _, take, _ = _events(as_json.stdout)
    assert take["gain_db"] == pytest.approx(-float(lowered.group(1)), abs=0.051)
    assert np.abs(soundfile.read(tmp_path / "x.wav")[0]).max() <= 10 ** (-1 / 20)


def test_a_file_is_replaced_by_force_only(model: Path, tmp_path: Path) -> None:
    path = tmp_path / "take.wav"
    path.write_text("mine")
    refused = _generate(model, "-o", path, *SECOND)
    assert refused.exit_code == 4
    assert "exists already" in refused.stderr
    assert path.read_text() == "mine"
    assert _generate(model, "-o", path, *SECOND, "--force").exit_code == 0
    assert soundfile.info(path).frames == 48_000
    second = tmp_path / "ref_small_prior_take2_seed4.wav"
    second.touch()
    assert _generate(model, "-o", tmp_path, *SECOND, "--count", 2, "--seed", 3).exit_code == 4
    assert sorted(file.name for file in tmp_path.iterdir()) == [second.name, "take.wav"]


def test_what_takes_are_made_from_is_not_replaced(model: Path, tmp_path: Path) -> None:
    own = tmp_path / "model.wav"
    own.write_bytes(model.read_bytes())
    run = _generate(own, "-o", own, *SECOND, "--force")
    assert run.exit_code == 2
    assert "made from" in run.stderr
    assert own.read_bytes() == model.read_bytes()
    prompt = tmp_path / "kick.wav"
    soundfile.write(prompt, np.zeros(4800), 48_000)
    before = prompt.read_bytes()
    assert _generate(model, "-o", prompt, "--prompt", prompt, "--force").exit_code == 2
    assert prompt.read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["MODEL", "-o", "OUT.mp3"], 2, "neither a WAV nor a FLAC"),
        (["MODEL", "-o", "OUT"], 2, "neither a WAV nor a FLAC"),
        (["MODEL", "-o", ""], 2, "is empty"),
        (["MODEL", "-o", "OUT.mp3", "--format", "wav"], 2, "neither a WAV nor a FLAC"),
        (["MODEL", "-o", "OUT.wav", "--format", "flac"], 2, "--format says flac"),
        (["MODEL", "-o", "OUT.flac", "--subtype", "float"], 2, "no FLOAT"),
        (["MODEL", "-o", "OUT.wav", "--rate", "5"], 2, "rate of 5 Hz"),
        (["MODEL", "-o", "OUT.wav", "--count", "2"], 2, "do not fit into one file"),
        (["MODEL", "-o", "OUT/", "--count", "0"], 2, "count"),
        (["MODEL", "-o", "OUT.wav", "--seed", "-1"], 2, "seed"),
        (["MODEL", "-o", "OUT/", "--count", "2", "--seed", str(2**63 - 1)], 2, "seed"),
        (["MODEL", "-o", "OUT.wav", "--seconds", "nan"], 2, "seconds"),
        (["MODEL", "-o", "OUT.wav", "--temperature", "0"], 2, "temperature"),
        (["MODEL", "-o", "OUT.wav", "--top-p", "1.5"], 2, "top_p"),
        (["MODEL", "-o", "OUT.wav", "--level-temperatures", "1,x"], 2, "level_temperatures"),
        (["MODEL", "-o", "OUT.wav", "--level-temperatures", "1"], 2, "level_temperatures"),
        (["MODEL", "-o", "OUT/x/", "--level-temperatures", "1"], 2, "level_temperatures"),
        (["MODEL", "-o", "OUT.wav", "--loop", "--until-end"], 2, "loop"),
        (["MODEL", "-o", "OUT.wav", "--mode", "vary"], 2, "--prompt"),
        (["MODEL", "-o", "OUT/x.wav"], 4, "no folder"),
        (["MODEL", "-o", "TEXT/x.wav"], 4, "x.wav"),
        (["MODEL", "-o", "TEXT/"], 4, "is a file"),
        (["MODEL", "-o", "TEXT/x/"], 4, "can't be"),
        (["BARE", "-o", "OUT.wav"], 2, "no prior yet"),
        (["NEWER", "-o", "OUT.wav"], 2, "newer Distill"),
        (["MISSING", "-o", "OUT.wav"], 2, "no file"),
        (["TEXT", "-o", "OUT.wav"], 2, "not a Distill model"),
    ],
)
def test_refusals_are_one_sentence_and_write_nothing(
    model: Path, tiny_model: Path, tmp_path: Path, arguments: list[str], code: int, words: str
) -> None:
    places = {"MODEL": model, "BARE": tiny_model, "OUT": tmp_path / "out", "MISSING": tmp_path / "missing"}
    places |= {"TEXT": tmp_path / "text", "NEWER": tmp_path / "newer.distill"}
    places["TEXT"].write_text("hello " * 1000)
    if "NEWER" in arguments:
        values, _ = read_archive(model)
        values["prior_config"]["architecture"] = "of tomorrow"
        torch.save(values, places["NEWER"])
    spelled = [re.sub(r"^[A-Z]+", lambda word: str(places[word.group()]), argument) for argument in arguments]
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    run = _generate(*spelled)
    assert run.exit_code == code, run.output
    assert words in run.stderr
    assert "Traceback" not in run.output
    as_json = _events(_generate(*spelled, "--json").stdout)[-1]
    assert (as_json["event"], as_json["exit"]) == ("error", code)
    assert as_json["hint"]
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    assert not places["OUT"].exists()


def test_flac_cannot_say_where_a_loop_is(model: Path, tmp_path: Path) -> None:
    said = _generate(model, "-o", tmp_path / "x.flac", *SECOND, "--loop")
    assert said.exit_code == 0, said.output
    assert "FLAC can't say where a loop is" in said.stdout
    wav = _generate(model, "-o", tmp_path / "x.wav", *SECOND, "--loop")
    assert "FLAC" not in wav.stdout
    assert b"smpl" in (tmp_path / "x.wav").read_bytes()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends no such signal")
def test_ctrl_c_keeps_whole_takes_and_says_how_many(model: Path, tmp_path: Path) -> None:
    command = [*warm_python(), "-m", "distill_core.cli", "generate", str(model), "-o", str(tmp_path / "takes")]
    command += [*SECOND, "--count", "1000", "--seed", "0", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        for line in process.stdout:
            if json.loads(line)["event"] == "take":
                process.send_signal(signal.SIGINT)
                break
        rest, words = _events(process.stdout.read()), process.stderr.read()
    assert process.returncode == 0
    done = rest[-1]
    assert (done["event"], done["stopped_early"]) == ("done", True)
    files = sorted((tmp_path / "takes").iterdir())
    assert sorted(map(Path, done["written"])) == files
    assert 1 <= len(files) < 1000
    assert all(soundfile.info(file).frames == 48_000 for file in files)
    assert "Stopping; the takes that are written stay." in words
    assert f"Stopped: {len(files)} of 1000 takes written." in words


def _shown_on_a_terminal(command: list[str], **streams: Any) -> bytes:
    import os
    import pty

    try:
        watched, screen = pty.openpty()
    except OSError:
        pytest.skip("this computer gives no pseudo-terminals")
    environment = os.environ | {"TERM": "xterm"}
    with subprocess.Popen(command, stderr=screen, env=environment, **streams) as process:
        os.close(screen)
        shown = b""
        while True:
            try:
                block = os.read(watched, 65_536)
            except OSError:  # nobody holds the other end any more
                break
            if not block:
                break
            shown += block
    os.close(watched)
    assert process.returncode == 0
    return shown


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such device")
def test_the_bar_is_on_stderr(model: Path, tmp_path: Path) -> None:
    command = [*warm_python(), "-m", "distill_core.cli", "generate", str(model), "-o", str(tmp_path / "x.wav")]
    with (tmp_path / "out").open("wb") as out:
        shown = _shown_on_a_terminal([*command, *SECOND], stdout=out)
    assert b"Take 1 of 1" in shown
    lines = (tmp_path / "out").read_text().splitlines()
    assert len(lines) == 2
    assert lines[1].startswith(str(tmp_path / "x.wav"))
