"""The menus of a table of actions: the titles, the lines between groups, and the keys that open them."""

from __future__ import annotations

from PySide6.QtGui import QAction
from PySide6.QtWidgets import QMainWindow, QMenu

from app.session.available import ActionId

# A line stands before each of these, unless it is the first of its menu.
BEGIN_A_GROUP = frozenset(
    {
        ActionId.SAVE_PRIOR,
        ActionId.SHOW_IN_FOLDER,
        ActionId.CLOSE,
        ActionId.KEEP_BEST,
        ActionId.CONTINUE,
        ActionId.LEAVE_OUT,
        ActionId.SAVE_TAKE,
        ActionId.DELETE_TAKE,
        ActionId.FLIP,
        ActionId.COMPARE_CURVE,
        ActionId.INSPECT,
        ActionId.REGISTER,
        ActionId.ABOUT,
        ActionId.OPEN_LOGS,
    }
)
EXPORT_MENU, CURVE_MENU = "&File/Ex&port", "&View/Cur&ve"
APPEARANCE_MENU = "&View/&Appearance"


class Menus:
    """The menus of a window by their titles; "&Help/&Troubleshooting" is a menu within one."""

    def __init__(self, window: QMainWindow) -> None:
        self._window = window
        self._by_title: dict[str, QMenu] = {}

    def __getitem__(self, title: str) -> QMenu:
        if title not in self._by_title:
            self._by_title[title] = self._new(title)
        return self._by_title[title]

    def _new(self, title: str) -> QMenu:
        outer, _, inner = title.partition("/")
        if not inner:
            return self._window.menuBar().addMenu(title)
        self[outer].addSeparator()  # Qt shows none at an end, and one where two are
        return self[outer].addMenu(inner)

    def add(self, title: str, identity: ActionId, action: QAction) -> None:
        """Add an action below a line, if it begins a group."""
        if identity in BEGIN_A_GROUP:
            self[title].addSeparator()
        self[title].addAction(action)
