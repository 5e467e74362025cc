"""The commands on the open sounds, between a click and the Session."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QUrl, Signal
from PySide6.QtGui import QDesktopServices

from app.presentation import sounds as words
from app.session import Session

if TYPE_CHECKING:
    from distill_core.audio.dataset import AudioFile


class Sounds(QObject):
    """Leaves the chosen sounds out and takes them back in, as far as the state allows.

    Signals: `chosen_changed()` other sounds are chosen; `said(str)` has an event for the status bar.
    """

    chosen_changed = Signal()
    said = Signal(str)

    def __init__(self, session: Session, parent: QObject) -> None:
        super().__init__(parent)
        self._session = session
        self.chosen: frozenset[str] = frozenset()

    def choose(self, names: Collection[object]) -> None:
        """Choose the sounds that the actions are for, by name; names of no sound count for nothing."""
        chosen = words.can_be_left_out(self._session.state, names)
        if chosen != self.chosen:
            self.chosen = chosen
            self.chosen_changed.emit()

    def leave_out_or_take_back(self) -> None:
        """Leave the chosen sounds out, or take them back in if all of them are left out."""
        state, names = self._session.state, self.chosen
        if not words.can_leave_out(state, names):
            self.said.emit(words.leave_out_tip(state, names))
        elif words.takes_back(state, names):
            self._session.take_back(names)
        else:
            self._session.leave_out(names)

    def show_in_folder(self, file: AudioFile) -> None:
        """Open the folder of a sound."""
        QDesktopServices.openUrl(QUrl.fromLocalFile(str(file.path.resolve().parent)))
