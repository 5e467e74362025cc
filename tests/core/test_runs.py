"""No training is lost to sight: whatever becomes of a model's name and place, and of the run's newest file."""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner, Result

from distill_core import ConfigError, PriorConfig, load_model_v2, save_prior_to_model, scan, train_prior
from distill_core.audio.dataset import AudioDataset
from distill_core.cli import app
from distill_core.errors import ModelFileError
from distill_core.training.codec.events import CodecEpochMetrics
from distill_core.training.codec.train import load_best_codec, train_codec
from distill_core.training.codec.vqvae.config import VQVAEConfig
from distill_core.training.data.codes import SoundEncoder
from distill_core.training.events import OlderStateTaken, RunNotKept
from distill_core.training.kinds import codec_runs, listed_runs, prior_runs, stored_run, unfinished_runs
from distill_core.training.prior.events import PriorEpochMetrics
from distill_core.training.prior.state import codes_digest
from distill_core.training.prior.train import load_best
from distill_core.training.run_folder.facts import RunState
from distill_core.training.run_folder.format import sounds_of, thinned
from distill_core.training.run_folder.stored import StoredRun
from tests.older_runs import leave_older_run
from tests.warm_python import warm_python

pytestmark = pytest.mark.usefixtures("known_codes")

ROOT = Path(__file__).parents[2]
TINY = PriorConfig(hidden_size=32, num_layers=1, num_heads=2, max_epochs=4, batch_size=4, patience=0, device="cpu")


@pytest.fixture(autouse=True)
def _each_epoch_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("distill_core.training.prior.state.PAUSE_IN_WRITING_TIMES", 0)


class _Crash(BaseException):
    """The end of a process, as far as the training can tell."""


def _leave_unfinished(model: Path, sounds: Path, epoch: int = 2, config: PriorConfig = TINY) -> str:
    """Leave a training as a crash after an epoch would, and return its run_id."""

    def on_event(event: object) -> None:
        if isinstance(event, PriorEpochMetrics) and event.epoch == epoch:
            raise _Crash

    with pytest.raises(_Crash):
        train_prior(model, sounds, config, on_event=on_event, run_folder=prior_runs(model))
    return max(listed_runs(), key=lambda run: run.written).id


def _values_to_save(run_id: str) -> dict[str, Any]:
    """Return what a training of that state hands over to be kept."""
    values = torch.load(stored_run(run_id).file, weights_only=True)
    return {key: value for key, value in values.items() if key not in ("format", "version")}


def _runs_in(caches: Path) -> Path:
    return caches / "data" / "distill" / "runs"


def _other_codec(model: Path, target: Path) -> Path:
    """Write a model of another codec: one weight differs."""
    values = torch.load(model, weights_only=True)
    state = values["model_state_dict"]
    values["model_state_dict"] = state | {"encoder.proj.bias": state["encoder.proj.bias"] + 1}
    torch.save(values, target)
    return target


def _resume(model: Path, sounds: Path) -> list[int]:
    epochs: list[int] = []

    def on_event(event: object) -> None:
        if isinstance(event, PriorEpochMetrics):
            epochs.append(event.epoch)

    train_prior(model, sounds, on_event=on_event, run_folder=prior_runs(model), resume=True)
    return epochs


# Whose a run is


def test_a_folder_is_named_by_its_run(tiny_model: Path, sounds_folder: Path, caches: Path) -> None:
    run_id = _leave_unfinished(tiny_model, sounds_folder)
    found = prior_runs(tiny_model).unfinished()
    assert found is not None
    assert found.run_id == run_id
    assert [folder.name for folder in _runs_in(caches).iterdir()] == [run_id]


@pytest.mark.parametrize("place", ["renamed.distill", "elsewhere/tiny.distill"])
def test_a_model_that_moved_finds_its_run_and_goes_on(tiny_model: Path, sounds_folder: Path, place: str) -> None:
    run_id = _leave_unfinished(tiny_model, sounds_folder)
    moved = tiny_model.with_name("x").parent / place
    moved.parent.mkdir(exist_ok=True)
    tiny_model.rename(moved)
    found = prior_runs(moved).unfinished()
    assert found is not None
    assert (found.run_id, found.model) == (run_id, tiny_model.resolve())
    assert _resume(moved, sounds_folder) == [3, 4]
    again = prior_runs(moved).unfinished()
    assert again is not None
    assert (again.run_id, again.model, again.epoch) == (run_id, moved.resolve(), 4)
    assert [run.id for run in listed_runs()] == [run_id]


def test_a_copy_does_not_take_the_originals_run(tiny_model: Path, sounds_folder: Path, tmp_path: Path) -> None:
    _leave_unfinished(tiny_model, sounds_folder)
    copy = Path(shutil.copy(tiny_model, tmp_path / "copy.distill"))
    assert prior_runs(copy).unfinished() is None
    tiny_model.unlink()
    assert prior_runs(copy).unfinished() is not None


def test_another_model_finds_nothing_of_a_model_that_is_gone(tiny_model: Path, sounds_folder: Path) -> None:
    _leave_unfinished(tiny_model, sounds_folder)
    other = _other_codec(tiny_model, tiny_model.with_name("other.distill"))
    tiny_model.unlink()
    assert prior_runs(other).unfinished() is None


