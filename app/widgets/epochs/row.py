"""The row of the kept epochs, looser to closer."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from app.theme import TARGET, TIGHT, height_for
from app.widgets.epochs.card import EpochCard
from app.widgets.epochs.look import EpochsLook
from app.widgets.tips import set_tip
from app.words import on_button

HEADING = "Looser ↔ Closer"
MOST_EPOCHS = 3
_HEIGHT = 48


class EpochsRow(QWidget):
    """Shows the epochs of a training that are kept.

    Signals: `compare_wanted()` asks for the takes of all; `play_wanted(id)` and `keep_wanted(id)` are those of a card.
    """

    compare_wanted = Signal()
    play_wanted = Signal(object)
    keep_wanted = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("epochsRow")
        self.setAccessibleName(HEADING)
        self.heading, self.button = QLabel(HEADING), QPushButton()
        self.button.setObjectName("compareEpochsButton")
        self.button.setAutoDefault(True)
        self.button.clicked.connect(self.compare_wanted)
        self.cards = [EpochCard() for _ in range(MOST_EPOCHS)]
        for card in self.cards:
            card.play_wanted.connect(self.play_wanted)
            card.keep_wanted.connect(self.keep_wanted)
        self._lay_out()

    def _lay_out(self) -> None:
        self.heading.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.button.setFixedHeight(height_for(self.button, TARGET))
        first = QVBoxLayout()
        first.setSpacing(0)
        first.addWidget(self.heading)
        first.addWidget(self.button)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, TIGHT, 0, 0)
        row.setSpacing(TIGHT)
        row.addLayout(first)
        for card in self.cards:
            row.addWidget(card, 1)
        self.setFixedHeight(height_for(self, _HEIGHT, lines=2) + TIGHT)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)

    def show_look(self, look: EpochsLook, playing: object = None) -> None:
        """Show the epochs, and which of their takes plays."""
        self.button.setText(on_button(look.button))
        set_tip(self.button, look.tip)
        for place, card in enumerate(self.cards):
            card.setVisible(place < len(look.cards))
            if place < len(look.cards):
                card.show_look(look.cards[place], is_playing=look.cards[place].id == playing)

    def card_of(self, which: object) -> EpochCard:
        """Return the card of an epoch.

        Raises:
            ValueError: none shows it.
        """
        return self.cards[[card.id for card in self.cards].index(which)]
