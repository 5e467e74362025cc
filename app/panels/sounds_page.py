"""The page of the stage with the sounds."""

from __future__ import annotations

from PySide6.QtCore import Qt, Slot
from PySide6.QtWidgets import QLabel, QPushButton, QVBoxLayout, QWidget

from app.flows.commands import Commands
from app.session import Session
from app.session.state import State


class SoundsPage(QWidget):
    """Shows the open sounds, or asks for some."""

    def __init__(self, session: Session, commands: Commands) -> None:
        super().__init__()
        self.setObjectName("soundsPage")
        self.words = QLabel()
        self.words.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.files_button = QPushButton("All Files")
        self.files_button.clicked.connect(commands.show_files)
        column = QVBoxLayout(self)
        column.addStretch(1)
        column.addWidget(self.words)
        column.addWidget(self.files_button, 0, Qt.AlignmentFlag.AlignHCenter)
        column.addStretch(1)
        session.state_changed.connect(self._on_state)
        self._on_state(session.state)

    @Slot(object)
    def _on_state(self, state: State) -> None:
        dataset = state.open.dataset
        self.files_button.setVisible(dataset is not None)
        self.words.setText("Drop sounds or folders here" if dataset is None else f"{len(dataset.files):,} sounds")
