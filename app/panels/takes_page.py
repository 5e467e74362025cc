"""The page of the stage with the takes."""

from __future__ import annotations

from PySide6.QtCore import Qt, Slot
from PySide6.QtWidgets import QLabel, QVBoxLayout, QWidget

from app.flows.commands import Commands
from app.presentation import takes as words
from app.session import Session
from app.session.state import State


class TakesPage(QWidget):
    """Shows the takes of the open model."""

    def __init__(self, session: Session, commands: Commands) -> None:
        super().__init__()
        self.setObjectName("takesPage")
        self.words = QLabel()
        self.words.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.words.setWordWrap(True)
        column = QVBoxLayout(self)
        column.addWidget(self.words)
        session.state_changed.connect(self._on_state)
        self._on_state(session.state)

    @Slot(object)
    def _on_state(self, state: State) -> None:
        self.words.setText(words.shelf_text(state) or f"{len(state.takes.takes):,} takes")
