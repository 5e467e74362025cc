"""The Session without a window: the threads of its tasks, and the order of its signals."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from PySide6.QtCore import QThread
from pytestqt.qtbot import QtBot

from app.flows.demo_files import copying
from app.session import Session
from app.session.activity import Activity, Runner, Subject
from app.session.available import ActionId, available
from app.session.state import State
from app.session.task import Task
from distill_core import PriorConfig, train_prior
from distill_core.errors import DistillError
from distill_core.events import JobProgress, OnEvent, Phase
from distill_core.models.architectures import CODECS
from distill_core.training.kinds import prior_runs
from distill_core.training.loop import KeptWeights
from distill_core.training.prior.events import Keep, PriorEpochMetrics
from distill_core.training.prior.trained import TrainedPrior
from tests.app.driving import WAIT_MS, DiskWatch, bring_to, settle_session

DEMO = Path(__file__).parents[2] / "resources" / "demo" / "demo.distill"
SMALL = {"hidden_size": 32, "num_layers": 1, "num_heads": 2, "max_epochs": 2}
TINY = PriorConfig(**SMALL, batch_size=4, device="cpu")


def _open(qtbot: QtBot, session: Session, model: Path, sounds: Path) -> None:
    session.open_model(model)
    session.open_dataset(sounds)
    settle_session(qtbot, session)
    assert session.state.open.is_ready


def _until(event: threading.Event) -> Task[bool]:
    return Task(
        Activity.OPENING, Subject.RUNS, lambda on_event, should_stop: event.wait(5), lambda state, _: (state, [])
    )


# Threads


def test_no_disk_work_is_done_on_the_windows_thread(
    qtbot: QtBot,
    session: Session,
    watch: DiskWatch,
    tiny_model: Path,
    sounds_folder: Path,
    caches: Path,
    tmp_path: Path,
) -> None:
    _open(qtbot, session, tiny_model, sounds_folder)
    session.set_options(SMALL, True)
    commands = {
        "training": session.train,
        "clearing the cache": session.clear_cache,
        "copying the demo": lambda: session.do(copying(tmp_path / "demo")),
        "reading the model again": session.reread_model,
        "listing runs": session.list_runs,
        "saving": session.save_prior,
        "opening": lambda: session.open_model(tiny_model),
    }
    for name, command in commands.items():
        watch.threads.clear()
        watch.folders = [caches, tiny_model, sounds_folder, tmp_path / "demo"]
        command()
        settle_session(qtbot, session)
        watch.folders = []
        assert watch.threads, name
        assert threading.get_ident() not in watch.threads, name


class _Watched(dict):
    """Weights that note the threads which take one of them."""

    def __init__(self, weights: Mapping[Keep, KeptWeights]) -> None:
        super().__init__(weights)
        self.threads: set[int] = set()

    def __getitem__(self, which: Keep) -> KeptWeights:
        self.threads.add(threading.get_ident())
        return super().__getitem__(which)


def test_other_weights_are_kept_off_the_windows_thread_and_saved_only_then(
    qtbot: QtBot,
    session: Session,
    tiny_model: Path,
    make_trained: Callable[..., TrainedPrior],
    an_epoch: Callable[..., PriorEpochMetrics],
) -> None:
    session.open_model(tiny_model)
    settle_session(qtbot, session)
    trained = make_trained([an_epoch(1, 8.0), an_epoch(2, 9.0, best=1)])
    weights = _Watched(trained.weights)
    bring_to(qtbot, session, session.state.with_training(trained=replace(trained, weights=weights), unsaved=True))
    session.keep(Keep.LAST)
    can_save = ActionId.SAVE_PRIOR in available(session.state)
    settle_session(qtbot, session)
    assert weights.threads
    assert threading.get_ident() not in weights.threads
    assert not can_save, "it would save the weights from before"
    assert session.state.training.trained.metadata["kept"] == "last"
    assert ActionId.SAVE_PRIOR in available(session.state)


class _Crash(BaseException):
    pass


def _crash(event: object) -> None:
    if isinstance(event, PriorEpochMetrics):
        raise _Crash


def test_what_a_failed_training_had_reached_is_looked_for_off_the_windows_thread(
    qtbot: QtBot,
    session: Session,
    watch: DiskWatch,
    tiny_model: Path,
    sounds_folder: Path,
    caches: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("distill_core.training.prior.state.PAUSE_IN_WRITING_TIMES", 0)
    with pytest.raises(_Crash):
        train_prior(tiny_model, sounds_folder, TINY, on_event=_crash, run_folder=prior_runs(tiny_model))
    _open(qtbot, session, tiny_model, sounds_folder)
    session.set_options(SMALL, True)
    for sound in sounds_folder.iterdir():
        sound.unlink()
    shutil.rmtree(caches / "distill" / "codes")
    failures = []
    session.failed.connect(lambda subject, problem: failures.append(subject))
    watch.folders = [caches]
    session.train()
    assert session.state.open.unfinished is None
    settle_session(qtbot, session)
    assert failures == [Subject.TRAINING]
    assert session.state.open.unfinished is not None
    assert session.state.problem is not None
    assert threading.get_ident() not in watch.threads


def test_a_second_runner_works_beside_the_first_and_starts_when_it_is_needed(qtbot: QtBot, session: Session) -> None:
    assert len(session.findChildren(QThread)) == 1
    may_end, threads = threading.Event(), []

    def listen(on_event: object, should_stop: object) -> None:
        threads.append(threading.get_ident())

    session.do(_until(may_end))
    session.do(Task(Activity.OPENING, Subject.CACHE, listen, lambda state, _: (state, []), Runner.LISTEN))
    assert (session.state.work, session.state.listen) == (Activity.OPENING, Activity.OPENING)
    qtbot.waitUntil(lambda: session.state.listen is Activity.NONE, timeout=WAIT_MS)
    assert (session.state.work, session.is_busy) == (Activity.OPENING, True)
    assert len(session.findChildren(QThread)) == 2
    may_end.set()
    settle_session(qtbot, session)


def test_only_the_work_runners_progress_is_the_trainings(qtbot: QtBot, session: Session) -> None:
    """The bar of a training would jump to that of what is listened to meanwhile."""
    told: list[JobProgress] = []
    session.progress.connect(told.append)

    def run(on_event: OnEvent, should_stop: object, phase: Phase) -> None:
        on_event(JobProgress(phase, 1, 2))

    for runner, phase in ((Runner.LISTEN, Phase.SAMPLE), (Runner.WORK, Phase.ENCODE)):
        task = Task(
            Activity.WORKING, Subject.RUNS, partial(run, phase=phase), lambda state, _: (state, []), runner=runner
        )
        session.do(task)
        qtbot.waitUntil(lambda: not session.is_busy, timeout=WAIT_MS)
    assert [progress.phase for progress in told] == [Phase.ENCODE]


# The signals, and their order


def test_a_change_from_inside_a_slot_is_told_to_everybody_after_the_one_before(session: Session) -> None:
    first, second = [], []

    def change_once(state: State) -> None:
        first.append(state.options.overrides)
        if len(first) == 1:
            session.set_options({"seed": 2}, True)

    session.state_changed.connect(change_once)
    session.state_changed.connect(lambda state: second.append(state.options.overrides))
    session.set_options({"seed": 1}, True)
    assert first == second == [{"seed": 1}, {"seed": 2}]


def test_options_follow_from_what_is_open(
    qtbot: QtBot, session: Session, tiny_model: Path, sounds_folder: Path
) -> None:
    assert session.state.options.config is None
    session.set_options({"seed": 7}, True)
    _open(qtbot, session, tiny_model, sounds_folder)
    options = session.state.options
    assert options.config is not None
    assert (options.config.seed, options.auto.seed, options.auto.hidden_size) == (7, 0, 128)
    session.set_options({"architecture": "flat"}, True)
    options = session.state.options
    assert options.config is not None
    assert (options.config.architecture, options.config.max_epochs) == ("flat", 50)
    assert (options.auto.architecture, options.auto.max_epochs) == (PriorConfig().architecture, 50)
    session.set_options({"hidden_size": 33, "num_heads": 2}, False)
    assert session.state.options.config is None
    assert session.estimate_seconds() is None


def test_a_model_is_pending_until_none_waits(qtbot: QtBot, session: Session, tiny_model: Path, tmp_path: Path) -> None:
    missing, pending = tmp_path / "missing.distill", []
    session.model_changed.connect(lambda summary: pending.append(session.state.open.pending_model))
    session.open_model(tiny_model)
    session.open_model(missing)
    settle_session(qtbot, session)
    assert pending == [missing]
    assert session.state.open.pending_model is None
    assert "missing.distill" in session.state.open.model_refusal
    assert session.settings.recent_models() == [tiny_model.resolve()]


def test_the_library_of_a_codec_is_loaded_off_the_windows_thread_once_its_model_is_open(
    qtbot: QtBot, session: Session, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: list[int] = []
    load = CODECS["v2"].library
    assert load is not None

    def noted() -> object:
        threads.append(threading.get_ident())
        return load()

    monkeypatch.setitem(CODECS, "v2", replace(CODECS["v2"], library=noted))
    session.open_model(DEMO)
    settle_session(qtbot, session)
    assert threads == []
    session.open_model(tiny_model)
    settle_session(qtbot, session)
    assert len(threads) == 1
    assert threads[0] != threading.get_ident()


def test_a_refusal_is_told_although_it_is_the_same_as_before(session: Session) -> None:
    told = []
    session.state_changed.connect(lambda state: told.append(state.open.model_refusal))
    session.refuse(model="no model")
    session.refuse(model="no model")
    assert told == ["", "no model", "", "no model"]


def test_a_training_leaves_its_speed_for_the_next_estimate(
    qtbot: QtBot, session: Session, tiny_model: Path, sounds_folder: Path
) -> None:
    _open(qtbot, session, tiny_model, sounds_folder)
    session.set_options(SMALL, True)
    assert session.estimate_seconds() is None
    session.train()
    settle_session(qtbot, session)
    seconds = session.estimate_seconds()
    assert seconds is not None
    took = sum(epoch.epoch_time_s for epoch in session.state.training.epochs)
    assert seconds == pytest.approx(took, rel=1e-6)


def test_a_stop_that_comes_before_the_start_is_said_when_it_starts(
    qtbot: QtBot, session: Session, tiny_model: Path, sounds_folder: Path
) -> None:
    _open(qtbot, session, tiny_model, sounds_folder)
    activities = []
    session.state_changed.connect(lambda state: activities.append(state.work))
    session.train()
    session.stop()
    settle_session(qtbot, session)
    assert Activity.TRAINING not in activities
    assert activities.count(Activity.PREPARING) == 1
    assert session.state.training.trained is not None
    assert session.state.training.trained.prior is None


def test_commands_without_what_they_need_are_bugs(session: Session) -> None:
    for command in (session.train, session.resume, session.save_prior, session.use_best, session.restore_previous):
        with pytest.raises(ValueError, match=r"no model|needs sounds|no trained|no unfinished"):
            command()


def test_an_error_from_a_flows_own_task_is_told_by_its_subject(qtbot: QtBot, session: Session) -> None:
    def fail(on_event: object, should_stop: object) -> None:
        raise DistillError("It failed.", "Try again.")

    with qtbot.waitSignal(session.failed, timeout=WAIT_MS) as told:
        session.do(Task(Activity.OPENING, Subject.CACHE, fail, lambda state, _: (state, [])))
    assert told.args[0] is Subject.CACHE
    assert session.state.problem is told.args[1]
    assert told.args[1].sentence == "It failed. Try again."


def test_nothing_can_be_opened_while_a_training_waits_for_a_discarded_prior(
    qtbot: QtBot, session: Session, tiny_model: Path, sounds_folder: Path
) -> None:
    """The task that discards begins first; a model opened then would take the place of the prior to come."""
    _open(qtbot, session, tiny_model, sounds_folder)
    session.set_options(SMALL, True)
    session.train()
    settle_session(qtbot, session)
    seen: list[State] = []
    session.discard_prior()
    session.train()
    session.state_changed.connect(seen.append)
    settle_session(qtbot, session)
    in_training = [state for state in seen if state.work is not Activity.NONE]
    assert in_training
    assert not any(ActionId.OPEN_MODEL in available(state) for state in in_training)
    assert all(state.is_training for state in in_training)
