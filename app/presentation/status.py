"""The sentence beside the Train button, which follows from the state."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from app.outcome import finished_text
from app.session.state import Activity, State
from app.words import counted, rough_duration, shown_name, shown_sources

if TYPE_CHECKING:
    from distill_core.audio.dataset import AudioDataset
    from distill_core.events import JobProgress
    from distill_core.training.prior.events import PriorEpochMetrics


def estimate_words(seconds: float | None) -> str:
    """Return how the sentence goes on: how long training may take here, as exactly as is known."""
    if seconds is None:
        return ". The first epoch will show how long it takes."
    return f", {rough_duration(seconds)} on this computer."


def ready_text(dataset: AudioDataset, estimate_s: float | None) -> str:
    """Return the sentence above the Train button when all is there."""
    text = f"Ready. {counted(len(dataset.files), 'sound')}{estimate_words(estimate_s)}"
    if len(dataset.files) == 1:
        text += " One sound only: its end is kept for validation, so the perplexity is less trustworthy."
    return f"{text} {dataset.sameness}".strip()


def idle_text(state: State, estimate_s: float | None) -> str:
    """Return the main sentence while nothing runs."""
    if state.trained is not None and state.trained.prior is None:
        return "Stopped before the first epoch: nothing to save."
    if state.trained is not None:
        return finished_text(state.trained)
    if state.model is None and state.dataset is None:
        return "Drop a Distill model and sounds to begin."
    if state.dataset is None:
        return "Now add the sounds to learn from."
    if state.model is None:
        return "Now add the model (.distill) to train."
    return ready_text(state.dataset, estimate_s)


def training_text(epoch: PriorEpochMetrics, best: PriorEpochMetrics, seconds_left: float | None) -> str:
    """Return the line beside the bar while epochs go by."""
    left = "" if seconds_left is None else f" · {rough_duration(seconds_left)} left"
    return f"Epoch {epoch.epoch} of {epoch.total_epochs}{left} · best {best.val_perplexity:.2f} at epoch {best.epoch}"


def progress_text(progress: JobProgress) -> str:
    """Return what the work thread is doing, with numbers."""
    if progress.phase == "scan":
        return f"Looking through {counted(progress.total, 'file')}: {progress.done:,} done"
    what = "variants" if progress.phase == "variants" else "sounds"
    return f"Preparing {what}: {progress.done:,} of {progress.total:,}"


def looking_text(sources: Sequence[Path]) -> str:
    """Return what is said until the number of files is known."""
    return f"Looking through {shown_sources(sources)}…" if sources else "Looking through…"


def main_text(state: State, estimate_s: float | None) -> str:
    """Return the sentence beside the Train button; progress refines it while work is under way."""
    match state.activity:
        case Activity.STARTING:
            return "Starting the engine…"
        case Activity.OPENING:
            return f"Opening {shown_name(state.pending_model)}…" if state.pending_model else "Opening the model…"
        case Activity.SCANNING:
            return looking_text(state.pending_sounds)
        case Activity.PREPARING:
            return "Preparing sounds…"
        case Activity.TRAINING:
            return "Training: the first epoch is under way."
        case Activity.STOPPING:
            return "Stopping…"
        case Activity.SAVING:
            return "Saving…"
    return idle_text(state, estimate_s)
