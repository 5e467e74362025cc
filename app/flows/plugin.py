"""The open model as a plugin's model: the file of Neutone Gen."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal, Slot
from PySide6.QtWidgets import QWidget

from app.flows import questions
from app.session import Session
from app.session.available import ActionId, available
from distill_core.errors import ConfigError

if TYPE_CHECKING:
    from app.flows.prompts import Prompts

_WRITING = "The plugin's model is being written."


class PluginExport(QObject):
    """Writes the open model for a plugin; `said(str)` has an event for the status bar."""

    said = Signal(str)

    def __init__(self, session: Session, prompts: Prompts, window: QWidget, parent: QObject) -> None:
        super().__init__(parent)
        self._session, self._prompts, self._window = session, prompts, window

    @Slot()
    def export(self) -> None:
        """Ask for a place, then write the file there; without the SDK, say how to get it."""
        from distill_core.export.neutone import SUFFIX, require_sdk

        model = self._session.state.open.model
        if model is None or ActionId.EXPORT_PLUGIN not in available(self._session.state):
            return
        try:
            require_sdk()
        except ConfigError as error:
            text = f"{error.message} {error.hint}"
            self._prompts.ask(self._window, questions.plain("pluginDialog", "A model for Neutone Gen", text), str)
            return
        folder = self._session.settings.last_folder("plugin")
        self._prompts.choose_plugin(self._window, folder / f"{model.path.stem}{SUFFIX}", self._export_to)

    def _export_to(self, path: Path) -> None:
        self._session.settings.set_last_folder("plugin", path.parent)
        if ActionId.EXPORT_PLUGIN in available(self._session.state):
            self.said.emit(_WRITING)
            self._session.export_plugin(path)
