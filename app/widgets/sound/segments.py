"""A few buttons of which one is chosen."""

from __future__ import annotations

from collections.abc import Mapping

from PySide6.QtCore import QEvent, Signal, Slot
from PySide6.QtGui import QColor, QPalette
from PySide6.QtWidgets import QAbstractButton, QButtonGroup, QHBoxLayout, QToolButton, QWidget

from app.widgets.tips import set_tip

TARGET = 28  # px, the least height of what can be clicked


def _blended(ink: QColor, ground: QColor) -> QColor:
    """Return three parts of ink with one of ground."""
    red, green, blue = ink.red() * 3 + ground.red(), ink.green() * 3 + ground.green(), ink.blue() * 3 + ground.blue()
    return QColor(red // 4, green // 4, blue // 4)


class Segments(QWidget):
    """Buttons side by side, by id; Signal: `chosen(str)` a person chose another, which the owner then shows."""

    chosen = Signal(str)

    def __init__(self, name: str, texts: Mapping[str, tuple[str, str]], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName(name)
        self._buttons: dict[str, QToolButton] = {}
        self._group = QButtonGroup(self)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(0)
        for identity, (text, tip) in texts.items():
            button = self._buttons[identity] = QToolButton()
            button.setText(text)
            button.setCheckable(True)
            button.setMinimumHeight(TARGET)
            button.setAccessibleName(f"{name}: {text}")
            set_tip(button, tip)
            self._group.addButton(button)
            row.addWidget(button)
        self._group.buttonClicked.connect(self._on_clicked)
        self._group.buttonToggled.connect(self._on_toggled)
        self.choose(next(iter(texts)))

    @property
    def choice(self) -> str:
        """The id of the chosen button."""
        return next(identity for identity, button in self._buttons.items() if button.isChecked())

    def choose(self, identity: str) -> None:
        """Show a choice."""
        self._buttons[identity].setChecked(True)

    def button(self, identity: str) -> QToolButton:
        """Return a button."""
        return self._buttons[identity]

    def set_tip(self, identity: str, tip: str) -> None:
        """Say something else about a button."""
        set_tip(self._buttons[identity], tip)

    def _recolor(self, button: QAbstractButton) -> None:
        """Write the chosen one in reverse: Fusion's own darker grey can't be seen on a dark ground."""
        palette, role = QPalette(), QPalette.ColorRole
        if button.isChecked():
            for group in (QPalette.ColorGroup.Active, QPalette.ColorGroup.Inactive):
                ink, ground = (self.palette().color(group, of) for of in (role.WindowText, role.Window))
                palette.setColor(group, role.Button, _blended(ink, ground))
                palette.setColor(group, role.ButtonText, ground)
        button.setPalette(palette)

    def changeEvent(self, event: QEvent) -> None:
        """Follow the palette."""
        super().changeEvent(event)
        if event.type() in (QEvent.Type.PaletteChange, QEvent.Type.ApplicationPaletteChange):
            for button in getattr(self, "_buttons", {}).values():
                self._recolor(button)

    @Slot(QAbstractButton)
    def _on_toggled(self, button: QAbstractButton) -> None:
        self._recolor(button)

    @Slot(QAbstractButton)
    def _on_clicked(self, button: QAbstractButton) -> None:
        self.chosen.emit(self.choice)
