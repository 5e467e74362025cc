"""A row that says which line is which, by shape and word as well as by colour."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPalette, QPen, QPolygonF
from PySide6.QtWidgets import QSizePolicy, QWidget

from app.theme import plot_colors

_SWATCH, _GAP, _BETWEEN = 26.0, 5.0, 16.0  # px


def _star(centre: QPointF, radius: float) -> QPolygonF:
    from math import cos, pi, sin

    radii = [radius if point % 2 == 0 else radius * 0.42 for point in range(10)]
    angles = [pi * point / 5 - pi / 2 for point in range(10)]
    return QPolygonF([centre + QPointF(r * cos(a), r * sin(a)) for r, a in zip(radii, angles, strict=True)])


class PlotLegend(QWidget):
    """Validation, training, best."""

    WORDS = ("validation", "training", "best")

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAccessibleName("Solid line with dots: validation. Dashed line: training. Star: best epoch.")

    def sizeHint(self) -> QSize:
        """Ask for one line."""
        words = sum(self.fontMetrics().horizontalAdvance(word) for word in self.WORDS)
        width = words + len(self.WORDS) * (_SWATCH + _GAP + _BETWEEN)
        return QSize(round(width), self.fontMetrics().height() + 4)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw a sample of each line and its word."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        left = 2.0
        for number, word in enumerate(self.WORDS):
            self._paint_sample(painter, number, QRectF(left, 0, _SWATCH, self.height()))
            left += _SWATCH + _GAP
            painter.setPen(self.palette().color(QPalette.ColorRole.WindowText))
            width = self.fontMetrics().horizontalAdvance(word) + 2
            painter.drawText(QRectF(left, 0, width, self.height()), Qt.AlignmentFlag.AlignVCenter, word)
            left += width + _BETWEEN

    def _paint_sample(self, painter: QPainter, number: int, area: QRectF) -> None:
        colors = plot_colors(self.palette())
        middle = area.center()
        if number == 2:
            painter.setPen(QPen(colors.foreground, 0.7))
            painter.setBrush(colors.best)
            painter.drawPolygon(_star(middle, 7))
            return
        color: QColor = (colors.validation, colors.training)[number]
        style = (Qt.PenStyle.SolidLine, Qt.PenStyle.DashLine)[number]
        painter.setPen(QPen(color, (2.0, 1.3)[number], style))
        painter.drawLine(QPointF(area.left(), middle.y()), QPointF(area.right(), middle.y()))
        if number == 0:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(color)
            painter.drawEllipse(middle, 3.0, 3.0)
