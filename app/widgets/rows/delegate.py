"""The drawing of cells: texts, play buttons, small waveforms and stars."""

from __future__ import annotations

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QPointF, QRect, QRectF, Qt
from PySide6.QtGui import QColor, QFontMetrics, QPainter, QPalette, QPolygonF
from PySide6.QtWidgets import QApplication, QStyle, QStyledItemDelegate, QStyleOptionViewItem

from app.theme import accent_color, dim_color, plot_colors
from app.widgets.focus import draw_line
from app.widgets.rows.look import Column, Row
from app.widgets.rows.model import RowsModel

PADDING = 8  # px beside a text
_PLAY_SIZE, _WAVE_MARGIN = 11.0, 5.0  # px
_QUIETEST = 1e-4  # what is below is drawn as a line


class RowDelegate(QStyledItemDelegate):
    """Draws the cells of a column.

    Texts too are drawn here: Qt would ask the model eight questions for each, which takes most of the time.
    """

    def __init__(self, column: Column, model: RowsModel) -> None:
        super().__init__(model)
        self._column, self._model = column, model
        side = Qt.AlignmentFlag.AlignRight if column.is_number else Qt.AlignmentFlag.AlignLeft
        self._side = side | Qt.AlignmentFlag.AlignVCenter

    def paint(
        self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        """Draw the ground of the cell, then what is on it."""
        style = QApplication.style() if option.widget is None else option.widget.style()
        style.drawPrimitive(QStyle.PrimitiveElement.PE_PanelItemViewItem, option, painter, option.widget)
        row: Row = self._model.row_at(index.row())
        painter.save()
        match self._column.kind:
            case "text":
                self._draw_text(painter, option, row)
            case "wave":
                self._draw_wave(painter, QRectF(option.rect), index.row(), self._ink(option, index.row()))
            case "play" if row.can_play:
                self._draw_play(painter, option, index.row(), self._ink(option, index.row()))
            case "star":
                _draw_star(painter, option, row)
        if option.state & QStyle.StateFlag.State_HasFocus:
            draw_line(painter, QRectF(option.rect), _line_color(option))
        painter.restore()

    def _draw_text(self, painter: QPainter, option: QStyleOptionViewItem, row: Row) -> None:
        area = option.rect.adjusted(PADDING, 0, -PADDING, 0)
        painter.setFont(option.font)
        painter.setPen(_text_color(option, row))
        painter.drawText(area, self._side, self.shown_text(row, option.fontMetrics, area.width()))

    def shown_text(self, row: Row, metrics: QFontMetrics, width: int) -> str:
        """Return the text of a row as far as it has room in a width in pixels."""
        mode = Qt.TextElideMode.ElideRight if self._column.loses_end else Qt.TextElideMode.ElideMiddle
        return metrics.elidedText(self._column.text(row), mode, width)

    def _ink(self, option: QStyleOptionViewItem, place: int) -> QColor:
        """Return the colour of a waveform or of a play button."""
        palette = option.palette
        if _is_chosen(option):
            return palette.color(QPalette.ColorRole.HighlightedText)
        if self._model.is_playing(place):
            return plot_colors(palette).best
        return dim_color(palette) if self._model.row_at(place).is_dim else plot_colors(palette).validation

    def _draw_wave(self, painter: QPainter, cell: QRectF, place: int, ink: QColor) -> None:
        peaks = self._model.peaks_at(place)
        if not peaks:
            return
        area = cell.adjusted(_WAVE_MARGIN, _WAVE_MARGIN, -_WAVE_MARGIN, -_WAVE_MARGIN)
        loudest, step, middle = max(*peaks, _QUIETEST), area.width() / len(peaks), area.center().y()
        bars = []
        for number, peak in enumerate(peaks):
            height = max(1.0, area.height() * peak / loudest)
            bars.append(QRectF(area.left() + number * step, middle - height / 2, max(1.0, step - 0.5), height))
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(ink)
        painter.drawRects(bars)

    def _draw_play(self, painter: QPainter, option: QStyleOptionViewItem, place: int, ink: QColor) -> None:
        """Draw a triangle, or a square to stop; a ring around it while the pointer is there."""
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        center, half = QRectF(option.rect).center(), _PLAY_SIZE / 2
        if option.state & QStyle.StateFlag.State_MouseOver:
            ring = QColor(ink)
            ring.setAlpha(48)
            painter.setBrush(ring)
            painter.drawEllipse(center, _PLAY_SIZE + 2, _PLAY_SIZE + 2)
        painter.setBrush(ink)
        if self._model.is_playing(place):
            painter.drawRect(QRectF(center.x() - half, center.y() - half, _PLAY_SIZE, _PLAY_SIZE))
            return
        corners = [(-half + 1, -half), (-half + 1, half), (half + 1, 0.0)]
        painter.drawPolygon(QPolygonF([center + QPointF(x, y) for x, y in corners]))


def _is_chosen(option: QStyleOptionViewItem) -> bool:
    return bool(option.state & QStyle.StateFlag.State_Selected)


def _text_color(option: QStyleOptionViewItem, row: Row) -> QColor:
    if _is_chosen(option):
        return option.palette.color(QPalette.ColorRole.HighlightedText)
    return dim_color(option.palette) if row.is_dim else option.palette.color(QPalette.ColorRole.Text)


def _draw_star(painter: QPainter, option: QStyleOptionViewItem, row: Row) -> None:
    colors, area = plot_colors(option.palette), QRect(option.rect)
    ink = colors.training if row.is_starred else colors.foreground
    painter.setFont(option.font)
    painter.setPen(_text_color(option, row) if _is_chosen(option) else ink)
    painter.drawText(area, Qt.AlignmentFlag.AlignCenter, "★" if row.is_starred else "☆")


def _line_color(option: QStyleOptionViewItem) -> QColor:
    """Return the colour of the line around the cell with the focus."""
    chosen = option.palette.color(QPalette.ColorRole.HighlightedText)
    return chosen if _is_chosen(option) else accent_color(option.palette)
