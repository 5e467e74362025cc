"""The papers in a take's tags, and what `distill verify` says of them."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from distill_core import DatasetError, GenerateRequest, generate, load_model_v2, save_metadata
from distill_core.audio.export import Tags, encode_sound, recode_sound
from distill_core.audio.sound_format import Container, SoundFormat, Subtype
from distill_core.audio.tags import read_tagged
from distill_core.cli import app
from distill_core.generation.origin import Origin, codes_digest
from distill_core.generation.request import PromptMode
from distill_core.generation.takes.file import tags_for
from distill_core.generation.takes.name import settings_words
from distill_core.generation.takes.papers import papers_of, read_papers, request_of
from distill_core.generation.takes.shelf import TakeShelf
from distill_core.generation.takes.verdict import Copying, TakeVerdict
from distill_core.generation.takes.verify import Finding, verify_take
from distill_core.text import printable
from tests.conftest import WriteSound

DATA = Path(__file__).parents[1] / "data"
ORIGIN = Origin("an-id", "ab" * 16)


def _run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [*map(str, arguments)])


@pytest.fixture(scope="module")
def model() -> Path:
    return DATA / "ref_small_prior.distill"


@pytest.fixture(scope="module")
def take(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A take of one second; leave it as it is."""
    path = tmp_path_factory.mktemp("takes") / "take.wav"
    assert _run("generate", model, "-o", path, "--seconds", 1, "--seed", 41).exit_code == 0
    return path


def _with_comment(take: Path, path: Path, comment: str) -> Path:
    path.write_bytes(recode_sound(take, Container.WAV, Tags(comment=comment)))
    return path


def test_a_take_is_its_models(take: Path, model: Path) -> None:
    run = _run("verify", take, model)
    assert run.exit_code == 0, run.output
    assert (
        run.output == "“ref_small_prior.distill” makes “take.wav” with seed 41: exactly these codes, and this sound.\n"
    )


@pytest.mark.parametrize(
    ("container", "subtype", "rate"),
    [("flac", "PCM_24", 44_100), ("wav", "FLOAT", 48_000), ("flac", "PCM_16", 22_050), ("wav", "PCM_16", 96_000)],
)
def test_each_format_that_is_written_is_verified(
    model: Path, tmp_path: Path, container: str, subtype: str, rate: int
) -> None:
    path, flags = tmp_path / f"take.{container}", ["--seconds", 1, "--subtype", subtype, "--rate", rate, "--loop"]
    assert _run("generate", model, "-o", path, *flags, "--temperature", 1.3, "--top-k", 9).exit_code == 0
    run = _run("verify", path, model, "--json")
    told = json.loads(run.stdout)
    assert (run.exit_code, told["verified"], told["codes_agree"], told["sound_agrees"]) == (0, True, True, True)


def test_a_take_of_the_shelf_is_verified(model: Path, tmp_path: Path) -> None:
    own = Path(shutil.copy(model, tmp_path / "own.distill"))
    sample = generate(load_model_v2(own), GenerateRequest(seconds=1.0, seed=7))
    shelf = TakeShelf(own)
    added = shelf.add(sample)
    assert added.origin == sample.origin
    compared = shelf.note_verdict(added.number, TakeVerdict(Copying.CLOSE_RELATIVE, 0.5, 9, 40, 0.9, "kick.wav"))
    path = shelf.export(compared, tmp_path / "x.flac", Container.FLAC, sidecar=True)
    assert verify_take(path, own).finding is Finding.SAME
    papers = read_papers(read_tagged(path).comment)
    assert papers is not None
    assert (papers.verdict, papers.codes) == ("close_relative", codes_digest(sample.codes_WHQ))
    told = json.loads((tmp_path / "x.json").read_text())
    assert (told["verdict"], told["codes"], told["seed"], told["model"]["id"]) == (
        "close_relative",
        papers.codes,
        7,
        papers.model_id,
    )


def test_a_changed_sound_is_told_from_changed_codes(take: Path, model: Path, tmp_path: Path) -> None:
    comment = read_tagged(take).comment
    samples, rate = soundfile.read(take)
    quieter = encode_sound(torch.from_numpy(samples * 0.9).float(), rate, tags=Tags(comment=comment))
    (tmp_path / "quieter.wav").write_bytes(quieter.data)
    run = _run("verify", tmp_path / "quieter.wav", model, "--json")
    told = json.loads(run.stdout)
    assert (run.exit_code, told["finding"], told["codes_agree"]) == (1, "changed_sound", True)
    shorter = encode_sound(torch.from_numpy(samples[:-1]).float(), rate, tags=Tags(comment=comment))
    (tmp_path / "shorter.wav").write_bytes(shorter.data)
    assert verify_take(tmp_path / "shorter.wav", model).finding is Finding.CHANGED_SOUND
    other_rate = encode_sound(
        torch.from_numpy(samples).float(),
        rate,
        SoundFormat(Container.WAV, Subtype.PCM_24, 44_100),
        Tags(comment=comment),
    )
    (tmp_path / "resampled.wav").write_bytes(other_rate.data)
    assert verify_take(tmp_path / "resampled.wav", model).codes_agree


