"""A take on the shelf: its waveform, number, seed, length and star, to be clicked, dragged out and starred."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QEvent, QPoint, QRect, QRectF, QSize, Qt, Signal, Slot
from PySide6.QtGui import (
    QColor,
    QContextMenuEvent,
    QFocusEvent,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPainterPath,
    QPaintEvent,
    QPalette,
)
from PySide6.QtWidgets import QAbstractButton, QApplication, QSizePolicy, QWidget

from app.theme import plot_colors, warning_color

WIDTH = 124  # px
_SIZE, _COMPACT_SIZE = QSize(WIDTH, 58), QSize(WIDTH, 36)
_STAR_SIDE = 28  # px, of the corner that can be clicked
_MARGIN, _LINE = 5, 15
_LOUDEST = 0.9  # of the height
_BAR = 3  # px, below the take that is in the player
_MARK_SIDE, _MARK_OFFSET = 10, 3  # px, of the mark of a copy: two sheets


@dataclass(frozen=True, slots=True)
class ClipLook:
    """The contents of a clip; `peaks` are the largest amplitudes of equal parts of the sound, empty if unknown yet.

    `copy_of` says what the take is a copy of, "" for one that is none.
    """

    number: int
    caption: str
    is_starred: bool
    tip: str
    peaks: tuple[float, ...] = ()
    is_loaded: bool = False
    is_playing: bool = False
    copy_of: str = ""


class Clip(QAbstractButton):
    """Shows a take.

    Signals: `play_wanted(int)` a click or Enter; `star_wanted(int, bool)` a click on the star, or S;
    `delete_wanted(int)` the Delete key; `drag_wanted(int)` the pointer drags it away; `menu_wanted(int, QPoint)` a menu
    at a point of the screen; `chosen(int)` it has the focus; `step_wanted(int)` to the neighbour, −1 or 1.
    """

    play_wanted = Signal(int)
    star_wanted = Signal(int, bool)
    delete_wanted = Signal(int)
    drag_wanted = Signal(int)
    menu_wanted = Signal(int, QPoint)
    chosen = Signal(int)
    step_wanted = Signal(int)

    def __init__(self, look: ClipLook, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._look, self._is_compact = look, False
        self._pressed_at: QPoint | None = None
        self.setObjectName("clip")
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self.setAttribute(Qt.WidgetAttribute.WA_Hover)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.clicked.connect(self._play)
        self.show_look(look)

    @property
    def number(self) -> int:
        """The number of the take."""
        return self._look.number

    @property
    def look(self) -> ClipLook:
        """The contents."""
        return self._look

    def show_look(self, look: ClipLook) -> None:
        """Show other contents."""
        self._look = look
        star = ", with a star" if look.is_starred else ""
        copy = f", {look.copy_of}" if look.copy_of else ""
        plays = ", plays" if look.is_playing else ", in the player" if look.is_loaded else ""
        self.setAccessibleName(f"Take {look.number}, {look.caption}{star}{copy}{plays}")
        self.setToolTip(look.tip)
        self.update()

    def sizeHint(self) -> QSize:
        """Return the size of every clip."""
        return _COMPACT_SIZE if self._is_compact else _SIZE

    def set_compact(self, is_compact: bool) -> None:
        """Take less room, without the caption."""
        self._is_compact = is_compact
        self.updateGeometry()
        self.update()

    def _waveform_area(self) -> QRectF:
        if self._is_compact:
            return QRectF(_MARGIN + 24, 3, self.width() - 2 * _MARGIN - 44, self.height() - 6)
        return QRectF(_MARGIN, _LINE + 3, self.width() - 2 * _MARGIN, self.height() - 2 * _LINE - 5)

    # Pointer and keyboard

    def _star_corner(self) -> QRect:
        return QRect(self.width() - _STAR_SIDE, 0, _STAR_SIDE, _STAR_SIDE)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Remember where a click or a drag begins."""
        if event.button() is Qt.MouseButton.LeftButton:
            self._pressed_at = event.position().toPoint()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Ask for a drag once the pointer has gone far enough."""
        if self._pressed_at is None:
            return
        way = event.position().toPoint() - self._pressed_at
        if way.manhattanLength() >= QApplication.startDragDistance():
            self._pressed_at = None
            self.drag_wanted.emit(self.number)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Play, or change the star if both ends of the click are on it."""
        pressed_at, self._pressed_at = self._pressed_at, None
        here = event.position().toPoint()
        if pressed_at is None or not self.rect().contains(here):
            return
        if self._star_corner().contains(pressed_at) and self._star_corner().contains(here):
            self.star_wanted.emit(self.number, not self._look.is_starred)
        else:
            self.click()

    @Slot()
    def _play(self) -> None:
        self.play_wanted.emit(self.number)

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        """Ask for the menu, from the pointer or from the keyboard."""
        self.menu_wanted.emit(self.number, event.globalPos())

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Play, star, delete, or go to a neighbour."""
        match event.key():
            case Qt.Key.Key_Return | Qt.Key.Key_Enter | Qt.Key.Key_Space:
                self.click()
            case Qt.Key.Key_S:
                self.star_wanted.emit(self.number, not self._look.is_starred)
            case Qt.Key.Key_Delete | Qt.Key.Key_Backspace:
                self.delete_wanted.emit(self.number)
            case Qt.Key.Key_Left | Qt.Key.Key_Right:
                self.step_wanted.emit(-1 if event.key() is Qt.Key.Key_Left else 1)
            case _:
                super().keyPressEvent(event)

    def focusInEvent(self, event: QFocusEvent) -> None:
        """Become the take that the actions are for."""
        super().focusInEvent(event)
        self.chosen.emit(self.number)
        self.update()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        """Show that the focus is elsewhere."""
        super().focusOutEvent(event)
        self.update()

    # Look

    def changeEvent(self, event: QEvent) -> None:
        """Follow the palette."""
        super().changeEvent(event)
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the ground, the waveform, then the words on it."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        self._draw_ground(painter)
        self._draw_waveform(painter)
        self._draw_words(painter)
        painter.end()

    def _draw_ground(self, painter: QPainter) -> None:
        colors, palette = plot_colors(self.palette()), self.palette()
        is_marked = self.hasFocus() or self._look.is_loaded
        painter.setBrush(palette.color(QPalette.ColorRole.Base))
        painter.setPen(colors.validation if is_marked else palette.color(QPalette.ColorRole.Mid))
        inset = 1.0 if self.hasFocus() else 0.5
        if self.hasFocus():
            pen = painter.pen()
            pen.setWidthF(2)
            painter.setPen(pen)
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(inset, inset, -inset, -inset), 4, 4)
        if self._look.is_loaded:  # a bar, too: not everybody tells the colour of a line
            bar = QRectF(_MARGIN, self.height() - _BAR, self.width() - 2 * _MARGIN, _BAR)
            painter.fillRect(bar, colors.validation)

    def _draw_waveform(self, painter: QPainter) -> None:
        peaks, colors = self._look.peaks, plot_colors(self.palette())
        if not peaks:
            return
        area = self._waveform_area()
        loudest, step = max(max(peaks), 1e-4), area.width() / len(peaks)
        shape = QPainterPath()
        for column, peak in enumerate(peaks):
            height = max(1.0, _LOUDEST * area.height() * peak / loudest)
            shape.addRect(QRectF(area.left() + column * step, area.center().y() - height / 2, max(step, 0.8), height))
        painter.fillPath(shape, colors.best if self._look.is_playing else colors.validation)

    def _draw_words(self, painter: QPainter) -> None:
        look, rect = self._look, self.rect().adjusted(_MARGIN, 2, -_MARGIN, -2)
        painter.setPen(self.palette().color(QPalette.ColorRole.Text))
        small, bold = self.font(), self.font()
        small.setPointSizeF(max(7.0, small.pointSizeF() * 0.85))
        bold.setBold(True)
        painter.setFont(bold)
        top, bottom = Qt.AlignmentFlag.AlignTop, Qt.AlignmentFlag.AlignBottom
        written = painter.boundingRect(rect, Qt.AlignmentFlag.AlignLeft | top, str(look.number))
        painter.drawText(rect, Qt.AlignmentFlag.AlignLeft | top, str(look.number))
        if look.copy_of:
            self._draw_mark(painter, written)
        painter.setPen(self._star_color())
        painter.drawText(rect, Qt.AlignmentFlag.AlignRight | top, "★" if look.is_starred else "☆")
        if not self._is_compact:
            painter.setPen(self.palette().color(QPalette.ColorRole.Text))
            painter.setFont(small)
            painter.drawText(rect, Qt.AlignmentFlag.AlignLeft | bottom, look.caption)
        if look.is_playing:
            painter.setPen(plot_colors(self.palette()).best)
            painter.drawText(rect, Qt.AlignmentFlag.AlignRight | bottom, "▶")

    def _draw_mark(self, painter: QPainter, number: QRect) -> None:
        """Draw a sheet on another one, right of the number or, where there is no room, below it."""
        side = _MARK_SIDE - _MARK_OFFSET
        left, top = (number.left(), number.bottom() + 1) if self._is_compact else (number.right() + _MARGIN, 0)
        place = QRectF(left, top if self._is_compact else number.center().y() - _MARK_SIDE / 2, side, side)
        painter.setPen(warning_color(self.palette()))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawRect(place.translated(_MARK_OFFSET, 0))
        painter.setBrush(self.palette().color(QPalette.ColorRole.Base))
        painter.drawRect(place.translated(0, _MARK_OFFSET))

    def _star_color(self) -> QColor:
        colors = plot_colors(self.palette())
        return colors.training if self._look.is_starred else colors.foreground
