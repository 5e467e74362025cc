"""The settings of the next training; empty fields follow from the sounds."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from PySide6.QtCore import Signal, Slot
from PySide6.QtWidgets import QScrollArea, QVBoxLayout, QWidget

from app.session import Session
from app.session.estimate import likely_config
from app.session.state import State
from app.widgets.settings.form import SettingsForm
from distill_core.training.prior.config import PriorConfig


class OptionsPanel(QWidget):
    """Holds the form; `changed()` when a setting or its validity changes."""

    changed = Signal()

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.setObjectName("optionsPanel")
        self.setAccessibleName("Options")
        self.setAutoFillBackground(True)  # one ground for all of the tab
        self._defaults = PriorConfig()
        self.form = SettingsForm(self._defaults)
        self.form.changed.connect(self.changed)
        area = QScrollArea()
        area.setWidgetResizable(True)
        area.setFrameShape(QScrollArea.Shape.NoFrame)
        area.setWidget(self.form)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(area)
        self._session = session
        self.form.changed.connect(self._follow_the_sounds)
        session.state_changed.connect(self._on_state)
        session.model_changed.connect(self._follow_the_sounds)
        session.dataset_changed.connect(self._follow_the_sounds)

    def overrides(self) -> dict[str, Any]:
        """Return the settings that were filled in."""
        return self.form.overrides()

    def is_valid(self) -> bool:
        """Tell whether training can start with what is filled in."""
        return self.form.is_valid()

    @Slot(object)
    def _on_state(self, state: State) -> None:
        self.form.set_locked(state.is_training)

    @Slot()
    def _follow_the_sounds(self) -> None:
        """Show what "auto" amounts to for these sounds and the chosen architecture."""
        state, overrides = self._session.state, self.form.overrides()
        if state.model is None or state.dataset is None:
            return
        chosen = {name: value for name, value in overrides.items() if name == "architecture"}
        # The choice itself must stay one: what equals its default counts as left alone.
        defaults = replace(likely_config(state.model, state.dataset, chosen), architecture=PriorConfig().architecture)
        if defaults != self._defaults:
            self._defaults = defaults
            self.form.set_defaults(defaults)
            self.changed.emit()
