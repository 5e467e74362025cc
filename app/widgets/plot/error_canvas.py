"""The drawing of a model's error; it imports pyqtgraph and numpy, which waits until the window is on the screen."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pyqtgraph as pg  # type: ignore[import-untyped, unused-ignore]
from PySide6.QtCore import QEvent, QPointF, QRectF, Qt, Signal
from PySide6.QtGui import QBrush, QColor, QMouseEvent, QPalette, QPen, QResizeEvent
from PySide6.QtWidgets import QWidget

from app.theme import plot_colors
from app.widgets.plot.axis import EpochAxis, PerplexityAxis
from app.widgets.plot.error_curve import ErrorCurve
from app.widgets.plot.labels import PlotLabel, along_line, around_point, place_labels

_AXIS_NAME = "error"
_MOST_DOTS, _DOT, _STAR = 150, 6, 15  # epochs, px, px


def _pen(color: QColor, width: float, style: Qt.PenStyle = Qt.PenStyle.SolidLine) -> QPen:
    pen = QPen(color, width, style)
    pen.setCosmetic(True)
    return pen


class ErrorCanvas(pg.PlotWidget):  # type: ignore[misc]
    """The plot itself, without pan, zoom and menu; positions on its y axis are log10 of an error."""

    hovered = Signal(int)  # the nearest epoch, or 0 when the pointer has left

    def __init__(self, parent: QWidget) -> None:
        axes = {"left": PerplexityAxis("left"), "bottom": EpochAxis("bottom")}
        super().__init__(parent, background=None, axisItems=axes)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setFrameShape(self.Shape.NoFrame)
        self.setCacheMode(self.CacheModeFlag.CacheNone)  # a cached ground would keep the colour of an old palette
        self._curve = ErrorCurve()
        self._view: Any = self.getPlotItem().getViewBox()
        self._quieten()
        self._add_items()

    def _quieten(self) -> None:
        item = self.getPlotItem()
        item.setMenuEnabled(False)
        item.hideButtons()
        item.setMouseEnabled(False, False)
        item.disableAutoRange()
        for side in ("left", "bottom"):
            item.getAxis(side).setStyle(tickLength=-4, hideOverlappingLabels=False)

    def _add_items(self) -> None:
        self._mean_frame, self._cursor = pg.InfiniteLine(angle=0), pg.InfiniteLine(angle=90)
        self._errors = pg.PlotDataItem(connect="finite", antialias=True)
        self._star = pg.ScatterPlotItem(symbol="star", size=_STAR)
        for depth, item in enumerate((self._mean_frame, self._cursor, self._errors, self._star)):
            item.setZValue(depth)
            self.addItem(item, ignoreBounds=True)
        self._mean_frame.hide()
        self._cursor.hide()
        self.mean_frame_label, self.best_label = PlotLabel(self._view), PlotLabel(self._view)

    def show_curve(self, curve: ErrorCurve) -> None:
        """Draw a curve in place of the former one."""
        self._curve = curve
        low, high = map(math.log10, curve.y_range())
        self._view.setRange(xRange=(0.5, curve.last_x() + 0.5), yRange=(low, high), padding=0, update=True)
        has_dots = 0 < len(curve) <= _MOST_DOTS
        dots = {"symbol": "o", "symbolSize": _DOT} if has_dots else {"symbol": None}
        self._errors.setData(np.arange(1, len(curve) + 1, dtype=float), self._heights(), **dots)
        self._show_best()
        self._show_mean_frame()
        self._place_labels()

    def _heights(self) -> np.ndarray[Any, Any]:
        with np.errstate(divide="ignore"):
            heights: np.ndarray[Any, Any] = np.log10(np.array(self._curve.errors, dtype=float))
        return np.where(np.isfinite(heights), heights, math.nan)

    def _show_best(self) -> None:
        value = self._curve.best()
        is_there = math.isfinite(value) and value > 0
        self._star.setData([self._curve.best_epoch] if is_there else [], [math.log10(value)] if is_there else [])
        self.best_label.setText(f"best {value:.3f} at epoch {self._curve.best_epoch}" if is_there else "")
        self.best_label.setVisible(is_there)

    def _show_mean_frame(self) -> None:
        value = self._curve.mean_frame
        self._mean_frame.setVisible(value > 0)
        self.mean_frame_label.setVisible(value > 0)
        if value > 0:
            self._mean_frame.setPos(math.log10(value))
            self.mean_frame_label.setText(f"each sound's average alone: {value:.3f}")

    def show_cursor(self, epoch: int) -> None:
        """Draw the line of the read-out at an epoch, or hide it for 0."""
        self._cursor.setVisible(epoch > 0)
        if epoch > 0:
            self._cursor.setPos(epoch)

    # Words

    def _pixel(self, epoch: float, height: float) -> QPointF:
        return QPointF(self._view.mapFromView(QPointF(epoch, height)))

    def _place_labels(self) -> None:
        area = QRectF(self._view.rect())
        if area.width() <= 1 or area.height() <= 1:
            return
        placements = []
        if self._mean_frame.isVisible():
            y = self._pixel(1, self._mean_frame.value()).y()
            placements.append(along_line(self.mean_frame_label, y, area, from_right=True))
        if self.best_label.isVisible():
            star = self._pixel(self._curve.best_epoch, math.log10(self._curve.best()))
            placements.append(around_point(self.best_label, star, _STAR / 2))
        place_labels(placements, area, self._curve_pixels())

    def _curve_pixels(self) -> np.ndarray[Any, Any]:
        points = [self._pixel(epoch, height) for epoch, height in enumerate(self._heights(), start=1)]
        return np.array([(point.x(), point.y()) for point in points]).reshape(-1, 2)

    # Events and look

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Place the words again."""
        super().resizeEvent(event)
        if hasattr(self, "best_label"):  # Qt resizes while the base class is still being built
            self._place_labels()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Report the epoch that is nearest to the pointer."""
        super().mouseMoveEvent(event)
        position = self._view.mapSceneToView(self.mapToScene(event.position().toPoint()))
        self.hovered.emit(min(max(round(float(position.x())), 1), len(self._curve)))

    def leaveEvent(self, event: QEvent) -> None:
        """Report that the pointer has left."""
        super().leaveEvent(event)
        self.hovered.emit(0)

    def restyle(self, palette: QPalette) -> None:
        """Take the colours of a palette and the widget's font."""
        room_for_last_tick = self.fontMetrics().horizontalAdvance("1000") / 2
        self.getPlotItem().setContentsMargins(0, 4, room_for_last_tick, 0)
        colors, ground = plot_colors(palette), palette.color(QPalette.ColorRole.Window)
        faint = QColor(colors.foreground)
        faint.setAlpha(120)
        for side in ("left", "bottom"):
            axis = self.getPlotItem().getAxis(side)
            axis.setPen(_pen(faint, 1))
            axis.setTextPen(_pen(colors.foreground, 1))
            axis.setTickFont(self.font())
        self.getPlotItem().getAxis("left").setLabel(_AXIS_NAME, color=colors.foreground.name())
        self._errors.setPen(_pen(colors.validation, 2))
        self._errors.setSymbolPen(None)
        self._errors.setSymbolBrush(QBrush(colors.validation))
        self._mean_frame.setPen(_pen(colors.foreground, 1, Qt.PenStyle.DashDotLine))
        self._cursor.setPen(_pen(colors.foreground, 1))
        self._star.setPen(_pen(colors.foreground, 0.7))
        self._star.setBrush(QBrush(colors.best))
        self.mean_frame_label.style_as(colors.foreground, ground, self.font())
        self.best_label.style_as(colors.best, ground, self.font())
        self._place_labels()
