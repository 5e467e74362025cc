"""A model's papers: the sounds that it learned from, its licence line, and its card to be copied or saved."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from app.widgets.facts.fact_list import FactList
from app.widgets.facts.papers_words import papers_rows

if TYPE_CHECKING:
    from distill_core.models.summary import ModelSummary

PAPERS_TITLE = "Papers"
_HEIGHT = 28


class PapersSection(QWidget):
    """Rows and two buttons; `copy_wanted()` and `save_wanted()` ask for the model's card."""

    copy_wanted = Signal()
    save_wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._rows = FactList(PAPERS_TITLE, self)
        self._copy = self._button("Copy the Card", "copyCardButton", "Copy the model's card as text, for a web page")
        self._save = self._button("Save the Card…", "saveCardButton", "Save the model's card as a file (.md)")
        self._copy.clicked.connect(self.copy_wanted)
        self._save.clicked.connect(self.save_wanted)
        column, buttons = QVBoxLayout(self), QHBoxLayout()
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self._rows)
        buttons.addWidget(self._copy)
        buttons.addWidget(self._save)
        buttons.addStretch(1)
        column.addLayout(buttons)

    def _button(self, text: str, name: str, tip: str) -> QPushButton:
        button = QPushButton(text, self)
        button.setObjectName(name)
        button.setToolTip(tip)
        button.setMinimumHeight(_HEIGHT)
        button.setAutoDefault(True)  # Enter clicks it
        return button

    def show_model(self, summary: ModelSummary | None) -> None:
        """Show a model's papers in place of the former one's; None is no model."""
        self._rows.show_rows([] if summary is None else papers_rows(summary))
        self.setVisible(summary is not None)

    def rows(self) -> list[tuple[str, str]]:
        """Return the rows of label and whole value."""
        return self._rows.rows()

    def focus_stops(self) -> list[QWidget]:
        """Return what the Tab key reaches, in reading order."""
        return [*self._rows.focus_stops(), self._copy, self._save]
