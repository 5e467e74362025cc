"""The field of the sound that a take starts from: dropped, or chosen in its menu."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from PySide6.QtCore import QUrl, Signal
from PySide6.QtGui import QAction, QActionGroup, QDragEnterEvent, QDropEvent
from PySide6.QtWidgets import QMenu, QSizePolicy, QToolButton, QWidget

from app.widgets.card.card import accept_copy
from app.widgets.tips import set_tip
from app.words import on_button

_LEAST_CHARS = 15


class StartFrom(QToolButton):
    """Shows the sound, and takes another one.

    Signals: `choose_wanted()`, `nothing_wanted()`, `mode_wanted(str)` one of the modes, `dropped(list)` of QUrl.
    """

    choose_wanted = Signal()
    nothing_wanted = Signal()
    mode_wanted = Signal(str)
    dropped = Signal(object)

    def __init__(self, modes: Sequence[tuple[str, str]], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.can_accept: Callable[[Sequence[QUrl]], bool] = bool
        self.setObjectName("startFrom")
        self.setAccessibleName("Start from")
        self.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.setMinimumWidth(max(112, _LEAST_CHARS * self.fontMetrics().averageCharWidth()))
        self.setAcceptDrops(True)
        self._modes: dict[str, QAction] = {}
        self.setMenu(self._menu(modes))
        self._nothing.triggered.connect(self.nothing_wanted)
        self._choose.triggered.connect(self.choose_wanted)

    def _menu(self, modes: Sequence[tuple[str, str]]) -> QMenu:
        menu, group = QMenu(self), QActionGroup(self)
        self._nothing = menu.addAction("&Nothing")
        self._choose = menu.addAction("Choose a &Sound…")
        menu.addSeparator()
        for mode, text in modes:
            action = self._modes[mode] = menu.addAction(text)
            action.setCheckable(True)
            group.addAction(action)
            action.triggered.connect(lambda checked=False, mode=mode: self.mode_wanted.emit(mode))
        return menu

    def show_look(self, text: str, tip: str, mode: str, *, is_enabled: bool, has_sound: bool) -> None:
        """Show a sound and the use of it, or that there is none."""
        self.setText(on_button(text))
        set_tip(self, tip)
        self.setEnabled(is_enabled)
        self._nothing.setEnabled(has_sound)
        for name, action in self._modes.items():
            action.setEnabled(has_sound)
            action.setChecked(name == mode)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Accept a sound; anything else is the window's."""
        if event.mimeData().hasUrls() and self.can_accept(event.mimeData().urls()):
            accept_copy(event)
        else:
            event.ignore()

    def dropEvent(self, event: QDropEvent) -> None:
        """Take a sound."""
        accept_copy(event)
        self.dropped.emit(event.mimeData().urls())
