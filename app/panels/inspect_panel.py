"""The facts of the open model file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import Slot
from PySide6.QtWidgets import QVBoxLayout, QWidget

from app.session import Session
from app.widgets.facts.inspect_view import InspectView
from distill_core.training.prior.words import no_longer_opens_words

if TYPE_CHECKING:
    from distill_core.models.summary import ModelSummary


class InspectPanel(QWidget):
    """The Inspect tab, which follows the Session's model."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.setObjectName("inspectPanel")
        self.setAccessibleName("Inspect")
        self.setAutoFillBackground(True)  # one ground for all of the tab
        self.view = InspectView()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.view)
        session.model_changed.connect(self._on_model)
        session.backed_up.connect(self._on_backup)
        self.view.show_model(session.state.open.model)

    @Slot(object)
    def _on_model(self, summary: ModelSummary | None) -> None:
        self.view.show_model(summary)

    @Slot(object)
    def _on_backup(self, backup: Path) -> None:
        self.view.note(no_longer_opens_words(backup.with_suffix(""), backup))
