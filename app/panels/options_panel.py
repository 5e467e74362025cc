"""The settings of the next training; empty fields follow from the number of sounds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from PySide6.QtCore import Signal, Slot
from PySide6.QtWidgets import QScrollArea, QVBoxLayout, QWidget

from app.session import Session
from app.state import State
from app.widgets.settings_form import SettingsForm
from distill_core.training.prior_config import get_adaptive_prior_config

if TYPE_CHECKING:
    from distill_core.audio.dataset import AudioDataset


class OptionsPanel(QWidget):
    """Holds the form; `changed()` when a setting or its validity changes."""

    changed = Signal()

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.setObjectName("optionsPanel")
        self.setAccessibleName("Options")
        self.setAutoFillBackground(True)  # one ground for all of the tab
        self.form = SettingsForm()
        self.form.changed.connect(self.changed)
        area = QScrollArea()
        area.setWidgetResizable(True)
        area.setFrameShape(QScrollArea.Shape.NoFrame)
        area.setWidget(self.form)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(area)
        session.state_changed.connect(self._on_state)
        session.dataset_changed.connect(self._on_dataset)

    def overrides(self) -> dict[str, Any]:
        """Return the settings that were filled in."""
        return self.form.overrides()

    def is_valid(self) -> bool:
        """Tell whether training can start with what is filled in."""
        return self.form.is_valid()

    @Slot(object)
    def _on_state(self, state: State) -> None:
        self.form.set_locked(state.is_training)

    @Slot(object)
    def _on_dataset(self, dataset: AudioDataset) -> None:
        self.form.set_defaults(get_adaptive_prior_config(len(dataset.files)))
        self.changed.emit()
