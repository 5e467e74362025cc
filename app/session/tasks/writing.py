"""The writing of files for other programs: a model's card, a curve as a table or as a picture."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from app.session.activity import Activity, Runner, Subject
from app.session.state import State
from app.session.task import Taken, Task
from distill_core.events import OnEvent, ShouldStop
from distill_core.text import file_name


def take_written(state: State, sentence: str) -> Taken:
    """Say that a file is written; the problem of an earlier try goes."""
    return state.without_problem(), [("said", sentence)]


def writing(target: Path, what: str, content: Callable[[], bytes], source: Path | None) -> Task[str]:
    """Write a file in the place of one that is there; the result is a sentence like "The card is saved".

    It never takes the place of `source`, the model that it tells of. `content` is called on the runner's thread.
    """

    def run(on_event: OnEvent, should_stop: ShouldStop) -> str:
        from distill_core.files.new_file import write_new_file

        path = write_new_file(target, content(), replace=True, source=source)
        return f"{what} is saved as {file_name(path)}."

    return Task(Activity.WORKING, Subject.OTHER, run, take_written, Runner.SHELF)
