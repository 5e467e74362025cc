"""Sentences of window and terminal about a training of any kind."""

from __future__ import annotations

from distill_core.events import Phase
from distill_core.text import file_name
from distill_core.training.events import ENDED_WORDS, Ended
from distill_core.training.run_folder.facts import UnfinishedRun

BY_AN_OLDER_MEASURE = "by an older measure"
STARTS_AFRESH = "starts afresh and takes its place"  # of a training, beside an unfinished one
NO_UNFINISHED = "There is no unfinished training."
_LONGEST_NAME = 40
_PHASES = {
    Phase.SCAN: "Looking through the sounds",
    Phase.READ: "Reading the sounds",
    Phase.ENCODE: "Preparing the sounds",
    Phase.VARIANTS: "Preparing variants of the sounds",
    Phase.CODES: "Preparing chunks of sound",
    Phase.FIT: "Fitting the model",
    Phase.SAMPLE: "Drawing new sound",
    Phase.COMPARE: "Comparing with the sounds",
}


def phase_words(phase: Phase) -> str:
    """Return a phase of work in words."""
    return _PHASES[phase]


def ended_words(ended: object) -> str:
    """Return how a training ended in words, or "" for a value of a stranger's file that is no ending."""
    return ENDED_WORDS[Ended(ended)] if isinstance(ended, str) and ended in [*Ended] else ""


def nothing_to_save(ended: Ended, *, can_go_on: bool = False) -> str:
    """Return the sentence about a training that ended before its first epoch had; `can_go_on`: it is on disk."""
    why = "Its time limit came" if ended is Ended.TIME_LIMIT else "Stopped"
    what = "it can go on from there" if can_go_on else "nothing to save"
    return f"{why} before the first epoch: {what}."


def computing_words(device: str, number_format: str = "float32") -> str:
    """Return the sentence on a training's device; codecs train in float32."""
    return f"Computing on {device}, {number_format}."


def one_sound_words(measure: str) -> str:
    """Return the note on a set of one sound; `measure` is what is measured on its end."""
    return f"One sound only: its end is kept for validation, so the {measure} is less trustworthy."


def unfinished_words(run: UnfinishedRun) -> str:
    """Return how far a training came that was never saved."""
    reached = f"{run.reached}, best {run.best_words}" if run.has_best else run.reached
    if run.is_older:
        return f"Unfinished training of an older Distill found: {reached} {BY_AN_OLDER_MEASURE}."
    if run.has_ended:
        return f"A trained {run.kind.name} was never saved: {reached}."
    return f"Unfinished training found: {reached}."


def not_removed_words(obstacle: str) -> tuple[str, str]:
    """Return the message and the hint about an unfinished training that could not be removed."""
    return f"{obstacle} Nothing was removed.", "Try again when that has changed."


def moved_words(run: UnfinishedRun) -> str:
    """Return the note on a training that was to be saved under another name than its model has now."""
    return (
        f"It was into “{file_name(run.model, _LONGEST_NAME)}”, which is this model by another name or in another place."
    )
