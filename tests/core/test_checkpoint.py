"""The run folder: what a training reached outlives it, and going on is as if nothing had happened."""

from __future__ import annotations

import math
import os
import shutil
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from distill_core import ConfigError, PriorConfig, TrainedPrior, scan, train_prior
from distill_core.errors import ModelFileError
from distill_core.folders import run_folders
from distill_core.training.events import Ended, OlderStateTaken, RunNotKept
from distill_core.training.kinds import prior_runs, unfinished_runs
from distill_core.training.prior.continuation import Continuation
from distill_core.training.prior.events import PriorEpochMetrics, PriorStepMetrics, PriorTrainingStartEvent
from distill_core.training.prior.train import load_best
from distill_core.training.run_folder.folder import RunFolder
from tests.warm_python import warm_python

pytestmark = pytest.mark.usefixtures("known_codes")

TINY = PriorConfig(hidden_size=32, num_layers=1, num_heads=2, max_epochs=5, batch_size=4, patience=0, device="cpu")


@pytest.fixture(autouse=True)
def _each_epoch_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("distill_core.training.prior.state.PAUSE_IN_WRITING_TIMES", 0)


class _Crash(BaseException):
    """The end of a process, as far as the training can tell."""


def _crash_after(epoch: int):
    def on_event(event: object) -> None:
        if isinstance(event, PriorEpochMetrics) and event.epoch == epoch:
            raise _Crash

    return on_event


@pytest.fixture
def folder(tiny_model: Path) -> RunFolder:
    return prior_runs(tiny_model)


def _leave_unfinished(model: Path, sounds: Path, config: PriorConfig = TINY, epoch: int = 2) -> None:
    with pytest.raises(_Crash):
        train_prior(model, sounds, config, on_event=_crash_after(epoch), run_folder=prior_runs(model))


def _same(first: TrainedPrior, second: TrainedPrior) -> bool:
    assert first.prior is not None
    assert second.prior is not None
    other = second.prior.state_dict()
    return all(torch.equal(value, other[key]) for key, value in first.prior.state_dict().items())


@pytest.mark.parametrize("architecture", ["frames", "flat"])
def test_going_on_is_bit_for_bit_as_if_nothing_had_happened(
    tiny_model: Path, sounds_folder: Path, folder: RunFolder, architecture: str
) -> None:
    config = replace(TINY, architecture=architecture, dropout=0.2, token_dropout=0.2)
    whole = train_prior(tiny_model, sounds_folder, config)
    _leave_unfinished(tiny_model, sounds_folder, config, epoch=3)
    events: list[object] = []
    rest = train_prior(tiny_model, sounds_folder, on_event=events.append, run_folder=folder, resume=True)
    assert [event.epoch for event in events if isinstance(event, PriorEpochMetrics)] == [4, 5]
    assert _same(whole, rest)
    assert [epoch.val_loss for epoch in rest.history] == [epoch.val_loss for epoch in whole.history]
    assert rest.config == whole.config
    drop = {"training_date", "history"}
    assert {key: value for key, value in rest.metadata.items() if key not in drop} == {
        key: value for key, value in whole.metadata.items() if key not in drop
    }


def test_an_unfinished_run_tells_what_it_reached(tiny_model: Path, sounds_folder: Path, folder: RunFolder) -> None:
    assert folder.unfinished() is None
    assert unfinished_runs() == []
    _leave_unfinished(tiny_model, sounds_folder)
    found = folder.unfinished()
    assert found is not None
    assert (found.model, found.sounds) == (tiny_model.resolve(), (sounds_folder.resolve(),))
    assert (found.epoch, found.total_epochs, found.has_ended) == (2, 5, False)
    assert unfinished_runs() == [found]
    best = load_best(folder)
    assert best.prior is not None
    assert best.metadata["best_perplexity"] == found.best
    assert len(best.history) == 2
    folder.discard()
    assert folder.unfinished() is None
    assert not folder.folder.exists()


