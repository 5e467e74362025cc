"""The line around a widget that has the focus."""

from __future__ import annotations

from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPen
from PySide6.QtWidgets import QWidget

from app.theme import accent_color

FOCUS_WIDTH = 2  # px


def draw_line(painter: QPainter, around: QRectF, color: QColor) -> None:
    """Draw the line inside an area, whose edge it touches."""
    pen = QPen(color, FOCUS_WIDTH)
    pen.setJoinStyle(Qt.PenJoinStyle.MiterJoin)
    painter.setPen(pen)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    inset = FOCUS_WIDTH / 2
    painter.drawRect(around.adjusted(inset, inset, -inset, -inset))


def draw_focus(widget: QWidget) -> None:
    """Draw the line in the paint event of a widget, if it has the focus: Qt's own one shows only after the Tab key."""
    if widget.hasFocus():
        painter = QPainter(widget)
        draw_line(painter, widget.rect().toRectF(), accent_color(widget.palette()))
        painter.end()
