"""A card that opens what was open together."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QPoint, QRect, QSize, Qt, Signal
from PySide6.QtGui import QColor, QContextMenuEvent, QFont, QFontMetrics, QKeyEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QAbstractButton, QMenu, QSizePolicy, QWidget

from app.theme import RADIUS, ROOMY, SPACE, TIGHT, accent_color, dim_color, error_color, raised_color, tokens
from app.widgets.start.look import SessionLook
from app.widgets.tips import set_tip

_LEAST_WIDTH_CHARS = 22


class SessionCard(QAbstractButton):
    """Signals: `clicked()`, also by Enter and Space; `remove_wanted()` from its menu or by Delete."""

    remove_wanted = Signal()

    def __init__(self, look: SessionLook, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._look = look
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAttribute(Qt.WidgetAttribute.WA_Hover)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.show_look(look)

    @property
    def look(self) -> SessionLook:
        """The look that is shown."""
        return self._look

    def show_look(self, look: SessionLook) -> None:
        """Show a session."""
        self._look = look
        words = [look.title, look.lines[0], look.moved or look.lines[1], look.when]
        self.setAccessibleName(", ".join(filter(None, words)))
        set_tip(self, look.tip)
        self.update()

    def menu(self) -> QMenu:
        """Return the card's menu, which belongs to the caller."""
        menu = QMenu(self)
        opening = menu.addAction("&Open")
        opening.setEnabled(not self._look.moved)
        opening.triggered.connect(self.click)
        if self._look.can_be_removed:
            menu.addAction("&Remove from This List").triggered.connect(self.remove_wanted)
        return menu

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        """Show the menu."""
        self._pop_up(event.globalPos())

    def show_menu(self) -> None:
        """Show the menu below the title."""
        self._pop_up(self.mapToGlobal(QPoint(ROOMY, self.height() // 2)))

    def _pop_up(self, where: QPoint) -> None:
        menu = self.menu()
        menu.aboutToHide.connect(menu.deleteLater)
        menu.popup(where)

    def nextCheckState(self) -> None:
        """Change nothing: the card is no switch."""

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Open on Enter as on Space, and remove on Delete."""
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and not event.isAutoRepeat():
            self.click()
        elif event.key() == Qt.Key.Key_Delete and self._look.can_be_removed:
            self.remove_wanted.emit()
        else:
            super().keyPressEvent(event)

    def changeEvent(self, event: QEvent) -> None:
        """Follow the font."""
        super().changeEvent(event)
        self.updateGeometry()

    # Look

    def sizeHint(self) -> QSize:
        """Ask for three lines of words."""
        metrics = self.fontMetrics()
        height = 3 * metrics.height() + 2 * TIGHT + 2 * SPACE
        return QSize(_LEAST_WIDTH_CHARS * metrics.averageCharWidth() + 2 * ROOMY, height)

    def minimumSizeHint(self) -> QSize:
        """Ask for the same: long words are cut off."""
        return self.sizeHint()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the ground, the border and the words."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        self._draw_ground(painter)
        self._draw_words(painter)
        painter.end()

    def _draw_ground(self, painter: QPainter) -> None:
        colors, is_lit = tokens(self.palette()), self.hasFocus() or self.underMouse()
        color = accent_color(self.palette()) if is_lit else QColor(colors.border)
        width = 2.0 if self.hasFocus() else 1.0
        painter.setPen(QPen(color, width))
        painter.setBrush(QColor(colors.pressed) if self.isDown() else raised_color(self.palette()))
        edge = width / 2
        painter.drawRoundedRect(self.rect().toRectF().adjusted(edge, edge, -edge, -edge), RADIUS, RADIUS)

    def _draw_words(self, painter: QPainter) -> None:
        look, palette, bold = self._look, self.palette(), QFont(self.font())
        bold.setBold(True)
        row = QRect(ROOMY, SPACE, self.width() - 2 * ROOMY, self.fontMetrics().height())
        when = self.fontMetrics().horizontalAdvance(look.when)
        painter.setPen(dim_color(palette))
        painter.setFont(self.font())
        painter.drawText(row, Qt.AlignmentFlag.AlignRight, look.when)
        painter.setPen(QColor(tokens(palette).text))
        painter.setFont(bold)
        beside = row.width() - (when + SPACE if when else 0)
        painter.drawText(row, Qt.AlignmentFlag.AlignLeft, _cut(look.title, bold, beside))
        painter.setFont(self.font())
        step = row.height() + TIGHT
        painter.setPen(dim_color(palette))
        painter.drawText(row.translated(0, step), 0, _cut(look.lines[0], self.font(), row.width()))
        if look.moved:
            painter.setPen(error_color(palette))
        painter.drawText(row.translated(0, 2 * step), 0, _cut(look.moved or look.lines[1], self.font(), row.width()))


def _cut(text: str, font: QFont, width: int) -> str:
    return QFontMetrics(font).elidedText(text, Qt.TextElideMode.ElideRight, width)
