"""The page of the stage on which one sees how well a training learns: the curve."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QPoint, Slot
from PySide6.QtWidgets import QMenu, QVBoxLayout, QWidget

from app.flows.commands import Commands
from app.presentation import generating
from app.session import Session
from app.widgets.plot.plot import PerplexityPlot
from distill_core.training.prior.words import agreement_words

if TYPE_CHECKING:
    from distill_core.models.summary import ModelSummary
    from distill_core.training.prior.events import PriorEpochMetrics, PriorTrainingStartEvent


class LearningPage(QWidget):
    """Shows the curve of a training; a click on an epoch offers to hear and to keep it."""

    def __init__(self, session: Session, commands: Commands) -> None:
        super().__init__()
        self.setObjectName("learningPage")
        self._session, self._commands = session, commands
        self.plot = PerplexityPlot()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.plot)
        session.model_changed.connect(self._on_model)
        session.training_started.connect(self._on_started)
        session.epoch_finished.connect(self._on_epoch)
        session.training_ended.connect(self._on_ended)
        self.plot.epoch_chosen.connect(self._on_epoch_chosen)

    @Slot(object)
    def _on_model(self, summary: ModelSummary) -> None:
        if self._session.state.training.trained is None:
            self.plot.clear()

    @Slot(object)
    def _on_started(self, event: PriorTrainingStartEvent) -> None:
        agreement = agreement_words(event.sibling_agreement)
        note = f"{agreement}." if agreement else ""
        self.plot.start(event.total_epochs, event.unigram_perplexity, event.memorization_limit, note)

    @Slot(object)
    def _on_epoch(self, epoch: PriorEpochMetrics) -> None:
        self.plot.add_epoch(epoch)

    @Slot(object)
    def _on_ended(self, trained: object) -> None:
        self.plot.catch_up()

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
