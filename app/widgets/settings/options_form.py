"""The options of a training: effort and time limit, and all settings in a fold below."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from PySide6.QtCore import Signal, Slot
from PySide6.QtWidgets import QVBoxLayout, QWidget

from app.widgets.fold import Fold
from app.widgets.settings.choices import EffortChoice, TimeLimitChoice
from app.widgets.settings.form import SettingsForm
from distill_core.training.prior.config import EFFORTS, PriorConfig
from distill_core.training.settings import Effort

_EFFORT, _LIMIT = "effort", "time_limit_min"


class OptionsForm(QWidget):
    """The choices of a training; one that is left alone follows the sounds.

    `changed` is emitted after every change of a choice, and when new defaults make the choices valid or invalid;
    `expert_turned(bool)` after a person opened or closed the fold with all settings.
    """

    changed = Signal()
    expert_turned = Signal(bool)

    def __init__(self, defaults: PriorConfig | None = None, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Options")
        self.effort, self.time_limit = EffortChoice(self), TimeLimitChoice(self)
        self.expert = SettingsForm(defaults, elsewhere=(_EFFORT, _LIMIT))
        self._fold = Fold("Expert", self.expert, "expertButton", self)
        layout = QVBoxLayout(self)
        layout.setSpacing(14)
        for part in (self.effort, self.time_limit, self._fold):
            layout.addWidget(part)
        layout.addStretch(1)
        for choice in (self.effort, self.time_limit, self.expert):
            choice.changed.connect(self._take_change)
        self._fold.turned.connect(self.expert_turned)

    def set_expert(self, is_open: bool) -> None:
        """Open or close the fold with all settings."""
        self._fold.set_open(is_open)

    def set_defaults(self, config: PriorConfig) -> None:
        """Show the values of "auto"."""
        self.expert.set_defaults(config)

    def set_seconds(self, seconds: Mapping[Effort, float]) -> None:
        """Tell how long each effort is likely to take, in seconds."""
        self.effort.set_seconds(seconds)

    def overrides(self) -> dict[str, Any]:
        """Return the choices by setting, without those that cannot be read or are left alone."""
        chosen: dict[str, Any] = {}
        if (effort := self.effort.value()) is not Effort.NORMAL:
            chosen[_EFFORT] = effort.value
        if minutes := self.time_limit.value():
            chosen[_LIMIT] = minutes
        return chosen | self.expert.overrides()

    def set_overrides(self, overrides: dict[str, Any]) -> None:
        """Show these choices and no others; a name that is no setting is ignored."""
        effort = overrides.get(_EFFORT)
        self.effort.set_value(Effort(effort) if effort in EFFORTS else Effort.NORMAL)
        self.time_limit.set_value(overrides.get(_LIMIT, 0.0))
        self.expert.set_overrides(overrides)

    def reset(self) -> None:
        """Leave every choice alone."""
        self.set_overrides({})

    def is_valid(self) -> bool:
        """Return whether training can start with these choices."""
        return self.expert.is_valid()

    def problems(self) -> dict[str, str]:
        """Return the problems by setting."""
        return self.expert.problems()

    def set_locked(self, locked: bool) -> None:
        """Show the choices without letting them be changed, as while training."""
        for part in (self.effort, self.time_limit, self.expert):
            part.set_locked(locked)

    @Slot()
    def _take_change(self) -> None:
        if not self.is_valid():
            self._fold.set_open(True)  # a marked field is never folded away
        self.changed.emit()
