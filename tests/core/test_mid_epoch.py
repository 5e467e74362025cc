"""A crash costs a minute, however long an epoch is: a training goes on from within one as if nothing had happened."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner, Result

from distill_core import PriorConfig, TrainedPrior, train_prior
from distill_core.cli import app
from distill_core.errors import ModelFileError, TrainingError
from distill_core.training.codec.events import CodecEpochMetrics
from distill_core.training.codec.klt.config import KLTConfig
from distill_core.training.codec.settings import CodecSettings
from distill_core.training.codec.train import load_best_codec, train_codec
from distill_core.training.codec.trained import TrainedCodec
from distill_core.training.codec.vqvae.config import VQVAEConfig
from distill_core.training.events import Ended, RolledBack, RunNotKept, StepMetrics
from distill_core.training.kinds import codec_runs, listed_runs, prior_runs, stored_run
from distill_core.training.prior.continuation import Continuation
from distill_core.training.prior.events import PriorEpochMetrics
from distill_core.training.prior.train import load_best
from distill_core.training.run_folder.facts import RunState, UnfinishedRun
from distill_core.training.run_folder.folder import RunFolder
from tests.full_disk import largest_file

pytestmark = pytest.mark.usefixtures("known_codes")

PRIOR = PriorConfig(
    hidden_size=32,
    num_layers=1,
    num_heads=2,
    max_epochs=4,
    batch_size=4,
    patience=0,
    dropout=0.2,
    token_dropout=0.2,
    device="cpu",
)
V2 = VQVAEConfig(
    codebook_dim=16,
    codebook_size=16,
    num_quantizers=2,
    dropout=0.2,
    max_epochs=3,
    batch_size=4,
    augmentation=3,
    device="cpu",
)
KLT = KLTConfig(
    codebook_size=16,
    num_quantizers=2,
    band_mels=32,
    components=12,
    refiner_width=8,
    refiner_depth=1,
    max_epochs=3,
    batch_size=2,
    device="cpu",
)
Place = tuple[int, int]  # an epoch, and the last of its optimizer steps before a crash


class _Crash(BaseException):
    """The end of a process, as far as the training can tell."""


def _crash_at(place: Place) -> Callable[[object], None]:
    def on_event(event: object) -> None:
        if isinstance(event, StepMetrics) and (event.epoch, event.step) == place:
            raise _Crash

    return on_event


def _write_each_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("distill_core.training.keeper.PAUSE_WITHIN_AN_EPOCH_S", 0.0)
    monkeypatch.setattr("distill_core.training.keeper.PAUSE_IN_WRITING_TIMES", 0)


@pytest.fixture(autouse=True)
def _each_step_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    _write_each_step(monkeypatch)


def _look(folder: RunFolder) -> UnfinishedRun:
    found = folder.look()
    assert found is not None
    return found


def _same(first: torch.nn.Module | None, second: torch.nn.Module | None) -> bool:
    assert first is not None
    assert second is not None
    own, other = first.state_dict(), second.state_dict()
    return own.keys() == other.keys() and all(torch.equal(value, other[key]) for key, value in own.items())


def _figures(trained: TrainedPrior | TrainedCodec) -> list[object]:
    return [replace(metrics, epoch_time_s=0.0) for metrics in trained.history]


def _crash_and_go_on(
    model: Path, sounds: Path, config: PriorConfig, places: list[Place], how: Continuation | None = None
) -> TrainedPrior:
    """Return the result of a training that crashes at each place, and goes on from what it left."""
    folder = prior_runs(model)
    for number, place in enumerate(places):
        with pytest.raises(_Crash):
            train_prior(model, sounds, config, on_event=_crash_at(place), run_folder=folder, resume=how or number > 0)
        assert _look(folder).latest >= place[0] - 1
    return train_prior(model, sounds, run_folder=folder, resume=how or True)


# A prior


@pytest.mark.parametrize(
    ("architecture", "places"),
    [
        ("frames", [(1, 1), (1, 3), (3, 2)]),
        ("frames", [(2, 4), (4, 4)]),  # after the last step: it is validated then
        ("flat", [(1, 2), (2, 1), (4, 3)]),
    ],
)
def test_a_prior_goes_on_bit_for_bit(
    tiny_model: Path, sounds_folder: Path, architecture: str, places: list[Place]
) -> None:
    config = replace(PRIOR, architecture=architecture)
    whole = train_prior(tiny_model, sounds_folder, config)
    rest = _crash_and_go_on(tiny_model, sounds_folder, config, places)
    assert _same(whole.prior, rest.prior)
    assert _figures(rest) == _figures(whole)
    assert {which: kept.epoch for which, kept in rest.weights.items()} == {
        which: kept.epoch for which, kept in whole.weights.items()
    }
    assert rest.temperatures == whole.temperatures
    drop = {"training_date", "history"}
    assert {key: value for key, value in rest.metadata.items() if key not in drop} == {
        key: value for key, value in whole.metadata.items() if key not in drop
    }


def test_variants_that_have_joined_join_again(tiny_model: Path, sounds_folder: Path) -> None:
    config = replace(PRIOR, variants=2, context_s=0.2, max_epochs=5)
    whole = train_prior(tiny_model, sounds_folder, config)
    folder, places = prior_runs(tiny_model), [(2, 1), (3, 2), (5, 1)]
    rest = _crash_and_go_on(tiny_model, sounds_folder, config, places)
    assert folder.load()["joined"] == 2
    assert _same(whole.prior, rest.prior)
    assert _figures(rest) == _figures(whole)


@pytest.mark.parametrize("places", [[(2, 1)], [(3, 1)], [(1, 4), (3, 4), (4, 1)]], ids=str)
def test_what_was_rolled_back_stays_so(tiny_model: Path, sounds_folder: Path, places: list[Place]) -> None:
    config, events = replace(PRIOR, learning_rate=1e4, max_epochs=5), list[object]()
    whole = train_prior(tiny_model, sounds_folder, config, on_event=events.append)
    backs = [event.epoch for event in events if isinstance(event, RolledBack)]
    assert backs[:1] == [2]
    assert len(whole.history) < 5
    rest = _crash_and_go_on(tiny_model, sounds_folder, config, places)
    assert _same(whole.prior, rest.prior)
    assert _figures(rest) == _figures(whole)
    assert prior_runs(tiny_model).load()["roll_backs"] == len(backs)


def test_patience_is_the_same(tiny_model: Path, sounds_folder: Path) -> None:
    config = replace(PRIOR, max_epochs=200, learning_rate=0.02, patience=2)
    whole = train_prior(tiny_model, sounds_folder, config)
    assert whole.ended is Ended.NO_BETTER
    last = whole.history[-1].epoch
    rest = _crash_and_go_on(tiny_model, sounds_folder, config, [(2, 3), (last, 2)])
    assert rest.ended is Ended.NO_BETTER
    assert _figures(rest) == _figures(whole)


def test_a_time_limit_within_an_epoch_leaves_the_part_that_is_done(tiny_model: Path, sounds_folder: Path) -> None:
    config, folder = replace(PRIOR, max_epochs=2000, time_limit_min=0.02), prior_runs(tiny_model)
    limited = train_prior(tiny_model, sounds_folder, config, run_folder=folder)
    assert limited.ended is Ended.TIME_LIMIT
    found = _look(folder)
    assert found.can_go_on
    assert found.epoch == len(limited.history)
    place = (found.latest + 1, 2)
    on_time = Continuation(time_limit_min=0.0)
    with pytest.raises(_Crash):
        train_prior(tiny_model, sounds_folder, on_event=_crash_at(place), run_folder=folder, resume=on_time)
    rest = folder.load()
    with pytest.raises(_Crash):
        train_prior(
            tiny_model,
            sounds_folder,
            replace(config, time_limit_min=0.0),
            on_event=_crash_at(place),
            run_folder=folder,
        )
    whole = folder.load()
    for key, value in whole["current_state_dict"].items():
        assert torch.equal(value, rest["current_state_dict"][key])
    assert rest["under_way"]["loss"] == whole["under_way"]["loss"]


def test_a_stop_within_an_epoch_is_gone_on_from(
    tiny_model: Path, sounds_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = train_prior(tiny_model, sounds_folder, PRIOR)
    monkeypatch.setattr("distill_core.training.keeper.PAUSE_WITHIN_AN_EPOCH_S", 60.0)
    folder, seen = prior_runs(tiny_model), list[object]()

    def stop() -> bool:
        return bool(seen) and isinstance(seen[-1], StepMetrics) and (seen[-1].epoch, seen[-1].step) >= (3, 2)

    stopped = train_prior(tiny_model, sounds_folder, PRIOR, on_event=seen.append, should_stop=stop, run_folder=folder)
    assert stopped.ended is Ended.STOPPED
    assert _figures(stopped) == _figures(whole)[:2]
    found = _look(folder)
    assert (found.reached, found.epoch, found.can_go_on) == ("epoch 3 of 4, 50% in", 2, True)
    assert _same(load_best(folder).prior, stopped.prior)
    steps: list[Place] = []

    def on_event(event: object) -> None:
        if isinstance(event, StepMetrics):
            steps.append((event.epoch, event.step))

    rest = train_prior(tiny_model, sounds_folder, on_event=on_event, run_folder=folder, resume=True)
    assert steps[0] == (3, 3)
    assert _same(whole.prior, rest.prior)
    assert _figures(rest) == _figures(whole)


def test_an_epoch_takes_the_time_of_all_its_parts(tiny_model: Path, sounds_folder: Path) -> None:
    folder = prior_runs(tiny_model)
    with pytest.raises(_Crash):
        train_prior(tiny_model, sounds_folder, PRIOR, on_event=_crash_at((1, 2)), run_folder=folder)
    file = stored_run(_look(folder).run_id).file
    values = torch.load(file, weights_only=True)
    values["under_way"]["spent_s"] += 3600.0
    torch.save(values, file)
    rest = train_prior(tiny_model, sounds_folder, run_folder=folder, resume=True)
    assert [metrics.epoch_time_s > 3600.0 for metrics in rest.history] == [True, False, False, False]


ENDLESS = """
import sys
from pathlib import Path
from distill_core import train_prior
from distill_core.training import keeper
from distill_core.training.events import StepMetrics
from distill_core.training.kinds import prior_runs
from tests.core.test_mid_epoch import PRIOR

