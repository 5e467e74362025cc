"""`distill train` with the default codec: what it says, which flags are whose, and what goes into the file."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from distill_core import load_model_v2, read_summary
from distill_core.cli import app
from distill_core.cli.progress import TrainingProgress
from distill_core.models.klt import KLTCodec
from distill_core.training.codec.events import CodecEpochMetrics
from distill_core.training.codec.train import train_codec
from distill_core.training.codec.trainings import TRAININGS
from distill_core.training.kinds import codec_runs, listed_runs
from distill_core.training.settings import flag_of

SMALL = ("--codebook-size", 16, "--refiner-width", 8, "--device", "cpu")


def _train(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["train", *map(str, arguments)])


def test_the_fit_is_told_and_then_each_refinement(shared_sounds_folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "new.distill"
    result = _train(shared_sounds_folder, "-o", output, *SMALL, "--epochs", 3)
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    (fitted,) = (number for number, line in enumerate(lines) if line.startswith("Fitted in "))
    assert lines[fitted].endswith(" on the sounds kept aside.")
    assert lines[fitted + 1] == "It is usable from here on; 2 epochs refine it."
    epochs = [line.split(" |")[0] for line in lines[fitted + 2 :] if line.startswith("Epoch")]
    assert epochs == ["Epoch 2/3", "Epoch 3/3"]
    assert isinstance(load_model_v2(output).model, KLTCodec)


def test_a_fit_alone_is_the_best_and_says_so(shared_sounds_folder: Path, tmp_path: Path) -> None:
    result = _train(shared_sounds_folder, "-o", tmp_path / "new.distill", *SMALL, "--epochs", 1)
    assert result.exit_code == 0, result.output
    assert "usable from here on" not in result.stdout  # nothing refines it
    assert "Best epoch 1, the fit: error " in result.stdout


def test_json_lines_have_the_settings_that_followed_from_the_sounds(shared_sounds_folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "new.distill"
    result = _train(shared_sounds_folder, "-o", output, *SMALL, "--epochs", 2, "--json")
    assert result.exit_code == 0, result.output
    events = [json.loads(line) for line in result.stdout.splitlines()]
    assert [event["event"] for event in events] == ["scan", "start", "epoch", "epoch", "done"]
    made = read_summary(output).vqvae_config
    chosen = {name: made[name] for name in ("band_mels", "num_quantizers")}
    assert chosen.items() <= events[1]["config"].items()
    assert all(chosen.values())
    assert [event["learning_rate"] == 0 for event in events[2:4]] == [True, False]


def test_help_tells_which_codec_a_flag_is_for() -> None:
    shown = CliRunner().invoke(app, ["train", "--help"], env={"COLUMNS": "200"}).output
    whole = " ".join(shown.split())
    settings = {name: {each.name for each in fields(training.settings)} for name, training in TRAININGS.items()}  # type: ignore[arg-type]
    assert [flag_of(name) for name in set.union(*settings.values()) if f"{flag_of(name)} " not in whole] == []
    for name in settings["klt"] - settings["v2"]:
        assert "klt: " in whole.split(f"{flag_of(name)} ", 1)[1][:20]
    for name in settings["v2"] - settings["klt"]:
        assert "v2: " in whole.split(f"{flag_of(name)} ", 1)[1][:20]
    assert "klt (default) or v2; an older Distill opens v2 alone" in whole


def test_no_augmentation_is_what_the_default_codec_does_anyway(shared_sounds_folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "new.distill"
    result = _train(shared_sounds_folder, "-o", output, *SMALL, "--epochs", 1, "--no-augment")
    assert result.exit_code == 0, result.output
    assert "augmentation: " not in result.stdout
    assert read_summary(output).vqvae_config["architecture"] == "klt"


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (("--augmentation", 5), "no setting augmentation (--augmentation)"),
        (("--codebook-dim", 5), "no setting codebook_dim (--codebook-dim)"),
        (("--architecture", "v2", "--rate-weight", 5), "no setting rate_weight (--rate-weight)"),
        (("--architecture", "v2", "--levels", 0), "num_quantizers cannot be 0"),
        (("--band-mels", 18), "band_mels cannot be 18"),
    ],
)
def test_a_flag_of_the_other_codec_is_refused_before_any_work(
    shared_sounds_folder: Path, tmp_path: Path, flags: tuple[object, ...], told: str
) -> None:
    refused = _train(shared_sounds_folder, "-o", tmp_path / "new.distill", *flags)
    assert refused.exit_code == 2
    assert told in refused.stderr
    if "no setting" in told:
        other = "klt" if "v2" in flags else "v2"
        assert f"Leave it out, or train {other} (--architecture)." in refused.stderr
    assert "Sounds:" not in refused.stdout


class _Crash(BaseException):
    """The end of a process, as far as the training can tell."""


def test_no_augmentation_is_a_setting_to_an_unfinished_training(sounds_folder: Path, tmp_path: Path) -> None:
    def crash(event: object) -> None:
        if isinstance(event, CodecEpochMetrics):
            raise _Crash

    output = tmp_path / "new.distill"
    with pytest.raises(_Crash):
        train_codec(sounds_folder, {"codebook_size": 16}, on_event=crash, run_folder=codec_runs(output))
    refused = _train(sounds_folder, "-o", output, "--resume", "--no-augment")
    assert refused.exit_code == 2
    assert "keeps its settings (augmentation)" in refused.stderr
    assert len(listed_runs()) == 1


def test_a_file_that_came_meanwhile_is_not_replaced_unasked(
    sounds_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "new.distill"

    def listen(progress: TrainingProgress, event: object) -> None:
        if isinstance(event, CodecEpochMetrics):
            output.write_bytes(b"somebody else's")

    monkeypatch.setattr(TrainingProgress, "on_event", listen)
    result = _train(sounds_folder, "-o", output, *SMALL, "--epochs", 2)
    assert result.exit_code == 4, result.output
    assert "distill runs --save" in " ".join(result.output.split())
    assert output.read_bytes() == b"somebody else's"
