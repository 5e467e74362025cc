"""A look for the files of remembered sessions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from app.session.activity import Activity, Runner, Subject
from app.session.remembered import RememberedSession
from app.session.state import State
from app.session.task import Taken, Task
from distill_core.events import OnEvent, ShouldStop
from distill_core.folders import is_gone


def _take(state: State, moved: frozenset[Path]) -> Taken:
    return state, [("sessions_seen", moved)]


def looking_for(sessions: Sequence[RememberedSession]) -> Task[frozenset[Path]]:
    """Look which files of the sessions have moved; a share that no longer answers holds up this look alone."""

    def run(on_event: OnEvent, should_stop: ShouldStop) -> frozenset[Path]:
        return frozenset(path for session in sessions for path in session.files if is_gone(path))

    return Task(Activity.WORKING, Subject.OTHER, run, _take, Runner.SHELF)
