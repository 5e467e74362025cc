"""The Copies tab: whether what the model makes are copies, of which sounds, and on what grounds."""

from __future__ import annotations

from datetime import datetime

from PySide6.QtCore import Qt, QTimer, Signal, Slot
from PySide6.QtGui import QHideEvent, QPalette, QShowEvent
from PySide6.QtWidgets import (
    QButtonGroup,
    QFrame,
    QLabel,
    QProgressBar,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from app.flows.commands import Commands
from app.presentation import copies as words
from app.session import Session
from app.session.evidence import Part
from app.session.state import State
from app.theme import SPACE, TARGET, TIGHT, WIDE
from app.widgets.copies.bars import SoundBars
from app.widgets.copies.cells import AgreementCells
from app.widgets.facts.fact_list import FactLabel, FactList
from app.widgets.fold import Fold
from app.widgets.short_button import ShortButton
from app.widgets.wrapping_row import WrappingRow

_NUMBERS = "copyNumbers"
_BAR_HEIGHT = 8


def _heading(text: str = "") -> FactLabel:
    label = FactLabel(text)
    font = label.font()
    font.setBold(True)
    label.setFont(font)
    return label


def _beside() -> QLabel:
    """Return a label for a sentence beside those that count."""
    label = QLabel()
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setWordWrap(True)
    label.setForegroundRole(QPalette.ColorRole.PlaceholderText)
    return label


def _bar() -> QProgressBar:
    bar = QProgressBar()
    bar.setTextVisible(False)
    bar.setFixedHeight(_BAR_HEIGHT)
    return bar


def _button(name: str, text: str = "") -> QPushButton:
    button = QPushButton(text)
    button.setObjectName(name)
    button.setMinimumHeight(TARGET)
    button.setAutoDefault(True)  # Enter clicks it
    return button


class _Section(QWidget):
    """Parts below one another."""

    def __init__(self, *parts: QWidget) -> None:
        super().__init__()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(TIGHT + 2)
        for part in parts:
            kept = Qt.AlignmentFlag.AlignLeft if isinstance(part, QPushButton) else Qt.AlignmentFlag(0)
            column.addWidget(part, 0, kept)


def _show_text(label: FactLabel | QLabel, text: str) -> None:
    """Show a text, and no empty line for none."""
    if isinstance(label, FactLabel):
        label.set_whole_text(text)
    else:
        label.setText(text)
    label.setVisible(bool(text))


def _show_progress(bar: QProgressBar, progress: tuple[int, int] | None) -> None:
    """Show done of a total; of an unknown one the bar runs."""
    bar.setVisible(progress is not None)
    if progress is not None:
        done, total = progress
        bar.setRange(0, total)
        bar.setValue(min(done, total))


class ModelCheck(_Section):
    """The audit: its verdict, its grounds, its button, and its progress. `clicked(str)` has what the button does."""

    clicked = Signal(str)

    def __init__(self) -> None:
        self.verdict, self.grounds, self.detail = _heading(), FactLabel(""), _beside()
        self.bar, self.button, self.problem = _bar(), _button("checkCopiesButton"), FactLabel("")
        self.verdict.setObjectName("copiesVerdict")
        self.bar.setAccessibleName("Progress of the check")
        super().__init__(self.verdict, self.grounds, self.detail, self.bar, self.button, self.problem)
        self._does = ""
        self.button.clicked.connect(lambda: self.clicked.emit(self._does))

    def show_look(self, look: words.CheckLook, problem: str) -> None:
        """Show a look of the audit, and what failed."""
        self._does = look.does
        _show_text(self.verdict, look.verdict)
        _show_text(self.grounds, look.grounds)
        _show_text(self.detail, look.detail)
        _show_text(self.problem, problem)
        _show_progress(self.bar, look.progress)
        self.button.setText(look.button)
        self.button.setToolTip(look.tip)
        self.button.setEnabled(look.is_enabled)
        self.button.setVisible(bool(look.button))


class Leaning(_Section):
    """The chart of the sounds that samples lie near to."""

    def __init__(self) -> None:
        self.sentence, self.bars, self.more = _beside(), SoundBars(), _beside()
        super().__init__(_heading("Which sounds it leans on"), self.sentence, self.bars, self.more)

    def show_look(self, look: words.BarsLook | None) -> None:
        """Show the chart; None is none."""
        self.setVisible(look is not None)
        if look is not None:
            self.sentence.setText(look.sentence)
            self.bars.show_bars(look.bars)
            _show_text(self.more, look.more)


class TakeGrounds(_Section):
    """The chosen take: its verdict, both sides to be heard, the cells and the numbers. `hear_wanted(str)`: a side."""

    hear_wanted = Signal(str)

    def __init__(self) -> None:
        self.title, self.sentence, self.note = _heading(), FactLabel(""), _beside()
        self.sentence.setObjectName("takeVerdict")
        self.buttons: dict[Part, QPushButton] = {
            "take": _button("hearTakeButton", "A: Take"),
            "sound": _button("hearNearestButton", "B: Nearest Sound"),
        }
        self.both, self.cells, self.legend = WrappingRow(), AgreementCells(), _beside()
        self.numbers = FactList("")
        self.fold = Fold("Numbers", self.numbers, "copyNumbersButton")
        self._fill_row()
        super().__init__(self.title, self.sentence, self.both, self.note, self.cells, self.legend, self.fold)

    def _fill_row(self) -> None:
        self._group = QButtonGroup(self.both)
        self._group.setExclusive(False)  # neither is heard at first
        for part, button in self.buttons.items():
            button.setCheckable(True)
            button.clicked.connect(lambda _, part=part: self.hear_wanted.emit(part))
        self.buttons["take"].setToolTip("Play this part of the take; Ctrl+B goes from the one to the other")
        self.buttons["sound"].setToolTip(
            "Play the moment it is nearest to, as it was learned and as loud as the take; Ctrl+B goes back"
        )
        self.both.place([*self.buttons.values()], breaks_at=1, stretched=1)

    def show_look(self, look: words.TakeLook | None) -> None:
        """Show a look of the chosen take; None if there can be none."""
        self.setVisible(look is not None)
        if look is None:
            return
        self.title.set_whole_text(look.title)
        self.sentence.set_whole_text(look.sentence)
        self.both.setVisible(look.can_compare)
        for part in (self.cells, self.legend, self.fold):
            part.setVisible(look.grid is not None)
        if look.grid is not None:
            self.cells.show_grid(look.grid, f"{look.grid_words} {look.legend}")
            self.legend.setText(f"{look.grid_words} {look.legend}")
        if self.numbers.rows() != [*look.numbers]:
            self.numbers.show_rows([*look.numbers])

    def show_heard(self, at: Part | None, note: str) -> None:
        """Show which side the player is at, and what is being read."""
        for part, button in self.buttons.items():
            button.setChecked(part == at)
        _show_text(self.note, note)


class Proof(_Section):
    """The proof that the take depends on a sound. `wanted()` begins it, `cancelled()` ends it."""

    wanted = Signal()
    cancelled = Signal()

    def __init__(self) -> None:
        self.button, self.words, self.bar = ShortButton(), _beside(), _bar()
        self.button.setObjectName("proveButton")
        self.button.setMinimumHeight(TARGET)
        self.button.setAutoDefault(True)
        self.cancel = _button("cancelProofButton", "Cancel")
        self.finding = FactLabel("")
        self.finding.setObjectName("proofSentence")
        self.bar.setAccessibleName("Progress of the proof")
        super().__init__(self.finding, self.button, self.words, self.bar, self.cancel)
        self.button.clicked.connect(self.wanted)
        self.cancel.clicked.connect(self.cancelled)

    def show_look(self, look: words.ProofLook | None) -> None:
        """Show a look of the proof; None if there is nothing to prove."""
        self.setVisible(look is not None)
        if look is None:
            return
        self.button.set_words(look.button, look.short)
        self.button.setToolTip(look.tip)
        self.button.setEnabled(look.is_enabled)
        self._show_button(is_running=look.is_running)
        _show_text(self.words, look.words)
        _show_text(self.finding, look.sentence)
        _show_progress(self.bar, look.progress if look.is_running else None)

    def _show_button(self, *, is_running: bool) -> None:
        """Show the button that begins, or the one that ends, in place of the other, whose focus it takes over."""
        shown, former = (self.cancel, self.button) if is_running else (self.button, self.cancel)
        shown.show()
        if former.hasFocus():
            shown.setFocus()
        former.hide()


class CopiesPanel(QWidget):
    """Follows the Session; it asks for the evidence of the chosen take only while it is seen."""

    def __init__(self, session: Session, commands: Commands) -> None:
        super().__init__()
        self.setObjectName("copiesPanel")
        self.setAccessibleName("Copies")
        self.setAutoFillBackground(True)  # one ground for all of the tab
        self._session, self._commands, self._flow = session, commands, commands.copies
        self.model, self.leaning, self.take, self.proof = ModelCheck(), Leaning(), TakeGrounds(), Proof()
        self.take.fold.set_open(session.settings.is_unfolded(_NUMBERS))
        self._is_seen, self._chosen, self._turning_to = False, 0, 0
        self._lay_out()
        self._connect()
        self._on_state(session.state)

    def _lay_out(self) -> None:
        content = QWidget()
        column = QVBoxLayout(content)
        column.setSpacing(WIDE)
        for part in (self.model, self.leaning, self.take, self.proof):
            column.addWidget(part)
        column.addStretch(1)
        self.area = QScrollArea()
        self.area.setWidgetResizable(True)
        self.area.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # what is in it has the focus
        self.area.setFrameShape(QFrame.Shape.NoFrame)
        self.area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.area.setWidget(content)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.area)

    def _connect(self) -> None:
        self.model.clicked.connect(self._on_model_clicked)
        self.leaning.bars.chosen.connect(self._flow.play_sound)
        self.take.hear_wanted.connect(self._flow.hear)
        self.take.fold.turned.connect(self._on_numbers_turned)
        self.proof.wanted.connect(self._flow.prove)
        self.proof.cancelled.connect(self._session.stop_proof)
        self._flow.changed.connect(self._on_heard)
        self._session.state_changed.connect(self._on_state)

    def showEvent(self, event: QShowEvent) -> None:
        """Show what is known now, and ask for the evidence of the chosen take."""
        super().showEvent(event)
        self._show(self._session.state)
        self._is_seen = True

    def hideEvent(self, event: QHideEvent) -> None:
        """Ask for no evidence any more."""
        super().hideEvent(event)
        self._is_seen = False
        self._session.show_evidence(0)

    @Slot(object)
    def _on_state(self, state: State) -> None:
        if self._is_seen:
            self._show(state)

    def _show(self, state: State) -> None:
        self.model.show_look(words.check_look(state, datetime.now().astimezone()), state.copying.problem)
        self.take.show_look(words.take_look(state))
        self.proof.show_look(words.proof_look(state, self._session.proof_estimate()))
        self._on_heard()
        self._turn_to_chosen(state)
        take = state.takes.chosen_take
        is_asked = take is not None and words.is_by_present(state, take)
        self._session.show_evidence(take.number if take is not None and is_asked else 0)

    def _turn_to_chosen(self, state: State) -> None:
        """Have a take that is chosen while the tab is seen come into sight, and once more with its grounds."""
        chosen = state.takes.chosen
        is_new = self._is_seen and chosen not in (0, self._chosen)
        has_grounds = not self.take.cells.isHidden()
        if is_new or (has_grounds and self._turning_to == chosen):
            QTimer.singleShot(0, self._scroll_to_take)  # once it has its size
            self._turning_to = 0 if has_grounds else chosen
        self._chosen = chosen

    @Slot()
    def _scroll_to_take(self) -> None:
        self.area.verticalScrollBar().setValue(self.take.y() - SPACE)

    @Slot()
    def _on_heard(self) -> None:
        self.leaning.show_look(words.bars_look(self._session.state, self._flow.playing))
        self.take.show_heard(self._flow.at, self._flow.note)

    @Slot(str)
    def _on_model_clicked(self, does: str) -> None:
        match does:
            case "audit":
                self._commands.takes.check_for_copies()
            case "stop":
                self._commands.takes.stop_checking()
            case "sounds":
                self._commands.browse_sounds()

    @Slot(bool)
    def _on_numbers_turned(self, is_open: bool) -> None:
        self._session.settings.set_unfolded(_NUMBERS, is_open)
