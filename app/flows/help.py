"""The Help menu."""

from __future__ import annotations

import platform
from importlib import metadata

from PySide6.QtCore import QObject, QUrl
from PySide6.QtGui import QDesktopServices

from app.flows.commands import Commands
from app.flows.questions import plain
from distill_core.errors import DistillError
from distill_core.folders import convenience, log_folder

_PARTS = ("torch", "torchaudio", "PySide6-Essentials", "pyqtgraph", "soundfile", "vector-quantize-pytorch")


class Help(QObject):
    """What is asked for rather than needed."""

    def __init__(self, commands: Commands) -> None:
        super().__init__(commands)
        self._commands = commands

    def open_logs(self) -> None:
        """Open the folder of the log files."""
        with convenience("a log"):
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(log_folder())))

    def register(self) -> None:
        """Add Distill to the applications menu and tie .distill files to it."""
        from app.desktop.desktop_entry import register_command

        try:
            text = register_command(remove=False)
        except DistillError as error:
            text = f"{error.message} {error.hint}".strip()
        self._commands.ask(plain("registerDialog", "Add Distill to the Applications Menu", text), str)

    def about(self) -> None:
        """Tell versions and licence."""
        lines = [f"Python {platform.python_version()}", *(f"{part} {_version(part)}" for part in _PARTS)]
        text = "Distill learns the sound of your own recordings. Nothing leaves this computer.\nMIT licence."
        self._commands.ask(plain("aboutDialog", f"Distill {_version('distill')}", text, "\n".join(lines)), str)


def _version(part: str) -> str:
    try:
        return metadata.version(part)
    except metadata.PackageNotFoundError:
        return "(not installed)"
