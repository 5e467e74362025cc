"""The use of each level's codebook as a picture: a row a level, with a bar and, where there is room, its numbers."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QRectF, QSize, Qt
from PySide6.QtGui import QBrush, QColor, QFontMetrics, QHelpEvent, QPainter, QPaintEvent, QPalette, QPen
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget

from app.theme import accent_color, plot_colors
from app.widgets.focus import draw_focus
from app.words import as_tooltip
from distill_core.models.codec_health import CodecHealth, LevelHealth

EXPLAINED = "Bar: the share of the level's entries in use. Line: the share that would do if all were used alike."
_MOST_WITH_NUMBERS = 12
_LOW_ROW = 8  # of levels without numbers
_NUMBERED_EVERY = 4
_GAP, _EDGE, _BEYOND = 8, 2, 10  # the last: low rows are lower than their number
_WIDE = 260
_MIDDLE = Qt.AlignmentFlag.AlignVCenter
_LEVEL, _SHARE, _PERPLEXITY = "Level", "in use", "perplexity"
_UNKNOWN = "–"


class HealthPicture(QWidget):
    """A bar for each level, filled to the share of its entries in use, with a line at perplexity by codebook size.

    A level with a fault has a bold number and a colour of its own, a dead one a hatched bar. Of many levels the rows
    are low, and every fourth has its number.
    """

    def __init__(self, health: CodecHealth, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._levels = health.levels
        self.setObjectName("healthPicture")
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAccessibleName("Use of the codebooks")
        self.setAccessibleDescription(". ".join(f"{level.label}: {_in_words(level)}" for level in self._levels))

    @property
    def has_numbers(self) -> bool:
        """Whether the rows are high enough for their numbers."""
        return len(self._levels) <= _MOST_WITH_NUMBERS

    def sizeHint(self) -> QSize:
        """Ask for a row a level, and one of headings."""
        return QSize(100, round(self._top + len(self._levels) * self._row_height) + _EDGE)

    def minimumSizeHint(self) -> QSize:
        """Ask for the same height in any width."""
        return QSize(0, self.sizeHint().height())

    def bar_of(self, level: LevelHealth) -> QRectF:
        """Return the frame of a level's bar."""
        left = self._level_width + _GAP + _EDGE
        right = self.width() - _EDGE - sum(self._width(heading) + _GAP for heading in self._columns)
        row, height = self._row_of(level), 9 if self.has_numbers else 5
        frame = QRectF(left, row.center().y() - height / 2, max(1, right - left), height)
        return QRectF(frame.toRect()).adjusted(0.5, 0.5, -0.5, -0.5)

    def tip_at(self, y: float) -> str:
        """Return the tooltip at a height: the level there, and what the bar and the line mean."""
        level = next(
            (level for level in self._levels if self._row_of(level).top() <= y < self._row_of(level).bottom()), None
        )
        return EXPLAINED if level is None else f"{level.label}: {_in_words(level)}. {EXPLAINED}"

    @property
    def _row_height(self) -> int:
        return self.fontMetrics().height() + 1 if self.has_numbers else _LOW_ROW

    @property
    def _top(self) -> int:
        """The height of the headings; without them, that of half a number."""
        height = self.fontMetrics().height()
        return height + 2 if self.has_numbers else max(0, (height - _LOW_ROW) // 2)

    @property
    def _level_width(self) -> int:
        widest = _LEVEL if self.has_numbers else "00"
        return _bold(self).horizontalAdvance(widest)

    @property
    def _columns(self) -> tuple[str, ...]:
        """The headings of the numbers that leave room for the bar: its line shows the perplexity too."""
        if not self.has_numbers:
            return ()
        return (_SHARE, _PERPLEXITY) if self.width() >= _WIDE else (_SHARE,)

    def _width(self, text: str) -> int:
        return self.fontMetrics().horizontalAdvance(text)

    def _row_of(self, level: LevelHealth) -> QRectF:
        top = self._top + self._levels.index(level) * self._row_height
        return QRectF(0, top, self.width(), self._row_height)

    def event(self, event: QEvent) -> bool:
        """Show the tooltip of the level under the pointer."""
        if isinstance(event, QHelpEvent) and event.type() is QEvent.Type.ToolTip:
            QToolTip.showText(event.globalPos(), as_tooltip(self.tip_at(event.pos().y())), self)
            return True
        return super().event(event)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the headings and a row a level."""
        painter = QPainter(self)
        if self.has_numbers:
            self._draw_numbers(painter, QRectF(0, 0, self.width(), self._top), (_LEVEL, _SHARE, _PERPLEXITY))
        for level in self._levels:
            self._draw_bar(painter, level)
            self._draw_words(painter, level)
        painter.end()
        draw_focus(self)

    def _draw_words(self, painter: QPainter, level: LevelHealth) -> None:
        if not self.has_numbers and (level.level - 1) % _NUMBERED_EVERY:
            return
        font = painter.font()
        font.setBold(level.has_fault)
        painter.setFont(font)
        share = _UNKNOWN if level.utilization is None else f"{level.utilization:.0%}"
        perplexity = _UNKNOWN if level.perplexity is None else f"{level.perplexity:.1f}"
        self._draw_numbers(painter, self._row_of(level), (str(level.level), share, perplexity))
        font.setBold(False)
        painter.setFont(font)

    def _draw_numbers(self, painter: QPainter, row: QRectF, texts: tuple[str, str, str]) -> None:
        """Draw the level at the left of a row, and the numbers that have room, each at the right of its column."""
        painter.setPen(self.palette().color(QPalette.ColorRole.WindowText))
        painter.drawText(row.adjusted(_EDGE, -_BEYOND, 0, _BEYOND), _MIDDLE | Qt.AlignmentFlag.AlignLeft, texts[0])
        right = row.right() - _EDGE
        for heading, text in reversed([*zip(self._columns, texts[1:], strict=False)]):
            painter.drawText(QRectF(0, row.top(), right, row.height()), _MIDDLE | Qt.AlignmentFlag.AlignRight, text)
            right -= self._width(heading) + _GAP

    def _draw_bar(self, painter: QPainter, level: LevelHealth) -> None:
        palette, frame = self.palette(), self.bar_of(level)
        painter.fillRect(frame, palette.color(QPalette.ColorRole.Base))
        color = plot_colors(palette).threshold if level.has_fault else accent_color(palette)
        if level.is_dead:
            painter.fillRect(frame, QBrush(color, Qt.BrushStyle.BDiagPattern))
        filled = QRectF(frame)
        filled.setWidth(frame.width() * (level.utilization or 0.0))
        painter.fillRect(filled, color)
        ink = palette.color(QPalette.ColorRole.WindowText)
        painter.setPen(QPen(_faint(ink), 1))
        painter.drawRect(frame)
        if level.perplexity is not None:
            x = frame.left() + frame.width() * min(1.0, level.perplexity / level.codebook_size)
            beyond = 2 if self.has_numbers else 0
            painter.fillRect(QRectF(x - 1, frame.top() - beyond, 2, frame.height() + 2 * beyond), ink)


def _bold(widget: QWidget) -> QFontMetrics:
    font = widget.font()
    font.setBold(True)
    return QFontMetrics(font)


def _faint(color: QColor) -> QColor:
    faint = QColor(color)
    faint.setAlphaF(0.6)
    return faint


def _in_words(level: LevelHealth) -> str:
    """Return a level's numbers, and its fault."""
    fault = "dead" if level.is_dead else "hardly used" if level.is_hardly_used else ""
    return ", ".join(part for part in (level.words, fault) if part)
