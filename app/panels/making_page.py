"""The page of the stage on which one sees how a model is made: the curve of its error."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Slot
from PySide6.QtWidgets import QVBoxLayout

from app.presentation import making
from app.session import Session
from app.session.state import State
from app.widgets.page import PageWidget
from app.widgets.plot.error_plot import ErrorPlot

if TYPE_CHECKING:
    from distill_core.training.codec.events import CodecEpochMetrics, CodecTrainingStartEvent


class MakingPage(PageWidget):
    """Shows the error of the model under way, or of the one that was just made, and what it means."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.setObjectName("makingPage")
        self._session = session
        self.plot = ErrorPlot(making.ERROR_TITLE)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.plot)
        self.begins_at = self.plot
        session.state_changed.connect(self._on_state)
        session.making_started.connect(self._on_started)
        session.making_epoch.connect(self._on_epoch)
        session.making_ended.connect(self._on_ended)

    @Slot(object)
    def _on_state(self, state: State) -> None:
        """Drop the curve of another making at once: the next one tells of its start late, or never."""
        if self.plot.epoch_count and not state.making.epochs:
            self.plot.start(0, 0.0)

    @Slot(object)
    def _on_started(self, event: CodecTrainingStartEvent) -> None:
        self.plot.start(event.total_epochs, event.mean_frame_l1)

    @Slot(object)
    def _on_epoch(self, epoch: CodecEpochMetrics) -> None:
        self.plot.add_epoch(epoch)
        self.plot.set_words(making.curve_words(self._session.state.making))

    @Slot(object)
    def _on_ended(self, trained: object) -> None:
        self.plot.catch_up()
