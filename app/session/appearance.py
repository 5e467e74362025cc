"""The choice between light and dark."""

from __future__ import annotations

from enum import StrEnum


class AppearanceChoice(StrEnum):
    """The appearance that a person wants; SYSTEM follows the desktop and its changes."""

    SYSTEM = "system"
    LIGHT = "light"
    DARK = "dark"
