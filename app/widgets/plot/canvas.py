"""The drawing of a curve; it imports pyqtgraph and numpy, which waits until the window is on the screen."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pyqtgraph as pg  # type: ignore[import-untyped, unused-ignore]
from PySide6.QtCore import QPoint, QPointF, QRectF, Qt, Signal
from PySide6.QtGui import QBrush, QColor, QMouseEvent, QPalette, QPen, QResizeEvent
from PySide6.QtWidgets import QGraphicsRectItem, QWidget

from app.theme import PlotColors, plot_colors
from app.widgets.plot.curve import Beside, Curve, PlotAxes, in_words
from app.widgets.plot.epoch_canvas import EpochCanvas, cosmetic_pen
from app.widgets.plot.labels import Placement, PlotLabel, along_line, around_point, place_labels
from app.widgets.plot.points import drawn_epochs, minutes_at, thinned

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.widgets.plot.labels import Points

    Values = np.ndarray[Any, np.dtype[np.float64]]

_MOST_DOTS = 150  # with more epochs the dots would be a band
_PARTS = 400  # of a long curve, with two points each: about one for each pixel
_STAR, _DOT = 15, 3  # px
_DOT_ALPHA = 110
_STEP = 4.0  # px between the points of a curve that words keep clear of


UNIGRAM_WORDS, BAND_WORDS = "knows only how common each code is", "memorizing from here"
AXIS_NAME = "perplexity"


class PerplexityCanvas(EpochCanvas):
    """The plot itself, without pan, zoom and menu.

    Positions on its y axis are log10 of a perplexity, or perplexities; those on its x axis epochs, or minutes.
    """

    clicked = Signal(int, QPoint)  # the nearest epoch, and the point of the screen

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent, Curve())
        self.axes, self.pixel_ratio = PlotAxes(), 1.0  # of what is drawn on: a pen is as wide as it says in its pixels
        self._by_time, self._beside = False, Beside("", Curve(), "")
        self._drawn: list[tuple[Values, Values]] = []  # the points of each line, in the units of the axes
        self._ends_E: Values = np.zeros(0)  # where each epoch stands on the x axis
        self._add_items()
        self.restyle(self.palette())

    def _add_items(self) -> None:
        self._band = QGraphicsRectItem()
        self._unigram, self._limit = pg.InfiniteLine(angle=0), pg.InfiniteLine(angle=0)
        self._dots = pg.ScatterPlotItem(symbol="o", size=_DOT, pen=None)
        self._training = pg.PlotDataItem(connect="finite")
        self._lone_training = pg.ScatterPlotItem(symbol="d", size=6)
        self._validation = pg.PlotDataItem(connect="finite", antialias=True)
        self._other, self._other_star = (
            pg.PlotDataItem(connect="finite"),
            pg.ScatterPlotItem(symbol="star", size=_STAR),
        )
        self._star = pg.ScatterPlotItem(symbol="star", size=_STAR)
        items = (self._band, self._unigram, self._limit, self._cursor, self._dots, self._training, self._lone_training)
        for depth, item in enumerate((*items, self._other, self._other_star, self._validation, self._star)):
            item.setZValue(depth)
            self.addItem(item, ignoreBounds=True)
        for item in (self._band, self._unigram, self._limit, self._cursor):
            item.hide()
        self.unigram_label, self.limit_label = PlotLabel(self._view), PlotLabel(self._view)
        self.best_label, self.band_label = PlotLabel(self._view), PlotLabel(self._view)
        self.beside_label = PlotLabel(self._view)

    def _pen(self, color: QColor, width: float, style: Qt.PenStyle = Qt.PenStyle.SolidLine) -> QPen:
        return cosmetic_pen(color, width * self.pixel_ratio, style)

    # Data

    def show_curve(self, curve: Curve, beside: Beside | None = None) -> None:
        """Draw a curve in place of the former one, and another beside it, whose file tells of epochs alone."""
        self._curve = curve
        self._by_time = self.axes.by_time and curve.has_times and beside is None
        self._beside = beside or Beside("", Curve(), "")
        self._ends_E = self._across(np.arange(1, max(len(curve), len(self._beside.curve)) + 1, dtype=float))
        self._show_ranges()
        self._drawn = []
        self._show_validation()
        self._show_training()
        self._show_dots()
        self._show_best()
        self._show_beside()
        self._show_line(self._unigram, self.unigram_label, curve.unigram, UNIGRAM_WORDS)
        self._show_line(self._limit, self.limit_label, curve.limit, f"very predictable below {curve.limit:.1f}")
        self._show_band()
        self._place_labels()

    def _across(self, positions: Values) -> Values:
        """Return where positions in epochs stand on the x axis."""
        return minutes_at(self._curve.elapsed, positions) if self._by_time else positions

    def _x(self, epoch: float) -> float:
        return float(self._across(np.array([epoch]))[0])

    def _up(self, values: Sequence[float]) -> Values:
        """Return where perplexities stand on the y axis, NaN for none."""
        there = np.array(values, dtype=float)
        there[~((there > 0) & (there < math.inf))] = math.nan
        return there if self.axes.is_linear else np.log10(there)

    def _y(self, value: float) -> float:
        return float(self._up([value])[0])

    def _show_ranges(self) -> None:
        self.getAxis("left").count_evenly(self.axes.is_linear)
        self.getAxis("bottom").count_minutes(self._by_time)
        others = self._beside.curve.validation
        low, high = self._curve.y_range(is_linear=self.axes.is_linear, others=others)
        bottom = 0.0 if low == 0 else self._y(low)
        right = self._x(max(self._curve.last_x(), len(others)) + 0.5)
        self._view.setRange(xRange=(0.0, right), yRange=(bottom, self._y(high)), padding=0, update=True)

    def _points(self, curve: Curve, values: Sequence[float]) -> tuple[Values, Values]:
        """Return the points of a line: all, or of a long one those that cannot be told from all, and the best epoch."""
        values_E = self._up(values)
        places = drawn_epochs(curve.known) - 1
        best = np.flatnonzero(places == curve.best_epoch - 1)
        places = places[thinned(values_E[places], _PARTS, best)]
        points = self._ends_E[places], values_E[places]
        self._drawn.append(points)
        return points

    def _show_validation(self) -> None:
        xs, values = self._points(self._curve, self._curve.validation)
        # pyqtgraph warns of dots that are all NaN.
        has_dots = len(xs) <= _MOST_DOTS and bool(np.isfinite(values).any())
        dots = {"symbol": "o", "symbolSize": 6} if has_dots else {"symbol": None}
        self._validation.setPen(self._validation_pen(plot_colors(self.palette())))
        self._validation.setData(xs, values, antialias=not self._is_long, **dots)

    @property
    def _is_long(self) -> bool:
        """Whether the curve has so many corners that a thick, smooth line would take ten times as long to draw."""
        return len(self._curve) > 2 * _PARTS

    def _validation_pen(self, colors: PlotColors) -> QPen:
        return self._pen(colors.validation, 1 if self._is_long else 2)

    def _show_training(self) -> None:
        xs, values = self._points(self._curve, self._curve.training)
        self._training.setData(xs, values)
        seen = np.isfinite(np.concatenate([[np.nan], values, [np.nan]]))
        alone = seen[1:-1] & ~seen[:-2] & ~seen[2:]  # a line needs two
        self._lone_training.setData(xs[alone], values[alone])

    def _show_dots(self) -> None:
        xs, values = [x for x, _ in self._curve.dots], [value for _, value in self._curve.dots]
        self._dots.setData(self._across(np.array(xs, dtype=float)), self._up(values))

    def _show_best(self) -> None:
        epoch, value = self._curve.best_epoch, self._curve.best()
        self._star.setData([self._x(epoch)] if epoch else [], [self._y(value)] if epoch else [])
        self.best_label.setText(f"best {in_words(value)} at epoch {epoch}" if epoch else "")
        self.best_label.setVisible(bool(epoch))

    def _show_beside(self) -> None:
        curve = self._beside.curve
        self._other.setData(*self._points(curve, curve.validation))
        has_best = bool(curve.best_epoch)
        self._other_star.setData([curve.best_epoch] if has_best else [], [self._y(curve.best())] if has_best else [])
        words = f"{self._beside.name}, best {in_words(curve.best())}" if has_best else self._beside.name
        self.beside_label.setText(words)
        self.beside_label.setVisible(len(curve) > 0)

    def _show_line(self, line: Any, label: PlotLabel, value: float, words: str) -> None:
        there = math.isfinite(value) and value > 0
        line.setVisible(there)
        label.setVisible(there)
        if there:
            line.setPos(self._y(value))
            label.setText(words)

    def _show_band(self) -> None:
        start = self._curve.memorizing_from
        self._band.setVisible(bool(start))
        self.band_label.setText(BAND_WORDS)
        self.band_label.setVisible(bool(start))
        if start:
            (_, right), (bottom, top) = self._view.viewRange()
            left = self._x(start - 0.5)
            self._band.setRect(QRectF(left, bottom, right - left, top - bottom))

    # Words

    def _curve_pixels(self, area: QRectF) -> Points:
        origin, one = self._pixel(0, 0), self._pixel(1, 1)
        between = np.arange(area.left(), area.right(), _STEP)
        points: list[Points] = [np.zeros((0, 2))]
        for xs, values in self._drawn:
            across = origin.x() + xs * (one.x() - origin.x())
            heights = origin.y() + values * (one.y() - origin.y())
            points.append(np.column_stack([across, heights]))
            if len(across):
                lines = np.interp(between, across, heights, left=math.nan, right=math.nan)
                points.append(np.column_stack([between, lines]))
        return np.concatenate(points)

    def _line_pixels(self, area: QRectF) -> Points:
        xs = np.arange(area.left(), area.right(), _STEP)
        heights = [self._pixel(1, line.value()).y() for line in (self._unigram, self._limit) if line.isVisible()]
        return np.array([(x, y) for y in heights for x in xs]).reshape(-1, 2)

    def _placements(self, area: QRectF) -> list[Placement]:
        lines = ((self._limit, self.limit_label, False), (self._unigram, self.unigram_label, True))
        placements = [
            along_line(label, self._pixel(1, line.value()).y(), area, from_right=from_right)
            for line, label, from_right in lines
            if line.isVisible()
        ]
        if self._curve.best_epoch:
            star = self._pixel(self._x(self._curve.best_epoch), self._y(self._curve.best()))
            placements.append(around_point(self.best_label, star, _STAR / 2))
        if (other := self._beside.curve).known:
            point = (other.best_epoch, other.best()) if other.best_epoch else (other.known[-1], other.validation[-1])
            placements.append(around_point(self.beside_label, self._pixel(point[0], self._y(point[1])), _STAR / 2))
        if self._curve.memorizing_from:
            left = self._pixel(self._x(self._curve.memorizing_from - 0.5), 0.0).x() + 4
            heights = [area.top() + area.height() * share for share in (0.05, 0.15, 0.3, 0.45, 0.6, 0.75)]
            placements.append(Placement(self.band_label, [QPointF(left, y) for y in heights], optional=True))
        return placements

    def _place_labels(self) -> None:
        area = QRectF(self._view.rect())
        if area.width() > 1 and area.height() > 1:
            points_N2 = np.concatenate([self._curve_pixels(area), self._line_pixels(area)])
            place_labels(self._placements(area), area, points_N2)

    # Events and look

    def show_cursor(self, epoch: int) -> None:
        """Draw the line of the read-out at an epoch, or hide it for 0."""
        super().show_cursor(epoch)
        if epoch > 0:
            self._cursor.setPos(self._x(epoch))

    def _epoch_at(self, event: QMouseEvent) -> int:
        """Return the nearest epoch of those that are known, 0 for none."""
        position = self._view.mapSceneToView(self.mapToScene(event.position().toPoint()))
        known = np.array(self._curve.known, dtype=int)
        return int(known[np.abs(self._ends_E[known - 1] - position.x()).argmin()]) if len(known) else 0

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Place the words again."""
        super().resizeEvent(event)
        if hasattr(self, "beside_label"):  # Qt resizes while the base class is still being built
            self._place_labels()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Report a click on an epoch."""
        super().mouseReleaseEvent(event)
        if event.button() is Qt.MouseButton.LeftButton and len(self._curve):
            self.clicked.emit(self._epoch_at(event), event.globalPosition().toPoint())

    def restyle(self, palette: QPalette) -> None:
        """Take the colours of a palette and the widget's font."""
        room_for_last_tick = self.fontMetrics().horizontalAdvance("1000") / 2
        self.getPlotItem().setContentsMargins(0, 4, room_for_last_tick, 0)
        colors = plot_colors(palette)
        self._style_axes(colors.foreground, AXIS_NAME)
        self._style_lines(colors)
        ground = palette.color(QPalette.ColorRole.Window)
        labels = (self.unigram_label, self.limit_label, self.best_label, self.band_label, self.beside_label)
        inks = (colors.foreground, colors.threshold, colors.best, colors.foreground, colors.beside)
        for label, ink in zip(labels, inks, strict=True):
            label.style_as(ink, ground, self.font())
        self.band_label.style_as(colors.foreground, QColor(0, 0, 0, 0), self.font())
        self._place_labels()

    def _style_lines(self, colors: PlotColors) -> None:
        self._validation.setPen(self._validation_pen(colors))
        self._validation.setSymbolPen(None)
        self._validation.setSymbolBrush(QBrush(colors.validation))
        self._training.setPen(self._pen(colors.training, 1.3, Qt.PenStyle.DashLine))
        faint = QColor(colors.training)
        faint.setAlpha(_DOT_ALPHA)
        self._dots.setBrush(QBrush(faint))
        self._lone_training.setPen(cosmetic_pen(colors.training, 1.3))
        self._lone_training.setBrush(QBrush(Qt.BrushStyle.NoBrush))
        self._other.setPen(self._pen(colors.beside, 1.5, Qt.PenStyle.DashDotDotLine))
        self._other_star.setPen(cosmetic_pen(colors.beside, 1.5))
        self._other_star.setBrush(QBrush(Qt.BrushStyle.NoBrush))
        self._unigram.setPen(self._pen(colors.foreground, 1, Qt.PenStyle.DashDotLine))
        self._limit.setPen(self._pen(colors.threshold, 1.5, Qt.PenStyle.DotLine))
        self._cursor.setPen(self._pen(colors.foreground, 1))
        self._star.setPen(cosmetic_pen(colors.foreground, 0.7))
        self._star.setBrush(QBrush(colors.best))
        self._band.setPen(QPen(Qt.PenStyle.NoPen))
        self._band.setBrush(QBrush(colors.band))
