"""Closing the window without a loss: the questions before, and the waiting."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QEventLoop, QObject, QTimer, Signal, Slot

from app.flows import questions
from app.flows.commands import Commands
from app.session import Session
from app.session.activity import Activity, Subject
from app.session.losses import Act, losses

if TYPE_CHECKING:
    from app.session.problems import Problem
    from app.session.task import Task

_CLOSE_WAIT_MS = 1500
_DESKTOP_END_WAIT_MS = 8000


class Closing(QObject):
    """Settles a task under way and an unsaved prior or model; the signal `close_now()` then lets the window close.

    `close_wanted()`: one thing is settled, and the window may ask about the next.
    """

    close_now = Signal()
    close_wanted = Signal()

    def __init__(self, session: Session, commands: Commands) -> None:
        super().__init__(commands)
        self._session, self._commands = session, commands
        self._waits_for_training = self._waits_for_saving = False
        self._given_up: Mapping[str, str] | None = None  # the texts that may go if the window closes
        session.ended.connect(self._on_ended)

    def may_close(self) -> bool:
        """Tell whether the window may close now; otherwise ask, and `close_now` comes later."""
        texts = self._commands.texts
        if texts.are_unsaved and texts.written != self._given_up:
            texts.settle(self._go_on, self._give_up)
            return False
        state = self._session.state
        if state.is_training:
            of_model, of_prior = (
                questions.quit_while_making(state.making),
                questions.quit_while_training(state.training),
            )
            on_answer = partial(self._on_quit_answer, state.is_making)
            self._commands.ask(of_model if state.is_making else of_prior, on_answer)
            return False
        if state.work is Activity.SAVING:
            self._wait_for_saving()
            return False
        if losses(state, Act.CLOSE):
            self._given_up = None  # after a cancel they are asked about again
            self._commands.saving.settle_unsaved(Act.CLOSE, self._close)
            return False
        return True

    def _go_on(self) -> None:
        QTimer.singleShot(0, self.close_wanted.emit)

    def _give_up(self, texts: Mapping[str, str]) -> None:
        self._given_up = texts
        self._go_on()

    def _wait_for_saving(self) -> None:
        """Have the window close once the save under way is done: of a prior, a model, a name, or a version before."""
        self._waits_for_saving = True
        self._session.forgo_prior()

    def shut_down(self) -> None:
        """End the threads, and write the settings into their file."""
        self._session.close(_CLOSE_WAIT_MS)
        self._session.settings.sync()

    @Slot()
    def on_desktop_session_end(self) -> None:
        """Stop training and save into the open model, or save the one that is being made, without a question.

        A prior that should not replace the file's unasked, or into which other weights are being put, stays in the run
        folder, and is offered at the next start.
        """
        loop, session = QEventLoop(), self._session
        QTimer.singleShot(_DESKTOP_END_WAIT_MS, loop.quit)
        ends = (session.training_ended, session.training_given_up, session.making_ended)
        for signal in (*ends, session.saved, session.failed):
            signal.connect(loop.quit)
        session.stop()
        if session.state.is_training:
            loop.exec()
        if session.state.work is Activity.SAVING:  # also of a model, which saves itself
            loop.exec()
        state = session.state
        can_save = state.work is not Activity.SAVING and not state.training.is_choosing
        if state.training.unsaved and can_save and not state.objection:
            session.save_prior()
            loop.exec()

    def _close(self) -> None:
        # Not at once: an answer may come while the window is still handling the close that asked.
        QTimer.singleShot(0, self.close_now.emit)

    def _try_to_close(self) -> None:
        """Close if nothing would be lost, or ask about what has come meanwhile."""
        if self.may_close():
            self._close()

    def _on_quit_answer(self, was_making: bool, answer: str) -> None:
        state = self._session.state
        if answer == "cancel":
            self._given_up = None
        if answer == "save" and state.is_training:
            self._waits_for_training = True
            self._session.stop()
        elif answer == "save":  # it ended while the question was open
            self._save_and_close()
        elif answer == "discard" and state.is_training and state.is_making is was_making:
            self._commands.saving.settle_unsaved(Act.CLOSE, self._give_up_and_close)
        elif answer == "discard":  # what the question was about has ended
            self._try_to_close()

    def _give_up_and_close(self) -> None:
        """Close without waiting for an optimizer step, which may be long."""
        self._session.stop()
        self._close()

    def _save_and_close(self) -> None:
        state = self._session.state
        if state.work is not Activity.SAVING and state.training.unsaved:
            self._commands.saving.save(then=self._try_to_close)
        else:
            self._try_to_close()

    @Slot(object, object)
    def _on_ended(self, task: Task[Any], problem: Problem | None) -> None:
        """Go on once the task is done that closing waits for; a save that failed keeps the window open."""
        if self._waits_for_saving and task.activity is Activity.SAVING:
            self._waits_for_saving = False
            if problem is None:
                self._try_to_close()
        elif self._waits_for_training and task.subject in (Subject.TRAINING, Subject.MAKING):
            self._waits_for_training = False
            self._save_and_close()