def test_a_finished_prior_is_there_until_it_is_discarded(
    tiny_model: Path, sounds_folder: Path, folder: RunFolder
) -> None:
    trained = train_prior(tiny_model, sounds_folder, TINY, run_folder=folder)
    found = folder.unfinished()
    assert found is not None
    assert found.has_ended
    assert _same(load_best(folder), trained)
    assert load_best(folder).config == trained.config


def test_a_new_training_keeps_the_old_run_until_it_has_a_best(
    tiny_model: Path, sounds_folder: Path, folder: RunFolder
) -> None:
    _leave_unfinished(tiny_model, sounds_folder)

    def crash(event: object) -> None:
        raise _Crash

    with pytest.raises(_Crash):
        train_prior(tiny_model, sounds_folder, TINY, on_event=crash, run_folder=folder)
    found = folder.unfinished()
    assert found is not None
    assert found.epoch == 2
    _leave_unfinished(tiny_model, sounds_folder, replace(TINY, max_epochs=7), epoch=1)
    again = folder.unfinished()
    assert again is not None
    assert again.run_id != found.run_id
    assert (again.epoch, again.total_epochs) == (1, 7)


def test_a_save_discards_its_own_run_and_nobody_elses(tiny_model: Path, sounds_folder: Path, folder: RunFolder) -> None:
    mine = train_prior(tiny_model, sounds_folder, TINY, run_folder=folder)
    assert mine.run_id
    _leave_unfinished(tiny_model, sounds_folder)
    folder.discard(mine.run_id)
    found = folder.unfinished()
    assert found is not None
    assert found.epoch == 2
    folder.discard(found.run_id)
    assert folder.unfinished() is None


@pytest.mark.parametrize("content", [{"format": "distill_run", "version": 6}, None], ids=["a newer Distill's", "torn"])
def test_a_save_leaves_a_run_that_it_cannot_read(
    tiny_model: Path, sounds_folder: Path, folder: RunFolder, content: dict[str, object] | None
) -> None:
    mine = train_prior(tiny_model, sounds_folder, TINY, run_folder=folder)
    file = folder.folder / "run.distill-run"
    if content is None:
        file.write_bytes(file.read_bytes()[:-5000])
    else:
        torch.save(content | {"weights": torch.zeros(1000)}, file)
    foreign = file.read_bytes()
    folder.discard("")
    folder.discard("another run")
    assert (folder.unfinished() is not None) == (content is None)  # the version before it
    folder.discard(mine.run_id)
    assert file.read_bytes() == foreign
    assert folder.unfinished() is None
    folder.discard("")
    folder.discard(mine.run_id)
    assert file.read_bytes() == foreign
    folder.discard()
    assert file.read_bytes() == foreign


