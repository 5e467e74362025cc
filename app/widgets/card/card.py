"""A chip of the signal path: it takes one thing, dropped or browsed for, shows it, and opens its page."""

from __future__ import annotations

from typing import Literal

from PySide6.QtCore import QEvent, Qt, Signal, Slot
from PySide6.QtGui import (
    QColor,
    QDragEnterEvent,
    QDragLeaveEvent,
    QDragMoveEvent,
    QDropEvent,
    QFocusEvent,
    QKeyEvent,
    QPainter,
    QPaintEvent,
    QPalette,
    QPen,
)
from PySide6.QtWidgets import QAbstractButton, QSizePolicy, QWidget

from app.theme import (
    RADIUS,
    accent_color,
    border_color,
    dim_color,
    error_color,
    height_for,
    icon,
    link_color,
    raised_color,
)
from app.widgets.announce import announce
from app.widgets.card.body import DropCardBody
from app.widgets.card.look import CardLook
from app.words import as_tooltip

DragState = Literal["none", "valid", "invalid"]

HEIGHT = 48  # px
_BAR = 3  # px, below the chip whose page is shown
_KEYS = (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space, Qt.Key.Key_Select)


def accept_copy(event: QDropEvent) -> None:
    """Take a drop as a copy: after a move, as with Shift held, some file managers delete the dragged files."""
    if event.possibleActions() & Qt.DropAction.CopyAction:
        event.setDropAction(Qt.DropAction.CopyAction)
        event.accept()
    else:
        event.acceptProposedAction()


