"""The legend of a plot, and the words inside it, placed in pixels so that they cover neither each other nor a curve."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import cos, pi, sin
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QBrush, QColor, QFont, QPainter, QPaintEvent, QPalette, QPen, QPolygonF
from PySide6.QtWidgets import QGraphicsItem, QGraphicsSimpleTextItem, QSizePolicy, QStyleOptionGraphicsItem, QWidget

from app.theme import plot_colors

_GAP = 4.0  # px between a line or a marker and its words
_OVERLAP = 10_000  # the cost of covering other words, where covering one point of a curve costs 1
_SWATCH, _SWATCH_GAP, _BETWEEN = 22.0, 5.0, 14.0  # px, in the legend

if TYPE_CHECKING:
    import numpy as np

    Points = np.ndarray[Any, np.dtype[np.float64]]  # [N, 2]: x and y in pixels; NaN is off the plot


def _star(centre: QPointF, radius: float) -> QPolygonF:
    radii = [radius if point % 2 == 0 else radius * 0.42 for point in range(10)]
    angles = [pi * point / 5 - pi / 2 for point in range(10)]
    return QPolygonF([centre + QPointF(r * cos(a), r * sin(a)) for r, a in zip(radii, angles, strict=True)])


class PlotLegend(QWidget):
    """The legend: the sounds kept aside, those learned from, the best epoch; whole entries, as many as fit."""

    WORDS = ("kept aside", "learned from", "best so far")

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self.setAccessibleName(
            "Solid line with dots: sounds kept aside. Dashed line: sounds learned from. Star: best so far."
        )

    def sizeHint(self) -> QSize:
        """Ask for one line."""
        words = sum(self.fontMetrics().horizontalAdvance(word) for word in self.WORDS)
        width = words + len(self.WORDS) * (_SWATCH + _SWATCH_GAP + _BETWEEN)
        return QSize(round(width), self.fontMetrics().height() + 4)

    def minimumSizeHint(self) -> QSize:
        """Allow to be cut."""
        return QSize(0, self.sizeHint().height())

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw a sample of each line and its words."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        left = 2.0
        for number, word in enumerate(self.WORDS):
            width = self.fontMetrics().horizontalAdvance(word) + 2
            if left + _SWATCH + _SWATCH_GAP + width > self.width() + 2:
                return
            self._paint_sample(painter, number, QRectF(left, 0, _SWATCH, self.height()))
            left += _SWATCH + _SWATCH_GAP
            painter.setPen(self.palette().color(QPalette.ColorRole.WindowText))
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


class PlotLabel(QGraphicsSimpleTextItem):
    """A word or two on a ground that keeps grid and curves out of the letters."""

    def __init__(self, parent: QGraphicsItem) -> None:
        super().__init__(parent)
        self._ground = QColor(0, 0, 0, 0)
        self.setZValue(50)
        self.hide()

    def style_as(self, color: QColor, ground: QColor, font: QFont) -> None:
        """Take colours and font."""
        self._ground = QColor(ground)
        self._ground.setAlpha(min(ground.alpha(), 215))
        self.setBrush(QBrush(color))
        self.setFont(font)

    def paint(self, painter: QPainter, option: QStyleOptionGraphicsItem, widget: QWidget | None = None) -> None:
        """Draw the ground, then the words."""
        painter.fillRect(self.boundingRect().adjusted(-1, 0, 1, 0), self._ground)
        super().paint(painter, option, widget)  # type: ignore[arg-type]  # Qt takes None


@dataclass(frozen=True, slots=True)
class Placement:
    """A label and its possible places, best first; an `optional` one is hidden if none of them is free."""

    label: PlotLabel
    places: Sequence[QPointF]
    optional: bool = False


def along_line(label: PlotLabel, y: float, area: QRectF, *, from_right: bool) -> Placement:
    """Return the places above and below a horizontal line at `y`, its own end first."""
    size = label.boundingRect()
    room = max(area.width() - size.width() - 2 * _GAP, 0.0)
    shares = (1.0, 0.0, 0.75, 0.5, 0.25) if from_right else (0.0, 1.0, 0.25, 0.5, 0.75)
    above, below = y - size.height() - 1, y + 2
    corners = [QPointF(area.left() + _GAP + room * share, top) for share in shares for top in (above, below)]
    return Placement(label, corners)


def around_point(label: PlotLabel, point: QPointF, radius: float) -> Placement:
    """Return the places around a marker, below it first."""
    width, height = label.boundingRect().width(), label.boundingRect().height()
    reach = radius + _GAP
    below, above = point.y() + radius, point.y() - radius - height
    far_below, far_above = below + height, above - height
    centre, right, left = point.x() - width / 2, point.x() + reach, point.x() - reach - width
    beside = point.y() - height / 2
    offsets = [(centre, below), (centre, above), (right, beside), (left, beside), (right, below), (left, below)]
    offsets += [(right, above), (left, above), (centre, far_below), (centre, far_above), (left, far_below)]
    return Placement(label, [QPointF(x, y) for x, y in offsets])


def _inside(place: QPointF, label: PlotLabel, area: QRectF) -> QRectF:
    rect = QRectF(place, label.boundingRect().size())
    x = min(max(rect.left(), area.left() + 8), max(area.right() - rect.width() - 2, area.left()))
    y = min(max(rect.top(), area.top()), max(area.bottom() - rect.height(), area.top()))
    rect.moveTo(x, y)
    return rect


def _cost(rect: QRectF, taken: Iterable[QRectF], points_N2: Points) -> int:
    overlaps = sum(rect.intersects(other) for other in taken)
    inside_N2 = (points_N2 > (rect.left(), rect.top())) & (points_N2 < (rect.right(), rect.bottom()))
    return _OVERLAP * overlaps + int(inside_N2.all(axis=1).sum())


def place_labels(placements: Sequence[Placement], area: QRectF, points_N2: Points) -> None:
    """Put each label where it covers no earlier one and the fewest points; of equals, the first place wins."""
    taken: list[QRectF] = []
    for placement in placements:
        rects = [_inside(place, placement.label, area) for place in placement.places]
        best = min(rects, key=lambda rect: _cost(rect, taken, points_N2))
        fits = not any(best.intersects(other) for other in taken)
        placement.label.setVisible(fits or not placement.optional)
        placement.label.setPos(best.topLeft())
        if fits or not placement.optional:
            taken.append(best.adjusted(-2, 0, 2, 0))
