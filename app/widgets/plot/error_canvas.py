"""The drawing of a model's error; it imports pyqtgraph and numpy, which waits until the window is on the screen."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pyqtgraph as pg  # type: ignore[import-untyped, unused-ignore]
from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QBrush, QPalette, QResizeEvent
from PySide6.QtWidgets import QWidget

from app.theme import plot_colors
from app.widgets.plot.epoch_canvas import EpochCanvas, cosmetic_pen
from app.widgets.plot.error_curve import ErrorCurve
from app.widgets.plot.labels import PlotLabel, along_line, around_point, place_labels

_AXIS_NAME = "error"
_MOST_DOTS, _DOT, _STAR = 150, 6, 15  # epochs, px, px


class ErrorCanvas(EpochCanvas):
    """The plot itself, without pan, zoom and menu; positions on its y axis are log10 of an error."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent, ErrorCurve())
        self._add_items()

    def _add_items(self) -> None:
        self._mean_frame = pg.InfiniteLine(angle=0)
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

    # Words

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

    def restyle(self, palette: QPalette) -> None:
        """Take the colours of a palette and the widget's font."""
        room_for_last_tick = self.fontMetrics().horizontalAdvance("1000") / 2
        self.getPlotItem().setContentsMargins(0, 4, room_for_last_tick, 0)
        colors, ground = plot_colors(palette), palette.color(QPalette.ColorRole.Window)
        self._style_axes(colors.foreground, _AXIS_NAME)
        self._errors.setPen(cosmetic_pen(colors.validation, 2))
        self._errors.setSymbolPen(None)
        self._errors.setSymbolBrush(QBrush(colors.validation))
        self._mean_frame.setPen(cosmetic_pen(colors.foreground, 1, Qt.PenStyle.DashDotLine))
        self._cursor.setPen(cosmetic_pen(colors.foreground, 1))
        self._star.setPen(cosmetic_pen(colors.foreground, 0.7))
        self._star.setBrush(QBrush(colors.best))
        self.mean_frame_label.style_as(colors.foreground, ground, self.font())
        self.best_label.style_as(colors.best, ground, self.font())
        self._place_labels()
