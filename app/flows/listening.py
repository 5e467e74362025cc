"""The way of a take to the player: block by block while it is made, whole once it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer, Slot

from app.session import Session
from app.session.takes import Making

if TYPE_CHECKING:
    from app.session.player import Playable
    from app.session.state import State
    from app.session.tasks.generating import MadeTake
    from distill_core.generation.request import SoundBlock


class Listening(QObject):
    """Plays a take that was asked for while it is made, and shows one that was not."""

    def __init__(self, session: Session, parent: QObject) -> None:
        super().__init__(parent)
        self._session = session
        self._streamed: Making | None = None
        session.sound_block.connect(self._on_block)
        session.take_made.connect(self._on_made)
        session.take_read.connect(self._on_read)
        session.state_changed.connect(self._on_state)

    @Slot(object)
    def _on_block(self, block: SoundBlock) -> None:
        making, player = self._session.state.takes.making, self._session.player
        if making is None or not making.is_aloud:
            return
        if self._streamed is not making:
            self._streamed = making
            player.begin(making.title, block.sample_rate, making)
        player.feed(block.waveform_T.numpy())

    @Slot(object)
    def _on_made(self, made: MadeTake) -> None:
        player, was_streamed = self._session.player, self._streamed is made.making
        if was_streamed:
            self._streamed = None
            player.end(made.playable)
        elif made.making.is_aloud:
            self._play(made.playable)
        elif not player.is_playing:
            player.show(made.playable)

    @Slot(object)
    def _on_read(self, playable: Playable) -> None:
        self._play(playable)  # a take under way goes to the shelf unheard

    def _play(self, playable: Playable) -> None:
        self._session.player.show(playable)
        self._session.player.play()

    @Slot(object)
    def _on_state(self, state: State) -> None:
        if self._streamed is not None and state.takes.making is not self._streamed:
            QTimer.singleShot(0, self._give_up)  # unless it is finished: `take_made` follows upon the state

    @Slot()
    def _give_up(self) -> None:
        """Play no more of a take that will not be finished."""
        player = self._session.player
        if self._streamed is None or self._session.state.takes.making is self._streamed:
            return
        self._streamed, was_shown = None, player.is_streaming
        player.end(None)
        if was_shown:
            player.stop()
