"""A drawer at the right edge: beside what fills the rest where there is room, over it in a narrow window."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QRect, QSize, Qt, Signal
from PySide6.QtGui import QKeyEvent, QPainter, QPaintEvent, QPalette, QResizeEvent
from PySide6.QtWidgets import QTabBar, QTabWidget, QVBoxLayout, QWidget

from app.theme import accent_color
from app.widgets.focus import draw_line

ROOMY = 1000  # px; from here on the rest is wide enough beside an open drawer
_WIDTH, _SPACE = 330, 8


def _is_esc(event: QEvent) -> bool:
    """Tell whether a key's event is that of Esc."""
    return isinstance(event, QKeyEvent) and event.key() == Qt.Key.Key_Escape


class _TabBar(QTabBar):
    """Shows that it has the keyboard on the tab that is open."""

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the tabs, then the line around one."""
        super().paintEvent(event)
        if self.hasFocus():
            painter = QPainter(self)
            draw_line(painter, self.tabRect(self.currentIndex()).toRectF(), accent_color(self.palette()))
            painter.end()


class Drawer(QWidget):
    """Tabs on a ground of their own. `closed()`: Esc was pressed in it."""

    closed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("drawer")
        self.tabs = QTabWidget()
        self.tabs.setTabBar(_TabBar())
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.tabs)
        self.hide()

    def event(self, event: QEvent) -> bool:
        """Claim Esc for the drawer and what is in it: the menus have it too, and would stop a training."""
        if event.type() is QEvent.Type.ShortcutOverride and _is_esc(event):
            event.accept()
            return True
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Close with Esc."""
        if event.key() == Qt.Key.Key_Escape:
            self.closed.emit()
        else:
            super().keyPressEvent(event)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw a ground that hides what lies below."""
        QPainter(self).fillRect(self.rect(), self.palette().color(QPalette.ColorRole.Window))


class WithDrawer(QWidget):
    """Places a widget and a drawer."""

    def __init__(self, main: QWidget, drawer: Drawer) -> None:
        super().__init__()
        self._main, self._drawer = main, drawer
        for widget in (main, drawer):
            widget.setParent(self)
        drawer.installEventFilter(self)

    def eventFilter(self, watched: object, event: QEvent) -> bool:
        """Make room when the drawer opens, and take it back."""
        if event.type() in (QEvent.Type.ShowToParent, QEvent.Type.HideToParent):
            self._place()
        return False

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Place both."""
        super().resizeEvent(event)
        self._place()

    def _place(self) -> None:
        width, height = self.width(), self.height()
        is_beside = not self._drawer.isHidden() and width >= ROOMY
        self._main.setGeometry(QRect(0, 0, width - (_WIDTH + _SPACE) * is_beside, height))
        self._drawer.setGeometry(QRect(width - min(_WIDTH, width), 0, min(_WIDTH, width), height))
        self._drawer.raise_()

    def event(self, event: QEvent) -> bool:
        """Ask for other room when the widget does."""
        if event.type() is QEvent.Type.LayoutRequest:
            self.updateGeometry()
        return super().event(event)

    def sizeHint(self) -> QSize:
        """Ask for the room of the widget alone."""
        return self._main.sizeHint()

    def minimumSizeHint(self) -> QSize:
        """Ask for the room of the widget alone: a drawer lies over it."""
        return self._main.minimumSizeHint().expandedTo(self._main.minimumSize())