def test_a_dither_to_16_bits_is_rounding(take: Path, model: Path, tmp_path: Path) -> None:
    samples, rate = soundfile.read(take)
    noisy = samples + np.random.default_rng(0).triangular(-1, 0, 1, len(samples)) / 2**15
    with soundfile.SoundFile(tmp_path / "x.wav", "w", rate, 1, "PCM_16") as sound:
        sound.comment = read_tagged(take).comment
        sound.write(np.round(noisy * 2**15).clip(-(2**15), 2**15 - 1).astype(np.int16))
    assert verify_take(tmp_path / "x.wav", model).is_verified


def test_other_seeds_settings_models_and_priors_are_named(take: Path, model: Path, tmp_path: Path) -> None:
    comment = read_tagged(take).comment
    papers = read_papers(comment)
    assert papers is not None
    cases = {
        Finding.OTHER_CODES: comment.replace("--seed 41", "--seed 42"),
        Finding.ANOTHER_MODEL: comment.replace(papers.model_id, "another"),
        Finding.ANOTHER_PRIOR: comment.replace(papers.prior, "00" * 16),
        Finding.NEWER_TAGS: comment.replace('"distill": 1', '"distill": 2'),
        Finding.NO_TAGS: comment.replace(papers.codes, ""),
    }
    for finding, text in cases.items():
        path = _with_comment(take, tmp_path / f"{finding}.wav", text)
        run = _run("verify", path, model, "--json")
        assert (run.exit_code, json.loads(run.stdout)["finding"]) == (1, finding.value)
        assert run.stderr.count("\n") == 1, "one sentence"
    more = comment.replace("--top-p 0.95", "--top-p 0.95 --level-temperatures 1,1,1,1,1,1,1,1,1")
    assert verify_take(_with_comment(take, tmp_path / "more.wav", more), model).finding is Finding.OTHER_CODES


def test_a_new_name_is_the_same_model(take: Path, model: Path, tmp_path: Path) -> None:
    other = Path(shutil.copy(model, tmp_path / "renamed.distill"))
    save_metadata(other, {"name": "Renamed", "licence": "mine"})
    assert verify_take(take, other).is_verified


def test_files_that_are_no_takes(take: Path, model: Path, tmp_path: Path, write_sound: WriteSound) -> None:
    assert verify_take(write_sound(tmp_path / "x.wav"), model).finding is Finding.NO_TAGS
    (tmp_path / "text.wav").write_text("no sound")
    for path in (tmp_path / "text.wav", tmp_path / "none.wav", tmp_path):
        with pytest.raises(DatasetError, match="can't be read"):
            verify_take(path, model)
    assert _run("verify", tmp_path / "none.wav", model).exit_code == 2
    assert _run("verify", take, tmp_path / "none.distill").exit_code == 2


def test_a_take_that_starts_from_a_sound_needs_it(
    tmp_path: Path, model_that_goes_on: Path, write_sound: WriteSound
) -> None:
    prompt, path = write_sound(tmp_path / "kick.wav", seconds=1.0), tmp_path / "take.wav"
    flags = ["--seconds", 2, "--seed", 3, "--prompt", prompt]
    assert _run("generate", model_that_goes_on, "-o", path, *flags).exit_code == 0
    asked = _run("verify", path, model_that_goes_on)
    assert asked.exit_code == 2
    assert "starts from a sound, of which it has no more than the name" in asked.output
    assert _run("verify", path, model_that_goes_on, "--prompt", prompt).exit_code == 0
    other = write_sound(tmp_path / "other.wav", seed=9, seconds=1.0)
    wrong = _run("verify", path, model_that_goes_on, "--prompt", other)
    assert wrong.exit_code == 1
    assert "or the sound to start from is another one" in wrong.output


@pytest.fixture
def model_that_goes_on(tiny_model: Path, sounds_folder: Path) -> Path:
    flags = ["--epochs", 1, "--hidden-size", 32, "--layers", 1, "--heads", 2, "--anonymous", "--no-audit"]
    assert _run("train-prior", tiny_model, sounds_folder, *flags).exit_code == 0
    return tiny_model


def test_takes_of_an_anonymous_model_name_no_sound(
    tmp_path: Path, model_that_goes_on: Path, write_sound: WriteSound
) -> None:
    prompt = write_sound(tmp_path / "secret kick.wav", seconds=1.0)
    flags = ["--seconds", 2, "--prompt", prompt, "--sidecar", "--json"]
    run = _run("generate", model_that_goes_on, "-o", tmp_path / "take.wav", *flags)
    assert run.exit_code == 0, run.output
    assert b"secret" not in (tmp_path / "take.wav").read_bytes()
    told = json.loads((tmp_path / "take.json").read_text())
    assert "secret" not in json.dumps(told)
    assert (told["learned_from"]["count"], told["learned_from"]["held_out"]) == (6, 3)
    sample = generate(load_model_v2(model_that_goes_on), GenerateRequest(seconds=2.0, prompt=prompt))
    exported = TakeShelf(model_that_goes_on).add(sample)
    path = TakeShelf(model_that_goes_on).export(exported, tmp_path / "window.wav", sidecar=True)
    assert b"secret" not in path.read_bytes() + (tmp_path / "window.json").read_bytes()


