"""`distill train-prior --compare`: the kept epochs are told apart, and the choice is open until one is asked for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import soundfile
from click.testing import Result
from typer.testing import CliRunner

from distill_core import read_summary
from distill_core.cli import app
from distill_core.generation.takes.verdict import Copying, TakeVerdict, copying_words
from distill_core.training.kinds import listed_runs

BY_HEART = ("--hidden-size", 64, "--layers", 2, "--heads", 2, "--lr", 0.02, "--dropout", 0, "--variants", 0)
QUICK = (*BY_HEART, "--epochs", 10, "--patience", 0, "--device", "cpu", "--no-audit")


def _distill(*arguments: object) -> Result:
    return CliRunner().invoke(app, [*map(str, arguments)])


def test_takes_are_told_and_written_and_the_chosen_epoch_is_saved_afterwards(
    tiny_model: Path, sounds_folder: Path, tmp_path: Path
) -> None:
    before, takes = tiny_model.read_bytes(), tmp_path / "takes"
    run = _distill("train-prior", tiny_model, sounds_folder, *QUICK, "--takes", takes, "--json")
    assert run.exit_code == 0, run.output
    events = [json.loads(line) for line in run.stdout.splitlines()]
    best, last, done = events[-3:]
    assert [(each["event"], each["keep"]) for each in (best, last)] == [("kept_epoch", "best"), ("kept_epoch", "last")]
    assert best["epoch"] < last["epoch"] == 10
    assert {best["take"]["verdict"], last["take"]["verdict"]} <= {*Copying}
    assert best["learning"] in ("learning", "fitting", "memorizing")
    assert (done["event"], done["saved_to"], done["kept"]) == ("done", None, "best")
    assert "Not saved yet, and kept: --use-best --keep best or last saves that one" in run.stderr
    assert tiny_model.read_bytes() == before
    assert len(listed_runs()) == 1

    chosen = _distill("train-prior", tiny_model, sounds_folder, "--use-best", "--keep", "last")
    assert chosen.exit_code == 0, chosen.output
    assert (read_summary(tiny_model).prior_metadata or {})["kept_epoch"] == last["epoch"]
    assert _distill("generate", tiny_model, "-o", tmp_path / "again.wav", "--seed", last["seed"]).exit_code == 0
    heard, made = (soundfile.read(path)[0] for path in (last["path"], tmp_path / "again.wav"))
    assert heard.tolist() == made.tolist(), "the take that was chosen is the one that the saved model makes"
    assert {path.name for path in takes.iterdir()} == {
        f"tiny_epoch{each['epoch']}_seed{each['seed']}.wav" for each in (best, last)
    }


def test_with_keep_it_saves_at_once_and_a_take_that_is_there_is_left_alone(
    tiny_model: Path, sounds_folder: Path, tmp_path: Path
) -> None:
    mine = tmp_path / "takes" / "tiny_epoch10_seed0.wav"
    mine.parent.mkdir()
    mine.write_text("mine")
    flags = ("--takes", mine.parent, "--keep", "last", "--save-worse")
    run = _distill("train-prior", tiny_model, sounds_folder, *QUICK, *flags)
    assert run.exit_code == 0, run.output
    lines = run.stdout.splitlines()
    (head,) = (number for number, line in enumerate(lines) if line.startswith("The kept epochs, looser to closer"))
    assert lines[head].endswith("each with its take of seed 0:")
    assert "the best · perplexity " in lines[head + 1]
    assert "tiny_epoch10_seed0.wav" in lines[head + 2]
    assert lines[head + 3].startswith("  epoch 10, the last · perplexity ")
    assert " · its take: " in lines[head + 3]
    assert mine.read_text() == "mine"
    assert (read_summary(tiny_model).prior_metadata or {})["kept"] == "last"


def test_one_epoch_leaves_nothing_to_choose_and_is_saved(tiny_model: Path, sounds_folder: Path) -> None:
    flags = ("--epochs", 1, "--save-worse", "--compare")
    run = _distill("train-prior", tiny_model, sounds_folder, *QUICK, *flags)
    assert run.exit_code == 0, run.output
    assert "  epoch 1, the best · perplexity " in run.stdout
    assert (read_summary(tiny_model).prior_metadata or {})["kept_epoch"] == 1


def test_a_file_is_no_place_for_takes(tiny_model: Path, sounds_folder: Path) -> None:
    refused = _distill("train-prior", tiny_model, sounds_folder, "--takes", tiny_model)
    assert refused.exit_code == 4
    assert "is a file, and no folder; nothing was written." in refused.stderr
    assert "Sounds:" not in refused.stdout


@pytest.mark.parametrize(
    ("verdict", "words"),
    [
        (TakeVerdict(Copying.NEW, 0.3, file="kick_07.wav"), "new"),
        (TakeVerdict(Copying.CLOSE_RELATIVE, 0.7, file="808/kick_07.wav"), "close to kick_07"),
        (TakeVerdict(Copying.COPY, 1.0, file="kick 0.7.flac"), "copy of kick 0.7"),
        (TakeVerdict(Copying.COPY, 1.0, file="0123456789abcdef" * 2), "copy of sound 01234567"),
        (TakeVerdict(Copying.CANT_TELL, reason="The take is nearly silent."), "can't tell"),
    ],
)
def test_a_verdict_in_a_few_words(verdict: TakeVerdict, words: str) -> None:
    assert copying_words(verdict) == words
