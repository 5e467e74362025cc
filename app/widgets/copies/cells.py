"""The agreement of a take with a known sound, cell by cell: time goes to the right, bands go up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QHelpEvent, QKeyEvent, QPainter, QPaintEvent, QPalette, QPen
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget

from app.theme import TIGHT, accent_color, border_color, dim_color, raised_color
from app.times import length
from app.widgets.announce import announce
from app.widgets.focus import draw_focus
from app.words import as_tooltip

SILENT: Final = -1
_LEAST_HEIGHT, _BAND_HEIGHT, _MOST_HEIGHT = 72, 14, 150  # px of the picture alone
_GAP_FROM = 4.0  # px: only cells as wide as this have a line between them
_PALEST = 0.16  # of the colour where no level agrees: it is still told from silence
_MOVES = {Qt.Key.Key_Left: (-1, 0), Qt.Key.Key_Right: (1, 0), Qt.Key.Key_Up: (0, 1), Qt.Key.Key_Down: (0, -1)}


@dataclass(frozen=True, slots=True)
class CellGrid:
    """How many levels agree in each cell, `agreeing[step][band]`, `SILENT` for a cell that is not heard.

    `step_s` is a step's length, `begin_s` the time in the take of the first one.
    """

    agreeing: tuple[tuple[int, ...], ...]
    levels: int
    step_s: float
    begin_s: float = 0.0

    @property
    def steps(self) -> int:
        """The number of steps."""
        return len(self.agreeing)

    @property
    def bands(self) -> int:
        """The number of bands."""
        return len(self.agreeing[0]) if self.agreeing else 0

    def words(self, step: int, band: int) -> str:
        """Return a cell in words: "3 of 4 levels agree, 0.34 s"."""
        count = self.agreeing[step][band]
        what = "silent" if count == SILENT else f"{count} of {self.levels} levels agree"
        where = f", band {band + 1} of {self.bands}" if self.bands > 1 else ""
        return f"{what}, {self.begin_s + step * self.step_s:.2f} s{where}"


def _mixed(ground: QColor, ink: QColor, share: float) -> QColor:
    parts = zip((ground.redF(), ground.greenF(), ground.blueF()), (ink.redF(), ink.greenF(), ink.blueF()), strict=True)
    return QColor.fromRgbF(*(low + (high - low) * share for low, high in parts))


class AgreementCells(QWidget):
    """Shows a grid of cells, each with the shade of its share of agreeing levels; silent ones are left out.

    The arrow keys go from cell to cell, each of which is read out; the pointer shows the same words.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("agreementCells")
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAccessibleName("Agreement, cell by cell")
        self._grid = CellGrid((), 1, 1.0)
        self._at = (0, 0)

    @property
    def grid(self) -> CellGrid:
        """The cells that are shown."""
        return self._grid

    def show_grid(self, grid: CellGrid, description: str) -> None:
        """Show other cells, with a sentence on them all."""
        if grid != self._grid:
            self._grid, self._at = grid, (0, 0)
            self.updateGeometry()
        self.setAccessibleDescription(description)
        self.update()

    def sizeHint(self) -> QSize:
        """Ask for a height by the number of bands, and a line for the time."""
        return QSize(100, self._picture_height + self.fontMetrics().height() + TIGHT)

    def minimumSizeHint(self) -> QSize:
        """Ask for the same height in any width."""
        return QSize(0, self.sizeHint().height())

    @property
    def _picture_height(self) -> int:
        return min(_MOST_HEIGHT, max(_LEAST_HEIGHT, _BAND_HEIGHT * self._grid.bands))

    @property
    def picture(self) -> QRectF:
        """The place of all cells."""
        return QRectF(0.5, 0.5, self.width() - 1, self._picture_height - 1)

    def cell(self, step: int, band: int) -> QRectF:
        """Return the place of a cell; the lowest band is at the bottom."""
        picture, grid = self.picture, self._grid
        left, right = (picture.left() + picture.width() * edge / grid.steps for edge in (step, step + 1))
        bottom, top = (picture.bottom() - picture.height() * edge / grid.bands for edge in (band, band + 1))
        return QRectF(left, top, right - left, bottom - top)

    def cell_at(self, place: QPointF) -> tuple[int, int] | None:
        """Return the step and band at a place, None beside the picture."""
        picture, grid = self.picture, self._grid
        if not grid.steps or not picture.contains(place):
            return None
        step = int((place.x() - picture.left()) / picture.width() * grid.steps)
        band = int((picture.bottom() - place.y()) / picture.height() * grid.bands)
        return min(step, grid.steps - 1), min(band, grid.bands - 1)

    def shade(self, count: int) -> QColor:
        """Return the colour of a cell in which so many levels agree."""
        share = count / max(1, self._grid.levels)
        return _mixed(raised_color(self.palette()), accent_color(self.palette()), _PALEST + (1 - _PALEST) * share)

    def event(self, event: QEvent) -> bool:
        """Show the words of the cell below the pointer."""
        if isinstance(event, QHelpEvent) and event.type() is QEvent.Type.ToolTip:
            found = self.cell_at(event.pos().toPointF())
            QToolTip.showText(event.globalPos(), as_tooltip(self._grid.words(*found)) if found else "", self)
            return True
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Go to the next cell, and have it read out."""
        move = _MOVES.get(Qt.Key(event.key()))
        if move is None or not self._grid.steps:
            super().keyPressEvent(event)
            return
        step, band = self._at[0] + move[0], self._at[1] + move[1]
        self._at = min(max(step, 0), self._grid.steps - 1), min(max(band, 0), self._grid.bands - 1)
        announce(self, self.chosen_words())
        self.update()

    def chosen_words(self) -> str:
        """Return the words of the cell that the arrow keys are at."""
        return self._grid.words(*self._at) if self._grid.steps else ""

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the cells, and the time below."""
        painter, palette = QPainter(self), self.palette()
        for step, bands in enumerate(self._grid.agreeing):
            for band, count in enumerate(bands):
                if count != SILENT:
                    painter.fillRect(self._inside(self.cell(step, band)), self.shade(count))
        painter.setPen(border_color(palette))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawRect(self.picture)
        if self._grid.steps:
            self._draw_times(painter)
            if self.hasFocus():
                painter.setPen(QPen(palette.color(QPalette.ColorRole.WindowText), 2))
                painter.drawRect(self.cell(*self._at))
        painter.end()
        draw_focus(self)

    def _inside(self, cell: QRectF) -> QRectF:
        """Return a cell's colour inside its lines, if it is wide enough to have some; else no line shows through."""
        gap_x = 1.0 if cell.width() >= _GAP_FROM else 0.0
        return QRectF(cell.left(), cell.top(), cell.width() - gap_x + (0.0 if gap_x else 0.5), cell.height() - 1)

    def _draw_times(self, painter: QPainter) -> None:
        grid, metrics = self._grid, self.fontMetrics()
        begin, end = (f"{length(grid.begin_s + at * grid.step_s)}" for at in (0, grid.steps))
        line = QRectF(0, self._picture_height + TIGHT, self.width(), metrics.height())
        painter.setPen(dim_color(self.palette()))
        painter.drawText(line, Qt.AlignmentFlag.AlignLeft, begin)
        painter.drawText(line, Qt.AlignmentFlag.AlignRight, end)
        room = line.width() - metrics.horizontalAdvance(begin + end) - 4 * TIGHT
        if room > metrics.horizontalAdvance(_TIME):
            painter.drawText(line, Qt.AlignmentFlag.AlignHCenter, _TIME)


_TIME = "time in the take →  bands ↑"