class DropCard(QAbstractButton):
    """A chip that is empty, busy or filled; a refusal takes the place of its facts.

    A click or Enter browses while it is empty, and else chooses its page.
    """

    browse_requested = Signal()
    chosen = Signal()
    dragged = Signal(object)  # list[QUrl], held over it
    drag_left = Signal()
    dropped = Signal(object)  # list[QUrl]
    drag_refused = Signal(object)  # list[QUrl]: the chip is locked, or these are no files
    link_activated = Signal(str)

    def __init__(self, object_name: str, accessible_name: str, icon_name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._icon_name, self._locked, self._is_current = icon_name, False, False
        self._drag_state: DragState = "none"
        self._shows_focus = False
        self._look: CardLook | None = None
        self.body = DropCardBody(self)
        self.body.button.clicked.connect(self._browse)
        self.body.link_clicked.connect(self.link_activated)
        self.setObjectName(object_name)
        self.setAccessibleName(accessible_name)
        self.setAcceptDrops(True)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)  # a button asks for all its words
        self.setFixedHeight(height_for(self, HEIGHT, lines=2))
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.clicked.connect(self._activate)
        self._recolor()

    # What it shows

    def show_look(self, look: CardLook, refusal: str) -> None:
        """Show a look and a refusal ("" for none) if they have changed: a refusal is read out when it is shown."""
        if look != self._look:
            self._look = look
            facts = " · ".join(look.lines)
            button = f"{self.accessibleName()}: {look.button}" * bool(look.button)
            self.body.show_words(look.text, facts, look.short, look.link, button)
            if look.kind == "busy":
                self.body.show_bar()
            self._after_change()
        if refusal != self.refusal():
            self.body.show_refusal(refusal)
            announce(self, refusal, urgent=True)

    def is_busy(self) -> bool:
        """Return whether the chip shows that something is under way."""
        return self._kind == "busy"

    def refusal(self) -> str:
        """Return the refusal that is shown, or ""."""
        return self.body.refusal()

    def set_locked(self, locked: bool, reason: str = "") -> None:
        """Neither browse nor take drops while locked; the reason is the tooltip then."""
        self._locked = locked
        self.body.button.setEnabled(not locked)
        self.setToolTip(as_tooltip(reason) if locked else "")
        self._update_cursor()

    def set_current(self, is_current: bool) -> None:
        """Show whether the page of this chip is on the stage."""
        self._is_current = is_current
        self._describe()
        self.update()

    def set_drag_state(self, state: DragState) -> None:
        """Show whether files held over the window come here."""
        self._drag_state = state
        self.update()

    def drag_state(self) -> DragState:
        """Return whether files held over the window come here, as it shows."""
        return self._drag_state

    @property
    def _kind(self) -> str:
        return "empty" if self._look is None else self._look.kind

    def _describe(self) -> None:
        facts = [] if self._look is None else [self._look.text, *self._look.lines]
        self.setAccessibleDescription(" · ".join([*facts, *["its page is shown"] * self._is_current]))

    def _after_change(self) -> None:
        self._describe()
        self.body.button.setEnabled(not self._locked)
        self._update_cursor()
        self.update()

    def _update_cursor(self) -> None:
        inviting = self._kind != "empty" or not self._locked
        self.setCursor(Qt.CursorShape.PointingHandCursor if inviting else Qt.CursorShape.ArrowCursor)

    # Mouse and keyboard

    def _browse(self) -> None:
        if not self._locked and self._kind != "busy":
            self.browse_requested.emit()

    @Slot()
    def _activate(self) -> None:
        if self._kind == "empty" and not self._locked:
            self.browse_requested.emit()
        else:
            self.chosen.emit()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Take Enter and Space as a click."""
        if event.key() in _KEYS and not event.isAutoRepeat():
            self.click()
        else:
            super().keyPressEvent(event)

    # Drops

    def _refuses(self, event: QDropEvent) -> bool:
        return self._locked or not event.mimeData().hasUrls()

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Tell of the files; accept the event either way, or Qt would not report that the drag leaves."""
        accept_copy(event)
        if self._refuses(event):
            self.set_drag_state("invalid")
            self.drag_refused.emit(event.mimeData().urls())
        else:
            self.dragged.emit(event.mimeData().urls())

    def dragMoveEvent(self, event: QDragMoveEvent) -> None:
        """Show on the pointer whether a drop is taken; one of files that do not fit is, and gets a refusal in words."""
        if self._refuses(event):
            event.ignore()
        else:
            accept_copy(event)

    def dragLeaveEvent(self, event: QDragLeaveEvent) -> None:
        """Take the usual look again."""
        self.set_drag_state("none")
        self.drag_left.emit()

    def dropEvent(self, event: QDropEvent) -> None:
        """Hand over the dropped files."""
        self.set_drag_state("none")
        self.drag_left.emit()
        if self._refuses(event):
            event.ignore()
            self.drag_refused.emit(event.mimeData().urls())
            return
        accept_copy(event)
        self.dropped.emit(event.mimeData().urls())

    # Look

    def _recolor(self) -> None:
        palette = self.palette()
        text, dim = palette.color(QPalette.ColorRole.WindowText), dim_color(palette)
        self.body.recolor(icon(self._icon_name, text), dim, error_color(palette), link_color(palette))
        self.update()

    def changeEvent(self, event: QEvent) -> None:
        """Follow the palette."""
        super().changeEvent(event)
        if event.type() in (QEvent.Type.PaletteChange, QEvent.Type.ApplicationPaletteChange):
            self._recolor()

    def focusInEvent(self, event: QFocusEvent) -> None:
        """Show the focus, unless a click brought it: the pointer is there already."""
        if event.reason() == Qt.FocusReason.MouseFocusReason:
            self._shows_focus = False
        elif event.reason() not in (Qt.FocusReason.ActiveWindowFocusReason, Qt.FocusReason.PopupFocusReason):
            self._shows_focus = True
        self.update()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        """Hide the focus."""
        self.update()

    def _border(self) -> tuple[QColor, float, Qt.PenStyle]:
        palette = self.palette()
        accent = accent_color(palette)
        if self._drag_state == "valid":
            return accent, 3.0, Qt.PenStyle.SolidLine
        if self._drag_state == "invalid":
            return error_color(palette), 3.0, Qt.PenStyle.DotLine
        if self.hasFocus() and self._shows_focus:
            return accent, 2.0, Qt.PenStyle.SolidLine
        if self._is_current:
            return accent, 1.5, Qt.PenStyle.SolidLine
        style = Qt.PenStyle.DashLine if self._kind == "empty" else Qt.PenStyle.SolidLine
        return border_color(palette), 1.0, style

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the ground and the border: dashed when empty, thick when something is held over it."""
        color, width, style = self._border()
        ground = raised_color(self.palette())
        if self._drag_state != "none":
            ground = QColor(color)
            ground.setAlpha(36)
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setBrush(ground)
        painter.setPen(QPen(color, width, style))
        edge = width / 2 + 0.5
        painter.drawRoundedRect(self.rect().toRectF().adjusted(edge, edge, -edge, -edge), RADIUS, RADIUS)
        if self._is_current:  # a bar, too: the focus has a line of the same colour
            below = self.rect().toRectF().adjusted(RADIUS, self.height() - _BAR, -RADIUS, 0)
            painter.fillRect(below, accent_color(self.palette()))
