"""The training of a codec goes on as that of a prior does: bit for bit, from its folder, and by the same words."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner, Result

from distill_core import ConfigError, load_model_v2, scan
from distill_core.audio.dataset import AudioDataset
from distill_core.cli import app
from distill_core.errors import ModelFileError
from distill_core.folders import run_folders
from distill_core.models.architectures import CODECS
from distill_core.training.codec import descent
from distill_core.training.codec.events import CodecEpochMetrics, CodecTrainingStartEvent
from distill_core.training.codec.train import load_best_codec, train_codec
from distill_core.training.codec.trained import TrainedCodec
from distill_core.training.codec.vqvae.config import VQVAEConfig
from distill_core.training.events import Ended, OlderStateTaken, StepMetrics
from distill_core.training.kinds import codec_runs, listed_runs, stored_run
from distill_core.training.run_folder.facts import RunState
from tests.toy_codec import ToyCodec, toy_codec

__all__ = ["toy_codec"]
TINY = VQVAEConfig(
    codebook_dim=16,
    codebook_size=16,
    num_quantizers=2,
    dropout=0.2,
    max_epochs=4,
    batch_size=4,
    augmentation=2,
    device="cpu",
)


@pytest.fixture(autouse=True)
def _each_epoch_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("distill_core.training.codec.state.PAUSE_IN_WRITING_S", 0.0)


class _Crash(BaseException):
    """The end of a process, as far as the training can tell."""


def _leave(output: Path, sounds: Path | AudioDataset, epoch: int = 2, config: VQVAEConfig = TINY) -> str:
    """Leave a training as a crash after an epoch would, and return its run_id."""

    def on_event(event: object) -> None:
        if isinstance(event, CodecEpochMetrics) and event.epoch == epoch:
            raise _Crash

    with pytest.raises(_Crash):
        train_codec(sounds, config, on_event=on_event, run_folder=codec_runs(output))
    return max(listed_runs(), key=lambda run: run.written).id


def _resume(output: Path, sounds: Path, on_event: Callable[[object], object] = lambda event: None) -> TrainedCodec:
    return train_codec(sounds, on_event=on_event, run_folder=codec_runs(output), resume=True)


def _figures(trained: TrainedCodec) -> list[CodecEpochMetrics]:
    return [replace(metrics, epoch_time_s=0.0) for metrics in trained.history]


def _same(first: TrainedCodec, second: TrainedCodec) -> bool:
    other = second.model.state_dict()
    return all(torch.equal(value, other[key]) for key, value in first.model.state_dict().items())


def _distill(*arguments: object) -> Result:
    return CliRunner().invoke(app, list(map(str, arguments)))


def test_going_on_is_bit_for_bit_as_if_nothing_had_happened(sounds_folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "new.distill"
    whole = train_codec(sounds_folder, TINY)
    _leave(output, sounds_folder)
    events: list[object] = []
    rest = _resume(output, sounds_folder, events.append)
    assert [event.epoch for event in events if isinstance(event, CodecEpochMetrics)] == [3, 4]
    (start,) = [event for event in events if isinstance(event, CodecTrainingStartEvent)]
    assert [metrics.epoch for metrics in start.history] == [1, 2]
    assert _same(whole, rest)
    assert _figures(rest) == _figures(whole)
    assert rest.ended is Ended.LAST_EPOCH
    assert rest.codebook_health == whole.codebook_health
    assert rest.training_config == whole.training_config
    assert rest.loss_curve_history == whole.loss_curve_history
    assert {**rest.metadata, "training_date": ""} == {**whole.metadata, "training_date": ""}


def test_a_training_that_was_stopped_within_an_epoch_goes_on_from_the_one_before(
    sounds_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("distill_core.training.codec.state.PAUSE_IN_WRITING_S", 1e9)  # the first epoch alone is written
    output = tmp_path / "new.distill"
    whole = train_codec(sounds_folder, TINY)
    seen: list[object] = []

    def stop() -> bool:
        return bool(seen) and isinstance(seen[-1], StepMetrics) and seen[-1].epoch == 3

    stopped = train_codec(sounds_folder, TINY, on_event=seen.append, should_stop=stop, run_folder=codec_runs(output))
    assert stopped.ended is Ended.STOPPED
    found = codec_runs(output).unfinished()
    assert found is not None
    assert (found.epoch, found.best_epoch, found.can_go_on) == (2, stopped.history[-1].best_epoch, True)
    assert load_best_codec(codec_runs(output)).codebook_health == stopped.codebook_health
    rest = _resume(output, sounds_folder)
    assert _same(whole, rest)
    assert _figures(rest) == _figures(whole)


def test_what_was_rolled_back_is_known_to_who_goes_on(
    sounds_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output, take_step, epochs = tmp_path / "new.distill", descent.take_step, []

    def failing_in_the_second_epoch(*arguments: Any) -> tuple[float, float] | None:
        return None if len(epochs) == 1 and not has_failed else take_step(*arguments)

    def on_event(event: object) -> None:
        if isinstance(event, CodecEpochMetrics):
            epochs.append(event.epoch)
            if event.epoch == 3:
                raise _Crash
        elif type(event).__name__ == "RolledBack":
            has_failed.append(event)

    has_failed: list[object] = []
    monkeypatch.setattr(descent, "take_step", failing_in_the_second_epoch)
    with pytest.raises(_Crash):
        train_codec(sounds_folder, TINY, on_event=on_event, run_folder=codec_runs(output))
    values = codec_runs(output).load()
    assert values["roll_backs"] == 1
    rest = _resume(output, sounds_folder)
    assert [metrics.epoch for metrics in rest.history] == [1, 3, 4]
    assert rest.history[-1].learning_rate < TINY.learning_rate / 2


def test_a_result_says_whether_its_run_has_the_best_of_it(sounds_folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "kept.distill"
    trained = train_codec(sounds_folder, TINY, run_folder=codec_runs(output))
    assert (bool(trained.run_id), trained.is_kept) == (True, True)
    assert load_best_codec(codec_runs(output), lambda event: None).is_kept

    def block(event: object) -> None:
        if isinstance(event, CodecEpochMetrics) and event.epoch == 1:  # a file in the way is like a disk that is full
            shutil.rmtree(run_folders())
            run_folders().write_bytes(b"")

    trained = train_codec(sounds_folder, TINY, on_event=block, run_folder=codec_runs(tmp_path / "lost.distill"))
    assert max(trained.history, key=lambda epoch: epoch.epoch).best_epoch > 1
    assert (bool(trained.run_id), trained.is_kept) == (True, False)


def test_other_sounds_are_no_way_to_go_on(sounds_folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "new.distill"
    _leave(output, sounds_folder)
    next(sounds_folder.iterdir()).unlink()
    with pytest.raises(ConfigError, match="have changed"):
        _resume(output, sounds_folder)
    assert codec_runs(output).unfinished() is not None


def _edit_moment(values: dict[str, Any]) -> None:
    values["optimizer_states"][0]["state"][0]["exp_avg"] = torch.zeros(7)


MISFITS: dict[str, Callable[[dict[str, Any]], object]] = {
    "a moment's shape": _edit_moment,
    "a negative variance": lambda values: values["optimizer_states"][0]["state"][0]["exp_avg_sq"].fill_(-1.0),
    "a part too many": lambda values: values["optimizer_states"].append(values["optimizer_states"][0]),
    "higher rates": lambda values: values["schedule"].update(base_lrs=[1e3]),
    "settings": lambda values: values["config"].update(learning_rate=-1.0),
    "weights": lambda values: values["current_state_dict"].pop("decoder.proj.bias"),
    "a weight": lambda values: values["current_state_dict"].update(
        {"decoder.proj.bias": torch.full((256,), torch.nan)}
    ),
    "a best epoch to come": lambda values: values["history"][-1].update(best_epoch=9),
    "no random states": lambda values: values.update(random_states=[]),
    "roll-backs": lambda values: values.update(roll_backs=-1),
    "a sound left out": lambda values: values.update(left_out="sound 1.flac"),
    "names left out": lambda values: values.update(left_out=[1]),
}


def test_going_on_does_without_the_sounds_that_were_left_out(sounds_folder: Path, tmp_path: Path) -> None:
    output, dataset = tmp_path / "new.distill", scan(sounds_folder).without({"sound 1.flac", "sound 2.wav"})
    whole = train_codec(dataset, TINY)
    run_id = _leave(output, dataset)
    assert stored_run(run_id).look().left_out == dataset.left_out == {"sound 1.flac", "sound 2.wav"}
    rest = _resume(output, sounds_folder)
    assert _same(whole, rest)
    assert _figures(rest) == _figures(whole)


def test_what_no_training_can_leave_is_damage(sounds_folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "new.distill"
    run = stored_run(_leave(output, sounds_folder, epoch=1))
    good = run.file.read_bytes()
    for edit in MISFITS.values():
        run.file.write_bytes(good)
        values = torch.load(run.file, weights_only=True)
        edit(values)
        torch.save(values, run.file)
        with pytest.raises(ModelFileError):
            _resume(output, sounds_folder)
    run.file.write_bytes(good)
    assert [metrics.epoch for metrics in _resume(output, sounds_folder).history] == [1, 2, 3, 4]


def test_a_damaged_state_gives_way_to_the_one_before(sounds_folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "new.distill"
    run = stored_run(_leave(output, sounds_folder, epoch=2))
    run.file.write_bytes(run.file.read_bytes()[:-5000])
    events: list[object] = []
    _resume(output, sounds_folder, events.append)
    assert OlderStateTaken(epoch=1) in events
    assert [event.epoch for event in events if isinstance(event, CodecEpochMetrics)] == [2, 3, 4]


def test_a_time_limit_ends_a_training_that_can_be_gone_on_with(sounds_folder: Path, tmp_path: Path) -> None:
    folder = codec_runs(tmp_path / "new.distill")
    config = replace(TINY, max_epochs=100_000, time_limit_min=0.05)
    trained = train_codec(sounds_folder, config, run_folder=folder)
    assert trained.ended is Ended.TIME_LIMIT
    assert not trained.stopped_early
    found = folder.unfinished()
    assert found is not None
    assert found.can_go_on


def test_patience_ends_a_training_that_gets_no_better(sounds_folder: Path) -> None:
    config = replace(TINY, max_epochs=500, learning_rate=0.05, augmentation=0, patience=1)
    trained = train_codec(sounds_folder, config)
    assert trained.ended is Ended.NO_BETTER
    assert trained.history[-1].epoch == trained.history[-1].best_epoch + 1


# What a former version left


def _as_former_version(run_id: str) -> None:
    """Turn a run into what the version before left: its best codec alone."""
    run = stored_run(run_id)
    going_on = {"config", "sounds_digest", "current_state_dict", "roll_backs", "optimizer_states", "schedule"}
    for file in run.folder.glob("run.distill-run*"):
        values = torch.load(file, weights_only=True)
        values["history"] = [
            {key: value for key, value in metrics.items() if key != "best_epoch"} for metrics in values["history"]
        ]
        kept = {key: value for key, value in values.items() if key not in {*going_on, "random_states"}}
        torch.save(kept | {"version": 3}, file)


def test_of_a_run_that_the_version_before_left_the_best_is_saved(sounds_folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "new.distill"
    _as_former_version(_leave(output, sounds_folder, epoch=3))
    (listed,) = listed_runs()
    assert listed.state is RunState.BEST_ONLY
    best = load_best_codec(codec_runs(output))
    assert listed.facts is not None
    assert best.history[-1].best_epoch == listed.facts.best_epoch
    refused = _distill("train", sounds_folder, "-o", output, "--resume")
    assert refused.exit_code == 2
    assert "kept its best codec alone: it can't be gone on with" in refused.stderr
    assert "--use-best" in refused.stderr
    with pytest.raises(ModelFileError, match="can't be gone on with"):
        _resume(output, sounds_folder)
    used = _distill("train", sounds_folder, "-o", output, "--use-best")
    assert used.exit_code == 0, used.output
    assert load_model_v2(output).model.codebook_size == 16
    assert listed_runs() == []


# In the terminal

SIZES = ("--codebook-size", 16, "--levels", 2, "--no-augment", "--device", "cpu", "--batch-size", 4)


def test_the_terminal_goes_on_when_asked_and_else_tells_of_it(sounds_folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "new.distill"
    nothing = _distill("train", sounds_folder, "-o", output, "--resume")
    assert nothing.exit_code == 2
    assert "There is no unfinished training into “new.distill”." in nothing.stderr
    _leave(output, sounds_folder)
    own = _distill("train", sounds_folder, "-o", output, "--resume", "--epochs", 9)
    assert own.exit_code == 2
    assert "keeps its settings" in own.stderr
    both = _distill("train", sounds_folder, "-o", output, "--resume", "--use-best")
    assert both.exit_code == 2
    listing = _distill("runs")
    assert "unfinished, can go on" in listing.stdout
    assert json.loads(_distill("runs", "--json").stdout)["runs"][0]["can_go_on"] is True
    resumed = _distill("train", sounds_folder, "-o", output, "--resume")
    assert resumed.exit_code == 0, resumed.output
    epochs = [line.split(" |")[0] for line in resumed.stdout.splitlines() if line.startswith("Epoch")]
    assert epochs == ["Epoch 3/4", "Epoch 4/4"]
    assert "codebook_size: 16 (as before)" in resumed.stdout
    assert "Training ended after its last epoch." in resumed.stdout
    assert load_model_v2(output).metadata["training_epochs"] == 4
    assert listed_runs() == []


def test_json_lines_tell_how_it_ended_and_what_there_was(sounds_folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "new.distill"
    _leave(output, sounds_folder)
    result = _distill("train", sounds_folder, "-o", output, "--epochs", 1, *SIZES, "--json")
    events = [json.loads(line) for line in result.stdout.splitlines()]
    assert [event["event"] for event in events] == ["unfinished", "scan", "start", "epoch", "done"]
    assert (events[0]["kind"], events[0]["can_go_on"]) == ("codec", True)
    assert events[0]["best_error"] == events[0]["best"]
    assert events[-1]["ended"] == "last_epoch"
    assert events[-1]["stopped_early"] is False


def test_a_codec_that_there_is_not_is_refused_before_any_work(sounds_folder: Path, tmp_path: Path) -> None:
    refused = _distill("train", sounds_folder, "-o", tmp_path / "new.distill", "--architecture", "no such")
    assert refused.exit_code == 2
    assert "“no such”" in refused.stderr
    assert "Sounds:" not in refused.stdout
    with pytest.raises(ConfigError):
        train_codec(tmp_path / "nowhere", architecture="no such")


# Another codec than the format's


def _name_codec(run_id: str, architecture: str) -> None:
    """Let the states of a run be of the codec of that name."""
    for file in stored_run(run_id).folder.glob("run.distill-run*"):
        values = torch.load(file, weights_only=True)
        values["vqvae_config"]["architecture"] = architecture
        torch.save(values, file)


def test_a_training_of_another_codec_takes_an_older_runs_place_and_says_so(
    toy_codec: str, sounds_folder: Path, tmp_path: Path
) -> None:
    output = tmp_path / "new.distill"
    _leave(output, sounds_folder)
    other = _distill("train", sounds_folder, "-o", output, "--architecture", toy_codec)
    assert other.exit_code == 0, other.output
    assert "this one starts afresh and takes its place." in other.stdout
    assert isinstance(load_model_v2(output).model, ToyCodec)
    assert listed_runs() == []


def test_a_run_of_a_codec_that_there_is_not_is_a_newer_distills(sounds_folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "new.distill"
    run_id = _leave(output, sounds_folder)
    _name_codec(run_id, "no such")
    assert [(listed.id, listed.state) for listed in listed_runs()] == [(run_id, RunState.NEWER)]
    for command in (
        ("runs", "--save", run_id),
        ("train", sounds_folder, "-o", output, "--resume"),
        ("train", sounds_folder, "-o", output, "--use-best"),
    ):
        refused = _distill(*command)
        assert refused.exit_code == 2, command
        assert "was made by a newer Distill; nothing was changed." in refused.stderr
        assert "Please update Distill." in refused.stderr
        assert "Sounds:" not in refused.stdout
    assert not output.exists()
    assert [listed.id for listed in listed_runs()] == [run_id]


def test_a_run_of_a_codec_that_is_not_trained_here_is_refused_before_any_work(
    sounds_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "new.distill"
    _name_codec(_leave(output, sounds_folder), "readable")
    monkeypatch.setitem(CODECS, "readable", CODECS["v2"])
    with pytest.raises(ConfigError, match="“readable”") as caught:
        _resume(output, tmp_path / "nowhere")
    assert caught.value.field == "architecture"
    refused = _distill("train", sounds_folder, "-o", output, "--resume")
    assert refused.exit_code == 2
    assert "architecture cannot be “readable”." in refused.stderr


def test_going_on_with_a_run_of_another_codec_is_refused_before_any_work(
    toy_codec: str, sounds_folder: Path, tmp_path: Path
) -> None:
    folder = codec_runs(tmp_path / "new.distill")
    _leave(folder.model, sounds_folder)
    with pytest.raises(ConfigError, match="another codec") as caught:
        train_codec(tmp_path / "nowhere", architecture=toy_codec, run_folder=folder, resume=True)
    assert caught.value.field == "architecture"
    assert folder.unfinished() is not None
