"""The facts of the open model file, and its name and notes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import Slot
from PySide6.QtWidgets import QVBoxLayout, QWidget

from app.flows.commands import Commands
from app.presentation.inspecting import edit_obstacle, is_form_locked
from app.session import Session
from app.session.state import State
from app.widgets.facts.inspect_view import InspectView
from distill_core.training.prior.words import no_longer_opens_words

if TYPE_CHECKING:
    from distill_core.models.summary import ModelSummary

_DETAILS = "details"


class InspectPanel(QWidget):
    """The Inspect tab, which follows the Session's model."""

    def __init__(self, session: Session, commands: Commands) -> None:
        super().__init__()
        self.setObjectName("inspectPanel")
        self.setAccessibleName("Inspect")
        self.setAutoFillBackground(True)  # one ground for all of the tab
        self._session = session
        self.view = InspectView()
        self.view.set_details(session.settings.is_unfolded(_DETAILS))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.view)
        self.view.save_wanted.connect(commands.texts.save)
        self.view.head.written.connect(commands.texts.take)
        self.view.papers.copy_wanted.connect(commands.papers.copy)
        self.view.papers.save_wanted.connect(commands.papers.save)
        self.view.details_turned.connect(self._on_details_turned)
        session.model_changed.connect(self._on_model)
        session.named.connect(self._on_named)
        session.backed_up.connect(self._on_backup)
        session.state_changed.connect(self._on_state)
        self.view.show_model(session.state.open.model)

    @Slot()
    def edit(self) -> None:
        """Offer the name and the notes to be changed."""
        self.view.head.begin_editing()

    @Slot(object)
    def _on_state(self, state: State) -> None:
        self.view.head.set_obstacle(edit_obstacle(state))
        self.view.head.form.set_locked(is_form_locked(state))

    @Slot(object)
    def _on_model(self, summary: ModelSummary | None) -> None:
        self.view.show_model(summary)

    @Slot(object)
    def _on_named(self, summary: ModelSummary) -> None:
        self.view.head.end_editing()

    @Slot(object)
    def _on_backup(self, backup: Path) -> None:
        self.view.note(no_longer_opens_words(backup.with_suffix(""), backup))

    @Slot(bool)
    def _on_details_turned(self, is_open: bool) -> None:
        self._session.settings.set_unfolded(_DETAILS, is_open)
