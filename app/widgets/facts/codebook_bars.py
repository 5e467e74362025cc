"""The use of each level's codebook: a bar for each level, with the same in words."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QRectF, QSize
from PySide6.QtGui import QPainter, QPaintEvent, QPalette, QPen
from PySide6.QtWidgets import QSizePolicy, QVBoxLayout, QWidget

from app.widgets.facts.fact_list import FactLabel, FactSection
from app.widgets.facts.model_facts import USE_TITLE, LevelUse

_HEIGHT = 12


class UseBar(QWidget):
    """A bar filled to the share of codes in use, with a mark at perplexity by codebook size."""

    def __init__(self, use: LevelUse, codebook_size: int, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._share = use.utilization or 0.0
        self._mark = None if use.perplexity is None else min(1.0, use.perplexity / codebook_size)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAccessibleName(f"{use.label}: {use.words}")
        self.setToolTip("Bar: the share of codes in use. Line: the share that would do if all were used alike.")

    def sizeHint(self) -> QSize:
        """Ask for one thin line."""
        return QSize(100, _HEIGHT)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw frame, filling and mark."""
        painter = QPainter(self)
        palette = self.palette()
        ink = palette.color(QPalette.ColorRole.WindowText)
        frame = QRectF(self.rect()).adjusted(0.5, 2.5, -0.5, -2.5)
        filled = QRectF(frame)
        filled.setWidth(frame.width() * self._share)
        painter.fillRect(frame, palette.color(QPalette.ColorRole.Base))
        painter.fillRect(filled, palette.color(QPalette.ColorRole.Highlight))
        faint = ink
        faint.setAlphaF(0.6)
        painter.setPen(QPen(faint, 1))
        painter.drawRect(frame)
        if self._mark is not None:
            x = frame.left() + frame.width() * self._mark
            painter.fillRect(QRectF(x - 1, 0, 2, self.height()), palette.color(QPalette.ColorRole.WindowText))
        painter.end()


class CodebookBars(FactSection):
    """The use of every level's codebook, as a picture and in words."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(USE_TITLE, parent)

    def show_uses(self, uses: Sequence[LevelUse], codebook_size: int) -> None:
        """Show these levels in place of the former ones."""
        body = self.new_body([(use.label, use.words) for use in uses])
        layout = QVBoxLayout(body)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        for use in uses:
            layout.addWidget(FactLabel(f"{use.label}: {use.words}", body))
            layout.addWidget(UseBar(use, codebook_size, body))