def test_a_run_follows_its_codec_where_another_took_the_name(tiny_model: Path, sounds_folder: Path) -> None:
    run_id = _leave_unfinished(tiny_model, sounds_folder)
    renamed = tiny_model.rename(tiny_model.with_name("renamed.distill"))
    _other_codec(renamed, tiny_model)
    assert prior_runs(tiny_model).unfinished() is None
    assert [run.state for run in listed_runs()] == [RunState.MODEL_GONE]
    assert unfinished_runs() == []
    _leave_unfinished(tiny_model, sounds_folder, epoch=1)
    found = prior_runs(renamed).unfinished()
    assert found is not None
    assert found.run_id == run_id


def test_of_several_runs_of_models_that_are_gone_the_name_decides_and_then_the_date(
    tiny_model: Path, sounds_folder: Path, tmp_path: Path
) -> None:
    ids = []
    for name in ("drums", "first", "second"):
        copy = Path(shutil.copy(tiny_model, tmp_path / f"{name}.distill"))
        ids.append(_leave_unfinished(copy, sounds_folder, epoch=1))
        copy.unlink()
    (tmp_path / "elsewhere").mkdir()

    def found_by(name: str) -> str:
        model = Path(shutil.copy(tiny_model, tmp_path / "elsewhere" / name))
        found = prior_runs(model).unfinished()
        assert found is not None
        return found.run_id

    assert found_by("drums.distill") == ids[0]
    assert found_by("another.distill") == ids[2]


def test_starting_afresh_replaces_the_run_of_its_path_and_no_other(
    tiny_model: Path, sounds_folder: Path, tmp_path: Path
) -> None:
    gone = Path(shutil.copy(tiny_model, tmp_path / "gone.distill"))
    kept = {_leave_unfinished(gone, sounds_folder)}
    gone.unlink()
    kept.add(_leave_unfinished(_other_codec(tiny_model, tmp_path / "other.distill"), sounds_folder))
    _leave_unfinished(tiny_model, sounds_folder)
    newest = _leave_unfinished(tiny_model, sounds_folder, epoch=1)
    assert {run.id for run in listed_runs()} == kept | {newest}


def test_starting_a_model_that_moved_afresh_leaves_its_former_run(tiny_model: Path, sounds_folder: Path) -> None:
    former = _leave_unfinished(tiny_model, sounds_folder)
    moved = tiny_model.rename(tiny_model.with_name("moved.distill"))
    newest = _leave_unfinished(moved, sounds_folder, epoch=1)
    assert {run.id for run in listed_runs()} == {former, newest}
    found = prior_runs(moved).unfinished()
    assert found is not None
    assert found.run_id == newest


