"""Whether a take depends on a sound is proven by training again without it (T12, sampled; in full: run.py soak)."""

from __future__ import annotations

import json
import math
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

from distill_core import GenerateRequest, PriorConfig, generate, load_model_v2, save_prior_to_model, scan, train_prior
from distill_core.audio.dataset import AudioDataset, AudioFile
from distill_core.audit.events import ProofProgress
from distill_core.audit.learned import training_split
from distill_core.audit.proof import Proof, leaned_on, prove
from distill_core.cli import app
from distill_core.errors import DatasetError, DistillError, ModelFileError
from distill_core.events import Stopped
from distill_core.generation.take_codes import draw_take
from distill_core.training.prior.events import Keep
from distill_core.training.prior.retraining import Retraining, prepare_retraining
from tests.warm_python import warm_python

TINY: dict[str, Any] = {"hidden_size": 32, "num_layers": 1, "num_heads": 2, "device": "cpu", "precision": "float32"}
TINY |= {"batch_size": 2, "variants": 1, "dropout": 0.0, "token_dropout": 0.1, "patience": 0, "val_fraction": 0.2}
TINY |= {"learning_rate": 1e-2, "matrix_learning_rate": 0.02}


def _with_prior(model: Path, sounds: AudioDataset, path: Path, **settings: Any) -> Path:
    trained = train_prior(model, sounds, PriorConfig(**{**TINY, **settings})).keeping(Keep.LAST)
    assert trained.prior is not None
    return save_prior_to_model(model, trained.prior, trained.config, trained.metadata, output=path)


def _retraining(model: Path, sounds: AudioDataset) -> Retraining:
    loaded = load_model_v2(model)
    assert loaded.prior is not None
    train, val, missing = training_split(sounds, loaded.prior_config or {}, loaded.prior_metadata or {})
    assert missing == 0
    return prepare_retraining(loaded, loaded.prior, train, val)


@pytest.fixture(scope="module")
def sounds(shared_sounds_folder: Path) -> AudioDataset:
    return scan(shared_sounds_folder)