def test_each_best_is_kept_however_short_the_epochs_are(
    tiny_model: Path, sounds_folder: Path, folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("distill_core.training.prior.state.PAUSE_IN_WRITING_TIMES", 1e9)
    bests, others = [0], 0

    def on_event(event: object) -> None:
        nonlocal others
        if isinstance(event, PriorEpochMetrics):
            if event.val_perplexity == event.best_perplexity:
                bests.append(event.epoch)
            else:
                others += 1
            found = folder.look()
            assert found is not None
            assert (found.epoch, found.best_epoch) == (bests[-1], bests[-1])

    config = replace(TINY, max_epochs=20, learning_rate=0.02)
    train_prior(tiny_model, sounds_folder, config, on_event=on_event, run_folder=folder)
    assert len(bests) > 3
    assert others  # the pause left out epochs that were none


@pytest.mark.parametrize(("last_kept", "is_kept"), [(5, True), (1, False)])
def test_a_run_whose_end_could_not_be_kept_is_still_known_by_its_id(
    tiny_model: Path, sounds_folder: Path, folder: RunFolder, last_kept: int, is_kept: bool
) -> None:
    def let_writing_fail(event: object) -> None:
        if isinstance(event, PriorEpochMetrics) and event.epoch == last_kept:
            backup = folder.folder / "run.distill-run.bak"
            backup.unlink(missing_ok=True)
            backup.mkdir()

    trained = train_prior(tiny_model, sounds_folder, TINY, on_event=let_writing_fail, run_folder=folder)
    found = folder.unfinished()
    assert found is not None
    assert (found.epoch, found.has_ended) == (last_kept, False)
    assert trained.run_id == found.run_id
    assert trained.is_kept == is_kept
    folder.discard(trained.run_id)
    assert folder.unfinished() is None


def test_whoever_only_looks_keeps_no_training_from_being_kept(
    tiny_model: Path, sounds_folder: Path, folder: RunFolder
) -> None:
    _leave_unfinished(tiny_model, sounds_folder)
    has_ended = threading.Event()

    def look() -> None:
        while not has_ended.is_set():
            prior_runs(tiny_model).unfinished()

    looker = threading.Thread(target=look)
    looker.start()
    try:
        for _ in range(20):
            with folder.in_use() as obstacle:
                assert not obstacle
    finally:
        has_ended.set()
        looker.join()


@pytest.mark.parametrize(
    "change",
    [
        {"history": [{"epoch": math.inf, "total_epochs": 3}]},
        {"history": [{"epoch": 1, "total_epochs": 3, "of a later Distill": 1}]},
        {"config": {"of a later Distill": 1}},
        {"random_states": []},
        {"optimizer_states": []},
        {"schedule": {}},
        {"prior_metadata": {}},
        {"prior_metadata": None},
        {"best_epoch": 99},
    ],
    ids=str,
)
def test_a_run_of_another_distill_is_refused_in_words(
    tiny_model: Path, sounds_folder: Path, folder: RunFolder, change: dict[str, object]
) -> None:
    _leave_unfinished(tiny_model, sounds_folder)
    values = folder.load() | change
    file = folder.folder / "run.distill-run"
    torch.save(values, file)
    file.with_name("run.distill-run.bak").unlink()
    unfinished_runs()
    refusals = 0
    for use in (load_best, lambda run: train_prior(tiny_model, sounds_folder, run_folder=run, resume=True)):
        try:
            use(folder)
        except ModelFileError:
            refusals += 1
    assert refusals


def test_other_sounds_are_no_way_to_go_on(tiny_model: Path, sounds_folder: Path, folder: RunFolder) -> None:
    _leave_unfinished(tiny_model, sounds_folder)
    next(sounds_folder.iterdir()).unlink()
    with pytest.raises(ConfigError, match="have changed"):
        train_prior(tiny_model, sounds_folder, run_folder=folder, resume=True)
    assert folder.unfinished() is not None


def _flip_a_bit_of_the_weights(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def test_going_on_from_an_older_state_is_told(tiny_model: Path, sounds_folder: Path, folder: RunFolder) -> None:
    _leave_unfinished(tiny_model, sounds_folder, epoch=3)
    _flip_a_bit_of_the_weights(folder.folder / "run.distill-run")
    events: list[object] = []
    train_prior(tiny_model, sounds_folder, on_event=events.append, run_folder=folder, resume=True)
    assert OlderStateTaken(epoch=2) in events
    assert [event.epoch for event in events if isinstance(event, PriorEpochMetrics)] == [3, 4, 5]


def test_the_terminal_tells_which_state_it_took_for_a_damaged_one(
    tiny_model: Path, sounds_folder: Path, folder: RunFolder
) -> None:
    _leave_unfinished(tiny_model, sounds_folder, epoch=3)
    _flip_a_bit_of_the_weights(folder.folder / "run.distill-run")
    used = _distill("train-prior", tiny_model, sounds_folder, "--use-best")
    assert used.returncode == 0, used.stderr
    assert "newest state of the unfinished training is damaged; the one of epoch 2 is taken" in used.stdout


def test_a_damaged_run_gives_way_to_the_version_before_it(
    tiny_model: Path, sounds_folder: Path, folder: RunFolder
) -> None:
    _leave_unfinished(tiny_model, sounds_folder, epoch=3)
    file = folder.folder / "run.distill-run"
    _flip_a_bit_of_the_weights(file)
    events: list[object] = []
    assert len(load_best(folder, events.append).history) == 2
    assert events == [OlderStateTaken(epoch=2)]
    file.with_name("run.distill-run.bak").write_bytes(b"PK\3\4" + bytes(5000))
    with pytest.raises(ModelFileError):
        load_best(folder)
    file.write_bytes(b"rubbish")
    assert folder.unfinished() is None


def test_a_folder_that_takes_nothing_is_told_once_and_training_goes_on(
    tiny_model: Path, sounds_folder: Path, folder: RunFolder, caches: Path
) -> None:
    (caches / "data").write_text("in the way")
    events: list[object] = []
    trained = train_prior(tiny_model, sounds_folder, TINY, on_event=events.append, run_folder=folder)
    assert trained.prior is not None
    assert len([event for event in events if isinstance(event, RunNotKept)]) == 1


def test_two_trainings_into_one_model_keep_out_of_each_others_way(
    tiny_model: Path, sounds_folder: Path, folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("distill_core.training.run_folder.folder.WAIT_S", 0.1)
    with folder.in_use() as obstacle:
        assert not obstacle
        events: list[object] = []
        train_prior(tiny_model, sounds_folder, TINY, on_event=events.append, run_folder=prior_runs(tiny_model))
        assert [type(event) for event in events if isinstance(event, RunNotKept)] == [RunNotKept]
        with pytest.raises(ConfigError, match="under way"):
            train_prior(tiny_model, sounds_folder, run_folder=prior_runs(tiny_model), resume=True)


def test_nothing_is_kept_unasked(tiny_model: Path, sounds_folder: Path, caches: Path) -> None:
    train_prior(tiny_model, scan(sounds_folder), TINY)
    assert not (caches / "data").exists()


def test_a_link_to_a_model_has_the_models_folder(tiny_model: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.distill"
    link.symlink_to(tiny_model)
    assert prior_runs(link).folder == prior_runs(tiny_model).folder


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no SIGKILL")
def test_a_killed_program_leaves_its_last_epoch(tiny_model: Path, sounds_folder: Path, folder: RunFolder) -> None:
    command = [
        sys.executable,
        "-m",
        "distill_core.cli",
        "train-prior",
        "--no-audit",
        "--json",
        str(tiny_model),
        str(sounds_folder),
    ]
    command += ["--epochs", "10000", "--patience", "0", "--hidden-size", "32", "--layers", "1", "--heads", "2"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ)
    assert process.stdout is not None
    told = 0
    for line in process.stdout:
        told += '"event": "epoch"' in line
        if told == 3:
            process.kill()
            break
    process.wait()
    process.stdout.close()
    found = folder.unfinished()
    assert found is not None
    assert found.epoch >= 1


def _distill(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [*warm_python(), "-m", "distill_core.cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_the_terminal_goes_on_when_asked_and_else_tells_of_it_in_one_line(
    tiny_model: Path, sounds_folder: Path, folder: RunFolder
) -> None:
    nothing = _distill("train-prior", "--no-audit", tiny_model, sounds_folder, "--resume")
    assert nothing.returncode == 2
    assert "no unfinished training" in nothing.stderr
    _leave_unfinished(tiny_model, sounds_folder)
    own = _distill("train-prior", tiny_model, sounds_folder, "--resume", "--epochs", 9)
    assert own.returncode == 2
    assert "keeps its settings" in own.stderr
    resumed = _distill("train-prior", "--no-audit", tiny_model, sounds_folder, "--resume")
    assert resumed.returncode == 0, resumed.stderr
    assert [line.split(" |")[0] for line in resumed.stdout.splitlines() if line.startswith("Epoch")] == [
        "Epoch 3/5",
        "Epoch 4/5",
        "Epoch 5/5",
    ]
    assert "hidden_size: 32 (as before)" in resumed.stdout
    assert "Saved into" in resumed.stdout
    assert folder.unfinished() is None
    _leave_unfinished(tiny_model, sounds_folder)
    used = _distill("train-prior", tiny_model, sounds_folder, "--use-best", "--save-worse")
    assert used.returncode == 0, used.stderr
    assert "Epoch" not in used.stdout
    assert folder.unfinished() is None
    _leave_unfinished(tiny_model, sounds_folder)
    afresh = _distill(
        "train-prior", "--no-audit", tiny_model, sounds_folder, "--epochs", 1, "--hidden-size", 32, "--save-worse"
    )
    assert "Unfinished training found: epoch 2 of 5" in afresh.stdout
    assert "Epoch 1/1" in afresh.stdout
    assert folder.unfinished() is None


def test_a_training_that_was_stopped_goes_on_as_if_it_had_not_been(
    tiny_model: Path, sounds_folder: Path, folder: RunFolder
) -> None:
    whole = train_prior(tiny_model, sounds_folder, TINY)
    seen: list[object] = []

    def stop_in_the_third_epoch() -> bool:
        return any(isinstance(event, PriorStepMetrics) and event.epoch == 3 for event in seen)

    stopped = train_prior(
        tiny_model,
        sounds_folder,
        TINY,
        on_event=seen.append,
        should_stop=stop_in_the_third_epoch,
        run_folder=folder,
    )
    assert stopped.stopped_early
    assert len(stopped.history) == 2
    again = train_prior(
        tiny_model,
        sounds_folder,
        on_event=seen.append,
        should_stop=lambda: isinstance(seen[-1], PriorStepMetrics),
        run_folder=folder,
        resume=True,
    )
    assert again.stopped_early
    assert len(again.history) == 2
    rest = train_prior(tiny_model, sounds_folder, run_folder=folder, resume=True)
    assert _same(whole, rest)


# Further than the end

FURTHER = Continuation(further=True)


def _starts(events: list[object]) -> PriorTrainingStartEvent:
    (start,) = (event for event in events if isinstance(event, PriorTrainingStartEvent))
    return start


def test_a_training_that_had_all_its_epochs_gets_as_many_again(
    tiny_model: Path, sounds_folder: Path, folder: RunFolder
) -> None:
    ended = train_prior(tiny_model, sounds_folder, replace(TINY, max_epochs=2), run_folder=folder)
    events: list[object] = []
    more = train_prior(tiny_model, sounds_folder, on_event=events.append, run_folder=folder, resume=FURTHER)
    assert more.ended is Ended.LAST_EPOCH
    assert more.history[:2] == ended.history
    assert [epoch.epoch for epoch in more.history] == [1, 2, 3, 4]
    assert more.config["max_epochs"] == _starts(events).total_epochs == 4
    assert more.history[3].learning_rate > 0.1 * TINY.learning_rate, "it learns nothing at the end of a cosine"
    assert more.history[3].train_loss < ended.history[1].train_loss
    assert train_prior(tiny_model, sounds_folder, run_folder=folder, resume=True).history == more.history


def test_a_training_that_got_no_better_is_given_patience_anew(
    tiny_model: Path, sounds_folder: Path, folder: RunFolder
) -> None:
    config = replace(TINY, max_epochs=200, learning_rate=0.02, patience=3)
    ended = train_prior(tiny_model, sounds_folder, config, run_folder=folder)
    assert ended.ended is Ended.NO_BETTER
    last, events = ended.history[-1].epoch, list[object]()
    assert train_prior(tiny_model, sounds_folder, run_folder=folder, resume=True).history == ended.history
    with pytest.raises(_Crash):
        train_prior(
            tiny_model,
            sounds_folder,
            on_event=lambda event: (events.append(event), _crash_after(last + 1)(event)),
            run_folder=folder,
            resume=FURTHER,
        )
    assert _starts(events).patient_from == last
    more = train_prior(tiny_model, sounds_folder, run_folder=folder, resume=True)  # as it would have without the crash
    assert more.ended is Ended.NO_BETTER
    assert more.history[:last] == ended.history
    assert more.history[-1].epoch == max(last, more.metadata["best_epoch"]) + 3
    assert more.config["max_epochs"] == 200


def test_other_limits_take_the_place_of_the_runs(tiny_model: Path, sounds_folder: Path, folder: RunFolder) -> None:
    ended = train_prior(tiny_model, sounds_folder, replace(TINY, max_epochs=2), run_folder=folder)
    how = Continuation(ended.run_id, further=True, time_limit_min=30.0, patience=3)
    events: list[object] = []
    more = train_prior(tiny_model, sounds_folder, on_event=events.append, run_folder=folder, resume=how)
    assert (_starts(events).config.time_limit_min, _starts(events).config.patience) == (30.0, 3)
    assert (_starts(events).config.hidden_size, _starts(events).patient_from) == (TINY.hidden_size, 2)
    assert (more.config["time_limit_min"], more.config["patience"], len(more.history)) == (30.0, 3, 4)


def test_the_same_limits_change_nothing(tiny_model: Path, sounds_folder: Path, folder: RunFolder) -> None:
    whole = train_prior(tiny_model, sounds_folder, TINY)
    _leave_unfinished(tiny_model, sounds_folder)
    facts = folder.look()
    assert facts is not None
    how = Continuation(facts.run_id, time_limit_min=TINY.time_limit_min, patience=TINY.patience)
    rest = train_prior(tiny_model, sounds_folder, run_folder=folder, resume=how)
    assert _same(whole, rest)


# Which run


def test_a_training_goes_on_with_the_run_of_its_id_and_no_newer_one(
    tiny_model: Path, sounds_folder: Path, folder: RunFolder, tmp_path: Path
) -> None:
    first = train_prior(tiny_model, sounds_folder, replace(TINY, max_epochs=2), run_folder=folder)
    kept = shutil.copytree(folder.folder, tmp_path / "kept")
    newer = train_prior(tiny_model, sounds_folder, replace(TINY, max_epochs=3), run_folder=folder)
    shutil.copytree(kept, run_folders() / first.run_id)
    assert folder.has(first.run_id)
    how = Continuation(first.run_id, further=True)
    more = train_prior(tiny_model, sounds_folder, run_folder=folder, resume=how)
    assert (more.run_id, more.history[:2]) == (first.run_id, first.history)
    assert load_best(folder, run_id=newer.run_id).history == newer.history
    assert load_best(folder, run_id=first.run_id).history == more.history


def test_a_run_that_is_gone_is_named_and_no_other_is_touched(
    tiny_model: Path, sounds_folder: Path, folder: RunFolder
) -> None:
    first = train_prior(tiny_model, sounds_folder, replace(TINY, max_epochs=2), run_folder=folder)
    newer = train_prior(tiny_model, sounds_folder, replace(TINY, max_epochs=3), run_folder=folder)
    assert not folder.has(first.run_id)
    assert not folder.has("")
    with pytest.raises(ModelFileError, match="no longer on disk"):
        train_prior(tiny_model, sounds_folder, run_folder=folder, resume=Continuation(first.run_id))
    assert load_best(folder).history == newer.history


@pytest.mark.parametrize("has_links", [True, False])
def test_a_run_can_be_as_it_was_before_it_was_gone_on_with(
    tiny_model: Path, sounds_folder: Path, folder: RunFolder, monkeypatch: pytest.MonkeyPatch, has_links: bool
) -> None:
    ended = train_prior(tiny_model, sounds_folder, replace(TINY, max_epochs=2), run_folder=folder)
    before = {path.name: path.read_bytes() for path in folder.folder.iterdir()}
    if not has_links:
        monkeypatch.setattr("distill_core.training.run_folder.stored.os.link", _refuse)
    with folder.reversible(ended.run_id) as go_back:
        how = Continuation(ended.run_id, further=True)
        assert len(train_prior(tiny_model, sounds_folder, run_folder=folder, resume=how).history) == 4
        go_back()
    assert {path.name: path.read_bytes() for path in folder.folder.iterdir()} == before
    with folder.reversible(ended.run_id):
        train_prior(tiny_model, sounds_folder, run_folder=folder, resume=how)
    assert len(load_best(folder).history) == 4
    assert {path.name for path in folder.folder.iterdir()} == before.keys()


def _refuse(*arguments: object, **options: object) -> None:
    raise OSError("there are no links here")
