"""The settings of the next training; empty fields follow from the sounds."""

from __future__ import annotations

from PySide6.QtCore import Qt, Slot
from PySide6.QtWidgets import QScrollArea, QVBoxLayout, QWidget

from app.session import Session
from app.session.state import State
from app.widgets.settings.options_form import OptionsForm

_EXPERT = "expert"


class OptionsPanel(QWidget):
    """The Options tab: hands the choices to the Session, and shows the values of "auto" for the open sounds."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.setObjectName("optionsPanel")
        self.setAccessibleName("Options")
        self.setAutoFillBackground(True)  # one ground for all of the tab
        self._session = session
        self.form = OptionsForm(session.state.options.auto)
        self.form.set_expert(session.settings.is_unfolded(_EXPERT))
        area = QScrollArea()
        area.setWidgetResizable(True)
        area.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # the fields have it
        area.setFrameShape(QScrollArea.Shape.NoFrame)
        area.setWidget(self.form)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(area)
        self.form.changed.connect(self._on_changed)
        self.form.expert_turned.connect(self._on_expert_turned)
        session.state_changed.connect(self._on_state)

    @Slot()
    def _on_changed(self) -> None:
        self._session.set_options(self.form.overrides(), self.form.is_valid())

    @Slot(object)
    def _on_state(self, state: State) -> None:
        self.form.set_locked(state.is_training)
        self.form.set_defaults(state.options.auto)
        if not state.is_training:
            self.form.set_seconds(self._session.estimate_efforts())

    @Slot(bool)
    def _on_expert_turned(self, is_open: bool) -> None:
        self._session.settings.set_unfolded(_EXPERT, is_open)