keeper.PAUSE_WITHIN_AN_EPOCH_S = keeper.PAUSE_IN_WRITING_TIMES = 0

def on_event(event):
    if isinstance(event, StepMetrics):
        print(event.epoch, event.step, flush=True)

train_prior(sys.argv[1], sys.argv[2], PRIOR, on_event=on_event, run_folder=prior_runs(sys.argv[1]))
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no SIGKILL")
def test_a_killed_program_goes_on_within_its_first_epoch(tiny_model: Path, sounds_folder: Path) -> None:
    whole = train_prior(tiny_model, sounds_folder, PRIOR)
    command = [sys.executable, "-c", ENDLESS, str(tiny_model), str(sounds_folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "1 1\n"
        process.kill()
    folder = prior_runs(tiny_model)
    found = _look(folder)
    assert found.latest <= 2
    rest = train_prior(tiny_model, sounds_folder, run_folder=folder, resume=True)
    assert _same(whole.prior, rest.prior)
    assert _figures(rest) == _figures(whole)


def test_a_full_disk_is_told_once_and_tried_again(tiny_model: Path, sounds_folder: Path) -> None:
    folder, events, found = prior_runs(tiny_model), list[object](), dict[Place, str]()

    def on_event(event: object) -> None:
        events.append(event)
        if isinstance(event, StepMetrics):
            facts = folder.look()
            found[event.epoch, event.step] = "" if facts is None else facts.reached
            if event.step == 3:
                raise _Crash

    with largest_file(20_000), pytest.raises(_Crash):
        train_prior(tiny_model, sounds_folder, PRIOR, on_event=on_event, run_folder=folder)
    assert found == {(1, 1): "", (1, 2): "", (1, 3): ""}
    assert len([event for event in events if isinstance(event, RunNotKept)]) == 1
    full = largest_file(20_000)

    def filling(event: object) -> None:
        if isinstance(event, StepMetrics) and (event.epoch, event.step) in ((1, 1), (1, 2)):
            (full.__enter__ if event.step == 1 else full.__exit__)(*(() if event.step == 1 else (None,) * 3))
        on_event(event)

    with pytest.raises(_Crash):
        train_prior(tiny_model, sounds_folder, PRIOR, on_event=filling, run_folder=folder)
    assert [words[-6:] for words in found.values()] == ["25% in", "25% in", "75% in"]


# A codec


def _codec_after_crashes(output: Path, sounds: Path, config: CodecSettings, places: list[Place]) -> TrainedCodec:
    folder = codec_runs(output)
    for number, place in enumerate(places):
        own = {"resume": True} if number else {"config": config}
        with pytest.raises(_Crash):
            train_codec(sounds, on_event=_crash_at(place), run_folder=folder, **own)
        assert _look(folder).under_way == place[0]
    return train_codec(sounds, run_folder=folder, resume=True)


@pytest.mark.parametrize(
    ("config", "places"),
    [
        (V2, [(1, 1), (1, 4), (2, 5), (3, 2)]),
        (KLT, [(2, 1), (2, 3), (3, 2)]),
        (KLT, [(2, 4)]),  # after the last step that the first epoch with steps has
    ],
    ids=["v2", "klt", "klt before it is validated"],
)
def test_a_codec_goes_on_bit_for_bit(
    sounds_folder: Path, tmp_path: Path, config: CodecSettings, places: list[Place]
) -> None:
    whole = train_codec(sounds_folder, config)
    rest = _codec_after_crashes(tmp_path / "new.distill", sounds_folder, config, places)
    assert _same(whole.model, rest.model)
    assert _figures(rest) == _figures(whole)
    assert rest.codebook_health == whole.codebook_health
    assert rest.loss_curve_history == whole.loss_curve_history


def test_a_codec_that_diverges_again_and_again_keeps_its_best(sounds_folder: Path, tmp_path: Path) -> None:
    folder, config = codec_runs(tmp_path / "new.distill"), replace(V2, learning_rate=1e30, max_epochs=9)
    events: list[object] = []
    try:
        trained = train_codec(sounds_folder, config, on_event=events.append, run_folder=folder)
    except TrainingError:
        assert folder.look() is None  # it diverged before an epoch was worth keeping
        assert [event for event in events if isinstance(event, StepMetrics)]
    else:
        assert trained.ended is Ended.DIVERGED
        assert _look(folder).has_ended


def test_a_codec_that_is_stopped_goes_on_from_there(sounds_folder: Path, tmp_path: Path) -> None:
    folder, seen = codec_runs(tmp_path / "new.distill"), list[object]()
    whole = train_codec(sounds_folder, V2)
    is_in = {1: (1, 3), 2: (2, 2)}
    for number, (epoch, step) in is_in.items():

        def stop(place: Place = (epoch, step)) -> bool:
            return bool(seen) and isinstance(seen[-1], StepMetrics) and (seen[-1].epoch, seen[-1].step) == place

        stopped = train_codec(
            sounds_folder,
            None if number > 1 else V2,
            on_event=seen.append,
            should_stop=stop,
            run_folder=folder,
            resume=number > 1,
        )
        assert stopped.ended is Ended.STOPPED
        assert (stopped.model is None) == (epoch == 1)
        assert stopped.run_id == _look(folder).run_id
        assert (_look(folder).under_way, _look(folder).epoch) == (epoch, epoch - 1)
    rest = train_codec(sounds_folder, run_folder=folder, resume=True)
    assert _same(whole.model, rest.model)
    assert _figures(rest) == _figures(whole)


# Wherever a stop falls


class _StopAt:
    """A stop at the n-th look after an epoch: while a batch is made, in an optimizer step, in a validation."""

    def __init__(self, epoch: int, looks: int) -> None:
        self._epoch, self._looks = epoch, looks
        self._has_ended = False

    def on_event(self, event: object) -> None:
        is_epoch = isinstance(event, PriorEpochMetrics | CodecEpochMetrics)
        self._has_ended = self._has_ended or (is_epoch and event.epoch == self._epoch)

    def should_stop(self) -> bool:
        self._looks -= self._has_ended
        return self._looks <= 0


# A training of the VQ-VAE takes five times as long, so it is stopped at fewer places.
@pytest.mark.parametrize(("config", "places"), [(V2, (4, 240)), (KLT, (1, 2, 3, 4, 6, 60, 240))], ids=["v2", "klt"])
def test_wherever_a_codec_is_stopped_it_goes_on(
    sounds_folder: Path, tmp_path: Path, config: CodecSettings, places: tuple[int, ...]
) -> None:
    whole, folder = train_codec(sounds_folder, config), codec_runs(tmp_path / "new.distill")
    for looks in places:
        stop = _StopAt(1, looks)
        stopped = train_codec(
            sounds_folder, config, on_event=stop.on_event, should_stop=stop.should_stop, run_folder=folder
        )
        assert stopped.ended is Ended.STOPPED
        rest = train_codec(sounds_folder, run_folder=folder, resume=True)
        assert _same(whole.model, rest.model), looks
        assert _figures(rest) == _figures(whole)


def test_wherever_a_prior_is_stopped_it_goes_on(tiny_model: Path, sounds_folder: Path) -> None:
    config, folder = replace(PRIOR, variants=2, max_epochs=3), prior_runs(tiny_model)
    whole = train_prior(tiny_model, sounds_folder, config)
    for looks in (1, 2, 3, 4, 40, 100, 190):
        stop = _StopAt(1, looks)
        stopped = train_prior(
            tiny_model, sounds_folder, config, on_event=stop.on_event, should_stop=stop.should_stop, run_folder=folder
        )
        assert stopped.ended is Ended.STOPPED
        rest = train_prior(tiny_model, sounds_folder, run_folder=folder, resume=True)
        assert _same(whole.prior, rest.prior), looks
        assert _figures(rest) == _figures(whole)


# Before the first epoch has ended


def _distill(*arguments: object) -> Result:
    return CliRunner().invoke(app, list(map(str, arguments)))


@pytest.fixture
def half_an_epoch(tiny_model: Path, sounds_folder: Path) -> RunFolder:
    """The run folder of a prior's training that a crash ended in the middle of its first epoch."""
    folder = prior_runs(tiny_model)
    with pytest.raises(_Crash):
        train_prior(tiny_model, sounds_folder, PRIOR, on_event=_crash_at((1, 2)), run_folder=folder)
    return folder


def test_a_run_without_an_epoch_is_listed_and_has_no_best(
    tiny_model: Path, sounds_folder: Path, half_an_epoch: RunFolder
) -> None:
    found = _look(half_an_epoch)
    assert (found.epoch, found.under_way, found.share, found.total_epochs) == (0, 1, 0.5, 4)
    assert (found.best, found.best_epoch, found.has_best, found.can_go_on) == (None, 0, False, True)
    (listed,) = listed_runs()
    assert listed.state is RunState.UNFINISHED
    with pytest.raises(ModelFileError, match="no whole epoch yet"):
        load_best(half_an_epoch)
    shown = _distill("runs").stdout
    assert "  1 of 4, 50% in  none yet  unfinished, can go on  " in shown
    (told,) = json.loads(_distill("runs", "--json").stdout)["runs"]
    assert (told["epoch"], told["under_way"], told["share"], told["best_epoch"]) == (0, 1, 0.5, 0)
    assert told["best_perplexity"] is None
    refused = _distill("train-prior", tiny_model, sounds_folder, "--use-best")
    assert refused.exit_code == 2
    assert "no whole epoch yet: there is no best to save" in refused.stderr
    assert "--resume" in refused.stderr
    discarded = _distill("runs", "--discard", listed.id)
    assert "Discarded: the training into “tiny.distill”, epoch 1 of 4, 50% in." in discarded.stdout
    assert listed_runs() == []


def test_the_terminal_goes_on_with_it(tiny_model: Path, sounds_folder: Path, half_an_epoch: RunFolder) -> None:
    short = ("--epochs", 1, "--hidden-size", 32, "--layers", 1, "--heads", 2, "--no-audit", "--json")
    first = _distill("train-prior", tiny_model, sounds_folder, *short, "--time-limit", 0.0001)
    unfinished, *_, done = map(json.loads, first.stdout.splitlines())
    assert (unfinished["event"], unfinished["best"], unfinished["can_go_on"]) == ("unfinished", None, True)
    assert (done["saved_to"], done["ended"], done["can_go_on"]) == (None, "time_limit", False)
    resumed = _distill("train-prior", tiny_model, sounds_folder, "--resume", "--no-audit")
    assert resumed.exit_code == 0, resumed.output
    assert [line.split(" |")[0] for line in resumed.stdout.splitlines() if line.startswith("Epoch")] == [
        f"Epoch {epoch}/4" for epoch in (1, 2, 3, 4)
    ]
    assert listed_runs() == []


def test_the_terminal_tells_of_it_in_one_line(tiny_model: Path, sounds_folder: Path, half_an_epoch: RunFolder) -> None:
    short = ("--epochs", 1, "--hidden-size", 32, "--layers", 1, "--heads", 2, "--no-audit")
    afresh = _distill("train-prior", tiny_model, sounds_folder, *short)
    assert (
        "Unfinished training found: epoch 1 of 4, 50% in. --resume goes on with it; this one starts afresh"
        in " ".join(afresh.stdout.split())
    )
    assert listed_runs() == []


def test_a_codec_without_an_epoch_has_no_best(sounds_folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "new.distill"
    with pytest.raises(_Crash):
        train_codec(sounds_folder, V2, on_event=_crash_at((1, 2)), run_folder=codec_runs(output))
    (listed,) = listed_runs()
    with pytest.raises(ModelFileError, match="no whole epoch yet"):
        load_best_codec(codec_runs(output))
    for command in (("train", sounds_folder, "-o", output, "--use-best"), ("runs", "--save", listed.id)):
        refused = _distill(*command)
        assert refused.exit_code == 2
        assert "no whole epoch yet: there is no best to save" in refused.stderr
    assert not output.exists()
    resumed = _distill("train", sounds_folder, "-o", output, "--resume")
    assert resumed.exit_code == 0, resumed.output
    assert listed_runs() == []


# What no training can leave

MISFITS: dict[str, Callable[[dict[str, Any]], object]] = {
    "more steps than there are": lambda part: part.update(step=5),
    "other steps than there are": lambda part: part.update(steps=9),
    "an epoch that has ended": lambda part: part.update(epoch=1),
    "an epoch to come": lambda part: part.update(epoch=9),
    "a loss that is no number": lambda part: part.update(loss=float("nan")),
    "no sums": lambda part: part.pop("seen"),
    "a time that is no number": lambda part: part.update(spent_s="long"),
    "too many bad steps": lambda part: part.update(bad_in_a_row=3),
}


def test_a_part_that_no_training_can_leave_is_damage(tiny_model: Path, sounds_folder: Path) -> None:
    folder = prior_runs(tiny_model)
    with pytest.raises(_Crash):
        train_prior(tiny_model, sounds_folder, PRIOR, on_event=_crash_at((2, 2)), run_folder=folder)
    run = stored_run(_look(folder).run_id)
    good = run.file.read_bytes()
    run.file.with_name(f"{run.file.name}.bak").unlink()
    refused: list[str] = []
    for name, edit in MISFITS.items():
        run.file.write_bytes(good)
        values = torch.load(run.file, weights_only=True)
        edit(values["under_way"])
        torch.save(values, run.file)
        try:
            train_prior(tiny_model, sounds_folder, run_folder=folder, resume=True)
        except ModelFileError as error:
            refused += [name] if "damaged" in error.message else []
    assert refused == [*MISFITS]
    run.file.write_bytes(good)
    assert len(train_prior(tiny_model, sounds_folder, run_folder=folder, resume=True).history) == 4


def test_a_run_of_the_version_before_has_no_part(tiny_model: Path, sounds_folder: Path) -> None:
    whole, folder = train_prior(tiny_model, sounds_folder, PRIOR), prior_runs(tiny_model)

    def crash(event: object) -> None:
        if isinstance(event, PriorEpochMetrics) and event.epoch == 2:
            raise _Crash

    with pytest.raises(_Crash):
        train_prior(tiny_model, sounds_folder, PRIOR, on_event=crash, run_folder=folder)
    for file in stored_run(_look(folder).run_id).folder.glob("run.distill-run*"):
        values = torch.load(file, weights_only=True)
        if file.suffix == ".bak":
            file.unlink()
        else:
            torch.save({key: value for key, value in values.items() if key != "under_way"} | {"version": 4}, file)
    assert (_look(folder).reached, _look(folder).under_way) == ("epoch 2 of 4", 0)
    rest = train_prior(tiny_model, sounds_folder, run_folder=folder, resume=True)
    assert _same(whole.prior, rest.prior)
    assert _figures(rest) == _figures(whole)