def test_a_sidecar_takes_no_other_files_place(model: Path, tmp_path: Path) -> None:
    (tmp_path / "take.json").write_text("mine")
    flags = ["-o", tmp_path / "take.wav", "--seconds", 1, "--sidecar"]
    assert _run("generate", model, *flags).exit_code == 4
    assert [path.name for path in tmp_path.iterdir()] == ["take.json"]
    assert _run("generate", model, *flags, "--force").exit_code == 0
    own = Path(shutil.copy(model, tmp_path / "own.distill"))
    shelf = TakeShelf(own)
    added = shelf.add(generate(load_model_v2(own), GenerateRequest(seconds=1.0)))
    (tmp_path / "other.json").write_text("mine")
    for number in range(2):
        shelf.export(added, tmp_path / "take.wav", replace=True, sidecar=True)  # a sidecar's, again
        with pytest.raises(Exception, match="exists already"):
            shelf.export(added, tmp_path / "other.wav", replace=bool(number), sidecar=True)
    assert not (tmp_path / "other.wav").exists()


@pytest.mark.parametrize("container", Container)
def test_the_longest_tags_are_read_back_whole(tmp_path: Path, container: Container) -> None:
    request = GenerateRequest(
        level_temperatures=(1.2345678901234567e-300,) * 32,
        prompt=Path("𝄞" * 50 + "'" * 30 + ".wav"),
        mode=PromptMode.VARY,
        seed=2**63 - 1,
    )
    origin = Origin("i" * 64, "ab" * 16)
    tags = tags_for(request, Path("x.distill"), origin=origin, codes="cd" * 16, verdict="close_relative")
    path = tmp_path / "x"
    path.write_bytes(encode_sound(torch.zeros(480), 48_000, SoundFormat(container), tags).data)
    assert len(tags.comment.encode()) < 2048
    assert read_tagged(path).comment == tags.comment
    papers = read_papers(tags.comment)
    assert papers is not None
    assert (papers.model_id, papers.prior, papers.codes) == (origin.model_id, origin.prior, "cd" * 16)


def test_other_programs_show_and_keep_the_papers(take: Path, tmp_path: Path) -> None:
    if shutil.which("ffmpeg") is None or shutil.which("ffprobe") is None:
        pytest.skip("no ffmpeg")
    comment = read_tagged(take).comment
    shown = subprocess.run(["ffprobe", "-show_format", take], capture_output=True, text=True, check=True).stdout
    assert f"TAG:comment={comment}" in shown
    subprocess.run(["ffmpeg", "-v", "error", "-i", take, tmp_path / "x.wav"], check=True)
    assert read_tagged(tmp_path / "x.wav").comment == comment


_names = st.text(min_size=1, max_size=40).filter(lambda name: "/" not in name and name not in (".", ".."))


@given(
    st.floats(0.01, 600),
    st.floats(0.01, 10),
    st.integers(0, 2**63 - 1),
    st.lists(st.floats(0.1, 3), max_size=4),
    st.none() | _names,
    st.booleans(),
)
def test_flags_are_read_back_as_they_were_written(
    seconds: float, temperature: float, seed: int, factors: list[float], name: str | None, loop: bool
) -> None:
    prompt = None if name is None else Path(name)
    request = GenerateRequest(
        seconds=seconds, temperature=temperature, seed=seed, level_temperatures=tuple(factors), prompt=prompt, loop=loop
    )
    papers = read_papers(papers_of(settings_words(request), seed, ORIGIN, "cd", "new"))
    assert papers is not None
    assert (papers.model_id, papers.prior, papers.codes, papers.verdict) == ("an-id", ORIGIN.prior, "cd", "new")
    found = request_of(papers.settings)
    assert found is not None
    assert settings_words(found) == settings_words(request)


_told = st.dictionaries(st.sampled_from(["distill", "model", "codes"]), st.text() | st.integers() | st.none())


@given(
    st.text(max_size=200) | st.builds(lambda text, told: f"{text} # {json.dumps(told)}", st.text(max_size=30), _told)
)
def test_whatever_a_stranger_writes_is_read_without_an_error(comment: str) -> None:
    papers = read_papers(comment)
    if papers is not None:
        assert all(printable(text, 64) == text for text in (papers.model_id, papers.codes))
        request_of(papers.settings)


@pytest.mark.parametrize(
    "settings",
    ["", "--seed", "--seed x", "--seed 1 --what 2", "--seed 1 '", "--seed 1 --seconds nan", f"--seed {'9' * 5000}"],
)
def test_impossible_flags_are_none(settings: str) -> None:
    assert request_of(settings) is None


def test_one_take_has_the_same_tags_whoever_writes_it(model: Path) -> None:
    loaded: Any = load_model_v2(model)
    first, second = (generate(loaded, GenerateRequest(seconds=1.0, seed=3)) for _ in range(2))
    assert first.origin == second.origin
    assert codes_digest(first.codes_WHQ) == codes_digest(second.codes_WHQ.int())
