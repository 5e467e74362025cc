"""The list of unfinished trainings, from its action to its dialog."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Slot
from PySide6.QtWidgets import QWidget

from app.flows import questions
from app.flows.commands import Commands
from app.session import Session
from app.session.activity import Subject
from app.session.available import ActionId
from app.session.problems import Problem
from app.widgets.runs_dialog import RunsDialog

if TYPE_CHECKING:
    from distill_core.training.run_folder.facts import ListedRun, UnfinishedRun


class RunsList(QObject):
    """Asks the Session for the trainings, shows them in the dialog, and discards the one chosen there."""

    def __init__(self, session: Session, commands: Commands, window: QWidget) -> None:
        super().__init__(commands)
        self._session, self._commands, self._window = session, commands, window
        self.dialog: RunsDialog | None = None
        session.runs_listed.connect(self._on_listed)
        session.runs_left.connect(self._on_left)
        session.failed.connect(self._on_failed)

    def show(self) -> None:
        """List the trainings, then show them."""
        if self._commands.can(ActionId.UNFINISHED_RUNS):
            self._session.list_runs()

    @Slot(object)
    def _on_listed(self, runs: tuple[ListedRun, ...]) -> None:
        if self.dialog is None:
            self.dialog = RunsDialog(self._window)
            self.dialog.open_wanted.connect(self._commands.open_model)
            self.dialog.model_wanted.connect(self._on_model_wanted)
            self.dialog.discard_wanted.connect(self._on_discard)
            self.dialog.finished.connect(self._on_closed)
            self.dialog.open()
        self.dialog.show_runs(runs)

    @Slot(object)
    def _on_left(self, runs: tuple[ListedRun, ...]) -> None:
        if self.dialog is not None:
            self.dialog.show_runs(runs)

    @Slot(object)
    def _on_model_wanted(self, run: UnfinishedRun) -> None:
        """Offer the making of a model in the notice line, where it stands beside a prior that is unsaved."""
        if self._commands.can(ActionId.UNFINISHED_RUNS):
            self._session.take_up(run)

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

    @Slot(object, object)
    def _on_failed(self, subject: Subject, problem: Problem) -> None:
        if subject is Subject.RUNS and self.dialog is not None:
            self.dialog.say(problem.sentence)
