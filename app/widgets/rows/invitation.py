"""What stands in the place of rows while there are none: a sentence, and a button if something can be done."""

from __future__ import annotations

from PySide6.QtCore import QEvent, Qt, Signal
from PySide6.QtGui import QMouseEvent, QPainter, QPaintEvent, QPalette, QPen
from PySide6.QtWidgets import QLabel, QPushButton, QVBoxLayout, QWidget

from app.theme import border_color

_BUTTON_HEIGHT, _MARGIN, _RADIUS = 32, 16, 8


class Invitation(QWidget):
    """Shows a sentence; with a button it is dashed, as a place to drop files, and a click anywhere is one on it.

    Signal: `accepted()` the button or its place was clicked.
    """

    accepted = Signal()

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName(name)
        self.sentence, self.button = QLabel(), QPushButton()
        self.sentence.setTextFormat(Qt.TextFormat.PlainText)
        self.sentence.setWordWrap(True)
        self.sentence.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.button.setMinimumHeight(_BUTTON_HEIGHT)
        self.button.clicked.connect(self.accepted)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(_MARGIN, _MARGIN, _MARGIN, _MARGIN)
        layout.addStretch(1)
        layout.addWidget(self.sentence)
        layout.addWidget(self.button, 0, Qt.AlignmentFlag.AlignHCenter)
        layout.addStretch(1)

    def invite(self, sentence: str, button: str = "") -> None:
        """Show a sentence, and a button unless its text is empty."""
        self.sentence.setText(sentence)
        self.button.setText(button)
        self.button.setVisible(bool(button))
        self.setCursor(Qt.CursorShape.PointingHandCursor if button else Qt.CursorShape.ArrowCursor)
        self.update()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Take the press, or Qt would send the release elsewhere."""
        event.accept()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Take a click anywhere as one on the button."""
        is_inside = self.rect().contains(event.position().toPoint())
        if self.button.text() and is_inside and event.button() == Qt.MouseButton.LeftButton:
            self.accepted.emit()

    def changeEvent(self, event: QEvent) -> None:
        """Follow the palette."""
        super().changeEvent(event)
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the ground and its border, a dashed one around a place for files."""
        painter, palette = QPainter(self), self.palette()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setBrush(palette.color(QPalette.ColorRole.Base))
        dashed = QPen(palette.color(QPalette.ColorRole.PlaceholderText), 1, Qt.PenStyle.DashLine)
        painter.setPen(dashed if self.button.text() else border_color(palette))
        painter.drawRoundedRect(self.rect().toRectF().adjusted(0.5, 0.5, -0.5, -0.5), _RADIUS, _RADIUS)
        painter.end()
