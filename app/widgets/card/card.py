"""A card that takes one thing, dropped or browsed for, and shows it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

from PySide6.QtCore import QEvent, QSize, Qt, QUrl, Signal
from PySide6.QtGui import (
    QColor,
    QDragEnterEvent,
    QDragLeaveEvent,
    QDragMoveEvent,
    QDropEvent,
    QFocusEvent,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPalette,
    QPen,
)
from PySide6.QtWidgets import QFrame, QWidget

from app.theme import error_color, icon, link_color
from app.widgets.announce import announce
from app.widgets.card.body import DropCardBody
from app.widgets.card.look import CardLook, Link
from app.words import as_tooltip

DragState = Literal["none", "valid", "invalid"]

_LEAST_HEIGHT = 116  # a title, two lines and a short refusal: the window does not jump when a card is filled
_LEAST_COMPACT_HEIGHT = 68  # a title and a line
_KEYS = (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space, Qt.Key.Key_Select)


def _accept_all(urls: list[QUrl]) -> bool:
    return bool(urls)


def accept_copy(event: QDropEvent) -> None:
    """Take a drop as a copy: after a move, as with Shift held, some file managers delete the dragged files."""
    if event.possibleActions() & Qt.DropAction.CopyAction:
        event.setDropAction(Qt.DropAction.CopyAction)
        event.accept()
    else:
        event.acceptProposedAction()


class DropCard(QFrame):
    """A card that is empty, busy or filled; a refusal may stand below each of them.

    `can_accept` tells whether dragged files fit; it changes the look only, `dropped` is sent either way.
    """

    browse_requested = Signal()
    dropped = Signal(object)  # list[QUrl]
    drag_refused = Signal(object)  # list[QUrl]: the card is locked, or these are no files
    link_activated = Signal(str)

    def __init__(self, object_name: str, accessible_name: str, icon_name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.can_accept: Callable[[list[QUrl]], bool] = _accept_all
        self._icon_name, self._state, self._locked = icon_name, "empty", False
        self._drag_state: DragState = "none"
        self._shows_focus = self._is_compact = False
        self._lock_reason = ""
        self._look: CardLook | None = None
        self.body = DropCardBody(self)
        self.body.button.clicked.connect(self._browse)
        self.body.link_clicked.connect(self.link_activated)
        self.setObjectName(object_name)
        self.setAccessibleName(accessible_name)
        self.setAcceptDrops(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self._recolor()

    # What it shows

    def show_look(self, look: CardLook, refusal: str) -> None:
        """Show a look and a refusal ("" for none) if they have changed: a refusal is read out when it is shown."""
        if look != self._look:
            self._look = look
            match look.kind:
                case "empty":
                    self.show_empty(look.text, look.button)
                case "busy":
                    self.show_busy(look.text, look.link)
                case "filled":
                    self.show_filled(look.text, look.lines, look.link, look.button, look.minor)
        if not refusal:
            self.clear_refusal()
        elif refusal != self.refusal():
            self.show_refusal(refusal)

    def show_empty(self, text: str, button: str) -> None:
        """Show an invitation: a text and a button; a click anywhere browses too."""
        self._state = "empty"
        self.body.show_empty(text, button)
        self._after_change(text)

    def show_busy(self, text: str, link: Link | None = None) -> None:
        """Show that something is under way; `link` may cancel it."""
        self._state = "busy"
        self.body.show_busy(text, link)
        self._after_change(text)

    def show_filled(
        self,
        title: str,
        lines: Sequence[str],
        link: Link | None = None,
        button: str = "Change…",
        minor: str = "",
    ) -> None:
        """Show the card's contents; the link stands behind the first line; a compact card leaves the minor one out."""
        self._state = "filled"
        self.body.show_filled(title, lines, link, button, minor)
        self._after_change(" · ".join([title, *lines]))

    def show_refusal(self, text: str) -> None:
        """Show below the contents why files are not taken, and read it out."""
        self.body.show_refusal(text)
        announce(self, text, urgent=True)

    def clear_refusal(self) -> None:
        """Hide the refusal."""
        self.body.clear_refusal()

    def set_compact(self, is_compact: bool) -> None:
        """Take less room, without the minor line, which is the tooltip then."""
        self._is_compact = is_compact
        self.body.set_compact(is_compact)
        self._update_tooltip()
        self.updateGeometry()

    def minimumSizeHint(self) -> QSize:
        """Return the contents' height, but at least that of a card with little on it."""
        least = _LEAST_COMPACT_HEIGHT if self._is_compact else _LEAST_HEIGHT
        return super().minimumSizeHint().expandedTo(QSize(0, least))

    def is_busy(self) -> bool:
        """Return whether the card shows that something is under way."""
        return self._state == "busy"

    def refusal(self) -> str:
        """Return the refusal that is shown, or ""."""
        return self.body.refusal()

    def set_locked(self, locked: bool, reason: str = "") -> None:
        """Neither browse nor take drops while locked; the reason is the tooltip then."""
        self._locked, self._lock_reason = locked, reason
        self.body.button.setEnabled(not locked)
        self._update_tooltip()
        self._update_cursor()

    def set_drag_state(self, state: DragState) -> None:
        """Show whether files held over the card fit."""
        self._drag_state = state
        self.update()

    def drag_state(self) -> DragState:
        """Return whether files held over the card fit, as it shows."""
        return self._drag_state

    def _after_change(self, description: str) -> None:
        self.setAccessibleDescription(description)
        self._update_tooltip()
        self.body.button.setEnabled(not self._locked)
        self.body.button.setAccessibleName(f"{self.accessibleName()}: {self.body.button.text()}")
        self._update_cursor()
        self.update()

    def _update_tooltip(self) -> None:
        self.setToolTip(self._lock_reason if self._locked else as_tooltip(self.body.hidden_line()))

    def _update_cursor(self) -> None:
        inviting = self._state == "empty" and not self._locked
        self.setCursor(Qt.CursorShape.PointingHandCursor if inviting else Qt.CursorShape.ArrowCursor)

    # Mouse and keyboard

    def _browse(self) -> None:
        if not self._locked and self._state != "busy":
            self.browse_requested.emit()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Browse on a click anywhere on the empty card."""
        inside = self.rect().contains(event.position().toPoint())
        if self._state == "empty" and inside and event.button() == Qt.MouseButton.LeftButton:
            self._browse()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Take the press, or Qt would send the release elsewhere."""
        event.accept()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Browse on Enter and Space."""
        if event.key() in _KEYS and not event.isAutoRepeat():
            self._browse()
        else:
            super().keyPressEvent(event)

    # Drops

    def _takes(self, event: QDropEvent) -> bool:
        return not self._refuses(event) and self.can_accept(event.mimeData().urls())

    def _refuses(self, event: QDropEvent) -> bool:
        return self._locked or not event.mimeData().hasUrls()

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Show whether the files fit; accept the event either way, or Qt would not report that the drag leaves."""
        self.set_drag_state("valid" if self._takes(event) else "invalid")
        accept_copy(event)
        if self._refuses(event):
            self.drag_refused.emit(event.mimeData().urls())

    def dragMoveEvent(self, event: QDragMoveEvent) -> None:
        """Show on the pointer whether a drop is taken; one of files that do not fit is, and gets a refusal in words."""
        if self._refuses(event):
            event.ignore()
        else:
            accept_copy(event)

    def dragLeaveEvent(self, event: QDragLeaveEvent) -> None:
        """Take the usual look again."""
        self.set_drag_state("none")

    def dropEvent(self, event: QDropEvent) -> None:
        """Hand over the dropped files."""
        self.set_drag_state("none")
        if self._refuses(event):
            event.ignore()
            self.drag_refused.emit(event.mimeData().urls())
            return
        accept_copy(event)
        self.dropped.emit(event.mimeData().urls())

    # Look

    def _recolor(self) -> None:
        palette = self.palette()
        text = palette.color(QPalette.ColorRole.WindowText)
        self.body.recolor(icon(self._icon_name, text), error_color(palette), link_color(palette))
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
        accent = palette.color(QPalette.ColorRole.Highlight)
        if self._drag_state == "valid":
            return accent, 3.0, Qt.PenStyle.SolidLine
        if self._drag_state == "invalid":
            return error_color(palette), 3.0, Qt.PenStyle.DotLine
        if self.hasFocus() and self._shows_focus:
            return accent, 2.0, Qt.PenStyle.SolidLine
        style = Qt.PenStyle.DashLine if self._state == "empty" else Qt.PenStyle.SolidLine
        return palette.color(QPalette.ColorRole.PlaceholderText), 1.0, style

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the ground and the border: dashed when empty, thick when something is held over it."""
        color, width, style = self._border()
        ground = self.palette().color(QPalette.ColorRole.Base)
        if self._drag_state != "none":
            ground = QColor(color)
            ground.setAlpha(36)
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setBrush(ground)
        painter.setPen(QPen(color, width, style))
        edge = width / 2 + 0.5
        painter.drawRoundedRect(self.rect().toRectF().adjusted(edge, edge, -edge, -edge), 5, 5)