@pytest.fixture(scope="module")
def model(shared_klt_model: Path, sounds: AudioDataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model whose prior has learned for two epochs: what is asked of it does not need a good one."""
    return _with_prior(shared_klt_model, sounds, tmp_path_factory.mktemp("quick") / "quick.distill", max_epochs=2)


@pytest.fixture(scope="module")
def good_model(shared_klt_model: Path, sounds: AudioDataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _with_prior(shared_klt_model, sounds, tmp_path_factory.mktemp("good") / "good.distill", max_epochs=8)


def test_a_repetition_with_all_sounds_is_the_prior_of_the_file(model: Path, sounds: AudioDataset) -> None:
    retraining = _retraining(model, sounds)
    assert retraining.loaded.prior is not None
    before, random = retraining.loaded.prior.state_dict(), torch.random.get_rng_state()
    again = retraining.prior_without((), retraining.config.seed).state_dict()
    assert before.keys() == again.keys()
    assert all(torch.equal(before[key], again[key]) for key in before)
    assert torch.equal(torch.random.get_rng_state(), random)
    other = retraining.prior_without({retraining.codes.train_files[0].digest}, retraining.config.seed).state_dict()
    assert [value.shape for value in other.values()] == [value.shape for value in before.values()]
    assert not all(torch.equal(before[key], other[key]) for key in before)


def test_a_planted_copy_depends_on_its_file_and_on_no_other(good_model: Path, sounds: AudioDataset) -> None:
    retraining = _retraining(good_model, sounds)
    files, codes = retraining.codes.train_files, retraining.codes.train[1].sound_WHQ
    assert leaned_on(retraining.loaded, sounds, codes) == files[1]
    events: list[ProofProgress] = []
    proof = prove(good_model, sounds, codes, files[1], on_event=lambda event: _note(event, events))
    assert (proof.suspect, proof.depends) == (files[1], True)
    assert proof.control in {*files} - {files[1]}
    assert len(proof.whole) == len(proof.without) == len(proof.without_control) == 3
    # Each training took as many optimizer steps, with a sound fewer too.
    steps, ends = events[-1].total // 9, {event.training: event.done for event in events}
    assert ends == {number: number * steps for number in range(1, 10)}
    assert {event.total for event in events} == {9 * steps}
    assert [event.done for event in events] == sorted(event.done for event in events)
    assert {event.without for event in events} == {"", files[1].name, proof.control.name}

    innocent = prove(good_model, sounds, codes, next(file for file in files if file not in (files[1], proof.control)))
    assert not innocent.depends
    assert innocent.sentence.startswith("There is no proof that this take depends on")


def _note(event: object, events: list[ProofProgress]) -> None:
    if isinstance(event, ProofProgress):
        events.append(event)


def test_a_sound_under_two_names_is_left_out_under_both(
    shared_klt_model: Path, sounds_folder: Path, tmp_path: Path
) -> None:
    shutil.copy(sounds_folder / "sound 1.flac", sounds_folder / "another.flac")
    twice = scan(sounds_folder)
    path = _with_prior(shared_klt_model, twice, tmp_path / "twice.distill", max_epochs=1, val_fraction=0.1)
    retraining = _retraining(path, twice)
    names = [file.name for file in retraining.codes.train_files]
    assert {"another.flac", "sound 1.flac"} <= {*names}
    codes = retraining.codes.train[names.index("sound 1.flac")].sound_WHQ
    proof = prove(path, twice, codes, "sound 1.flac", seeds=1)
    assert proof.copies == ("another.flac",)
    assert proof.control.name not in ("another.flac", "sound 1.flac")
    assert not proof.depends  # one seed has no spread, and proves nothing


def test_a_stop_ends_it_within_a_training_and_nothing_is_written(
    model: Path, sounds: AudioDataset, caches: Path
) -> None:
    before, seen = model.read_bytes(), list[ProofProgress]()
    codes = _retraining(model, sounds).codes.train[0].sound_WHQ
    there = {path for path in caches.rglob("*") if path.is_file()}
    with pytest.raises(Stopped):
        prove(
            model,
            sounds,
            codes,
            training_split(sounds, {}, load_model_v2(model).prior_metadata or {})[0][0],
            on_event=lambda event: _note(event, seen),
            should_stop=lambda: bool(seen) and seen[-1].training == 2,
        )
    assert seen[-1].training == 2
    assert seen[-1].done < seen[-1].total // 4
    assert model.read_bytes() == before
    assert {path for path in caches.rglob("*") if path.is_file()} == there
    assert [path.name for path in model.parent.iterdir()] == [model.name]


def _file(name: str) -> AudioFile:
    return AudioFile(name, name, 1.0, 48_000, 1, name)


def _proof(drops: list[float], control_drops: list[float]) -> Proof:
    whole = tuple(-100.0 - index for index in range(len(drops)))
    without, control = (
        tuple(each - drop for each, drop in zip(whole, some, strict=True)) for some in (drops, control_drops)
    )
    return Proof(_file("kick_07.wav"), _file("cymbal.wav"), whole, without, control)


def test_the_drop_counts_from_twice_its_spread_over_the_controls_on() -> None:
    clear = _proof([11.0, 12.0, 13.9], [0.0, 0.4, 0.8])
    assert clear.depends
    assert clear.spread == pytest.approx(math.sqrt((4.34 + 0.32 - 6.98 / 3) / 2))  # by hand, from deviations
    assert clear.sentence == (
        "This take depends on kick_07.wav: without it, it is 12.3 nats a second less likely; without cymbal.wav, "
        "0.4 less (spread 1.1)."
    )
    unclear = _proof([-2.0, 4.0, 10.0], [0.5, -1.0, -1.0])
    assert not unclear.depends
    assert unclear.sentence == (
        "There is no proof that this take depends on kick_07.wav: without it, it is 4.0 nats a second less likely; "
        "without cymbal.wav, 0.5 more (spread 5.2)."
    )
    assert not _proof([12.0, 12.1, 11.9], [12.0, 11.8, 12.2]).depends
    assert not _proof([8.0, 8.1, 7.9], [0.0, 0.0, 0.1]).depends  # steady, and less than a tenth of 108 nats
    assert not _proof(
        [0.4, 0.5, 0.3], [-15.0, -14.9, -15.1]
    ).depends  # likelier without the control, the same without it
    assert not _proof([-12.0, -12.1, -11.9], [0.0, 0.0, 0.1]).depends


def test_what_cannot_be_proven_is_said_before_any_training(
    model: Path, shared_klt_model: Path, sounds: AudioDataset, tmp_path: Path
) -> None:
    train, val, _ = training_split(sounds, {}, load_model_v2(model).prior_metadata or {})
    codes = torch.zeros(9, 4, 2, dtype=torch.long)
    few = replace(sounds, files=sounds.files[:3])
    two = _with_prior(shared_klt_model, few, tmp_path / "two.distill", max_epochs=1)
    cases: list[tuple[Any, str, type[DistillError]]] = [
        ((model, replace(sounds, files=sounds.files[1:]), codes, train[-1]), "not the sounds that", DatasetError),
        ((model, sounds, codes, "nowhere.wav"), "did not learn from “nowhere.wav”", DatasetError),
        ((model, sounds, codes, val[0].name), "it was kept aside", DatasetError),
        ((model, sounds, codes + 16, train[0]), "of another model", DatasetError),
        ((model, sounds, codes[:, :3], train[0]), "of another model", DatasetError),
        ((model, sounds, codes[:0], train[0]), "too short", DatasetError),
        ((two, few, codes, few.files[0]), "3 different sounds or more", DatasetError),
        ((shared_klt_model, sounds, codes, train[0]), "has no prior", ModelFileError),
    ]

    def on_event(event: object) -> None:
        assert not isinstance(event, ProofProgress)

    for arguments, said, kind in cases:
        with pytest.raises(kind, match=said) as error:
            prove(*arguments, on_event=on_event)
        assert error.value.hint


def test_a_takes_codes_are_those_of_its_sound(model: Path) -> None:
    loaded, request = load_model_v2(model), GenerateRequest(seconds=1.5, seed=3)
    sample, codes = generate(loaded, request), draw_take(loaded, request)
    assert torch.equal(sample.codes_WHQ, codes.codes_WHQ)
    assert sample.ends == codes.ends


def _events(output: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.splitlines()]


def test_the_command_says_its_finding_and_writes_nothing(model: Path, sounds: AudioDataset) -> None:
    before = model.read_bytes()
    words = ["prove", str(model), str(sounds.folder), "--seed", "5", "--seconds", "1", "--top-p", "0.8", "--json"]
    run = CliRunner().invoke(app, words)
    assert run.exit_code == 0, run.output
    events = _events(run.stdout)
    assert [event["event"] for event in events] == ["scan", "start", "proof", "done"]
    proof = events[2]
    assert proof["suspect"]["name"] == events[1]["suspect"]
    assert proof["drop"] == pytest.approx(sum(proof["whole"]) / 3 - sum(proof["without"]) / 3)
    assert proof["sentence"].startswith("This take depends" if proof["depends"] else "There is no proof")
    assert proof["sentence"] in run.stderr
    assert proof["suspect"]["name"] in proof["sentence"]
    assert events[3]["stopped_early"] is False
    assert model.read_bytes() == before


def test_the_command_refuses_in_a_sentence(model: Path, sounds: AudioDataset) -> None:
    run = CliRunner().invoke(app, ["prove", str(model), str(sounds.folder), "--seed", "5", "--file", "nowhere.wav"])
    assert run.exit_code == 2
    assert "The model did not learn from “nowhere.wav”" in run.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends no such signal")
def test_ctrl_c_ends_the_command_and_nothing_is_written(model: Path, sounds: AudioDataset) -> None:
    before = model.read_bytes()
    command = [*warm_python(), "-m", "distill_core.cli", "prove", str(model), str(sounds.folder), "--seed", "5"]
    with subprocess.Popen([*command, "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        for line in process.stdout:
            if json.loads(line)["event"] == "start":
                process.send_signal(signal.SIGINT)
                break
        rest, words = _events(process.stdout.read()), process.stderr.read()
    assert process.returncode == 0
    assert rest == [{"event": "done", "stopped_early": True}]
    assert "Stopped: nothing is proven, and nothing was written." in words
    assert model.read_bytes() == before
