"""A button that says the same in fewer words where it is narrow."""

from __future__ import annotations

from PySide6.QtCore import QSize
from PySide6.QtGui import QPaintEvent
from PySide6.QtWidgets import QPushButton, QSizePolicy, QStyle, QStyleOptionButton, QStylePainter

from app.words import on_button


class ShortButton(QPushButton):
    """A QPushButton that may be as narrow as fewer words need; `text()` always has all of them."""

    def __init__(self) -> None:
        super().__init__()
        self._short = ""
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)

    def set_words(self, text: str, short: str) -> None:
        """Show a text, and where it has no room `short`; "" is none."""
        self._short = on_button(short)
        self.setText(on_button(text))
        self.setAccessibleName(text if short else "")
        self.updateGeometry()

    def shown_text(self) -> str:
        """Return the words that have room."""
        return self._short if self._short and self.width() < super().minimumSizeHint().width() else self.text()

    def minimumSizeHint(self) -> QSize:
        """Ask for the room of the fewer words."""
        hint = super().minimumSizeHint()
        if not self._short:
            return hint
        metrics = self.fontMetrics()
        saved = metrics.horizontalAdvance(self.text()) - metrics.horizontalAdvance(self._short)
        return hint - QSize(max(0, saved), 0)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the button with the words that have room."""
        option = QStyleOptionButton()
        self.initStyleOption(option)
        option.text = self.shown_text()
        QStylePainter(self).drawControl(QStyle.ControlElement.CE_PushButton, option)
