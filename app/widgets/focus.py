"""The line around a widget that has the focus."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QPainter, QPen
from PySide6.QtWidgets import QWidget

from app.theme import accent_color

_WIDTH = 2.0  # px


def draw_focus(widget: QWidget) -> None:
    """Draw the line in the paint event of a widget, if it has the focus: Qt's own one shows only after the Tab key."""
    if not widget.hasFocus():
        return
    pen = QPen(accent_color(widget.palette()), _WIDTH)
    pen.setJoinStyle(Qt.PenJoinStyle.MiterJoin)
    inset = _WIDTH / 2
    painter = QPainter(widget)
    painter.setPen(pen)
    painter.drawRect(widget.rect().toRectF().adjusted(inset, inset, -inset, -inset))
    painter.end()
