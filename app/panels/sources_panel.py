"""The two cards at the top: the model and the sounds."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import Slot
from PySide6.QtWidgets import QHBoxLayout, QWidget

from app.flows.commands import Commands
from app.flows.drops import can_accept
from app.presentation import cards
from app.session import Session
from app.session.available import ActionId, available
from app.session.state import State
from app.widgets.card.card import DropCard

if TYPE_CHECKING:
    from distill_core.events import JobProgress


class SourcesPanel(QWidget):
    """Shows the open model and sounds, takes clicks and drops, and shows refusals."""

    def __init__(self, session: Session, commands: Commands) -> None:
        super().__init__()
        self._commands = commands
        self.model_card = DropCard("modelCard", "Model", "model", self)
        self.sounds_card = DropCard("soundsCard", "Sounds", "sounds", self)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.model_card, 1)
        layout.addWidget(self.sounds_card, 1)
        self._connect_cards()
        session.state_changed.connect(self._on_state)
        session.progress.connect(self._on_progress)
        self._on_state(session.state)

    def set_compact(self, is_compact: bool) -> None:
        """Take less room."""
        for card in (self.model_card, self.sounds_card):
            card.set_compact(is_compact)

    def _connect_cards(self) -> None:
        self.model_card.browse_requested.connect(self._commands.browse_model)
        self.sounds_card.browse_requested.connect(self._commands.browse_sounds)
        self.model_card.dropped.connect(partial(self._commands.take_drop, target="model"))
        self.sounds_card.dropped.connect(partial(self._commands.take_drop, target="sounds"))
        self.sounds_card.link_activated.connect(self._on_link)
        self.model_card.can_accept = partial(can_accept, target="model")
        self.sounds_card.can_accept = partial(can_accept, target="sounds")
        for card in (self.model_card, self.sounds_card):
            card.drag_refused.connect(self._commands.refuse_drag)

    @Slot(object)
    def _on_state(self, state: State) -> None:
        actions = available(state)
        self.model_card.set_locked(ActionId.OPEN_MODEL not in actions, self._commands.locked_text())
        self.sounds_card.set_locked(ActionId.CHOOSE_SOUNDS not in actions, self._commands.locked_text())
        self.model_card.show_look(cards.model_card(state), cards.model_refusal(state))
        self.sounds_card.show_look(cards.sounds_card(state), cards.sounds_refusal(state))

    @Slot(object)
    def _on_progress(self, progress: JobProgress) -> None:
        if text := cards.sounds_progress(progress):
            self.sounds_card.show_busy(text, (cards.CANCEL, "Cancel"))

    @Slot(str)
    def _on_link(self, link: str) -> None:
        if link == cards.CANCEL:
            self._commands.stop()
        elif link == cards.SHOW_FILES:
            self._commands.show_files()
