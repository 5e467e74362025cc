"""The three ends of a training that was never saved: go on with it, use its best, discard it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Slot

from app.session import Session
from app.session.activity import Subject
from app.session.available import ActionId, available
from app.words import shown_name

if TYPE_CHECKING:
    from distill_core.audio.dataset import AudioDataset


def _come_from(dataset: AudioDataset, sounds: Sequence[Path]) -> bool:
    """Tell whether a dataset comes from exactly these places."""
    return {path.resolve() for path in dataset.sources} == {path.resolve() for path in sounds}


class Unfinished(QObject):
    """Acts as far as the state allows; if the training's sounds have moved, their card says so."""

    def __init__(self, session: Session, parent: QObject) -> None:
        super().__init__(parent)
        self._session = session
        self._waits_for_sounds = False
        session.dataset_changed.connect(self._on_dataset)
        session.failed.connect(self._on_failed)

    def _can(self, action: ActionId) -> bool:
        return action in available(self._session.state)

    def go_on(self) -> None:
        """Go on with the training on its own sounds, which are scanned first unless they are open.

        The look-ups of their paths are on the window's thread: some microseconds each, but a share that no longer
        answers holds the window up.
        """
        opened = self._session.state.open
        if not self._can(ActionId.CONTINUE) or opened.offered is None:
            return
        sounds, dataset = opened.offered.sounds, opened.dataset
        gone = next((path for path in sounds if not path.exists()), None)
        if dataset is not None and (gone is not None or _come_from(dataset, sounds)):
            self._session.resume()
        elif gone is None:
            self._waits_for_sounds = True
            self._session.open_dataset(*sounds)
        else:
            moved = f"“{shown_name(gone)}” has moved. Choose it again, then continue."
            self._session.refuse(sounds=moved)

    def forget(self) -> None:
        """Stop waiting for sounds: the person asked for something else."""
        self._waits_for_sounds = False

    def use_best(self) -> None:
        """Take the best of the training: a prior, to be saved, or a model, which is saved."""
        if self._can(ActionId.USE_BEST):
            self._session.use_best()

    def discard(self) -> None:
        """Discard the training."""
        if self._can(ActionId.DISCARD):
            self._session.discard_unfinished()

    @Slot(object)
    def _on_dataset(self, dataset: object) -> None:
        waited, self._waits_for_sounds = self._waits_for_sounds, False
        if waited and self._can(ActionId.CONTINUE):
            self._session.resume()

    @Slot(object, object)
    def _on_failed(self, subject: Subject, problem: object) -> None:
        if subject is Subject.SOUNDS:
            self._waits_for_sounds = False
