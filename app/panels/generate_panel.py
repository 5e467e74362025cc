"""The row that makes a take: its button, its length, its variety, the sound it starts from, its seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QSignalBlocker, Qt, QUrl, Slot
from PySide6.QtWidgets import QCheckBox, QDoubleSpinBox, QPushButton, QSpinBox, QToolButton

from app.flows.commands import Commands
from app.presentation import generating
from app.session import Session
from app.session.state import State
from app.session.takes import LARGEST_SEED, LEAST_VARIETY, MOST_VARIETY
from app.session.voice import can_end
from app.theme import height_for, set_primary
from app.widgets.sound.start_from import StartFrom
from app.widgets.tips import set_tip
from app.widgets.wrapping_row import WrappingRow
from distill_core.generation.request import LONGEST_S, PromptMode

if TYPE_CHECKING:
    from distill_core.events import JobProgress

_HEIGHT, _BUTTON_WIDTH, _SPIN_BUTTONS = 30, 104, 32
_USUAL_SEED = "Seed 99999"
_VARIETY_TIP = "How far it strays: 1 is the variety of your sounds, less is safer, more is wilder"
_LENGTH_TIP = "The length of a take; with “One sound” the most that it may have"
_SEED_TIP = "Chooses the take: the same seed and settings give the same sound"
_RENEW_TIP = "A new seed for each take; switched off, the seed stays"


class GeneratePanel(WrappingRow):
    """Takes the choices for the next take, and asks for it."""

    def __init__(self, session: Session, commands: Commands) -> None:
        super().__init__()
        self._session, self._commands = session, commands
        self.setObjectName("generatePanel")
        self.button = QPushButton(generating.GENERATE)
        self.button.setObjectName("generateButton")
        self.button.setMinimumWidth(max(_BUTTON_WIDTH, self.button.sizeHint().width()))
        self.button.setAutoDefault(True)
        self.length = _number("Length ", " s", 0.1, LONGEST_S, 0.5, _LENGTH_TIP)
        self.length.setDecimals(1)
        self.one_sound = QCheckBox("One &sound")
        self.variety = _number("Variety ", "", LEAST_VARIETY, MOST_VARIETY, 0.05, _VARIETY_TIP)
        self.start = StartFrom([(mode.value, text) for mode, text in generating.START_WORDS.items()])
        self.seed = QSpinBox()
        self.seed.setPrefix("Seed ")
        self.seed.setRange(0, LARGEST_SEED)
        self.seed.setAccessibleName("Seed")
        set_tip(self.seed, _SEED_TIP)
        usual = self.fontMetrics().horizontalAdvance(_USUAL_SEED) + _SPIN_BUTTONS
        self.seed.setMinimumWidth(usual)  # the largest seed is seldom seen
        self.seed.setMaximumWidth(max(150, usual))
        self.renew = QToolButton()
        self.renew.setText("⟳")
        self.renew.setCheckable(True)
        self.renew.setAccessibleName("A new seed for each take")
        set_tip(self.renew, _RENEW_TIP)
        self._lay_out()
        self._connect()
        self._on_state(session.state)

    def _lay_out(self) -> None:
        widgets = (self.button, self.length, self.one_sound, self.variety, self.start, self.seed, self.renew)
        for widget in widgets:
            widget.setMinimumHeight(height_for(widget, _HEIGHT))
        self.place(widgets, breaks_at=widgets.index(self.start), stretched=widgets.index(self.start))
        self.renew.setMinimumWidth(height_for(self.renew, _HEIGHT))

    def _connect(self) -> None:
        takes = self._commands.takes
        self.button.clicked.connect(takes.generate_or_cancel)
        self.length.valueChanged.connect(lambda value: self._change(seconds=round(value, 1)))
        self.one_sound.toggled.connect(lambda is_on: self._change(one_sound=is_on))
        self.variety.valueChanged.connect(lambda value: self._change(variety=round(value, 2)))
        self.seed.valueChanged.connect(lambda seed: self._change(seed=seed, holds_seed=True))
        self.renew.toggled.connect(lambda is_on: self._change(holds_seed=not is_on))
        self.start.choose_wanted.connect(takes.choose_start)
        self.start.nothing_wanted.connect(lambda: self._change(start=None))
        self.start.mode_wanted.connect(lambda mode: self._change(mode=PromptMode(mode)))
        self.start.dropped.connect(self._on_dropped)
        self.start.can_accept = takes.can_start_from
        self._session.state_changed.connect(self._on_state)
        self._session.take_progress.connect(self._on_progress)

    def _change(self, **changes: Any) -> None:
        self._session.set_take_options(replace(self._session.state.takes.options, **changes))

    @Slot(object)
    def _on_dropped(self, urls: Sequence[QUrl]) -> None:
        self._commands.takes.start_from(urls)

    @Slot(object)
    def _on_state(self, state: State) -> None:
        self._show_button(state)
        self._show_values(state)
        for widget in (self.length, self.variety, self.seed, self.renew):
            widget.setEnabled(generating.has_choices(state))
        self.one_sound.setEnabled(can_end(state) or state.is_training)
        set_tip(self.one_sound, generating.end_tip(state))
        look, options = generating.start(state), state.takes.options
        has_sound = options.start is not None
        self.start.show_look(look.text, look.tip, options.mode, is_enabled=look.is_enabled, has_sound=has_sound)

    def _show_button(self, state: State) -> None:
        look = generating.generate_button(state)
        if not (generating.is_cancellable(state) and self.button.text().startswith(generating.CANCEL)):
            self.button.setText(look.text)  # else the progress stays
        self.button.setEnabled(look.is_enabled)
        set_tip(self.button, generating.generate_tip(state))
        set_primary(self.button, look.is_primary)

    def _show_values(self, state: State) -> None:
        options = state.takes.options
        _show(self.length, options.seconds)
        _show(self.variety, options.variety)
        _show(self.seed, options.seed)
        for box, is_on in ((self.one_sound, options.one_sound), (self.renew, not options.holds_seed)):
            with QSignalBlocker(box):
                box.setChecked(is_on)

    @Slot(object)
    def _on_progress(self, progress: JobProgress) -> None:
        if generating.is_cancellable(self._session.state):
            self.button.setText(generating.progress_text(progress))


def _number(prefix: str, suffix: str, least: float, most: float, step: float, tip: str) -> QDoubleSpinBox:
    box = QDoubleSpinBox()
    box.setPrefix(prefix)
    box.setSuffix(suffix)
    box.setRange(least, most)
    box.setSingleStep(step)
    box.setAccessibleName(prefix.strip())
    set_tip(box, tip)
    box.setAlignment(Qt.AlignmentFlag.AlignLeft)
    return box


def _show(box: QDoubleSpinBox | QSpinBox, value: float) -> None:
    """Show a value, unless it is there: writing it anew would move the cursor."""
    with QSignalBlocker(box):
        if isinstance(box, QSpinBox):
            if box.value() != int(value):
                box.setValue(int(value))
        elif abs(box.value() - value) > 1e-6:
            box.setValue(value)
