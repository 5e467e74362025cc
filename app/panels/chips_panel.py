"""The signal path: three chips, sounds ▸ model ▸ takes, and the two buttons of the drawer."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QUrl, Slot
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QWidget

from app.flows.commands import Commands
from app.presentation import cards
from app.session import Session
from app.session.available import ActionId, available
from app.session.state import Page, State
from app.theme import SPACE
from app.widgets.card.card import DropCard

if TYPE_CHECKING:
    from distill_core.events import JobProgress

_SPACE = 6


class ChipsPanel(QWidget):
    """Shows the open sounds, the model and its takes, takes clicks and drops, and shows refusals."""

    def __init__(self, session: Session, commands: Commands) -> None:
        super().__init__()
        self._session, self._commands = session, commands
        self.sounds_card = DropCard("soundsCard", "Sounds", "sounds", self)
        self.model_card = DropCard("modelCard", "Model", "model", self)
        self.takes_card = DropCard("takesCard", "Takes", "takes", self)
        self.inspect_button = _drawer_button("Inspect", "inspectButton", commands.show_inspect)
        self.options_button = _drawer_button("Options", "optionsButton", commands.show_options)
        self._lay_out()
        self._connect()
        self._on_state(session.state)

    def _lay_out(self) -> None:
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(_SPACE)
        row.addWidget(self.sounds_card, 4)
        row.addWidget(QLabel("▸"))
        row.addWidget(self.model_card, 4)
        row.addWidget(QLabel("▸"))
        row.addWidget(self.takes_card, 3)
        row.addWidget(self.inspect_button)
        row.addWidget(self.options_button)

    def _connect(self) -> None:
        commands = self._commands
        self.model_card.browse_requested.connect(commands.browse_model)
        self.sounds_card.browse_requested.connect(commands.browse_sounds)
        self.model_card.chosen.connect(partial(self._session.show_page, Page.LEARNING))
        self.sounds_card.chosen.connect(partial(self._session.show_page, Page.SOUNDS))
        self.takes_card.chosen.connect(partial(self._session.show_page, Page.TAKES))
        self.takes_card.browse_requested.connect(partial(self._session.show_page, Page.TAKES))
        self.sounds_card.link_activated.connect(self._on_link)
        for card in (self.sounds_card, self.model_card, self.takes_card):
            card.dragged.connect(self.show_drag)
            card.drag_left.connect(self.end_drag)
            card.drag_refused.connect(commands.refuse_drag)
        self.sounds_card.dropped.connect(partial(commands.take_drop, target="sounds"))
        self.model_card.dropped.connect(partial(commands.take_drop, target="model"))
        self.takes_card.dropped.connect(partial(commands.take_drop, target="window"))
        self._session.state_changed.connect(self._on_state)
        self._session.progress.connect(self._on_progress)

    @Slot(object)
    def show_drag(self, urls: Sequence[QUrl]) -> None:
        """Show where each of the files that are held over the window would go."""
        looks = self._commands.drag.looks(urls)
        self.model_card.set_drag_state(looks.model)
        self.sounds_card.set_drag_state(looks.sounds)

    @Slot()
    def end_drag(self) -> None:
        """Take the usual look again."""
        for card in (self.model_card, self.sounds_card):
            card.set_drag_state("none")

    @Slot(object)
    def _on_state(self, state: State) -> None:
        actions, reason = available(state), self._commands.locked_text()
        self.model_card.set_locked(ActionId.OPEN_MODEL not in actions, reason)
        self.sounds_card.set_locked(ActionId.CHOOSE_SOUNDS not in actions, reason)
        self.model_card.show_look(cards.model_card(state), cards.model_refusal(state))
        self.sounds_card.show_look(cards.sounds_card(state), cards.sounds_refusal(state))
        self.takes_card.show_look(cards.takes_card(state), "")
        pages = {Page.SOUNDS: self.sounds_card, Page.LEARNING: self.model_card, Page.TAKES: self.takes_card}
        for page, card in pages.items():
            card.set_current(page is state.page and not state.open.is_empty)

    @Slot(object)
    def _on_progress(self, progress: JobProgress) -> None:
        if look := cards.sounds_progress(progress):
            self.sounds_card.show_look(look, "")

    @Slot(str)
    def _on_link(self, link: str) -> None:
        if link == cards.CANCEL:
            self._commands.stop()

    @Slot(str)
    def show_drawer(self, shown: str) -> None:
        """Press the button of the side that the drawer shows: "inspect" or "options"; the others have none."""
        self.inspect_button.setChecked(shown == "inspect")
        self.options_button.setChecked(shown == "options")


def _drawer_button(text: str, name: str, on_click: object) -> QPushButton:
    button = QPushButton(text)
    button.setObjectName(name)
    button.setCheckable(True)
    button.setFlat(True)
    button.setMinimumSize(button.fontMetrics().horizontalAdvance(text) + 2 * SPACE, 30)
    button.setAutoDefault(True)  # Enter clicks it
    button.clicked.connect(on_click)
    return button
