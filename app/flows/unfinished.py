"""What can be done about a training that was never saved: go on with it, use its best prior, give it up."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal, Slot

from app.flows.drops import Refusal
from app.session import Session
from app.session.state import ActionId, available
from app.words import shown_name

if TYPE_CHECKING:
    from distill_core.audio.dataset import AudioDataset


def _come_from(dataset: AudioDataset, sounds: Sequence[Path]) -> bool:
    """Tell whether sounds were looked for in just these places."""
    return {path.resolve() for path in dataset.sources} == {path.resolve() for path in sounds}


class Unfinished(QObject):
    """Goes on as far as the state allows; `refused(tuple[Refusal, ...])` where the sounds are gone."""

    refused = Signal(object)

    def __init__(self, session: Session, parent: QObject) -> None:
        super().__init__(parent)
        self._session = session
        self._waits_for_sounds = False
        session.dataset_changed.connect(self._on_dataset)
        session.failed.connect(self._on_failed)

    def _can(self, action: ActionId) -> bool:
        return action in available(self._session.state)

    def go_on(self) -> None:
        """Go on with the training, on the sounds that it had; they are scanned first if need be."""
        state = self._session.state
        if not self._can(ActionId.CONTINUE) or state.unfinished is None:
            return
        sounds, dataset = state.unfinished.sounds, state.dataset
        gone = next((path for path in sounds if not path.exists()), None)
        if dataset is not None and (gone is not None or _come_from(dataset, sounds)):
            self._session.resume()
        elif gone is None:
            self._waits_for_sounds = True
            self._session.open_dataset(*sounds)
        else:
            moved = f"“{shown_name(gone)}” has moved. Choose it again, then continue."
            self.refused.emit((Refusal("sounds", moved),))

    def forget(self) -> None:
        """Wait for no sounds any more: the person asked for something else."""
        self._waits_for_sounds = False

    def use_best(self) -> None:
        """Take the best prior that it found, to be saved."""
        if self._can(ActionId.USE_BEST):
            self._session.use_best()

    def discard(self) -> None:
        """Give it up."""
        if self._can(ActionId.DISCARD):
            self._session.discard_unfinished()

    @Slot(object)
    def _on_dataset(self, dataset: object) -> None:
        waited, self._waits_for_sounds = self._waits_for_sounds, False
        if waited and self._can(ActionId.CONTINUE):
            self._session.resume()

    @Slot(str, object)
    def _on_failed(self, job: str, problem: object) -> None:
        if job == "sounds":
            self._waits_for_sounds = False
