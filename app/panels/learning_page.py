"""The page of the stage on which one sees how well a training learns: the curve."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QPoint, Slot
from PySide6.QtWidgets import QMenu, QSizePolicy, QVBoxLayout

from app.flows.commands import Commands
from app.presentation import copying, generating, learning
from app.session import Session
from app.session.state import State
from app.widgets.facts import model_facts
from app.widgets.page import PageWidget
from app.widgets.plot.curve import CurveLines
from app.widgets.plot.plot import PerplexityPlot
from app.widgets.sentence import Sentence

if TYPE_CHECKING:
    from distill_core.models.summary import ModelSummary
    from distill_core.training.events import StepMetrics


def _line(name: str) -> Sentence:
    """Return a line of words, which takes its room also without any: the curve must not move."""
    line = Sentence()
    line.setObjectName(name)
    line.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
    return line


class LearningPage(PageWidget):
    """Shows the curve of a training, or the one in the model's file; a click on an epoch offers to hear and keep it.

    Below it stand two verdicts: on how the prior learned, and on whether what it makes are copies.
    """

    def __init__(self, session: Session, commands: Commands) -> None:
        super().__init__()
        self.setObjectName("learningPage")
        self._session, self._commands = session, commands
        self._saved: ModelSummary | None = None
        self.plot = PerplexityPlot()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.plot, 1)
        self.learning_line, self.takes_line = _line("learningLine"), _line("takesLine")
        column.addWidget(self.learning_line)
        column.addWidget(self.takes_line)
        self.begins_at = self.plot
        session.state_changed.connect(self._on_state)
        session.step_finished.connect(self._on_step)
        self.plot.epoch_chosen.connect(self._on_epoch_chosen)
        self._on_state(session.state)

    @Slot(object)
    def _on_state(self, state: State) -> None:
        shown = learning.shown_curve(state)
        self.plot.show_empty_words(shown.empty_words)
        if shown.saved is None:
            self.plot.follow(shown.lines, shown.epochs)
        elif shown.saved is not self._saved:
            self._show_saved(shown.saved)
        self._saved = shown.saved
        if not state.is_training:
            self.plot.catch_up()
        self.learning_line.setText(copying.learning_line(state))
        self.takes_line.setText(copying.takes_line(state))

    def _show_saved(self, model: ModelSummary) -> None:
        curve = model_facts.saved_curve(model)
        if curve is None:
            self.plot.follow(CurveLines(), ())
            return
        unigram = model.unigram_perplexity
        self.plot.show_saved(curve.epochs, curve.val_losses, curve.train_losses, curve.best_epoch, unigram)

    @Slot(object)
    def _on_step(self, step: StepMetrics) -> None:
        self.plot.add_step(step)

    @Slot(int, QPoint)
    def _on_epoch_chosen(self, epoch: int, where: QPoint) -> None:
        menu = self.epoch_menu(epoch)
        menu.aboutToHide.connect(menu.deleteLater)
        menu.popup(where)

    def epoch_menu(self, epoch: int) -> QMenu:
        """Return the menu of an epoch of the curve: it is heard, and it is kept, if its weights still are."""
        state, menu = self._session.state, QMenu(self)
        if not generating.can_hear(state, epoch):
            menu.addAction(generating.not_kept_words(state, epoch)).setEnabled(False)
            return menu
        hear = menu.addAction(f"&Hear Epoch {epoch}")
        hear.triggered.connect(lambda: self._commands.takes.listen_to_epoch(epoch))
        if (keep := generating.keep_action(state, epoch)) is not None:
            menu.addAction(f"&Keep Epoch {epoch}").triggered.connect(lambda: self._commands.keep(keep))
        return menu
