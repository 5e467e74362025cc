"""A take dragged out of the window: a WAV file under its own name, for a folder or another program."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QMimeData, QObject, Qt, QUrl
from PySide6.QtGui import QDrag, QPixmap
from PySide6.QtWidgets import QWidget

from app.session import Session
from distill_core.errors import DistillError
from distill_core.folders import dragged_folder

if TYPE_CHECKING:
    from distill_core.generation.takes.folder import Take


def copy_to_drag(take: Take, name: str) -> Path:
    """Return a copy of a take under a name of its own; its tags have its verdict once there is one.

    It stays after the drag and after the window: some programs read a file only later, or go on using it where it is.
    A link would take no room, but an editor that writes into it would change the shelf. Copying takes 10 ms a minute.

    Raises:
        OSError: it could not be made.
    """
    own, verdict = f"{take.wav.parent.parent.name}-{take.number}", take.verdict_word
    folder = dragged_folder() / (f"{own}-{verdict}" if verdict else own)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    target = folder / name
    if not target.exists():
        _copy(take, target)
    return target


def _copy(take: Take, target: Path) -> None:
    """Copy a take, with its verdict in the tags if there is one.

    Raises:
        OSError: it could not be made.
    """
    if not take.verdict_word:
        shutil.copyfile(take.wav, target)
        return
    from distill_core.generation.takes.shelf import TakeShelf

    try:
        TakeShelf(Path(take.facts["model"])).export(take, target)
    except DistillError as error:
        raise OSError(error.message) from error


def drag_data(path: Path) -> QMimeData:
    """Return what is dragged: the file, as file managers name it (text/uri-list)."""
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path))])
    return data


class DragOut(QObject):
    """Drags takes out of the window, as copies: a program that would move one out of the shelf gets none."""

    def __init__(self, session: Session, name_of: Callable[[Take], str], parent: QObject) -> None:
        super().__init__(parent)
        self._session, self._name_of = session, name_of

    def start(self, number: int, source: QWidget, picture: QPixmap) -> None:
        """Drag a take until it is dropped, seen as a picture; the window goes on meanwhile."""
        take = self._session.state.takes.numbered(number)
        if take is None:
            return
        try:
            path = copy_to_drag(take, self._name_of(take))
        except OSError as error:
            self._session.refuse_take(
                f"Take {number} can't be dragged out: {error.strerror or error}. Save it instead."
            )
            return
        drag = QDrag(source)
        drag.setMimeData(drag_data(path))
        drag.setPixmap(picture)
        drag.exec(Qt.DropAction.CopyAction)
