"""The looks of the two cards, and their refusals: pure, so that a table can test them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from app import words
from app.presentation.status import looking_text, progress_text
from app.session.state import State
from app.widgets.card.look import CardLook
from distill_core.events import Phase
from distill_core.text import LONGEST_NAME, file_name, printable

if TYPE_CHECKING:
    from distill_core.audio.dataset import AudioDataset
    from distill_core.events import JobProgress, SkippedFile

SHOW_FILES, CANCEL = "showFiles", "cancel"


def model_card(state: State) -> CardLook:
    """Return the look of the model's card."""
    if state.open.pending_model is not None:
        return CardLook("busy", f"Opening {words.shown_name(state.open.pending_model)}…")
    if state.open.model is None:
        return CardLook("empty", "Drop a model (.distill) here", button="Open Model…")
    lines = tuple(words.model_lines(state.open.model))
    return CardLook("filled", file_name(state.open.model.path), lines, minor=lines[0])


def model_refusal(state: State) -> str:
    """Return why a file is not taken as a model, or, before hours of training, why the open one can't be saved into."""
    if state.open.pending_model is not None:
        return ""
    obstacle = state.open.obstacle
    return state.open.model_refusal or ("" if obstacle is None else obstacle.text)


def sounds_card(state: State) -> CardLook:
    """Return the look of the sounds' card; while they are looked through, progress refines it."""
    if state.open.pending_sounds:
        return CardLook("busy", looking_text(state.open.pending_sounds))
    if state.open.dataset is None:
        return CardLook("empty", "Drop sounds or a folder of sounds here", button="Choose Folder…")
    return _filled(state, state.open.dataset)


def sounds_progress(progress: JobProgress) -> str:
    """Return the sentence of the sounds' card while they are looked through; "" if other work goes on."""
    return progress_text(progress) if progress.phase is Phase.SCAN else ""


def _filled(state: State, dataset: AudioDataset) -> CardLook:
    link = f"{words.counted(len(dataset.skipped), 'file')} skipped" if dataset.skipped else "all files"
    size = "" if state.open.model is None else words.size_line(state.options.auto, state.options.overrides)
    lines = [words.sounds_line(dataset), *([size] if size else [])]
    if dataset.passed_over:
        lines += str(dataset.passed_over).split(", ")  # in one line a narrow card would leave its middle out
    return CardLook("filled", printable(dataset.name, LONGEST_NAME), tuple(lines), (SHOW_FILES, link), minor=size)


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
