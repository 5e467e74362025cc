"""What Inspect offers: pure, so that a table can test it."""

from __future__ import annotations

from app.session.activity import Activity
from app.session.available import ActionId, available
from app.session.state import State

_READ_ONLY = "This file is read-only, so its name and notes can't be changed."
_WHILE_TRAINING = "Name and notes can be changed once training has ended."
_MAKING = "A new model is being made."
_BUSY = "Name and notes can be changed once the task under way has ended."


def is_form_locked(state: State) -> bool:
    """Tell whether nothing can be written either: a new model, on its way, will be opened in place of this one."""
    made = state.making
    is_being_saved = state.work is Activity.SAVING and made.trained is not None
    return is_being_saved or (made.is_under_way and not state.is_idle)


def edit_obstacle(state: State) -> str:
    """Return why the name and the notes of the open model can't be changed now, in a sentence, or ""."""
    if ActionId.EDIT_MODEL in available(state) or state.open.model is None:
        return ""
    if is_form_locked(state):
        return _MAKING
    if state.is_training:
        return _WHILE_TRAINING
    if state.open.obstacle is None:
        return _BUSY
    return _READ_ONLY if state.open.obstacle.is_read_only else state.open.obstacle.text
