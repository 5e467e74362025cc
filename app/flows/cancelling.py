"""Cancelling a training with all that it has learned, between a click and the Session."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Slot
from PySide6.QtWidgets import QWidget

from app.flows import questions
from app.flows.prompts import Prompts, Question
from app.session import Session
from app.session.available import ActionId, available

if TYPE_CHECKING:
    from app.session.state import State


class Cancelling(QObject):
    """Asks, then gives up the training that the question was about, and no other one."""

    def __init__(self, session: Session, prompts: Prompts, window: QWidget, parent: QObject) -> None:
        super().__init__(parent)
        self._session, self._prompts, self._window = session, prompts, window
        self._about_model: Question | None = None  # open, and about the model under way
        session.state_changed.connect(self._on_state)

    def cancel(self) -> None:
        """Ask, then give up the training under way with all that it has learned."""
        state = self._session.state
        if ActionId.CANCEL_TRAINING not in available(state):
            return
        if state.is_making:
            self._about_model = question = questions.throw_model_away(state.making)
            self._prompts.ask(self._window, question, self._on_throw_model_away)
        else:
            question = questions.throw_training_away(state.training)
            self._prompts.ask(self._window, question, self._on_throw_training_away)

    @Slot(object)
    def _on_state(self, state: State) -> None:
        """Close a question about a model that is made by now: it is kept, and a prior may follow."""
        question = self._about_model
        if question is not None and not state.is_making:
            self._about_model = None
            self._prompts.withdraw(self._window, question)

    def _on_throw_model_away(self, answer: str) -> None:
        self._about_model = None
        if answer == "discard" and self._session.state.is_making:
            self._session.cancel_training()

    def _on_throw_training_away(self, answer: str) -> None:
        if answer != "discard":
            return
        if self._session.state.is_training:
            self._session.cancel_training()
        elif self._session.state.training.unsaved and not self._session.state.training.goes_on:
            self._session.discard_prior()  # it ended while the question was open
