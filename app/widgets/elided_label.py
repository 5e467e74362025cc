"""A line of text that is shortened in the middle rather than cut off."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import QLabel, QSizePolicy, QWidget

from app.words import as_tooltip


class ElidedLabel(QLabel):
    """A QLabel of one line that may be narrower than its text, which is then its tooltip; `text()` is always whole."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)

    def setText(self, text: str) -> None:
        """Show a text."""
        super().setText(text)
        self._update_tooltip()

    def minimumSizeHint(self) -> QSize:
        """Allow to be as narrow as a few letters."""
        return QSize(
            min(super().sizeHint().width(), self.fontMetrics().averageCharWidth() * 6), super().sizeHint().height()
        )

    def shown_text(self) -> str:
        """Return what fits."""
        return self.fontMetrics().elidedText(self.text(), Qt.TextElideMode.ElideMiddle, self.contentsRect().width())

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Offer the whole text as a tooltip where it no longer fits."""
        super().resizeEvent(event)
        self._update_tooltip()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw what fits."""
        painter = QPainter(self)
        role = self.foregroundRole()
        alignment = int(self.alignment().value)
        rect, enabled = self.contentsRect(), self.isEnabled()
        self.style().drawItemText(painter, rect, alignment, self.palette(), enabled, self.shown_text(), role)

    def _update_tooltip(self) -> None:
        self.setToolTip(as_tooltip(self.text()) if self.shown_text() != self.text() else "")
