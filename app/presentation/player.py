"""What the player offers for a sound: pure, so that a table can test it."""

from __future__ import annotations

from app.session.slots import Playable
from app.session.state import State
from app.session.tasks.hearing import SourceKey

ORIGINAL_TIP = "The sound as it is in its file (Ctrl+M)"
MODEL_TIP = "The sound through the model and back: the best that it can come to by itself (Ctrl+M)"
_ONLY_SOURCES = "This compares source sounds with what the model makes of them. Play one on the Sounds page."
_NEEDS_MODEL = "Open a model to hear what it makes of this sound."


def source_of(playable: Playable | None) -> SourceKey | None:
    """Return which source sound this is; None if it is none."""
    return playable.key if playable is not None and isinstance(playable.key, SourceKey) else None


def side_obstacle(playable: Playable | None, state: State) -> str:
    """Return why a sound has no round trip through the model, in a sentence, or ""."""
    if source_of(playable) is None:
        return _ONLY_SOURCES
    return _NEEDS_MODEL if state.open.model is None else ""