def test_two_names_of_one_codec_do_not_go_on_with_one_run_at_once(
    tiny_model: Path, sounds_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("distill_core.training.run_folder.folder.WAIT_S", 0.1)
    _leave_unfinished(tiny_model, sounds_folder)
    copy = Path(shutil.copy(tiny_model, tmp_path / "copy.distill"))
    moved = tiny_model.rename(tmp_path / "moved.distill")
    first = prior_runs(copy)
    with first.in_use() as obstacle:
        assert not obstacle
        first.load_to_resume()
        assert prior_runs(moved).unfinished() is None
        assert prior_runs(moved).is_busy()
        assert [run.state for run in listed_runs()] == [RunState.IN_USE]
        assert stored_run(listed_runs()[0].id).discard()
        with pytest.raises((ConfigError, ModelFileError)):
            _resume(moved, sounds_folder)
    assert prior_runs(moved).unfinished() is not None


# Long runs, and very many sounds


def test_a_long_run_keeps_as_many_epochs_as_a_file_has_room_for(tiny_model: Path, sounds_folder: Path) -> None:
    run = stored_run(_leave_unfinished(tiny_model, sounds_folder, config=replace(TINY, max_epochs=4_002)))
    values = torch.load(run.file, weights_only=True)
    first, second = values["history"]
    second |= {"verdict": "memorizing"}
    epochs = [first, second, *(first | {"epoch": epoch} for epoch in range(3, 4_001))]
    values["prior_metadata"]["history"] = {}
    torch.save(values | {"history": epochs, "best_epoch": 3_333}, run.file)
    events: list[object] = []
    train_prior(tiny_model, sounds_folder, on_event=events.append, run_folder=prior_runs(tiny_model), resume=True)
    assert not [event for event in events if isinstance(event, RunNotKept)]
    trained = load_best(prior_runs(tiny_model))
    assert trained.metadata["epochs_trained"] == 4_002
    assert trained.metadata["run_verdict"] == "memorizing"
    best = trained.metadata["best_epoch"]
    numbers = [metrics.epoch for metrics in trained.history]
    assert {2, best, 4_002} <= set(numbers)
    assert len(numbers) < 510
    assert trained.metadata["history"]["epochs"] == numbers
    assert trained.prior is not None
    save_prior_to_model(tiny_model, trained.prior, trained.config, trained.metadata)


@pytest.mark.parametrize("count", [500, 5_000, 100_000])
def test_any_number_of_epochs_has_room(tiny_model: Path, sounds_folder: Path, count: int) -> None:
    values = _values_to_save(_leave_unfinished(tiny_model, sounds_folder))
    first = PriorEpochMetrics(**values["history"][0])
    history = [replace(first, epoch=epoch, total_epochs=10**6) for epoch in range(1, count + 1)]
    kept, last = thinned(history, (values["best_epoch"], count)), replace(first, epoch=count + 1)
    needed = (values["best_epoch"], count + 1)
    assert thinned([*kept, last], needed) == thinned([*history, last], needed)
    assert len(kept) <= 502
    run = stored_run(values["run_id"])
    run.save(values | {"history": [asdict(metrics) for metrics in kept]})
    facts = run.look()
    assert facts is not None
    assert facts.epoch == count


@pytest.mark.parametrize(("count", "letters"), [(20, 20), (3_000, 200), (30_000, 20), (120_000, 3), (3_000, 4_000)])
def test_any_number_of_sounds_has_room(
    tiny_model: Path, sounds_folder: Path, tmp_path: Path, count: int, letters: int
) -> None:
    values = _values_to_save(_leave_unfinished(tiny_model, sounds_folder))
    deep = Path("/", *(["d" * 100] * (letters // 101)))
    sources = tuple(deep / f"folder {number % 7}" / f"{number:0{min(letters, 100)}}.wav" for number in range(count))
    dataset = AudioDataset(sources, ())
    run = stored_run(values["run_id"])
    run.save(values | {"sounds": sounds_of(dataset)})
    facts = run.look()
    assert facts is not None
    is_too_many = count > 100_000 or letters > 1_000
    assert facts.sounds == (tuple(deep / f"folder {number}" for number in range(7)) if is_too_many else sources)


# What former versions left


def _as_former_version(folder: StoredRun, model: Path) -> StoredRun:
    """Turn a run into what the version before left: in a folder named by a hash of its model's path."""
    for file in folder.folder.glob("run.distill-run*"):
        values = torch.load(file, weights_only=True)
        values |= {"version": 2, "sounds_path": values.pop("sounds")[0]}
        torch.save(
            {key: value for key, value in values.items() if key not in ("kind", "written", "codec_digest")}, file
        )
    name = sha256(os.fsencode(os.path.normcase(model.resolve()))).hexdigest()[:32]
    return stored_run(folder.folder.rename(folder.folder.with_name(name)).name)


def test_a_run_that_the_version_before_left_is_found_and_gone_on_with(
    tiny_model: Path, sounds_folder: Path, caches: Path
) -> None:
    run_id = _leave_unfinished(tiny_model, sounds_folder)
    former = _as_former_version(stored_run(run_id), tiny_model)
    found = prior_runs(tiny_model).unfinished()
    assert found is not None
    assert (found.run_id, found.epoch, found.sounds) == (run_id, 2, (sounds_folder.resolve(),))
    assert [run.id for run in listed_runs()] == [former.id]
    assert _resume(tiny_model, sounds_folder) == [3, 4]
    assert [folder.name for folder in _runs_in(caches).iterdir()] == [run_id]


@pytest.mark.parametrize("is_moved", [False, True])
def test_a_run_that_the_version_before_left_is_replaced_and_discarded_as_any(
    tiny_model: Path, sounds_folder: Path, is_moved: bool
) -> None:
    run_id = _leave_unfinished(tiny_model, sounds_folder)
    former = _as_former_version(stored_run(run_id), tiny_model)
    model = tiny_model.rename(tiny_model.with_name("moved.distill")) if is_moved else tiny_model
    found = prior_runs(model).unfinished()
    assert found is not None
    newest = _leave_unfinished(model, sounds_folder, epoch=1)
    assert {run.id for run in listed_runs()} == ({former.id, newest} if is_moved else {newest})
    prior_runs(model).discard(run_id)
    assert [run.id for run in listed_runs()] == [newest]


SECOND_TRAINING = """
import sys
from distill_core.training.kinds import prior_runs
from distill_core.training.run_folder import folder

folder.WAIT_S = 0.5
with prior_runs(sys.argv[1]).in_use() as obstacle:
    print(obstacle)
"""


@pytest.mark.parametrize("is_discarded", [False, True])
def test_a_training_that_replaces_a_run_of_the_version_before_keeps_others_out(
    tiny_model: Path, sounds_folder: Path, is_discarded: bool
) -> None:
    values = _values_to_save(_leave_unfinished(tiny_model, sounds_folder))
    former = _as_former_version(stored_run(values["run_id"]), tiny_model)
    folder = prior_runs(tiny_model)
    if is_discarded:
        assert not former.discard()
    with folder.in_use() as obstacle:
        assert not obstacle
        folder.save(values | {"run_id": "a" * 32})
        assert [run.id for run in listed_runs()] == ["a" * 32]
        command = [*warm_python(), "-c", SECOND_TRAINING, str(tiny_model)]
        told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        assert "under way" in told.stdout


def test_a_file_of_the_version_before_still_opens(tiny_model: Path) -> None:
    leave_older_run(tiny_model, version=2)
    found = prior_runs(tiny_model).unfinished()
    assert found is not None
    assert (found.epoch, found.total_epochs, found.can_go_on, len(found.sounds)) == (3, 5, True, 1)
    best = load_best(prior_runs(tiny_model))
    assert best.prior is not None
    assert [epoch.epoch for epoch in best.history] == [1, 2, 3]
    # Its epochs name no best one: the judge that keeps the weights tells which it was.
    assert best.history[-1].best_epoch == found.best_epoch
    losses = [epoch.val_loss for epoch in best.history]
    assert [epoch.best_epoch for epoch in best.history] == [
        1 + losses.index(min(losses[:count])) for count in (1, 2, 3)
    ]
    assert best.history[-1].kept_epoch == best.metadata["kept_epoch"]
    prior_runs(tiny_model).discard(found.run_id)
    assert listed_runs() == []


# What the releases that wrote formats 3 and 4 reached in the two epochs that were left to do; other processors round.
REST_TRAIN_LOSSES, REST_VAL_LOSSES = [3.763869, 3.725067], [3.738105, 3.719956]


@pytest.mark.parametrize("version", [3, 4])
def test_a_run_of_an_older_release_goes_on_as_if_it_had_never_stopped(tmp_path: Path, version: int) -> None:
    data = ROOT / "tests" / "data"
    model = tmp_path / "drums.distill"
    shutil.copyfile(data / "ref_small_prior.distill", model)
    leave_older_run(model, version)
    file = prior_runs(model).folder / "run.distill-run"
    values = torch.load(file, weights_only=True)
    encoder = SoundEncoder(load_model_v2(model), "rows")
    codes = encoder.split(scan(data / "sounds"), values["config"]["val_fraction"], values["config"]["seed"])
    codes = encoder.join_variants(codes, values["joined"])
    # Encoding may round otherwise here, and that is no other sound.
    torch.save(values | {"codes_digest": codes_digest(codes, None)}, file)
    resumed = train_prior(model, data / "sounds", run_folder=prior_runs(model), resume=True)
    assert [epoch.epoch for epoch in resumed.history] == [1, 2, 3, 4]
    assert [epoch.train_loss for epoch in resumed.history[2:]] == pytest.approx(REST_TRAIN_LOSSES, rel=5e-3)
    assert [epoch.val_loss for epoch in resumed.history[2:]] == pytest.approx(REST_VAL_LOSSES, rel=5e-3)
    assert resumed.prior is not None
    assert not resumed.prior.learns_end
    assert resumed.config["architecture"] == "frames"
    later = {"effort": "normal", "stop_when_memorizing": False}
    assert set(resumed.config) == {*values["prior_config"], *later}, "a setting that came later has its default"
    assert later.items() <= resumed.config.items()
    assert set(resumed.prior.state_dict()) == set(values["current_state_dict"])


# A file that is gone or damaged


@pytest.mark.parametrize(
    "change",
    [
        {"version": 6},
        {"version": 6, "history": None},
        {"kind": "vocoder"},
        {"prior_config": {"architecture": "mixture"}},
    ],
    ids=str,
)
@pytest.mark.parametrize("is_moved", [False, True])
def test_a_run_of_a_newer_distill_is_told_as_such_and_stays(
    tiny_model: Path, sounds_folder: Path, change: dict[str, Any], is_moved: bool
) -> None:
    run = stored_run(_leave_unfinished(tiny_model, sounds_folder))
    torch.save(torch.load(run.file, weights_only=True) | change, run.file)
    if is_moved:
        run.file.rename(run.file.with_name("run.distill-run.bak"))
    before = {path.name: path.read_bytes() for path in run.folder.iterdir()}
    folder = prior_runs(tiny_model)
    assert folder.unfinished() is None
    for use in (lambda: _resume(tiny_model, sounds_folder), lambda: load_best(folder), run.load):
        with pytest.raises(ModelFileError, match="made by a newer Distill") as told:
            use()
        assert "update Distill" in told.value.hint
    assert [(listed.id, listed.state) for listed in listed_runs()] == [(run.id, RunState.NEWER)]
    newest = _leave_unfinished(tiny_model, sounds_folder, epoch=1)
    assert {listed.id for listed in listed_runs()} == {run.id, newest}
    folder.discard(run.id)
    folder.discard()
    assert [listed.id for listed in listed_runs()] == [run.id]
    assert {path.name: path.read_bytes() for path in run.folder.iterdir()} == before
    listing = _distill("runs")
    assert "newer Distill" in listing.output
    assert not run.discard()
    assert listed_runs() == []


def test_a_missing_newest_state_gives_way_to_the_one_before(tiny_model: Path, sounds_folder: Path) -> None:
    run_id = _leave_unfinished(tiny_model, sounds_folder, epoch=3)
    stored_run(run_id).file.unlink()
    found = prior_runs(tiny_model).unfinished()
    assert found is not None
    assert found.epoch == 2
    assert [run.run_id for run in unfinished_runs()] == [run_id]
    assert [(run.id, run.state) for run in listed_runs()] == [(run_id, RunState.UNFINISHED)]
    events: list[object] = []
    assert len(load_best(prior_runs(tiny_model), events.append).history) == 2
    assert events == [OlderStateTaken(epoch=2, is_missing=True)]
    assert _resume(tiny_model, sounds_folder) == [3, 4]


def _flip_a_bit_of_the_weights(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


@pytest.mark.parametrize("tear", [_flip_a_bit_of_the_weights, lambda file: file.write_bytes(b"x" * 5000)])
@pytest.mark.parametrize("is_former", [False, True])
def test_a_torn_newest_state_never_takes_the_place_of_the_good_one_before(
    tiny_model: Path, sounds_folder: Path, tear: Callable[[Path], object], is_former: bool
) -> None:
    run = stored_run(_leave_unfinished(tiny_model, sounds_folder))
    run_id = run.id
    if is_former:
        run = _as_former_version(run, tiny_model)
    good = run.file.with_name("run.distill-run.bak").read_bytes()
    tear(run.file)
    backups: list[bytes] = []

    def on_event(event: object) -> None:
        if isinstance(event, PriorEpochMetrics):
            backups.append(stored_run(run_id).file.with_name("run.distill-run.bak").read_bytes())

    train_prior(tiny_model, sounds_folder, on_event=on_event, run_folder=prior_runs(tiny_model), resume=True)
    assert backups[0] == good
    assert good not in backups[1:]


def test_the_state_before_a_missing_one_can_be_discarded(tiny_model: Path, sounds_folder: Path, caches: Path) -> None:
    run_id = _leave_unfinished(tiny_model, sounds_folder)
    stored_run(run_id).file.unlink()
    prior_runs(tiny_model).discard(run_id)
    assert list(_runs_in(caches).iterdir()) == []
    locks = [lock.name for lock in (caches / "distill" / "locks").iterdir()]
    assert len(locks) == 1  # the model's
    assert run_id not in locks[0]


def test_what_cannot_be_read_is_listed_and_can_be_discarded(tiny_model: Path, sounds_folder: Path) -> None:
    run = stored_run(_leave_unfinished(tiny_model, sounds_folder))
    for file in run.folder.iterdir():
        file.write_bytes(file.read_bytes()[:3000])
    assert prior_runs(tiny_model).unfinished() is None
    (listed,) = listed_runs()
    assert (listed.id, listed.state, listed.facts) == (run.id, RunState.UNREADABLE, None)
    assert listed.size_bytes == 6000
    assert not run.discard()
    assert listed_runs() == []


def test_what_a_first_write_left_is_cleaned_up(tiny_model: Path, sounds_folder: Path, caches: Path) -> None:
    (_runs_in(caches) / ("0" * 32)).mkdir(parents=True)
    run_id = _leave_unfinished(tiny_model, sounds_folder, epoch=1)
    assert [folder.name for folder in _runs_in(caches).iterdir()] == [run_id]


# Numbers that cannot be


def _edit_epoch(**changes: object) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda values: {"history": [*values["history"][:-1], values["history"][-1] | changes]}


def _edit(key: str, **changes: object) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda values: {key: values[key] | changes}


def _edit_variance(values: dict[str, Any]) -> dict[str, Any]:
    states = values["optimizer_states"]
    first = states[0]["state"][0]
    return {"optimizer_states": [states[0] | {"state": states[0]["state"] | {0: _negative(first)}}, *states[1:]]}


def _negative(moments: dict[str, Any]) -> dict[str, Any]:
    return moments | {"exp_avg_sq": moments["exp_avg_sq"] - 1.0}


def _edit_moment(values: dict[str, Any]) -> dict[str, Any]:
    states = values["optimizer_states"]
    first = states[0]["state"][0]
    wrong = first | {"exp_avg": first["exp_avg"] * math.nan}
    return {"optimizer_states": [states[0] | {"state": states[0]["state"] | {0: wrong}}, *states[1:]]}


def _edit_first_moments(**changes: object) -> Callable[[dict[str, Any]], None]:
    return lambda values: values["optimizer_states"][0]["state"][0].update(changes)


def _edit_momentum(values: dict[str, Any]) -> None:
    values["optimizer_states"][1]["state"][0]["momentum_buffer"] = torch.zeros(7)


def _edit_group(number: int, **changes: object) -> Callable[[dict[str, Any]], None]:
    return lambda values: values["optimizer_states"][number]["param_groups"][0].update(changes)


def _edit_schedule(**changes: object) -> Callable[[dict[str, Any]], None]:
    return lambda values: values["schedule"].update(changes)


MISFITS = {
    "no rates": _edit_schedule(base_lrs=[]),
    "one rate": _edit_schedule(base_lrs=[1e-3]),
    "higher rates": _edit_schedule(base_lrs=[1e3, 1e3]),
    "no last rate": _edit_schedule(_last_lr=None),
    "step count": _edit_schedule(_step_count=None),
    "step counts": _edit_schedule(_step_count=[]),
    "steps below zero": _edit_schedule(_step_count=-5),
    "lambdas": _edit_schedule(lr_lambdas=[{}, {}]),
    "another key": _edit_schedule(milestones=[1]),
    "step below zero": _edit_first_moments(step=torch.tensor(-1.0)),
    "steps of a moment": _edit_first_moments(step=torch.zeros(7)),
    "moment's shape": _edit_first_moments(exp_avg=torch.zeros(7)),
    "moment of integers": _edit_first_moments(exp_avg=torch.zeros(7, dtype=torch.int64)),
    "variance's shape": _edit_first_moments(exp_avg_sq=torch.zeros(7)),
    "moment of another kind": _edit_first_moments(max_exp_avg_sq=torch.zeros(7)),
    "momentum's shape": _edit_momentum,
    "moments of no weight": lambda values: values["optimizer_states"][0]["state"].update({99: {}}),
    "a part too few": lambda values: values["optimizer_states"].pop(),
    "betas": _edit_group(0, betas=0.9),
    "beta of one": _edit_group(0, betas=(1.0, 0.9)),
    "eps": _edit_group(0, eps=-1.0),
    "decay": _edit_group(0, weight_decay=-1.0),
    "decay of matrices": _edit_group(1, weight_decay=1e11),
    "rate of matrices": _edit_group(1, lr=1e11),
    "amsgrad": _edit_group(0, amsgrad=1e11),
    "capturable": _edit_group(0, capturable=True),
    "maximize": _edit_group(0, maximize=True),
    "a weight of another group": _edit_group(0, params=[0]),
}


def test_what_no_such_optimizer_or_schedule_has_is_damage(tiny_model: Path, sounds_folder: Path) -> None:
    """Torch takes each of these when a state is loaded, and most of them fail in a later step."""
    run = stored_run(_leave_unfinished(tiny_model, sounds_folder))
    run.file.with_name("run.distill-run.bak").unlink()
    good = run.file.read_bytes()
    for edit in MISFITS.values():
        run.file.write_bytes(good)
        values = torch.load(run.file, weights_only=True)
        edit(values)
        torch.save(values, run.file)
        with pytest.raises(ModelFileError, match="damaged"):
            _resume(tiny_model, sounds_folder)
    run.file.write_bytes(good)
    assert _resume(tiny_model, sounds_folder) == [3, 4]


WRONG = {
    "loss": _edit_epoch(val_loss=math.nan),
    "training loss": _edit_epoch(train_loss=math.inf),
    "perplexity": _edit_epoch(val_perplexity=-1.0),
    "time": _edit_epoch(epoch_time_s=math.nan),
    "rate": _edit_epoch(learning_rate=math.nan),
    "level": _edit_epoch(level_perplexities=[math.inf, 2.0]),
    "epoch 0": _edit_epoch(epoch=0),
    "epoch below the one before": _edit_epoch(epoch=-3),
    "epochs": _edit_epoch(total_epochs=10**12),
    "an epoch of yes": _edit_epoch(total_epochs=True),
    "best perplexity": _edit("prior_metadata", best_perplexity=math.nan),
    "perplexity kept": _edit("prior_metadata", final_perplexity=math.inf),
    "unigram": _edit("prior_metadata", unigram_by_level=[math.nan]),
    "settings": _edit("config", learning_rate=math.nan),
    "schedule": _edit("schedule", base_lrs=[math.nan, 1e-3]),
    "steps": _edit("schedule", last_epoch=-5),
    "roll-backs": lambda values: {"roll_backs": -1},
    "moment": _edit_moment,
    "variance": _edit_variance,
    "id": lambda values: {"run_id": "../../../outside"},
    "date": lambda values: {"written": "yesterday"},
    "sounds": lambda values: {"sounds": []},
    "kind": lambda values: {"kind": 7},
    "version": lambda values: {"version": 0},
}


@pytest.mark.parametrize("edit", WRONG.values(), ids=WRONG.keys())
def test_a_number_that_cannot_be_is_damage_and_the_state_before_is_taken(
    tiny_model: Path, sounds_folder: Path, edit: Callable[[dict[str, Any]], dict[str, Any]]
) -> None:
    run = stored_run(_leave_unfinished(tiny_model, sounds_folder, epoch=3))
    values = torch.load(run.file, weights_only=True)
    torch.save(values | edit(values), run.file)
    events: list[object] = []
    assert len(load_best(prior_runs(tiny_model), events.append).history) == 2
    assert events == [OlderStateTaken(epoch=2)]
    for file in run.folder.iterdir():
        torch.save(values | edit(values), file)
    with pytest.raises(ModelFileError):
        _resume(tiny_model, sounds_folder)


def test_a_large_loss_is_no_damage(tiny_model: Path, sounds_folder: Path) -> None:
    run = stored_run(_leave_unfinished(tiny_model, sounds_folder))
    values = torch.load(run.file, weights_only=True)
    torch.save(values | _edit_epoch(val_loss=500.0, val_perplexity=math.exp(20))(values), run.file)
    found = prior_runs(tiny_model).unfinished()
    assert found is not None
    assert found.epoch == 2
    assert replace(found, written=0.0) == replace(unfinished_runs()[0], written=0.0)


# In the terminal


def _distill(*arguments: object) -> Result:
    return CliRunner().invoke(app, list(map(str, arguments)))


def test_the_terminal_lists_every_training(tiny_model: Path, sounds_folder: Path, tmp_path: Path) -> None:
    assert "no unfinished training" in _distill("runs").stdout
    assert json.loads(_distill("runs", "--json").stdout) == {"event": "runs", "runs": []}
    gone = Path(shutil.copy(tiny_model, tmp_path / "gone \x1b[31m.distill"))
    former = _leave_unfinished(gone, sounds_folder, epoch=1)
    gone.unlink()
    damaged = _leave_unfinished(_other_codec(tiny_model, tmp_path / "other.distill"), sounds_folder)
    for file in stored_run(damaged).folder.iterdir():
        file.write_bytes(b"PK" + bytes(2000))
    newest = _leave_unfinished(tiny_model, sounds_folder)
    told = _distill("runs")
    assert told.exit_code == 0, told.output
    assert "\x1b" not in told.stdout
    lines = told.stdout.splitlines()[1:]
    by_id = {
        run_id: next(line for line in lines if line.startswith(run_id[:8])) for run_id in (former, damaged, newest)
    }
    assert "tiny.distill  " in by_id[newest]
    assert "  sounds  " in by_id[newest]
    assert "  2 of 4  perplexity " in by_id[newest]
    assert "  unfinished, can go on  " in by_id[newest]
    assert "gone \ufffd[31m.distill" in by_id[former]
    assert "  its model is gone  " in by_id[former]
    assert "  cannot be read  " in by_id[damaged]
    objects = {run["id"]: run for run in json.loads(_distill("runs", "--json").stdout)["runs"]}
    assert {run["state"] for run in objects.values()} == {"unfinished", "model_gone", "unreadable"}
    assert objects[newest]["model"] == str(tiny_model.resolve())
    assert objects[newest]["sounds"] == [str(sounds_folder.resolve())]
    assert objects[newest]["size_bytes"] == stored_run(newest).size() > 100_000
    for run_id in (former, damaged, newest):
        assert _distill("runs", "--discard", run_id[:12]).exit_code == 0
    assert listed_runs() == []


def test_a_run_without_a_name_is_not_the_folder_of_all_runs(
    tiny_model: Path, sounds_folder: Path, caches: Path
) -> None:
    run = stored_run(_leave_unfinished(tiny_model, sounds_folder))
    shutil.copy(run.file, _runs_in(caches))  # that folder looks like a run then
    prior_runs(tiny_model).discard("")
    assert run.exists
    assert not [*caches.rglob("runs.run.lock")]


@pytest.mark.parametrize("more", [["--save", 1], ["-o", "x.distill"], ["--force"]], ids=str)
def test_flags_that_contradict_each_other_remove_nothing(
    tiny_model: Path, sounds_folder: Path, more: list[object]
) -> None:
    _leave_unfinished(tiny_model, sounds_folder)
    other = Path(shutil.copy(tiny_model, tiny_model.with_name("other.distill")))
    _leave_unfinished(other, sounds_folder)
    ids = [run.id for run in listed_runs()]
    refused = _distill("runs", "--discard", ids[0], *(ids[1] if part == 1 else part for part in more))
    assert refused.exit_code == 2
    assert "nothing was done" in refused.stderr
    assert [run.id for run in listed_runs()] == ids


def test_flags_of_a_save_without_one_are_refused() -> None:
    for flags in (["-o", "x.distill"], ["--force"]):
        assert _distill("runs", *flags).exit_code == 2


def test_the_terminal_discards_what_is_meant_and_nothing_else(tiny_model: Path, sounds_folder: Path) -> None:
    run_id = _leave_unfinished(tiny_model, sounds_folder)
    twin = f"{run_id[:10]}{'f' if run_id[10] != 'f' else 'e'}{run_id[11:]}"
    shutil.copytree(stored_run(run_id).folder, stored_run(twin).folder)
    for wrong, why in ((run_id[:9], "2 trainings begin"), ("zzz", "no training"), ("", "no training"), ("..", "no ")):
        refused = _distill("runs", "--discard", wrong)
        assert refused.exit_code == 2
        assert why in refused.stderr
    with stored_run(run_id).in_use():
        refused = _distill("runs", "--discard", run_id)
        assert refused.exit_code == 2
        assert "Another training is at this run. Nothing was removed." in refused.stderr
    assert len(listed_runs()) == 2
    assert _distill("runs", "--discard", run_id).exit_code == 0
    assert [run.id for run in listed_runs()] == [twin]


def test_the_terminal_tells_of_a_run_whose_model_moved(tiny_model: Path, sounds_folder: Path) -> None:
    run_id = _leave_unfinished(tiny_model, sounds_folder)
    moved = tiny_model.rename(tiny_model.with_name("moved.distill"))
    small = ("--epochs", 1, "--hidden-size", 32, "--layers", 1, "--heads", 2, "--no-audit")
    afresh = _distill("train-prior", moved, sounds_folder, *small)
    assert "Unfinished training found: epoch 2 of 4" in afresh.stdout
    assert "It was into “tiny.distill”, which is this model by another name" in afresh.stdout
    assert "leaves it where distill runs lists it" in afresh.stdout
    assert [run.id for run in listed_runs()] == [run_id]
    used = _distill("train-prior", moved, sounds_folder, "--use-best", "--save-worse")
    assert used.exit_code == 0, used.output
    assert listed_runs() == []


# The training of a codec

TINY_CODEC = VQVAEConfig(
    codebook_dim=16, codebook_size=16, num_quantizers=2, max_epochs=4, batch_size=4, augmentation=0, device="cpu"
)


def _leave_codec(output: Path, sounds: Path, epoch: int = 2) -> str:
    def on_event(event: object) -> None:
        if isinstance(event, CodecEpochMetrics) and event.epoch == epoch:
            raise _Crash

    with pytest.raises(_Crash):
        train_codec(sounds, TINY_CODEC, on_event=on_event, run_folder=codec_runs(output))
    return max(listed_runs(), key=lambda run: run.written).id


def test_a_killed_training_of_a_codec_leaves_its_best(sounds_folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "new.distill"
    command = [sys.executable, "-m", "distill_core.cli", "train", "--json", str(sounds_folder), "-o", str(output)]
    command += ["--epochs", "5000", "--codebook-size", "16", "--levels", "2", "--no-augment", "--device", "cpu"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=os.environ)
    assert process.stdout is not None
    for line in process.stdout:
        if '"event": "epoch"' in line:
            process.kill()
            break
    process.wait()
    process.stdout.close()
    assert not output.exists()
    (listed,) = listed_runs()
    assert listed.state is RunState.UNFINISHED
    assert f"{listed.id[:8]}  codec  new.distill  sounds" in _distill("runs").stdout
    saved = _distill("runs", "--save", listed.id[:8], "--json")
    assert saved.exit_code == 0, saved.output
    assert load_model_v2(output).model.codebook_size == 16
    assert listed_runs() == []


def test_the_best_codec_is_the_one_that_was_kept(sounds_folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "new.distill"
    kept = {}

    def on_event(event: object) -> None:
        if isinstance(event, CodecEpochMetrics):
            for run in listed_runs():
                assert run.facts is not None
                kept[event.epoch] = (run.facts.best_epoch, run.facts.best)

    folder = codec_runs(output)
    trained = train_codec(sounds_folder, TINY_CODEC, on_event=on_event, run_folder=folder)
    assert kept == dict.fromkeys(range(1, 5), (1, trained.history[0].val_l1))  # once a minute
    assert trained.model is not None
    again = load_best_codec(folder)
    assert again.model is not None
    other = trained.model.state_dict()
    assert all(torch.equal(value, other[key]) for key, value in again.model.state_dict().items())
    assert (again.codebook_health, again.history) == (trained.codebook_health, trained.history)
    assert {**again.metadata, "training_date": ""} == {**trained.metadata, "training_date": ""}
    assert [run.state for run in listed_runs()] == [RunState.NOT_SAVED]


def test_each_new_best_codec_is_kept_where_epochs_are_long(
    sounds_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("distill_core.training.codec.state.PAUSE_IN_WRITING_S", 0.0)
    run_id = _leave_codec(tmp_path / "new.distill", sounds_folder, epoch=3)
    facts = stored_run(run_id).look()
    assert facts is not None
    history = stored_run(run_id).load()["history"]
    assert facts.best_epoch == min(history, key=lambda metrics: metrics["val_loss"])["epoch"]


def test_a_codec_that_is_saved_leaves_no_run(sounds_folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "new.distill"
    _leave_codec(output, sounds_folder)
    small = ("--epochs", 1, "--codebook-size", 16, "--levels", 2, "--no-augment", "--device", "cpu")
    trained = _distill("train", sounds_folder, "-o", output, *small)
    assert trained.exit_code == 0, trained.output
    assert "Unfinished training found: epoch 1 of 4, best error " in trained.stdout
    assert "--resume goes on with it, --use-best saves its best codec" in trained.stdout
    assert listed_runs() == []


def test_the_runs_of_codec_and_prior_at_one_path_keep_apart(
    tiny_model: Path, sounds_folder: Path, tmp_path: Path
) -> None:
    codec = _leave_codec(tiny_model, sounds_folder)
    prior = _leave_unfinished(tiny_model, sounds_folder)
    assert {run.id for run in listed_runs()} == {codec, prior}
    found = prior_runs(tiny_model).unfinished()
    assert found is not None
    assert found.run_id == prior
    assert {run.run_id for run in unfinished_runs()} == {codec, prior}
    refused = _distill("runs", "--save", prior, "-o", tmp_path / "x.distill")
    assert refused.exit_code == 2
    assert "--use-best" in refused.stderr
    refused = _distill("runs", "--save", codec)
    assert refused.exit_code == 4
    assert "--force" in refused.stderr
    assert len(listed_runs()) == 2


def test_a_codec_with_numbers_that_cannot_be_is_damaged(sounds_folder: Path, tmp_path: Path) -> None:
    run = stored_run(_leave_codec(tmp_path / "new.distill", sounds_folder, epoch=1))
    values = torch.load(run.file, weights_only=True)
    for change in (
        {"history": [values["history"][0] | {"val_l1": math.nan}]},
        {"training_config": values["training_config"] | {"best_val_l1": math.inf}},
        {"metadata": values["metadata"] | {"of a later Distill": 1}},
        {"model_state_dict": {key: value * math.nan for key, value in values["model_state_dict"].items()}},
    ):
        torch.save(values | change, run.file)
        refused = _distill("runs", "--save", run.id[:8], "-o", tmp_path / "x.distill")
        assert refused.exit_code == 2, refused.output
        assert "damaged" in refused.stderr or "can't be opened" in refused.stderr
        assert run.exists


def test_a_codec_whose_run_cannot_be_kept_is_trained_all_the_same(
    sounds_folder: Path, tmp_path: Path, caches: Path
) -> None:
    (caches / "data").write_text("in the way")
    events: list[object] = []
    folder = codec_runs(tmp_path / "new.distill")
    trained = train_codec(sounds_folder, TINY_CODEC, on_event=events.append, run_folder=folder)
    assert trained.model is not None
    assert trained.run_id == ""
    assert len([event for event in events if isinstance(event, RunNotKept)]) == 1
