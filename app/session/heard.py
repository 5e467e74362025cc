"""The state after an event from inside a task: pure, so that a table can test it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from app.session.activity import Activity, Runner
from app.session.estimate import epoch_work
from app.session.signals import News
from app.session.state import State
from app.session.takes import TakeEvent
from app.session.task import Taken
from app.session.tasks.copying import AuditProgress
from app.session.tasks.evidence import ProvingProgress
from app.session.tasks.making import ModelPlace
from app.session.tasks.shelving import TakeOutline
from app.session.tasks.sounds import SoundOutline
from app.session.tasks.training import FoundInUse, SaveChecked
from distill_core.events import JobProgress, SkippedFile
from distill_core.generation.request import SoundBlock
from distill_core.training.codec.events import CodecEpochMetrics, CodecTrainingStartEvent
from distill_core.training.events import BatchHalved, OlderStateTaken, RolledBack, RunNotKept, StepMetrics
from distill_core.training.prior.events import PriorEpochMetrics, PriorTrainingStartEvent


def _hear_save_check(state: State, event: SaveChecked) -> State:
    if event.obstacle == state.open.obstacle:
        return state
    return state.with_open(obstacle=event.obstacle, model_refusal="")


def _device_news(event: PriorTrainingStartEvent | CodecTrainingStartEvent) -> list[News]:
    return [("device_known", event.device)] if event.device else []


def _hear_start(state: State, event: PriorTrainingStartEvent) -> Taken:
    """Begin with the epochs before, if a training goes on."""
    model, dataset = state.open.model, state.open.dataset
    work = epoch_work(model, dataset, event.config) if model is not None and dataset is not None else 0.0
    state = _begun(
        state.with_training(
            started=event,
            dataset=dataset,
            in_place_of=None,
            total_epochs=event.total_epochs,
            sameness=event.sameness,
            epoch_work=work,
            epochs=(),
            best=None,
            kept_epoch=None,
        )
    )
    news: list[News] = [("training_started", event), *_device_news(event)]
    for epoch in event.history:
        state = state.with_epoch(epoch)
        news.append(("epoch_finished", epoch))
    return state, news


def _begun(state: State) -> State:
    return replace(state, work=Activity.TRAINING) if state.work is Activity.PREPARING else state


def _hear_making(state: State, event: CodecTrainingStartEvent) -> Taken:
    """Begin with the epochs before, if a making goes on."""
    news: list[News] = [("making_started", event), *_device_news(event)]
    news += [("making_epoch", epoch) for epoch in event.history]
    state = state.without_training()  # also an unsaved one, which was given up
    return _begun(replace(state, making=state.making.started(event))), news


def _with_part(state: State, **changes: Any) -> State:
    """Return the state with changes in the part whose training is under way."""
    return state.with_making(**changes) if state.making.is_under_way else state.with_training(**changes)


def _hear_take(state: State, told: TakeEvent) -> Taken:
    """Let through what the take under way tells, and nothing of one that was given up."""
    if told.making is not state.takes.making:
        return state, []
    match told.event:
        case SoundBlock():
            return state, [("sound_block", told.event)]
        case JobProgress():
            return state, [("take_progress", told.event)]
    return state, []


def _outlined(event: object) -> list[News]:
    """Return the news of a picture of a take or of a source sound."""
    match event:
        case TakeOutline():
            return [("take_outlined", event)]
        case SoundOutline():
            return [("sound_outlined", event)]
    return []


def _hear_check(state: State, event: object) -> State:
    """Return the state after an event from inside a check; an audit that was stopped tells nothing any more."""
    match event:
        case AuditProgress() if state.copying.is_auditing:
            return state.with_copying(done=event.done, total=event.total)
        case ProvingProgress():
            return state.with_proofs(state.proofs.at(event.number, event.done, event.total))
    return state


def hear(state: State, event: object, runner: Runner) -> Taken:
    """Return the state after an event from inside a task, and the signals to send once it is set.

    The work runner's are of the training and its preparation. The listen runner's are of takes, the check runner's of
    audits: the same events, such as progress, mean something else there.
    """
    if runner is Runner.LISTEN:
        return _hear_take(state, event) if isinstance(event, TakeEvent) else (state, [])
    if runner is Runner.SHELF:
        return state, _outlined(event)
    if runner is Runner.CHECK:
        return _hear_check(state, event), []
    match event:
        case JobProgress():
            return state, [("progress", event)]
        case SkippedFile():
            return replace(state.with_open(sounds_refusal=""), training=state.training.without(event)), []
        case SaveChecked():
            return _hear_save_check(state, event), []
        case FoundInUse():
            return state.with_open(is_in_use=True), []
        case PriorTrainingStartEvent():
            return _hear_start(state, event)
        case StepMetrics():
            return state, [("making_step" if state.making.is_under_way else "step_finished", event)]
        case PriorEpochMetrics():
            return state.with_epoch(event), [("epoch_finished", event)]
        case ModelPlace():
            return state.with_making(path=event.path), []
        case CodecTrainingStartEvent():
            return _hear_making(state, event)
        case CodecEpochMetrics():
            return replace(state, making=state.making.with_epoch(event)), [("making_epoch", event)]
        case BatchHalved() | RolledBack():
            return state, [("said", event.sentence)]
        case RunNotKept():
            return _with_part(state, is_kept=False), [("said", event.sentence)]
        case OlderStateTaken():
            return _with_part(state, older_state=event), [("said", event.sentence)]
    return state, []
