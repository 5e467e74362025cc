"""Tasks without a window: the state after each result, and their work on real files."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest
from PySide6.QtCore import Signal

from app.flows.demo_files import DemoFiles, copying
from app.flows.drops import Drop, sorting
from app.presentation import status
from app.session.activity import Activity, Runner, Subject
from app.session.heard import hear
from app.session.problems import Problem
from app.session.signals import SessionSignals, SignalName
from app.session.state import SaveObstacle, State
from app.session.tasks import models, runs, saving, sounds, training, upkeep
from distill_core import read_summary, scan, train_prior
from distill_core.audio.dataset import AudioDataset
from distill_core.errors import DistillError, SaveError
from distill_core.events import JobProgress, Phase, SkippedFile, ignore, never
from distill_core.files.temporaries import leftovers, second_name
from distill_core.models.summary import ModelSummary
from distill_core.training.events import BatchHalved, OlderStateTaken, RolledBack, RunNotKept
from distill_core.training.kinds import prior_runs
from distill_core.training.prior.events import Keep, PriorEpochMetrics, PriorTrainingStartEvent
from distill_core.training.prior.trained import Ended, TrainedPrior
from distill_core.training.prior.words import PRIOR
from distill_core.training.run_folder.facts import ListedRun, RunState, UnfinishedRun

Epoch = Callable[..., PriorEpochMetrics]
Make = Callable[..., TrainedPrior]
RUN = UnfinishedRun("an id", Path("m.distill"), (Path("kicks"),), 31, 100, 29, 7.42, False, PRIOR)
LISTED = ListedRun("a" * 32, RUN, RunState.UNFINISHED, 6000, 0.0)
PROBLEM = Problem("The disk is full.", "Make room.")


@pytest.fixture
def model(shared_tiny_model: Path) -> ModelSummary:
    return read_summary(shared_tiny_model)


@pytest.fixture
def dataset(shared_sounds_folder: Path) -> AudioDataset:
    return scan(shared_sounds_folder)


@pytest.fixture
def ready(model: ModelSummary, dataset: AudioDataset) -> State:
    return State().with_open(model=model, real_path=model.path, dataset=dataset)


@pytest.fixture
def unsaved(ready: State, make_trained: Make, an_epoch: Epoch) -> State:
    return ready.with_training(trained=make_trained([an_epoch(3, 8.17)]), unsaved=True, is_kept=False)


def _opened(model: ModelSummary, unfinished: UnfinishedRun | None = None) -> models.OpenedModel:
    return models.OpenedModel(model, model.path, None, has_previous=True, unfinished=unfinished)


def test_every_signal_has_a_name_that_a_task_may_ask_for_and_every_name_a_signal() -> None:
    declared = [name for name, value in vars(SessionSignals).items() if isinstance(value, Signal)]
    assert declared == [*get_args(SignalName)]


# The state after a result


def test_a_model_that_is_opened_takes_the_place_of_all_about_the_one_before(
    unsaved: State, model: ModelSummary
) -> None:
    before = replace(unsaved.with_open(may_replace=True, model_refusal="damaged"), problem=PROBLEM)
    state, news = models.opening(model.path).take(before, _opened(model, RUN))
    assert news == [("model_opened", model), ("model_changed", model)]
    assert state == State().with_open(
        model=model, real_path=model.path, dataset=unsaved.open.dataset, has_previous=True, unfinished=RUN
    )


def test_sounds_leave_only_an_unsaved_prior(unsaved: State, dataset: AudioDataset) -> None:
    before = unsaved.with_open(sounds_refusal="empty").with_training(left_out=(SkippedFile("a.wav", "gone"),))
    state, news = sounds.scanning([]).take(before, dataset)
    assert news == [("dataset_changed", dataset)]
    assert (state.training.trained, state.open.sounds_refusal, state.training.left_out) == (
        unsaved.training.trained,
        "",
        (),
    )
    saved, _ = sounds.scanning([]).take(unsaved.with_training(unsaved=False), dataset)
    assert saved.training.trained is None


def test_a_training_that_ended_is_unsaved_if_there_is_a_prior(ready: State, unsaved: State) -> None:
    task, trained = training.training(Path("m.distill"), ready.open.dataset, {}), unsaved.training.trained
    state, news = task.take(ready, trained)
    assert (state.training.trained, state.training.unsaved) == (trained, True)
    assert news == [("training_ended", trained)]
    nothing, _ = task.take(ready, TrainedPrior.none(Ended.STOPPED))
    assert not nothing.training.unsaved


def test_other_weights_take_the_place_of_those_kept_unless_the_prior_was_given_up(
    unsaved: State, make_trained: Make, an_epoch: Epoch
) -> None:
    trained = make_trained([an_epoch(1, 8.0), an_epoch(2, 9.0, best=1)])
    before = unsaved.with_training(trained=trained)
    task = training.keeping(trained, Keep.LAST)
    kept = task.run(ignore, never)
    assert (kept.metadata["kept"], kept.metadata["kept_epoch"]) == ("last", 2)
    assert task.take(before, kept) == (before.with_training(trained=kept), [])
    given_up = before.with_training(trained=None, unsaved=False)
    assert task.take(given_up, kept) == (given_up, [])
    audited = replace(trained, metadata=trained.metadata | {"audit": {}})  # meanwhile
    assert task.take(before.with_training(trained=audited), kept)[0].training.trained is kept


def test_a_recovered_training_is_one_that_has_just_been_stopped(
    ready: State, make_trained: Make, an_epoch: Epoch
) -> None:
    trained = make_trained([an_epoch(1, 9.0), an_epoch(2, 8.0)])
    before = ready.with_open(unfinished=RUN).with_training(older_state=OlderStateTaken(1), saved_to=Path("x"))
    state, news = training.recovering(Path("m.distill")).take(before, trained)
    assert news == []
    now = state.training
    assert (now.trained, now.unsaved, now.saved_to, now.older_state) == (trained, True, None, OlderStateTaken(1))
    assert (now.epochs, now.best) == (trained.history, trained.history[1])
    assert state.open.unfinished is None


def test_what_a_failed_training_had_reached_is_offered(ready: State) -> None:
    state, news = training.looking_for_unfinished(Path("m.distill")).take(ready, RUN)
    assert (state.open.unfinished, news) == (RUN, [])


def test_after_a_save_the_prior_is_saved_and_the_model_another(unsaved: State, model: ModelSummary) -> None:
    task = saving.saving(model, unsaved.training.trained, None, though_changed=False)
    after, backup = replace(model, name="with prior"), Path("m.distill.bak")
    state, news = task.take(unsaved, saving.Saved(model.path, _opened(after), backup))
    assert news == [("model_changed", after), ("saved", model.path), ("backed_up", backup)]
    assert (state.open.model, state.training.unsaved, state.training.saved_to) == (after, False, model.path)
    assert state.training.trained is unsaved.training.trained
    _, news = task.take(unsaved, saving.Saved(model.path, _opened(after), None))
    assert [name for name, _ in news] == ["model_changed", "saved"]


def test_lists_of_runs_are_told_apart_by_who_asked(ready: State) -> None:
    state, news = runs.listing().take(ready.with_open(unfinished=RUN), (LISTED,))
    assert (state.open.recoverable, state.open.unfinished) == ((RUN,), RUN)
    assert news == [("runs_listed", (LISTED,))]
    for task in (runs.discarding(Path("m.distill"), "an id"), runs.discarding_listed("a" * 32)):
        state, news = task.take(state, ())
        assert (state.open.recoverable, state.open.unfinished, news) == ((), None, [("runs_left", ())])


def test_what_opens_no_model_does_not_say_that_it_does() -> None:
    model = Path("m.distill")
    tasks = [
        runs.listing(),
        runs.discarding(model, "an id"),
        runs.discarding_listed("a" * 32),
        training.looking_for_unfinished(model),
        training.recovering(model),
    ]
    assert {status.main_text(State(work=task.activity), None) for task in tasks} == {"Working…"}
    assert status.main_text(State(work=models.opening(model).activity), None) == "Opening the model…"


def test_what_changes_nothing_is_only_told(ready: State, model: ModelSummary) -> None:
    table = [
        (models.rereading(model), model, "reread"),
        (models.finding_previous(model.path), model, "previous_found"),
        (upkeep.clearing_cache(), 4096, "cache_cleared"),
        (copying(Path("demo")), DemoFiles(Path("m"), Path("s")), "demo_copied"),
        (sorting([], "window"), Drop(), "drop_sorted"),
        (upkeep.registering(str), "It is there.", "registered"),
    ]
    for task, result, name in table:
        assert task.take(ready, result) == (ready, [(name, result)])


def test_the_engine_tells_its_device_and_what_was_never_saved() -> None:
    state, news = upkeep.loading_engine().take(State(), upkeep.Engine("CPU", (RUN,)))
    assert (state.open.recoverable, news) == ((RUN,), [("device_known", "CPU")])


# Who shows a failure


def test_a_failure_is_shown_where_it_belongs(ready: State) -> None:
    said = "The disk is full. Make room."
    for subject in Subject:
        state = ready.with_problem(subject, PROBLEM)
        shown = (state.open.model_refusal, state.open.sounds_refusal, state.takes.problem, state.problem)
        elsewhere = {Subject.MODEL: (said, "", "", None), Subject.SOUNDS: ("", said, "", None)}
        elsewhere[Subject.HEARING] = ("", "", "", None)
        elsewhere |= dict.fromkeys((Subject.TAKE, Subject.EPOCHS, Subject.SHELF), ("", "", said, None))
        of_copies = (Subject.AUDIT, Subject.NOTING, Subject.JUDGING)
        elsewhere |= dict.fromkeys((*of_copies, Subject.PROVING), ("", "", "", None))
        assert state.copying.problem == said * (subject in of_copies)
        assert shown == elsewhere.get(subject, ("", "", "", PROBLEM)), subject
    changed = replace(PROBLEM, may_replace=True)
    assert ready.with_problem(Subject.SAVING, changed).open.may_replace
    assert not ready.with_problem(Subject.VERSIONS, changed).open.may_replace


def test_what_failed_is_forgotten_when_it_is_tried_again(ready: State) -> None:
    failed = replace(ready, problem=PROBLEM)
    for activity in Activity:
        is_forgotten = failed.doing(upkeep.clearing_cache().runner, activity).problem is None
        assert is_forgotten is (activity in (Activity.PREPARING, Activity.SAVING)), activity


# Events meanwhile


def _start(dataset: AudioDataset, model: Path, tmp_path: Path) -> PriorTrainingStartEvent:
    told: list[PriorTrainingStartEvent] = []

    def note(event: object) -> None:
        if isinstance(event, PriorTrainingStartEvent):
            told.append(event)

    train_prior(model, dataset, {"max_epochs": 1, "hidden_size": 32, "num_layers": 1, "num_heads": 2}, on_event=note)
    return told[0]


def test_the_start_of_a_training_brings_its_numbers_and_the_epochs_before(
    ready: State, tiny_model: Path, tmp_path: Path, an_epoch: Epoch
) -> None:
    epochs = (an_epoch(1, 9.0), an_epoch(2, 9.5, best=1))
    start = replace(_start(ready.open.dataset, tiny_model, tmp_path), total_epochs=7, sameness="one", history=epochs)
    state, news = hear(replace(ready, work=Activity.PREPARING), start, Runner.WORK)
    assert state.work is Activity.TRAINING
    now = state.training
    assert (now.total_epochs, now.sameness, now.epochs, now.best) == (7, "one", epochs, epochs[0])
    assert now.epoch_work > 0
    begins = [("training_started", start), ("device_known", start.device)]
    assert start.device.startswith("CPU, ")
    assert news == [*begins, *(("epoch_finished", epoch) for epoch in epochs)]
    listening = replace(ready, listen=Activity.WORKING)
    assert hear(listening, start, Runner.LISTEN) == (listening, [])
    stopping, _ = hear(replace(ready, work=Activity.STOPPING), start, Runner.WORK)
    assert stopping.work is Activity.STOPPING


def test_events_in_a_table(ready: State, an_epoch: Epoch) -> None:
    epoch, obstacle = an_epoch(1, 9.0), SaveObstacle("read-only", is_read_only=True)
    gone, rolled = SkippedFile("a.wav", "gone"), RolledBack(3, 2, "nan")
    kept, older = RunNotKept("full"), OlderStateTaken(1)
    refused = ready.with_open(model_refusal="one at a time", sounds_refusal="no sound")
    table = [
        (JobProgress(Phase.ENCODE, 1, 2), refused, ["progress"]),
        (epoch, refused.with_epoch(epoch), ["epoch_finished"]),
        (gone, refused.with_open(sounds_refusal="").with_training(left_out=(gone,)), []),
        (training.SaveChecked(obstacle), refused.with_open(obstacle=obstacle, model_refusal=""), []),
        (training.SaveChecked(None), refused, []),
        (rolled, refused, ["said"]),
        (BatchHalved(2), refused, ["said"]),
        (kept, refused.with_training(is_kept=False), ["said"]),
        (older, refused.with_training(older_state=older), ["said"]),
        ("something else", refused, []),
    ]
    for event, wanted, names in table:
        state, news = hear(refused, event, Runner.WORK)
        assert (state, [name for name, _ in news]) == (wanted, names), event
        assert hear(refused, event, Runner.LISTEN) == (refused, []), event


def test_a_file_that_is_left_out_twice_is_named_once(ready: State) -> None:
    state = ready
    for name, reason in (("a.wav", "gone"), ("b.wav", "changed"), ("a.wav", "damaged")):
        state, _ = hear(state, SkippedFile(name, reason), Runner.WORK)
    assert state.training.left_out == (SkippedFile("a.wav", "damaged"), SkippedFile("b.wav", "changed"))


def test_the_best_is_the_epoch_that_training_names_and_no_other(an_epoch: Epoch) -> None:
    state = State()
    for epoch in (replace(an_epoch(1, 9.0), best_epoch=0), replace(an_epoch(2, 8.0), best_epoch=0)):
        state = state.with_epoch(epoch)
        assert state.training.best is None  # epochs of an older Distill do not say
    state = state.with_epoch(an_epoch(3, 1.0, best=1))
    assert state.training.best is state.training.epochs[0]


# What runs


def test_opening_removes_what_a_saver_that_died_left_and_reading_again_does_not(tiny_model: Path) -> None:
    second_name(tiny_model).write_bytes(b"torn")
    opened = models.opening(tiny_model).run(ignore, never)
    assert leftovers(tiny_model) == []
    assert (opened.summary.path, opened.real_path, opened.unfinished) == (tiny_model, tiny_model.resolve(), None)


def test_a_model_that_cannot_be_read_again_is_as_it_was(tiny_model: Path) -> None:
    model = read_summary(tiny_model)
    assert models.rereading(model).run(ignore, never) == model
    tiny_model.unlink()
    assert models.rereading(model).run(ignore, never) is model


def test_a_prior_is_saved_and_its_model_read_again(tiny_model: Path, make_trained: Make, an_epoch: Epoch) -> None:
    trained = make_trained([an_epoch(3, 8.17)])
    saved = saving.saving(read_summary(tiny_model), trained, None, though_changed=False).run(ignore, never)
    assert saved.path == tiny_model.resolve()
    assert saved.opened.summary.has_prior
    assert saved.opened.has_previous


def test_runs_are_looked_for_in_the_models_folder(tiny_model: Path) -> None:
    assert training.looking_for_unfinished(tiny_model).run(ignore, never) is None
    assert runs.listing().run(ignore, never) == ()
    assert prior_runs(tiny_model).unfinished() is None
    with pytest.raises(DistillError):
        training.recovering(tiny_model).run(ignore, never)


def test_clearing_the_cache_frees_what_was_in_it(caches: Path) -> None:
    codes = caches / "distill" / "codes"
    codes.mkdir(parents=True)
    (codes / "entry").write_bytes(bytes(5000))
    assert upkeep.clearing_cache().run(ignore, never) == 8192
    assert not any(codes.iterdir())


def test_how_registering_ended_is_a_result_refused_or_not() -> None:
    def refuse() -> str:
        raise SaveError("The disk is full.", "Make room.")

    assert upkeep.registering(lambda: "It is there.").run(ignore, never) == "It is there."
    assert upkeep.registering(refuse).run(ignore, never) == "The disk is full. Make room."


def test_the_demo_is_copied_once_or_refused_in_words(tmp_path: Path) -> None:
    demo = copying(tmp_path / "demo").run(ignore, never)
    changed = demo.model.write_bytes(b"mine")
    assert copying(tmp_path / "demo").run(ignore, never) == demo
    assert demo.model.stat().st_size == changed
    (tmp_path / "file").touch()
    with pytest.raises(DistillError, match="The demo can't be copied to"):
        copying(tmp_path / "file").run(ignore, never)


def test_steps_are_passed_on_ten_times_a_second_and_the_last_always(
    tiny_model: Path, sounds_folder: Path, tmp_path: Path
) -> None:
    heard: list[object] = []
    settings = {"max_epochs": 2, "hidden_size": 32, "num_layers": 1, "num_heads": 2}
    other = Path(shutil.copy(tiny_model, tmp_path / "other.distill"))
    trained = training.training(other, scan(sounds_folder), settings).run(heard.append, never)
    assert isinstance(heard[0], training.SaveChecked)
    assert len(trained.history) == 2
    ends = [event for event in heard if getattr(event, "step", 0) == getattr(event, "total_steps", -1)]
    assert [event.epoch for event in ends] == [1, 2]
