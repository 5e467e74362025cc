"""The drawing of cells: play buttons, small waveforms and stars beside plain text."""

from __future__ import annotations

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPalette, QPolygonF
from PySide6.QtWidgets import QStyle, QStyledItemDelegate, QStyleOptionViewItem

from app.theme import is_dark, plot_colors
from app.widgets.rows.look import Kind
from app.widgets.rows.model import RowsModel

_PLAY_SIZE, _WAVE_MARGIN = 11.0, 5.0  # px
_QUIETEST = 1e-4  # what is below is drawn as a line


def dim_color(palette: QPalette) -> QColor:
    """Return the colour of text that matters less; it has a contrast of at least 4.5:1 on the ground of rows."""
    return QColor("#a6a6a6" if is_dark(palette) else "#606060")


class RowDelegate(QStyledItemDelegate):
    """Draws the cells of a column of one kind."""

    def __init__(self, kind: Kind, model: RowsModel) -> None:
        super().__init__(model)
        self._kind, self._model = kind, model

    def initStyleOption(self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex) -> None:
        """Leave out the frame around one cell, for a row is chosen as a whole, and dim rows that are not used."""
        super().initStyleOption(option, index)
        option.state &= ~QStyle.StateFlag.State_HasFocus
        if self._model.row_at(index.row()).is_dim:
            option.palette.setColor(QPalette.ColorRole.Text, dim_color(option.palette))

    def paint(
        self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        """Draw the ground of the cell, then what is on it."""
        super().paint(painter, option, index)
        if self._kind == "text":
            return
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, self._kind != "wave")
        area, is_chosen = QRectF(option.rect), bool(option.state & QStyle.StateFlag.State_Selected)
        if self._kind == "wave":
            self._draw_wave(painter, area, index.row(), self._ink(option, index.row(), is_chosen=is_chosen))
        elif self._kind == "play":
            is_under = bool(option.state & QStyle.StateFlag.State_MouseOver)
            ink = self._ink(option, index.row(), is_chosen=is_chosen)
            self._draw_play(painter, area, index.row(), ink, is_under=is_under)
        else:
            self._draw_star(painter, option, index.row(), is_chosen=is_chosen)
        painter.restore()

    def _ink(self, option: QStyleOptionViewItem, place: int, *, is_chosen: bool) -> QColor:
        """Return the colour of a waveform or of a play button."""
        palette, is_dim = option.palette, self._model.row_at(place).is_dim
        if is_chosen:
            return palette.color(QPalette.ColorRole.HighlightedText)
        colors = plot_colors(palette)
        if self._model.is_playing(place):
            return colors.best
        return dim_color(palette) if is_dim else colors.validation

    def _draw_wave(self, painter: QPainter, area: QRectF, place: int, ink: QColor) -> None:
        peaks = self._model.peaks_at(place)
        if not peaks:
            return
        area = area.adjusted(_WAVE_MARGIN, _WAVE_MARGIN, -_WAVE_MARGIN, -_WAVE_MARGIN)
        loudest, step, middle = max(*peaks, _QUIETEST), area.width() / len(peaks), area.center().y()
        width = max(1.0, step - 0.5)
        bars = []
        for number, peak in enumerate(peaks):
            height = max(1.0, area.height() * peak / loudest)
            bars.append(QRectF(area.left() + number * step, middle - height / 2, width, height))
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(ink)
        painter.drawRects(bars)

    def _draw_play(self, painter: QPainter, area: QRectF, place: int, ink: QColor, *, is_under: bool) -> None:
        """Draw a triangle, or a square to stop; nothing for what does not sound."""
        if not self._model.row_at(place).can_play:
            return
        painter.setPen(Qt.PenStyle.NoPen)
        if is_under:
            ring = QColor(ink)
            ring.setAlpha(48)
            painter.setBrush(ring)
            painter.drawEllipse(area.center(), _PLAY_SIZE + 2, _PLAY_SIZE + 2)
        painter.setBrush(ink)
        half, center = _PLAY_SIZE / 2, area.center()
        if self._model.is_playing(place):
            painter.drawRect(QRectF(center.x() - half, center.y() - half, _PLAY_SIZE, _PLAY_SIZE))
            return
        corners = [(-half + 1, -half), (-half + 1, half), (half + 1, 0.0)]
        painter.drawPolygon(QPolygonF([center + QPointF(x, y) for x, y in corners]))

    def _draw_star(self, painter: QPainter, option: QStyleOptionViewItem, place: int, *, is_chosen: bool) -> None:
        is_starred = self._model.row_at(place).is_starred
        colors = plot_colors(option.palette)
        ink = colors.training if is_starred else colors.foreground
        painter.setPen(option.palette.color(QPalette.ColorRole.HighlightedText) if is_chosen else ink)
        painter.drawText(option.rect, Qt.AlignmentFlag.AlignCenter, "★" if is_starred else "☆")
