"""The words on making a model: its buttons, the line beside the bar, its notices; pure, so that a table tests them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from app.session.estimate import making_seconds_left
from app.session.making import MakingState
from app.times import range_words, time_left_words
from app.words import shown_name, shown_sources
from distill_core.training.words import nothing_to_save

if TYPE_CHECKING:
    from app.session.state import State
    from distill_core.training.run_folder.facts import UnfinishedRun

MAKE, MAKE_BOTH = "Make a Model from These Sounds", "Model, then Prior"
MAKE_IN_SHORT, BOTH_IN_SHORT, OPEN_IN_SHORT = "Make a Model", "Both", "Open…"
MAKE_TIP = "Make a model that codes these sounds, as a new file: the first step to new sound"
MAKE_BOTH_TIP = "Make the model, then train its prior, and end with a first take"
MAKING = "Making a model…"
NOW_MAKE = "Now make a model."  # one line beside three buttons
ERROR_TITLE = "Error – how far its sound is off; lower = nearer to your sounds"


def make_text(estimate: tuple[float, float] | None) -> str:
    """Return the text of the button that makes a model, with the likely duration if that is known."""
    return MAKE if estimate is None else f"{MAKE} · {range_words(*estimate)}"


# While it is made


def making_text(making: MakingState) -> str:
    """Return the line beside the bar while a model is made."""
    last, best, left = making.last, making.best, making_seconds_left(making)
    if last is None or best is None:
        return "Making the model: learning what the sounds have in common."
    error = f"{best.val_l1:.3f}"
    if left is None:
        return f"Making the model: epoch {last.epoch} of {last.total_epochs} · best error {error}"
    words = time_left_words(*left)
    return f"Making the model: epoch {last.epoch} of {last.total_epochs} · best error {error} · {words}"


def compared_words(making: MakingState) -> str:
    """Return how the best epoch compares with answering with each sound's average, "" before there is one."""
    best = making.best
    if best is None or not making.mean_frame_error:
        return ""
    if best.val_l1 >= making.mean_frame_error:
        return f"Each sound's average alone is off by {making.mean_frame_error:.3f}: the model is no better yet."
    return f"Each sound's average alone is off by {making.mean_frame_error:.3f}, this model by {best.val_l1:.3f}."


def use_words(making: MakingState) -> str:
    """Return how much of its codes the best epoch uses, "" before there is one."""
    best = making.best
    return "" if best is None else f"It uses {best.codebook_use:.0%} of its codes for the sounds kept aside."


def curve_words(making: MakingState) -> str:
    """Return the sentences on the curve of the error."""
    return " ".join(filter(None, [compared_words(making), use_words(making)]))


def shows_error(state: State) -> bool:
    """Tell whether the Learning page has the curve of a model's error, and not that of a prior."""
    if state.is_training or state.training.trained is not None:
        return state.is_making
    model, made = state.open.model, state.making
    is_open = model is not None and model.path == made.saved_to and not model.has_prior
    return made.trained is not None or is_open


# After it


def ended_text(making: MakingState, *, can_go_on: bool = False) -> str:
    """Return the sentence on a making that left no model, "" if it left one or was given up."""
    has_model = making.trained is not None or making.saved_to is not None  # one that was taken up brings no epochs
    left_none = making.ended is not None and not making.epochs and not has_model
    return nothing_to_save(making.ended, can_go_on=can_go_on) if left_none and making.ended is not None else ""


def made_title(path: Path) -> str:
    """Return the title of the notice on a new model."""
    return f"Your model is made: {shown_name(path)}."


def made_detail(making: MakingState, path: Path) -> str:
    """Return where a new model is, and what a stop left out."""
    older = "" if making.older_state is None else making.older_state.sentence
    left_out = "You stopped, so no prior was trained; Train does that now." if making.is_prior_left_out else ""
    return " ".join(filter(None, [older, left_out, f"It is in {path.parent}."]))


UNSAVED_TITLE = "The new model is not saved yet."


def unsaved_detail(making: MakingState) -> str:
    """Return what becomes of a model that could not be saved."""
    return "It is lost if it is not saved." if making.is_lost_if_left else "It is kept, and offered at the next start."


# One that was never finished


def unfinished_title(run: UnfinishedRun) -> str:
    """Return how far the making of a model came."""
    name = shown_name(run.model)
    if run.has_ended:
        return f"The model {name} was made, and never saved."
    best = f", best {run.best_words}" if run.has_best else ""
    return f"The model {name} is half made: {run.reached}{best}."


def unfinished_detail(run: UnfinishedRun) -> str:
    """Return what can be done about it."""
    if not run.can_go_on:
        return "Use Best saves it and opens it."
    use_best = " Use Best saves it as it is." if run.has_best else ""
    return f"Continue goes on with the sounds in {shown_sources(run.sounds)}.{use_best}"
