"""The choices that come before all others: how much effort a training takes, and how long it may."""

from __future__ import annotations

from collections.abc import Mapping

from PySide6.QtCore import QSignalBlocker, Signal
from PySide6.QtWidgets import QButtonGroup, QLabel, QRadioButton, QVBoxLayout, QWidget

from app.widgets.settings.row import CalmComboBox, small_line
from app.words import EFFORT_TIPS, TIME_LIMIT_TIP, effort_line, time_limit_words
from distill_core.training.settings import Effort

_TARGET_HEIGHT = 28
_LIMITS_MIN = (0, 5, 15, 30, 60, 120, 240, 480)


class EffortChoice(QWidget):
    """One of the efforts, each with its likely duration; `changed` is emitted after a person chose another."""

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._group = QButtonGroup(self)
        self._buttons = {effort: self._button(effort) for effort in Effort}
        self._line = small_line("", self)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addWidget(QLabel("Effort", self))
        for button in self._buttons.values():
            layout.addWidget(button)
        layout.addWidget(self._line)
        self.set_value(Effort.NORMAL)
        self.set_seconds({})
        self._group.buttonToggled.connect(self._take_change)

    def _button(self, effort: Effort) -> QRadioButton:
        button = QRadioButton(self)
        button.setObjectName(f"{effort.value}Effort")
        button.setMinimumHeight(_TARGET_HEIGHT)
        button.setToolTip(EFFORT_TIPS[effort])
        button.setAccessibleDescription(EFFORT_TIPS[effort])
        self._group.addButton(button)
        return button

    def value(self) -> Effort:
        """Return the chosen effort."""
        return next(effort for effort, button in self._buttons.items() if button.isChecked())

    def set_value(self, effort: Effort) -> None:
        """Choose an effort, without the signal."""
        with QSignalBlocker(self):
            self._buttons[effort].setChecked(True)
            self._explain()

    def set_seconds(self, seconds: Mapping[Effort, float]) -> None:
        """Tell how long each effort is likely to take, in seconds; one that is not among them is told without."""
        for effort, button in self._buttons.items():
            button.setText(effort_line(effort, seconds.get(effort)))

    def set_locked(self, locked: bool) -> None:
        """Show the choice without letting it be changed."""
        for button in self._buttons.values():
            button.setEnabled(not locked)

    def _take_change(self, button: QRadioButton, is_chosen: bool) -> None:
        if is_chosen:
            self._explain()
            self.changed.emit()

    def _explain(self) -> None:
        self._line.setText(EFFORT_TIPS[self.value()])


class TimeLimitChoice(QWidget):
    """The minutes after which a training ends, 0 for never; `changed` is emitted after a person chose others."""

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._combo = CalmComboBox(self)
        self._combo.setObjectName("time_limit_min")
        self._combo.setAccessibleName("Time limit")
        self._combo.setAccessibleDescription(TIME_LIMIT_TIP)
        self._combo.setMinimumHeight(_TARGET_HEIGHT)
        label = QLabel("&Time limit", self)
        label.setBuddy(self._combo)
        for minutes in _LIMITS_MIN:
            self._combo.addItem(time_limit_words(minutes), float(minutes))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        for widget in (label, self._combo, small_line(TIME_LIMIT_TIP, self)):
            layout.addWidget(widget)
        self._combo.currentIndexChanged.connect(self.changed)

    def value(self) -> float:
        """Return the limit in minutes, 0 for none."""
        return float(self._combo.currentData())

    def set_value(self, minutes: float) -> None:
        """Choose a limit in minutes, also one that is not offered, without the signal."""
        with QSignalBlocker(self), QSignalBlocker(self._combo):
            if self._combo.findData(float(minutes)) < 0:
                self._combo.addItem(time_limit_words(minutes), float(minutes))
            self._combo.setCurrentIndex(self._combo.findData(float(minutes)))

    def set_locked(self, locked: bool) -> None:
        """Show the choice without letting it be changed."""
        self._combo.setEnabled(not locked)
