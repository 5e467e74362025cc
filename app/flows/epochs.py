"""The commands on the kept epochs of a training, between a click and the Session."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Slot

from app.presentation import epochs
from app.session import Session

if TYPE_CHECKING:
    from app.session.slots import Playable
    from app.session.tasks.comparing import MadeEpochTake
    from distill_core.training.prior.events import Keep


class Epochs(QObject):
    """Compares kept epochs and plays their takes: one that is made at once, another as soon as it is."""

    def __init__(self, session: Session, parent: QObject) -> None:
        super().__init__(parent)
        self._session, self._player = session, session.player
        self._wanted: Keep | None = None
        session.epoch_take_made.connect(self._on_made)
        self._player.changed.connect(self._on_player)

    @property
    def playing(self) -> Keep | None:
        """The epoch whose take plays."""
        if not self._player.is_playing:
            return None
        return epochs.playing_of(self._session.state, self._player.playable)

    def compare(self) -> None:
        """Make the takes of all kept epochs, or once they are made those of another seed."""
        if epochs.look_of(self._session.state) is not None:
            self._session.compare_epochs(anew=epochs.all_are_made(self._session.state))

    def play(self, which: Keep) -> None:
        """Play the take of a kept epoch, or stop it; make it first if need be."""
        if self.playing is which:
            self._player.stop()
        elif (take := epochs.take_of(self._session.state, which)) is not None:
            self._play(take.playable)
        elif epochs.look_of(self._session.state) is not None:
            self._wanted = which
            self._session.make_epoch_takes([which])

    def _play(self, playable: Playable) -> None:
        self._wanted = None
        self._player.show(playable)
        self._player.play()

    @Slot(object)
    def _on_made(self, made: MadeEpochTake) -> None:
        if made.which is self._wanted:
            self._play(made.take.playable)

    @Slot()
    def _on_player(self) -> None:
        if self._player.is_playing:
            self._wanted = None  # something else was asked for meanwhile
