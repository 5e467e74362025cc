"""Making a model from the open sounds, between a click and the Session."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from PySide6.QtCore import QObject
from PySide6.QtWidgets import QWidget

from app.flows.prompts import Prompts
from app.flows.saving import Saving
from app.session import Session
from app.session.available import ActionId, available
from app.session.losses import Act


class ModelMaking(QObject):
    """Makes a model, asking first about what is unsaved: it takes the place of another one and of a prior."""

    def __init__(self, session: Session, saving: Saving, prompts: Prompts, window: QWidget, parent: QObject) -> None:
        super().__init__(parent)
        self._session, self._saving = session, saving
        self._prompts, self._window = prompts, window

    def _can(self, action: ActionId) -> bool:
        return action in available(self._session.state)

    def make(self) -> None:
        """Make a model."""
        if self._can(ActionId.MAKE_MODEL):
            self._settle(self._session.make_model)

    def make_both(self) -> None:
        """Make a model, then train its prior."""
        if self._can(ActionId.MAKE_BOTH):
            self._settle(partial(self._session.make_model, then_prior=True))

    def _settle(self, make: Callable[[], None]) -> None:
        """Ask about what goes with the model that is open, then make another one."""
        self._saving.settle_unsaved(Act.MAKE, make)

    def save_again(self) -> None:
        """Try once more to save the model that could not be saved."""
        if self._can_save():
            self._saving.settle_unsaved(Act.SAVE_MODEL, self._save_again)

    def _save_again(self) -> None:
        if self._can_save():  # still, after the questions
            self._session.save_model()

    def _can_save(self) -> bool:
        return self._session.state.is_idle and self._session.state.making.trained is not None

    def choose_folder(self) -> None:
        """Ask for another folder for models, and go on there with the one that has no place."""
        made = self._session.state.making
        if self._session.state.is_idle and made.needs_a_place:
            start = self._session.settings.models_folder().parent
            self._prompts.choose_models_folder(self._window, start, self._go_on_in)

    def _go_on_in(self, folder: Path) -> None:
        """Save, or make, in a folder, asking first about an unsaved prior."""
        has_model = self._session.state.making.trained is not None
        act = Act.SAVE_MODEL if has_model else Act.MAKE
        self._saving.settle_unsaved(act, lambda: self._session.move_models(folder))
