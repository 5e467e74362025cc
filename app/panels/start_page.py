"""The stage while nothing is open."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from app.flows.commands import Commands
from app.session import Session


class StartPage(QWidget):
    """Invites to drop sounds or a model, to choose them, or to try the demo."""

    def __init__(self, session: Session, commands: Commands) -> None:
        super().__init__()
        self.setObjectName("startPage")
        invitation = QLabel("Drop sounds, or a .distill model")
        invitation.setAlignment(Qt.AlignmentFlag.AlignCenter)
        row = QHBoxLayout()
        row.addStretch(1)
        for text, on_click in (
            ("Choose Folder…", commands.browse_sounds),
            ("Open a Model…", commands.browse_model),
            ("Try the Demo", commands.try_demo),
        ):
            button = QPushButton(text)
            button.setMinimumHeight(32)
            button.setAutoDefault(True)  # Enter clicks it
            button.clicked.connect(on_click)
            row.addWidget(button)
        row.addStretch(1)
        column = QVBoxLayout(self)
        column.addStretch(1)
        column.addWidget(invitation)
        column.addLayout(row)
        column.addStretch(1)
