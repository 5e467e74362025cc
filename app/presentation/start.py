"""The cards of the start page: pure, so that a table can test them."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from pathlib import Path

from app.session.remembered import RememberedSession
from app.times import day_words, local_moment
from app.widgets.start.look import SessionLook
from app.words import (
    KNOWS_NOTHING_YET,
    NEEDS_A_NEWER_ONE,
    counted,
    knows_words,
    shown_name,
    shown_places,
    shown_sources,
)

_MOST_PLACES = 6  # that the tooltip names
INVITATION = "Drop sounds, or a .distill model"
FOLDER, MODEL = "folder", "model"
BUTTONS = ((FOLDER, "Choose Folder…"), (MODEL, "Open a Model…"))
DEMO = SessionLook(
    "Try the Demo",
    ("A small model and 18 sounds", "Bells, plucks and drums"),
    tip="Opens copies in your documents, so that nothing can be spoilt.",
    can_be_removed=False,
)


def session_look(session: RememberedSession, moved: Collection[Path], now: datetime) -> SessionLook:
    """Return the look of a session's card; `moved` are files that are no longer where they were."""
    gone = [path for path in session.files if path in moved]
    return SessionLook(
        _title(session),
        (_sounds(session), _reached(session)),
        day_words(local_moment(session.when), now),
        f"“{shown_name(gone[0])}” has moved" if gone else "",
        "\n".join(shown_places(session.files, _MOST_PLACES)),
    )


def _title(session: RememberedSession) -> str:
    if session.model is None:
        return shown_sources(session.sources)
    return shown_name(session.model.with_suffix(""))


def _sounds(session: RememberedSession) -> str:
    if not session.sources:
        return "No sounds"
    count = counted(session.sounds, "sound")
    return count if session.model is None else f"{count} from {shown_sources(session.sources)}"


def _reached(session: RememberedSession) -> str:
    if session.model is None:
        return "No model yet"
    if session.prior is None:
        return KNOWS_NOTHING_YET
    measured = session.prior.measured
    return NEEDS_A_NEWER_ONE if measured is None else knows_words(measured, session.prior.codes)
