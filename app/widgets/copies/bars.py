"""A bar chart of the sounds that samples lie near to: a row a sound, which a click plays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import QRectF, QSize, Qt, Signal
from PySide6.QtGui import QBrush, QEnterEvent, QPainter, QPaintEvent, QPalette, QPen
from PySide6.QtWidgets import QAbstractButton, QSizePolicy, QVBoxLayout, QWidget

from app.theme import SMALL_RADIUS, TARGET, TIGHT, accent_color, border_color, dim_color, plot_colors, tabular, tokens
from app.widgets.focus import draw_focus
from app.words import as_tooltip

_BAR, _EDGE, _BELOW = 7, 4, 3  # px: the bar's height, and the room beside and below it
_GAP = 1  # px between words and bar
_HATCH = 4  # px between the lines over what is copied: Qt's own hatching is too fine for a low bar
_LEFT = Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft
_RIGHT = Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight


@dataclass(frozen=True, slots=True)
class BarLook:
    """A sound of the chart: how many samples lie nearest to it, how many of them copy it, and both in words.

    `key` names the sound to whoever plays it; `can_play` says whether it is at hand, `is_playing` whether it plays.
    """

    key: str
    name: str
    samples: int
    copies: int
    most: int
    words: str
    tip: str
    can_play: bool = True
    is_playing: bool = False


class SoundBar(QAbstractButton):
    """A row of the chart: a name and numbers, and below them the bar, whose first part is hatched for copies."""

    def __init__(self, look: BarLook, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.look = look
        self.show_look(look)

    def show_look(self, look: BarLook) -> None:
        """Show another look of the same sound."""
        self.look = look
        self.setAccessibleName(f"{look.name}: {look.words}")
        self.setAccessibleDescription(look.tip)
        self.setToolTip(as_tooltip(f"{look.name}: {look.words}. {look.tip}"))
        self.setCursor(Qt.CursorShape.PointingHandCursor if look.can_play else Qt.CursorShape.ArrowCursor)
        self.update()

    def sizeHint(self) -> QSize:
        """Ask for a line of words, and the bar below."""
        return QSize(100, max(TARGET, self.fontMetrics().height() + _GAP + _BAR + 2 * _BELOW))

    def minimumSizeHint(self) -> QSize:
        """Ask for the same height in any width."""
        return QSize(0, self.sizeHint().height())

    def enterEvent(self, event: QEnterEvent) -> None:
        """Light up below the pointer."""
        super().enterEvent(event)
        self.update()

    def bar(self, samples: int) -> QRectF:
        """Return the bar of a number of samples, as wide as its share of the longest bar."""
        whole = self.width() - 2 * _EDGE
        top = self.height() - _BELOW - _BAR
        return QRectF(_EDGE, top, whole * samples / max(1, self.look.most), _BAR)

    def shown_name(self) -> str:
        """Return the name as far as it has room beside the numbers."""
        room = self.width() - 2 * _EDGE - self.fontMetrics().horizontalAdvance(self._right_words()) - 2 * TIGHT
        return self.fontMetrics().elidedText(self._lead() + self.look.name, Qt.TextElideMode.ElideMiddle, max(0, room))

    def _lead(self) -> str:
        if not self.look.can_play:
            return ""
        return "■ " if self.look.is_playing else "▸ "

    def _right_words(self) -> str:
        return self.look.words

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the words and the bar."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if self.look.can_play and self.underMouse():
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QBrush(tokens(self.palette()).hover))
            painter.drawRoundedRect(self.rect().toRectF(), SMALL_RADIUS, SMALL_RADIUS)
        self._draw_words(painter)
        self._draw_bar(painter)
        painter.end()
        draw_focus(self)

    def _draw_words(self, painter: QPainter) -> None:
        line = QRectF(_EDGE, _BELOW, self.width() - 2 * _EDGE, self.fontMetrics().height())
        painter.setFont(tabular(self.font()))
        painter.setPen(self.palette().color(QPalette.ColorRole.WindowText))
        painter.drawText(line, _LEFT, self.shown_name())
        painter.setPen(dim_color(self.palette()))
        painter.drawText(line, _RIGHT, self._right_words())

    def _draw_bar(self, painter: QPainter) -> None:
        palette = self.palette()
        track = self.bar(self.look.most)
        painter.fillRect(QRectF(track.left(), track.bottom() - 1, track.width(), 1), border_color(palette))
        painter.fillRect(self.bar(self.look.samples), accent_color(palette))
        if self.look.copies:
            self._hatch(painter, self.bar(self.look.copies))

    def _hatch(self, painter: QPainter, copied: QRectF) -> None:
        """Draw the copied part in a colour of its own, and hatched: not everybody tells colours apart."""
        palette = self.palette()
        painter.fillRect(copied, plot_colors(palette).threshold)
        painter.save()
        painter.setClipRect(copied)
        painter.setPen(QPen(palette.color(QPalette.ColorRole.Window), 1.5))
        x = copied.left() - _BAR
        while x < copied.right():
            painter.drawLine(int(x), int(copied.bottom()), int(x) + _BAR, int(copied.top()))
            x += _HATCH + 1
        painter.restore()


class SoundBars(QWidget):
    """The chart. `chosen(str)` has the key of a sound that was clicked."""

    chosen = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("leaningBars")
        self.setAccessibleName("Which sounds it leans on")
        self.bars: list[SoundBar] = []
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(0)

    def show_bars(self, looks: Sequence[BarLook]) -> None:
        """Show these bars in place of the former ones; the focus stays where it is."""
        for place, look in enumerate(looks):
            if place < len(self.bars):
                self.bars[place].show_look(look)
            else:
                self._add(look)
        for bar in self.bars[len(looks) :]:
            self._column.removeWidget(bar)
            bar.setParent(None)
            bar.deleteLater()
        del self.bars[len(looks) :]

    def _add(self, look: BarLook) -> None:
        bar = SoundBar(look, self)
        bar.clicked.connect(lambda: self._on_clicked(bar))
        self.bars.append(bar)
        self._column.addWidget(bar)
        bar.show()

    def _on_clicked(self, bar: SoundBar) -> None:
        if bar.look.can_play:
            self.chosen.emit(bar.look.key)
