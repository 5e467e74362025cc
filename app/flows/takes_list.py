"""The list of all models' takes, from its action to its dialog."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Slot
from PySide6.QtWidgets import QWidget

from app.flows import questions
from app.flows.commands import Commands
from app.session import Session
from app.session.activity import Subject
from app.session.problems import Problem
from app.widgets.takes_dialog import TakesDialog, model_words

if TYPE_CHECKING:
    from app.session.tasks.shelving import AllShelves
    from distill_core.generation.takes.shelf import ListedShelf


class TakesList(QObject):
    """Asks the Session for the takes of all models, shows the room that they use, and removes them."""

    def __init__(self, session: Session, commands: Commands, window: QWidget) -> None:
        super().__init__(commands)
        self._session, self._commands, self._window = session, commands, window
        self._found: AllShelves | None = None
        self.dialog: TakesDialog | None = None
        session.shelves_listed.connect(self._on_listed)
        session.failed.connect(self._on_failed)

    def show(self) -> None:
        """List the takes, then show them."""
        self._session.list_shelves()

    @Slot(object)
    def _on_listed(self, found: AllShelves) -> None:
        self._found = found
        if self.dialog is None:
            self.dialog = TakesDialog(self._window)
            self.dialog.remove_wanted.connect(self._on_remove)
            self.dialog.remove_all_wanted.connect(self._on_remove_all)
            self.dialog.finished.connect(self._on_closed)
            self.dialog.open()
        self.dialog.show_shelves(found.shelves, found.dragged_bytes)

    @Slot(object)
    def _on_remove(self, shelf: ListedShelf) -> None:
        def on_answer(answer: str) -> None:
            if answer == "remove":
                self._session.remove_shelves([shelf.id])

        self._commands.ask(questions.remove_takes(model_words(shelf), shelf.count), on_answer)

    @Slot()
    def _on_remove_all(self) -> None:
        def on_answer(answer: str) -> None:
            if answer == "remove" and self._found is not None:
                self._session.remove_shelves([shelf.id for shelf in self._found.shelves], with_dragged=True)

        self._commands.ask(questions.remove_all_takes(), on_answer)

    @Slot()
    def _on_closed(self) -> None:
        if self.dialog is not None:
            self.dialog.deleteLater()
        self.dialog = None

    @Slot(object, object)
    def _on_failed(self, subject: Subject, problem: Problem) -> None:
        if subject is Subject.SHELF and self.dialog is not None:
            self.dialog.say(problem.sentence)
