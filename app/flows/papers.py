"""The card of the open model: copied, or saved as a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal, Slot
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QWidget

from app.session import Session

if TYPE_CHECKING:
    from app.flows.prompts import Prompts
    from distill_core.models.summary import ModelSummary


def _card(model: ModelSummary) -> str:
    from distill_core.papers.card import card_facts
    from distill_core.papers.card_words import card_markdown

    return card_markdown(card_facts(model))


class Papers(QObject):
    """Copies and saves the card; `said(str)` has an event for the status bar."""

    said = Signal(str)

    def __init__(self, session: Session, prompts: Prompts, window: QWidget, parent: QObject) -> None:
        super().__init__(parent)
        self._session, self._prompts, self._window = session, prompts, window

    @Slot()
    def copy(self) -> None:
        """Put the card on the clipboard."""
        if (model := self._session.state.open.model) is not None:
            QGuiApplication.clipboard().setText(_card(model))
            self.said.emit("The card is copied.")

    @Slot()
    def save(self) -> None:
        """Ask for a place, then save the card there."""
        if (model := self._session.state.open.model) is not None:
            folder = self._session.settings.last_folder("card")
            self._prompts.choose_card(self._window, folder / f"{model.path.stem} card.md", self._save_to)

    def _save_to(self, path: Path) -> None:
        self._session.settings.set_last_folder("card", path.parent)
        if (model := self._session.state.open.model) is not None:
            self._session.write(path, "The card", lambda: _card(model).encode())
