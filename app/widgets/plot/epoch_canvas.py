"""The drawing that all curves by epoch share; it imports pyqtgraph, which waits until the window is on the screen."""

from __future__ import annotations

from collections.abc import Sized
from typing import Any

import pyqtgraph as pg  # type: ignore[import-untyped, unused-ignore]
from PySide6.QtCore import QEvent, QPointF, Qt, Signal
from PySide6.QtGui import QColor, QMouseEvent, QPen
from PySide6.QtWidgets import QWidget

from app.widgets.plot.axis import EpochAxis, PerplexityAxis


def cosmetic_pen(color: QColor, width: float, style: Qt.PenStyle = Qt.PenStyle.SolidLine) -> QPen:
    """Return a pen whose width is in pixels of the screen, whatever the scale of the plot."""
    pen = QPen(color, width, style)
    pen.setCosmetic(True)
    return pen


class EpochCanvas(pg.PlotWidget):  # type: ignore[misc]
    """A plot without pan, zoom and menu: epochs on its x axis, log10 of a value on its y axis."""

    hovered = Signal(int)  # the nearest epoch, or 0 when the pointer has left

    def __init__(self, parent: QWidget, curve: Sized) -> None:
        axes = {"left": PerplexityAxis("left"), "bottom": EpochAxis("bottom")}
        super().__init__(parent, background=None, axisItems=axes, enableMenu=False)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.viewport().setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setFrameShape(self.Shape.NoFrame)
        self.setCacheMode(self.CacheModeFlag.CacheNone)  # a cached ground would keep the colour of an old palette
        self._curve: Any = curve
        self._view: Any = self.getPlotItem().getViewBox()
        self._cursor = pg.InfiniteLine(angle=90)
        self._quieten()

    def _quieten(self) -> None:
        item = self.getPlotItem()
        item.hideButtons()
        item.setMouseEnabled(False, False)
        item.disableAutoRange()
        for side in ("left", "bottom"):
            item.getAxis(side).setStyle(tickLength=-4, hideOverlappingLabels=False)

    def show_cursor(self, epoch: int) -> None:
        """Draw the line of the read-out at an epoch, or hide it for 0."""
        self._cursor.setVisible(epoch > 0)
        if epoch > 0:
            self._cursor.setPos(epoch)

    def _pixel(self, epoch: float, log_value: float) -> QPointF:
        return QPointF(self._view.mapFromView(QPointF(epoch, log_value)))

    def _epoch_at(self, event: QMouseEvent) -> int:
        position = self._view.mapSceneToView(self.mapToScene(event.position().toPoint()))
        return min(max(round(float(position.x())), 1), len(self._curve))

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Report the epoch that is nearest to the pointer."""
        super().mouseMoveEvent(event)
        self.hovered.emit(self._epoch_at(event))

    def leaveEvent(self, event: QEvent) -> None:
        """Report that the pointer has left."""
        super().leaveEvent(event)
        self.hovered.emit(0)

    def _style_axes(self, foreground: QColor, name: str) -> None:
        faint = QColor(foreground)
        faint.setAlpha(120)
        item = self.getPlotItem()
        for side in ("left", "bottom"):
            axis = item.getAxis(side)
            axis.setPen(cosmetic_pen(faint, 1))
            axis.setTextPen(cosmetic_pen(foreground, 1))
            axis.setTickFont(self.font())
        item.getAxis("left").setLabel(name, color=foreground.name())
