"""A part of a page that opens and closes under its title."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtWidgets import QToolButton, QVBoxLayout, QWidget

_TARGET_HEIGHT = 28


class Fold(QWidget):
    """A title that shows and hides the widget below it; `turned(bool)` is emitted after a person opened or closed it.

    `name` becomes the object name of the title's button.
    """

    turned = Signal(bool)

    def __init__(self, title: str, body: QWidget, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.body, self._title = body, title
        self.button = QToolButton(self)
        self.button.setObjectName(name)
        self.button.setText(title)
        self.button.setCheckable(True)
        self.button.setAutoRaise(True)
        self.button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.button.setMinimumHeight(_TARGET_HEIGHT)
        self.button.toggled.connect(self._show_body)
        self.button.clicked.connect(self.turned)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.button)
        layout.addWidget(body)
        self._show_body(False)

    @property
    def is_open(self) -> bool:
        """Whether the body is shown."""
        return self.button.isChecked()

    def set_open(self, is_open: bool) -> None:
        """Open or close it, without the signal."""
        self.button.setChecked(is_open)

    @Slot(bool)
    def _show_body(self, is_open: bool) -> None:
        self.body.setVisible(is_open)
        self.button.setArrowType(Qt.ArrowType.DownArrow if is_open else Qt.ArrowType.RightArrow)
        self.button.setAccessibleName(self._title)
