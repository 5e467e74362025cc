"""Closing the window without a loss: the questions before, and the waiting."""

from __future__ import annotations

from PySide6.QtCore import QEventLoop, QObject, QTimer, Signal, Slot

from app.flows import questions
from app.flows.commands import Commands
from app.session import Session
from app.session.activity import Activity, Subject

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
        self._waits_for_training = False
        session.training_ended.connect(self._on_training_ended)
        session.training_given_up.connect(self._on_training_ended)
        session.making_ended.connect(self._on_training_ended)
        session.failed.connect(self._on_failed)

    def may_close(self) -> bool:
        """Tell whether the window may close now; otherwise ask, and `close_now` comes later."""
        if self._commands.texts.written:
            self._commands.texts.settle(lambda: QTimer.singleShot(0, self.close_wanted.emit))
            return False
        state = self._session.state
        if state.is_making:
            self._commands.ask(questions.quit_while_making(state.making), self._on_quit_answer)
            return False
        if state.is_training:
            self._commands.ask(questions.quit_while_training(state.training), self._on_quit_answer)
            return False
        if state.work is Activity.SAVING:
            self._commands.saving.after_saving(self._close)
            return False
        if state.training.unsaved and state.open.model is not None:
            self._commands.ask(questions.save_first(state.open.model.path), self._on_close_answer)
            return False
        if state.making.is_lost_if_left:
            self._commands.ask(questions.lose_model(), lambda answer: self._close() if answer == "discard" else None)
            return False
        return True

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

    def _on_close_answer(self, answer: str) -> None:
        if answer == "save":
            self._session.stop()  # a scan under way has become pointless
            self._commands.saving.save(then=self._close)
        elif answer == "discard":
            self._session.discard_prior()
            self._close()

    def _on_quit_answer(self, answer: str) -> None:
        if answer == "discard":
            self._session.stop()
            self._close()  # without waiting for an optimizer step, which may be long
        elif answer == "save" and self._session.state.is_training:
            self._waits_for_training = True
            self._session.stop()
        elif answer == "save":  # it ended while the question was open
            self._save_and_close()

    def _save_and_close(self) -> None:
        self._waits_for_training = False
        if self._session.state.work is Activity.SAVING:
            self._commands.saving.after_saving(self._close)
        elif self._session.state.training.unsaved:
            self._commands.saving.save(then=self._close)
        else:
            self._close()

    @Slot(object)
    def _on_training_ended(self, trained: object) -> None:
        if self._waits_for_training:
            self._save_and_close()

    @Slot(object, object)
    def _on_failed(self, subject: Subject, problem: object) -> None:
        if subject in (Subject.TRAINING, Subject.MAKING) and self._waits_for_training:
            self._save_and_close()
