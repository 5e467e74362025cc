"""What Inspect offers: pure, so that a table can test it."""

from __future__ import annotations

from app.session.available import ActionId, available
from app.session.state import State

_READ_ONLY = "This file is read-only, so its name and notes can't be changed."
_WHILE_TRAINING = "Name and notes can be changed once training has ended."
_BUSY = "Name and notes can be changed once the task under way has ended."


def edit_obstacle(state: State) -> str:
    """Return why the name and the notes of the open model can't be changed now, in a sentence, or ""."""
    if ActionId.EDIT_MODEL in available(state) or state.open.model is None:
        return ""
    if state.is_training:
        return _WHILE_TRAINING
    if state.open.obstacle is None:
        return _BUSY
    return _READ_ONLY if state.open.obstacle.is_read_only else state.open.obstacle.text
