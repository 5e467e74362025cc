"""The Help menu."""

from __future__ import annotations

import platform

from PySide6.QtCore import QObject, QUrl, Slot
from PySide6.QtGui import QDesktopServices

from app.flows.commands import Commands
from app.flows.questions import plain
from app.session import Session
from app.session.available import ActionId
from app.session.tasks import upkeep
from distill_core.folders import convenience, log_folder

_PARTS = ("torch", "torchaudio", "PySide6-Essentials", "pyqtgraph", "soundfile", "vector-quantize-pytorch")


def _register() -> str:
    from app.desktop.desktop_entry import register_command

    return register_command(remove=False)


class Help(QObject):
    """The actions of the Help menu."""

    def __init__(self, session: Session, commands: Commands) -> None:
        super().__init__(commands)
        self._session, self._commands = session, commands
        session.registered.connect(self._on_registered)

    def open_logs(self) -> None:
        """Open the folder of the log files."""
        with convenience("a log"):
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(log_folder())))

    def register(self) -> None:
        """Add Distill to the applications menu and tie .distill files to it."""
        if self._commands.can(ActionId.REGISTER):
            self._session.do(upkeep.registering(_register))

    @Slot(str)
    def _on_registered(self, sentences: str) -> None:
        self._commands.ask(plain("registerDialog", "Add Distill to the Applications Menu", sentences), str)

    def about(self) -> None:
        """Show versions and licence."""
        lines = [f"Python {platform.python_version()}", *(f"{part} {_version(part)}" for part in _PARTS)]
        text = "Distill learns the sound of your own recordings. Nothing leaves this computer.\nMIT licence."
        self._commands.ask(plain("aboutDialog", f"Distill {_version('distill')}", text, "\n".join(lines)), str)


def _version(part: str) -> str:
    from importlib import metadata  # for this dialog alone

    try:
        return metadata.version(part)
    except metadata.PackageNotFoundError:
        return "(not installed)"
