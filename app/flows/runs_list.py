"""The list of unfinished trainings: shown when asked for, and what is done in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Slot
from PySide6.QtWidgets import QWidget

from app.flows import questions
from app.flows.commands import Commands
from app.session import Session
from app.session.problems import Problem
from app.session.state import ActionId
from app.widgets.runs_dialog import RunsDialog

if TYPE_CHECKING:
    from distill_core.training.run_folder.facts import ListedRun


class RunsList(QObject):
    """Has the Session look for the trainings, opens the dialog with them, and gives up the one that is to go."""

    def __init__(self, session: Session, commands: Commands, window: QWidget) -> None:
        super().__init__(commands)
        self._session, self._commands, self._window = session, commands, window
        self._is_wanted = False
        self.dialog: RunsDialog | None = None
        session.runs_listed.connect(self._on_listed)
        session.failed.connect(self._on_failed)

    def show(self) -> None:
        """Look for the trainings, then show them."""
        if self._commands.can(ActionId.UNFINISHED_RUNS):
            self._is_wanted = True
            self._session.list_runs()

    @Slot(object)
    def _on_listed(self, runs: tuple[ListedRun, ...]) -> None:
        if self._is_wanted and self.dialog is None:
            self.dialog = RunsDialog(self._window)
            self.dialog.open_wanted.connect(self._commands.open_model)
            self.dialog.discard_wanted.connect(self._on_discard)
            self.dialog.finished.connect(self._on_closed)
            self.dialog.open()
        self._is_wanted = False
        if self.dialog is not None:
            self.dialog.show_runs(runs)

    @Slot(object)
    def _on_discard(self, run: ListedRun) -> None:
        def on_answer(answer: str) -> None:
            if answer == "discard" and self._commands.can(ActionId.UNFINISHED_RUNS):
                self._session.discard_run(run.id)

        self._commands.ask(questions.discard_run(run), on_answer)

    @Slot()
    def _on_closed(self) -> None:
        if self.dialog is not None:
            self.dialog.deleteLater()
        self.dialog = None

    @Slot(str, object)
    def _on_failed(self, job: str, problem: Problem) -> None:
        self._is_wanted = False
        if job == "discarding" and self.dialog is not None:
            self.dialog.say(f"{problem.message} {problem.hint}".strip())
