"""The texts of the open model (name, notes, licence line): saving them, and asking before written ones are lost."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Slot
from PySide6.QtWidgets import QWidget

from app.flows import questions
from app.session import Session
from app.session.activity import Subject
from app.session.available import ActionId, available
from distill_core.models.metadata import OBSTACLES

if TYPE_CHECKING:
    from app.flows.prompts import Prompts


class Texts(QObject):
    """Knows what was written into the form and is in no file yet (`written`, the changed texts by key)."""

    def __init__(self, session: Session, prompts: Prompts, window: QWidget, parent: QObject) -> None:
        super().__init__(parent)
        self._session, self._prompts, self._window = session, prompts, window
        self.written: Mapping[str, str] = {}
        self._is_saving = False
        self._after_saving: Callable[[], None] | None = None
        session.named.connect(self._on_named)
        session.failed.connect(self._on_failed)

    @property
    def are_unsaved(self) -> bool:
        """Whether something is written that is not on its way into the file either."""
        return bool(self.written) and not self._is_saving

    @property
    def _can_save(self) -> bool:
        can_be = not any(OBSTACLES[key](text) for key, text in self.written.items())
        return can_be and ActionId.EDIT_MODEL in available(self._session.state)

    @Slot(dict)
    def take(self, written: Mapping[str, str]) -> None:
        """Take what the form has now, by key; nothing once it is put away."""
        self.written = written

    @Slot(dict)
    def save(self, changes: Mapping[str, str]) -> None:
        """Save another name, other notes or both into the model."""
        if ActionId.EDIT_MODEL in available(self._session.state):
            self._save(changes)

    def _save(self, changes: Mapping[str, str], *, though_changed: bool = False) -> None:
        self._is_saving = True
        self._session.name_model(changes, though_changed=though_changed)

    @Slot()
    def save_though_changed(self) -> None:
        """Save what was written into the model as another program left it."""
        if self.written and self._can_save:
            self._save(self.written, though_changed=True)

    def settle(self, then: Callable[[], None], give_up: Callable[[Mapping[str, str]], None]) -> None:
        """Go on at once, or once what was written is saved; `give_up` gets what may go, which stays until it does."""
        model = self._session.state.open.model
        if not self.are_unsaved or model is None:
            then()
            return

        def on_answer(answer: str) -> None:
            if answer == "save" and self._can_save:
                self._after_saving = then
                self._save(self.written)
            elif answer == "discard":
                give_up(self.written)

        self._prompts.ask(self._window, questions.save_texts(model.path, can_save=self._can_save), on_answer)

    @Slot(object)
    def _on_named(self, summary: object) -> None:
        self.written, self._is_saving = {}, False
        then, self._after_saving = self._after_saving, None
        if then is not None:
            then()

    @Slot(object, object)
    def _on_failed(self, subject: Subject, problem: object) -> None:
        """Forget the call that was to follow: the person decides again."""
        if subject is Subject.NAMING:
            self._after_saving, self._is_saving = None, False
