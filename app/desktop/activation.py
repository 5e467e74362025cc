"""Bringing the window to the front when it is asked for from outside."""

from __future__ import annotations

import os

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication, QWidget


def bring_to_front(window: QWidget, activation_token: str) -> None:
    """Raise a window, and ask the desktop for the focus; one that does not give it marks the window instead."""
    if activation_token:
        os.environ["XDG_ACTIVATION_TOKEN"] = activation_token  # Qt takes it from there, once
    window.setWindowState(window.windowState() & ~Qt.WindowState.WindowMinimized)
    window.raise_()
    window.activateWindow()
    QApplication.alert(window)
