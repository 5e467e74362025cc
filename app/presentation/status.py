"""The sentence beside the Train button, which follows from the state."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from app.presentation import making
from app.session.activity import Activity
from app.session.estimate import seconds_left
from app.session.state import State, TrainingState
from app.words import counted, rough_duration, shown_name, shown_sources
from distill_core.events import Phase
from distill_core.training.prior.words import finished_text
from distill_core.training.words import nothing_to_save, one_sound_words, phase_words

if TYPE_CHECKING:
    from distill_core.audio.dataset import AudioDataset
    from distill_core.events import JobProgress


def estimate_words(seconds: float | None) -> str:
    """Return the end of the sentence: the likely duration of training on this computer, if it is known."""
    if seconds is None:
        return ". The first epoch will show how long it takes."
    return f", {rough_duration(seconds)} on this computer."


def ready_text(dataset: AudioDataset, estimate_s: float | None) -> str:
    """Return the sentence beside the Train button once model and sounds are open."""
    text = f"Ready. {counted(len(dataset.files), 'sound')}{estimate_words(estimate_s)}"
    if len(dataset.files) == 1:
        text += f" {one_sound_words('perplexity')}"
    return f"{text} {dataset.sameness}".strip()


def idle_text(state: State, estimate_s: float | None) -> str:
    """Return the sentence while no task runs."""
    trained = state.training.trained
    if not state.options.is_valid:
        return "One of the options cannot be used; it is marked under Options."
    if trained is not None and trained.prior is None:
        return nothing_to_save(trained.ended)
    if trained is not None:
        return finished_text(trained)
    if said := making.ended_text(state.making):
        return said
    if state.open.model is None and state.open.dataset is None:
        return "Drop a Distill model and sounds to begin."
    if state.open.dataset is None:
        return "Now add the sounds to learn from."
    if state.open.model is None:
        return making.NOW_MAKE
    return ready_text(state.open.dataset, estimate_s)


def training_text(training: TrainingState) -> str:
    """Return the line beside the bar while epochs go by."""
    last, best, seconds = training.last, training.best, seconds_left(training.epochs)
    if last is None:
        return "Training: the first epoch is under way."
    left = "" if seconds is None else f" · {rough_duration(seconds)} left"
    reached = "" if best is None else f" · best {best.val_perplexity:.2f} at epoch {best.epoch}"
    return f"Epoch {last.epoch} of {last.total_epochs}{left}{reached}"


def progress_text(progress: JobProgress) -> str:
    """Return the progress of the task under way, with numbers."""
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
