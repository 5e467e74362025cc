"""The shelf of takes in words: pure, so that a table can test them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.presentation.copying import copy_of
from app.presentation.generating import reason
from app.session.state import State
from app.times import length
from app.widgets.sound.clip import ClipLook

if TYPE_CHECKING:
    from distill_core.generation.takes.folder import Take

_TIP = "Click to play, drag into a folder or another program, right-click for more."
_EMPTY = "Takes appear here. Drag one out into a folder or another program: it arrives as a WAV file."


def caption(take: Take) -> str:
    """Return the line below a take's waveform."""
    return f"seed {take.seed} · {length(take.duration_s)}"


def clip_look(
    take: Take, peaks: tuple[float, ...] = (), *, is_loaded: bool = False, is_playing: bool = False
) -> ClipLook:
    """Return the look of a take on the shelf."""
    mark = copy_of(take)
    tip = f"Take {take.number} · {caption(take)}{mark and f' · {mark}'}. {_TIP}"  # a small clip shows no caption
    return ClipLook(take.number, caption(take), take.is_starred, tip, peaks, is_loaded, is_loaded and is_playing, mark)


def shelf_text(state: State) -> str:
    """Return the text of a shelf without takes, "" if there are some."""
    if state.takes.takes:
        return ""
    return reason(state) or _EMPTY


def undo_tip(state: State) -> str:
    """Return what a click on Undo does, "" if nothing was deleted."""
    if not state.takes.deleted:
        return ""
    last, *others = state.takes.deleted
    more = f", then {len(others)} more" if others else ""
    return f"Bring take {last.number} back{more}"
