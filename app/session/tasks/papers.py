"""The saving of a model's card."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from app.session.activity import Activity, Runner, Subject
from app.session.state import State
from app.session.task import Taken, Task
from distill_core.errors import SaveError
from distill_core.events import OnEvent, ShouldStop
from distill_core.text import file_name

if TYPE_CHECKING:
    from distill_core.models.summary import ModelSummary


def _take(state: State, sentence: str) -> Taken:
    return state, [("said", sentence)]


def writing_card(model: ModelSummary, target: Path) -> Task[str]:
    """Write a model's card in the place of a file that is there; a refusal is a result too, a sentence like it."""

    def run(on_event: OnEvent, should_stop: ShouldStop) -> str:
        from distill_core.files.new_file import write_new_file
        from distill_core.papers.card import card_facts
        from distill_core.papers.card_words import card_markdown

        try:
            path = write_new_file(target, card_markdown(card_facts(model)).encode(), replace=True)
        except SaveError as error:
            return f"{error.message} {error.hint}".strip()
        return f"The card is saved as {file_name(path)}."

    return Task(Activity.WORKING, Subject.OTHER, run, _take, Runner.SHELF)
