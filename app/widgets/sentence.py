"""A sentence in a place of fixed size: as many lines as fit, the rest in its tooltip."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QSize, Qt
from PySide6.QtGui import QPainter, QPaintEvent, QResizeEvent, QTextLayout
from PySide6.QtWidgets import QLabel, QSizePolicy, QWidget

from app.words import as_tooltip


class Sentence(QLabel):
    """A QLabel that asks for no room: its text wraps, and the last line that fits is cut; `text()` is always whole."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Ignored)

    def setText(self, text: str) -> None:
        """Show a text."""
        super().setText(text)
        self._update_tooltip()

    def sizeHint(self) -> QSize:
        """Ask for one line of any width."""
        return QSize(1, self.fontMetrics().height())

    def minimumSizeHint(self) -> QSize:
        """Ask for one line of any width."""
        return self.sizeHint()

    def _wrapped(self) -> list[str]:
        layout, text = QTextLayout(self.text(), self.font()), self.text()
        layout.beginLayout()
        lines: list[str] = []
        while (line := layout.createLine()).isValid():
            line.setLineWidth(max(1, self.width()))
            lines.append(text[line.textStart() : line.textStart() + line.textLength()].rstrip())
        layout.endLayout()
        return lines

    def shown_lines(self) -> list[str]:
        """Return the lines that fit; the last one ends in "…" if there are more."""
        lines, room = self._wrapped(), max(1, self.height() // self.fontMetrics().height())
        if len(lines) <= room:
            return lines
        rest = " ".join(lines[room - 1 :])
        return [*lines[: room - 1], self.fontMetrics().elidedText(rest, Qt.TextElideMode.ElideRight, self.width())]

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the lines that fit, in the middle of the height."""
        painter, metrics, lines = QPainter(self), self.fontMetrics(), self.shown_lines()
        painter.setPen(self.palette().color(self.foregroundRole()))
        top = (self.height() - len(lines) * metrics.height()) / 2 + metrics.ascent()
        for number, line in enumerate(lines):
            painter.drawText(QPointF(0, top + number * metrics.height()), line)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Offer the whole text as a tooltip if it no longer fits."""
        super().resizeEvent(event)
        self._update_tooltip()

    def _update_tooltip(self) -> None:
        is_cut = len(self._wrapped()) > len(self.shown_lines())
        self.setToolTip(as_tooltip(self.text()) if is_cut else "")
