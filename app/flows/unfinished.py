"""The ends of a training that was never saved: go on with it, train further, use its best, discard it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal, Slot
from PySide6.QtWidgets import QWidget

from app.flows import questions
from app.flows.saving import Saving
from app.session import Session
from app.session.activity import Subject
from app.session.available import ActionId, available
from app.session.losses import Act
from app.words import GOES_ON_WITH_ITS_SOUNDS, shown_name

if TYPE_CHECKING:
    from app.flows.prompts import Prompts
    from distill_core.audio.dataset import AudioDataset
    from distill_core.training.run_folder.facts import UnfinishedRun


def _come_from(dataset: AudioDataset, sounds: Sequence[Path]) -> bool:
    """Tell whether a dataset comes from exactly these places."""
    return {path.resolve() for path in dataset.sources} == {path.resolve() for path in sounds}


def _at_once(act: Callable[[], object]) -> None:
    """Do what loses nothing."""
    act()


class Unfinished(QObject):
    """Acts as far as the state allows, and asks first; if the training's sounds have moved, their chip says so.

    The signal `said(str)` carries a sentence for the status bar.
    """

    said = Signal(str)

    def __init__(self, session: Session, saving: Saving, prompts: Prompts, window: QWidget, parent: QObject) -> None:
        super().__init__(parent)
        self._session, self._saving = session, saving
        self._prompts, self._window = prompts, window
        self._waiting: tuple[ActionId, Callable[[], object]] | None = None  # for the sounds
        session.dataset_changed.connect(self._on_dataset)
        session.failed.connect(self._on_failed)

    def _can(self, action: ActionId) -> bool:
        return action in available(self._session.state)

    def go_on(self) -> None:
        """Go on with the training on its own sounds, which are scanned first unless they are open."""
        offered = self._session.state.open.offered
        if self._can(ActionId.CONTINUE) and offered is not None:
            settle = partial(self._saving.settle_unsaved, self._act())
            self._go_on(offered.sounds, offered.left_out, ActionId.CONTINUE, self._session.resume, settle)

    def train_further(self) -> None:
        """Go on from the end of the training that is not saved yet, on its own sounds."""
        if self._can(ActionId.TRAIN_FURTHER):
            former = self._session.state.training
            further = self._session.train_further
            self._go_on(former.sounds, former.sounds_left_out, ActionId.TRAIN_FURTHER, further, _at_once)

    def _act(self) -> Act:
        """Return what it is to go on with the training that is offered, or to take its best."""
        return Act.TRAIN if self._session.state.open.unfinished_model is None else Act.MAKE

    def _go_on(
        self,
        sounds: Sequence[Path],
        left_out: frozenset[str],
        action: ActionId,
        call: Callable[[], object],
        settle: Callable[[Callable[[], object]], object],
    ) -> None:
        """Do an action once `settle` lets it and its sounds are open, without those that it did without.

        The look-ups of their paths are on the window's thread: some microseconds each, but a share that no longer
        answers holds the window up.
        """
        opened = self._session.state.open
        dataset = opened.dataset
        gone = next((path for path in sounds if not path.exists()), None)

        def on_these() -> None:
            if not self._can(action):
                return
            if gone is None and opened.left_out != left_out:
                self.said.emit(GOES_ON_WITH_ITS_SOUNDS)
            self._session.set_left_out(left_out)
            call()

        def on_its_own() -> None:
            if self._can(action):
                self._waiting = (action, call)
                self._session.open_dataset(*sounds, left_out=left_out)

        if dataset is not None and (gone is not None or _come_from(dataset, sounds)):
            settle(on_these)
        elif gone is None:
            settle(on_its_own)
        else:
            moved = f"“{shown_name(gone)}” has moved. Choose it again, then continue."
            self._session.refuse(sounds=moved)

    def forget(self) -> None:
        """Stop waiting for sounds: the person asked for something else."""
        self._waiting = None

    def use_best(self) -> None:
        """Take the best of the training: a prior, to be saved, or a model, which is saved."""
        if self._can(ActionId.USE_BEST):
            self._saving.settle_unsaved(self._act(), self._use_best)

    def _use_best(self) -> None:
        if self._can(ActionId.USE_BEST):  # still, after the questions
            self._session.use_best()

    def discard(self) -> None:
        """Ask, then discard the training."""
        offered = self._session.state.open.offered
        if self._can(ActionId.DISCARD) and offered is not None:
            self._prompts.ask(self._window, questions.discard_unfinished(offered), partial(self._on_discard, offered))

    def _on_discard(self, asked: UnfinishedRun, answer: str) -> None:
        if answer == "discard" and self._can(ActionId.DISCARD) and self._session.state.open.offered == asked:
            self._session.discard_unfinished()

    @Slot(object)
    def _on_dataset(self, dataset: object) -> None:
        waited, self._waiting = self._waiting, None
        if waited is not None and self._can(waited[0]):
            waited[1]()

    @Slot(object, object)
    def _on_failed(self, subject: Subject, problem: object) -> None:
        if subject is Subject.SOUNDS:
            self._waiting = None
