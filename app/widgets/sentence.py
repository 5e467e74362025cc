"""Sentences in a place of fixed size: as many as fit, the rest in the tooltip."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QSize, Qt
from PySide6.QtGui import QPainter, QPaintEvent, QResizeEvent, QTextLayout
from PySide6.QtWidgets import QLabel, QSizePolicy, QWidget

from app.widgets.fitting import fitted
from app.widgets.tips import set_tip


class Sentence(QLabel):
    """A QLabel that asks for no room for its text: it wraps, what does not fit is left out; `text()` is whole."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._wanted = 1
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Ignored)

    def want(self, sample: str) -> None:
        """Ask for the width of a sample, whatever the text: what is beside must not move with each word."""
        self._wanted = max(1, self.fontMetrics().horizontalAdvance(sample))
        self.updateGeometry()

    def setText(self, text: str) -> None:
        """Show a text."""
        super().setText(text)
        self._update_tooltip()

    def sizeHint(self) -> QSize:
        """Ask for one line as wide as the sample."""
        return QSize(self._wanted, self.fontMetrics().height())

    def minimumSizeHint(self) -> QSize:
        """Allow any width, and the height of letters alone."""
        return QSize(1, self.fontMetrics().height())

    def _wrapped(self, text: str) -> list[str]:
        layout = QTextLayout(text, self.font())
        layout.beginLayout()
        lines: list[str] = []
        while (line := layout.createLine()).isValid():
            line.setLineWidth(max(1, self.width()))
            lines.append(text[line.textStart() : line.textStart() + line.textLength()].rstrip())
        layout.endLayout()
        return lines

    def _fits(self, text: str) -> bool:
        lines, metrics = self._wrapped(text), self.fontMetrics()
        has_height = len(lines) <= max(1, self.height() // metrics.height())
        return has_height and all(metrics.horizontalAdvance(line) <= self.width() for line in lines)

    def shown_text(self) -> str:
        """Return the sentences and facts that fit; of one that is too long, its first words and "…"."""
        whole = self.text()
        return fitted(whole, "", self._fits) or self.fontMetrics().elidedText(
            whole, Qt.TextElideMode.ElideRight, self.width()
        )

    def shown_lines(self) -> list[str]:
        """Return the lines that are shown."""
        return self._wrapped(self.shown_text())

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
        set_tip(self, self.text() if self.shown_text() != self.text() else "")
