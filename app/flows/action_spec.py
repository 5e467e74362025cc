"""An action of the menus, as a value."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from PySide6.QtGui import QKeySequence

from app.session.available import ActionId

_Keys = QKeySequence.StandardKey | str | None


@dataclass(frozen=True, slots=True)
class ActionSpec:
    """One action; `menu` is the title of its menu, or that of a menu within one: "&Help/&Troubleshooting"."""

    id: ActionId
    menu: str
    text: str
    keys: _Keys
    call: Callable[[], object]
    tip: str
    icon_name: str = ""
