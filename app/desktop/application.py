"""The QApplication: its name, its look, and files that the desktop hands over."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QEvent, Signal
from PySide6.QtGui import QFileOpenEvent, QIcon
from PySide6.QtWidgets import QApplication

from app.desktop.appearance import Appearance
from app.theme import resource_path


class DistillApplication(QApplication):
    """Keeps a file that macOS hands over before the window exists, then sends `file_opened(Path)`."""

    file_opened = Signal(object)

    def __init__(self, arguments: list[str]) -> None:
        super().__init__(arguments)
        self._waiting: list[Path] = []
        self._is_ready = False
        self.setOrganizationName("Distill")
        self.setApplicationName("Distill")
        self.setDesktopFileName("distill")  # without it Wayland shows no icon
        self.setWindowIcon(QIcon(str(resource_path("linux", "distill.svg"))))
        self.appearance = Appearance(self)

    def deliver_waiting(self) -> None:
        """Send the files that came too early, and from now on each at once."""
        self._is_ready = True
        waiting, self._waiting = self._waiting, []
        for path in waiting:
            self.file_opened.emit(path)

    def event(self, event: QEvent) -> bool:
        """Take a file that was double-clicked or dropped on the icon."""
        if isinstance(event, QFileOpenEvent) and event.file():
            path = Path(event.file())
            if self._is_ready:
                self.file_opened.emit(path)
            else:
                self._waiting.append(path)
            return True
        return super().event(event)
