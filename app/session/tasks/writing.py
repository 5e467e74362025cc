"""The writing of files for other programs: a model's card, a curve as a table or as a picture."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from app.session.activity import Activity, Runner, Subject
from app.session.state import State
from app.session.task import Taken, Task
from distill_core.errors import DistillError
from distill_core.events import OnEvent, ShouldStop
from distill_core.text import file_name


def _take(state: State, sentence: str) -> Taken:
    return state, [("said", sentence)]


def writing(target: Path, what: str, content: Callable[[], bytes]) -> Task[str]:
    """Write a file in the place of one that is there; a refusal is a result too, a sentence like "The card is saved".

    `content` is called on the runner's thread.
    """

    def run(on_event: OnEvent, should_stop: ShouldStop) -> str:
        from distill_core.files.new_file import write_new_file

        try:
            path = write_new_file(target, content(), replace=True)
        except DistillError as error:
            return f"{error.message} {error.hint}".strip()
        return f"{what} is saved as {file_name(path)}."

    return Task(Activity.WORKING, Subject.OTHER, run, _take, Runner.SHELF)
