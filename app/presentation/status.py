"""The sentence beside the Train button, which follows from the state."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from app.presentation import making
from app.presentation.outcome import finished_text
from app.session.activity import Activity
from app.session.estimate import seconds_of, time_left
from app.session.state import State
from app.session.training import TrainingState
from app.times import clock, rough_duration, time_left_words
from app.words import counted, shown_name, shown_sources
from distill_core.events import Phase
from distill_core.training.words import nothing_to_save, phase_words

if TYPE_CHECKING:
    from distill_core.audio.dataset import AudioDataset
    from distill_core.events import JobProgress


LONGEST = "Epoch 100 of 100 · 59:59 · less than a minute left"  # that goes on beside the bar for long
_READY = "Ready. {sounds}. The first epoch will show how long it takes."
_READY_FOR = "Ready. {sounds}, {duration} on this computer."
_ONE_SOUND = "One sound only: its end is kept aside, so it can be judged less surely."


def ready_text(dataset: AudioDataset, estimate_s: float | None) -> str:
    """Return the sentence beside the Train button once model and sounds are open."""
    sounds = counted(len(dataset.files), "sound")
    ready = _READY.format(sounds=sounds)
    if estimate_s is not None:
        ready = _READY_FOR.format(sounds=sounds, duration=rough_duration(estimate_s))
    more = _ONE_SOUND if len(dataset.files) == 1 else dataset.sameness
    return f"{ready} {more}".strip()


def idle_text(state: State, estimate_s: float | None) -> str:
    """Return the sentence while no task runs."""
    trained = state.training.trained
    if not state.options.is_valid:
        return "One of the options cannot be used; it is marked under Options."
    if trained is not None and trained.prior is None:
        return nothing_to_save(trained.ended, can_go_on=bool(trained.run_id))
    if trained is not None and state.open.model is not None:
        return finished_text(trained, state.open.model)
    if said := making.ended_text(state.making, can_go_on=state.open.unfinished_model is not None):
        return said
    if state.open.model is None and state.open.dataset is None:
        return "Drop sounds or a model to begin."
    if state.open.dataset is None:
        return "Now add the sounds to learn from."
    if state.open.model is None:
        return making.NOW_MAKE if state.making.trained is None else making.UNSAVED_TITLE
    return ready_text(state.open.dataset, estimate_s)


def training_text(training: TrainingState) -> str:
    """Return the line beside the bar while epochs go by."""
    last, started = training.last, training.started
    if last is None:
        return "Training: the first epoch is under way."
    left = None if started is None else time_left(training.epochs, started)
    parts = [f"Epoch {last.epoch} of {training.total_epochs or last.total_epochs}", clock(seconds_of(training.epochs))]
    return " · ".join([*parts, *([] if left is None else [time_left_words(*left)])])


def progress_text(progress: JobProgress) -> str:
    """Return the progress of the task under way, with numbers."""
    if progress.phase is Phase.SCAN and not progress.total:
        return f"Looking for sounds: {counted(progress.done, 'file')} so far"
    if progress.phase is Phase.SCAN:
        return f"Looking through {counted(progress.total, 'file')}: {progress.done:,} done"
    if progress.phase is Phase.FIT:
        return f"Learning what the sounds have in common: {progress.done:,} of {progress.total:,}"
    return f"{phase_words(progress.phase)}: {progress.done:,} of {progress.total:,}"


def looking_text(sources: Sequence[Path]) -> str:
    """Return the sentence on a scan until the number of files is known."""
    return f"Looking through {shown_sources(sources)}…" if sources else "Looking through…"


def main_text(state: State, estimate_s: float | None) -> str:
    """Return the sentence beside the Train button; progress refines it while a task runs."""
    match state.work:
        case Activity.STARTING:
            return "Starting the engine…"
        case Activity.OPENING:
            pending = state.open.pending_model
            return f"Opening {shown_name(pending)}…" if pending else "Opening the model…"
        case Activity.SCANNING:
            return looking_text(state.open.pending_sounds)
        case Activity.PREPARING:
            return "Preparing sounds…"
        case Activity.TRAINING:
            return making.making_text(state.making) if state.is_making else training_text(state.training)
        case Activity.STOPPING:
            return "Stopping…"
        case Activity.SAVING:
            return "Saving…"
        case Activity.CLEARING:
            return "Clearing the cache…"
        case Activity.WORKING:
            return "Working…"
    return idle_text(state, estimate_s)
