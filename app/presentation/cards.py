"""The looks of the three chips, and their refusals: pure, so that a table can test them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from app import words
from app.presentation import making
from app.presentation.status import looking_text, progress_text
from app.session.state import State
from app.widgets.card.look import CardLook
from distill_core.events import Phase
from distill_core.text import LONGEST_NAME, file_name, printable

if TYPE_CHECKING:
    from distill_core.audio.dataset import AudioDataset
    from distill_core.events import JobProgress, SkippedFile
    from distill_core.models.summary import ModelSummary

CANCEL = "cancel"


def model_card(state: State) -> CardLook:
    """Return the look of the model's chip."""
    if state.open.pending_model is not None:
        return CardLook("busy", f"Opening {words.shown_name(state.open.pending_model)}…")
    if state.is_making and state.open.model is None:
        return CardLook("busy", making.MAKING)
    if state.open.model is None:
        return CardLook("empty", "No model yet", ("drop one, or click to open one",), short="drop one here")
    knows, in_short = _knows(state, state.open.model)
    lines = (knows, words.made_from_line(state.open.model))
    return CardLook("filled", file_name(state.open.model.path), lines, button="Open Another…", short=in_short)


def _knows(state: State, model: ModelSummary) -> tuple[str, str]:
    """Return how well the model knows its sounds, by the training here if there is one, and the same in short."""
    trained = state.training.trained
    if state.is_training and not state.is_making:
        return words.LEARNING, words.LEARNING_IN_SHORT
    if state.training.unsaved and trained is not None:
        return words.knows_of(trained.metadata, model.codebook_size), words.knows_of_in_short(trained.metadata)
    return words.knows_line(model), words.knows_in_short(model)


def model_refusal(state: State) -> str:
    """Return why a file is not taken as a model, or, before hours of training, why the open one can't be saved into."""
    if state.open.pending_model is not None:
        return ""
    obstacle = state.open.obstacle
    return state.open.model_refusal or ("" if obstacle is None else obstacle.text)


def sounds_card(state: State) -> CardLook:
    """Return the look of the sounds' chip; while they are looked through, progress refines it."""
    if state.open.pending_sounds:
        return CardLook("busy", looking_text(state.open.pending_sounds), link=(CANCEL, "Cancel"))
    if state.open.dataset is None:
        return CardLook("empty", "No sounds yet", ("drop some, or click to choose a folder",), short="drop some here")
    return _filled(state, state.open.dataset)


def sounds_progress(progress: JobProgress) -> CardLook | None:
    """Return the look of the sounds' chip while they are looked through; None if other work goes on."""
    return CardLook("busy", progress_text(progress), link=(CANCEL, "Cancel")) if progress.phase is Phase.SCAN else None


def _filled(state: State, dataset: AudioDataset) -> CardLook:
    skipped = [f"{words.counted(len(dataset.skipped), 'file')} skipped"] if dataset.skipped else []
    size = [] if state.open.model is None or state.options.unasked is None else [words.size_line(state.options.unasked)]
    passed_over = [str(dataset.passed_over)] if dataset.passed_over else []
    lines = (words.sounds_line(dataset), *skipped, *passed_over, *size)
    return CardLook("filled", printable(dataset.name, LONGEST_NAME), lines, button="Choose Others…")


def takes_card(state: State) -> CardLook:
    """Return the look of the takes' chip."""
    takes = state.takes.takes
    if not takes:
        return CardLook("empty", "Takes", ("new sound, once there is any",), short="none yet")
    starred = sum(take.is_starred for take in takes)
    lines = (f"{len(takes):,}", f"★ {starred:,}") if starred else (f"{len(takes):,}",)
    return CardLook("filled", "Takes", lines)


def sounds_refusal(state: State) -> str:
    """Return why files are not taken as sounds, or which ones the training goes on without."""
    if state.open.pending_sounds:
        return ""
    return state.open.sounds_refusal or _left_out(state.training.left_out)


def _left_out(files: Sequence[SkippedFile]) -> str:
    if not files:
        return ""
    more = f", and {words.counted(len(files) - 1, 'more file')}" if len(files) > 1 else ""
    return f"Left out of the training: {files[0].name} ({files[0].reason}){more}."
