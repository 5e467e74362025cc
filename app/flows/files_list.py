"""The list of all files, from its link to its dialog, and the sounds that are played from it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Slot
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QWidget

from app.flows.hearing import Hearing
from app.session import Session
from app.widgets.files_dialog import FilesDialog

if TYPE_CHECKING:
    from distill_core.audio.dataset import AudioFile


class FilesList(QObject):
    """Shows the open sounds in the dialog, plays the one chosen there, and closes it when others are opened.

    `actions` are those of the window whose keys are good in the dialog too.
    """

    def __init__(self, session: Session, hearing: Hearing, window: QWidget) -> None:
        super().__init__(hearing)
        self._session, self._hearing, self._window = session, hearing, window
        self.actions: Sequence[QAction] = ()
        self.dialog: FilesDialog | None = None
        self._marked: AudioFile | None = None
        session.dataset_changed.connect(self._on_dataset)
        session.player.changed.connect(self._on_changed)
        hearing.changed.connect(self._on_changed)

    def show(self) -> None:
        """Show the used sounds and the skipped files."""
        dataset = self._session.state.open.dataset
        if dataset is None:
            return
        if self.dialog is None:
            self.dialog, self._marked = FilesDialog(dataset, self._window), None
            self.dialog.addActions(self.actions)
            self.dialog.play_wanted.connect(self._hearing.play)
            self.dialog.toggle_wanted.connect(self._hearing.toggle)
            self.dialog.finished.connect(self._on_closed)
            self.dialog.show()
            self._on_changed()
        else:
            self.dialog.raise_()
            self.dialog.activateWindow()

    @Slot()
    def _on_changed(self) -> None:
        if self.dialog is None:
            return
        source = self._hearing.source
        playing = source.file if source is not None and self._hearing.is_playing(source.file) else None
        if playing != self._marked:
            self._marked = playing
            self.dialog.show_playing(playing)
        self.dialog.say(self._hearing.note)

    @Slot(object)
    def _on_dataset(self, dataset: object) -> None:
        if self.dialog is not None:
            self.dialog.reject()

    @Slot()
    def _on_closed(self) -> None:
        if self.dialog is not None:
            self.dialog.deleteLater()
        self.dialog = None
