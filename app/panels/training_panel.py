"""The curve, the banners, and the row with the button, the bar and the sentence."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Slot
from PySide6.QtWidgets import QHBoxLayout, QLabel, QProgressBar, QPushButton, QSplitter, QVBoxLayout, QWidget

from app import words
from app.flows.commands import Commands
from app.presentation import notices, status
from app.presentation.notices import Notice
from app.session import Session
from app.session.estimate import seconds_left
from app.session.problems import Problem
from app.session.state import KEEPING, ActionId, Activity, State, available
from app.theme import set_primary
from app.widgets.banner import Banner
from app.widgets.plot.plot import PerplexityPlot

if TYPE_CHECKING:
    from distill_core.events import JobProgress
    from distill_core.models.summary import ModelSummary
    from distill_core.training.prior.events import PriorEpochMetrics, PriorStepMetrics, PriorTrainingStartEvent

_BAR_STEPS = 1000
_BAR_HEIGHT, _BUTTON_HEIGHT = 10, 36  # the button is as high as bar and sentence, so that the bar moves nothing
_WITHOUT_BAR = (Activity.NONE, Activity.OPENING, Activity.SCANNING)  # the cards have bars of their own


class TrainingPanel(QWidget):
    """Shows a training from its start to the saved prior; another widget stands beside the curve."""

    def __init__(self, session: Session, commands: Commands, beside: QWidget) -> None:
        super().__init__()
        self._session, self._commands = session, commands
        self._epochs: list[PriorEpochMetrics] = []
        self._problem: Problem | None = None
        self._options_are_valid = True
        self._total_epochs = 1
        self.plot = PerplexityPlot()
        self._answers: dict[str, Callable[[], object]] = {
            notices.STOP: commands.stop,
            notices.EXPLAIN: commands.explain_perplexity,
            notices.DEMO: commands.try_demo,
            notices.COPY_COMMAND: lambda: commands.copy_text(words.NO_MODEL_COMMAND),
            notices.COPY: commands.save_copy,
            notices.REPLACE: commands.replace_changed,
            notices.SAVE: commands.save,
            notices.CONTINUE: commands.unfinished.go_on,
            notices.BEST: commands.unfinished.use_best,
            notices.DISCARD: commands.unfinished.discard,
            notices.REOPEN: self._reopen,
            **{action: partial(commands.keep, action) for action in KEEPING},
        }
        self.memorization_banner = _banner("memorizationBanner", self._on_banner)
        self.notice_banner = _banner("noticeBanner", self._on_banner)
        self.train_button = QPushButton("Train")
        self.train_button.setObjectName("trainButton")
        self.train_button.setMinimumHeight(_BUTTON_HEIGHT)
        self.train_button.setMinimumWidth(150)
        self.train_button.setAutoDefault(True)  # Enter clicks it
        self.train_button.clicked.connect(self._on_train_clicked)
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setFixedHeight(_BAR_HEIGHT)
        self.bar.setAccessibleName("Progress")
        self.sentence = QLabel()
        self.sentence.setObjectName("statusSentence")
        self.sentence.setTextFormat(Qt.TextFormat.PlainText)
        self.sentence.setWordWrap(True)
        self.sentence.setMinimumWidth(1)  # one long word must not widen the window
        self.sentence.setAccessibleName("Status")
        self.folder_button = QPushButton("Show in Folder")
        self.folder_button.setMinimumHeight(28)
        self.folder_button.clicked.connect(commands.show_in_folder)
        self._lay_out(beside)
        self._connect_session()
        self._on_state(session.state)

    def set_options_valid(self, are_valid: bool) -> None:
        """Take from the options whether training can start with them."""
        self._options_are_valid = are_valid
        self._on_state(self._session.state)

    def _lay_out(self, beside: QWidget) -> None:
        splitter = QSplitter(Qt.Orientation.Horizontal)
        for widget in (self.plot, beside):
            splitter.addWidget(widget)
            splitter.setCollapsible(splitter.indexOf(widget), False)
        splitter.setStretchFactor(0, 1)
        splitter.setSizes([670, 330])
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for banner in (self.memorization_banner, self.notice_banner):
            layout.addWidget(banner)
        layout.addWidget(splitter, 1)
        layout.addLayout(self._controls())

    def _controls(self) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setSpacing(12)
        row.addWidget(self.train_button)
        middle = QVBoxLayout()
        middle.setSpacing(4)
        middle.addWidget(self.bar)
        middle.addWidget(self.sentence)
        row.addLayout(middle, 1)
        row.addWidget(self.folder_button)
        return row

    def _connect_session(self) -> None:
        session = self._session
        session.state_changed.connect(self._on_state)
        session.model_changed.connect(self._on_model)
        session.progress.connect(self._on_progress)
        session.training_started.connect(self._on_started)
        session.step_finished.connect(self._on_step)
        session.epoch_finished.connect(self._on_epoch)
        session.training_ended.connect(self._on_ended)
        session.failed.connect(self._on_failed)

    @Slot(object)
    def _on_state(self, state: State) -> None:
        if state.activity in (Activity.PREPARING, Activity.SAVING):
            self._problem = None  # what failed is tried anew
        self._show_button(state)
        self._show_notice()
        _show(self.memorization_banner, notices.warning(state))
        busy = state.activity is not Activity.NONE
        self.bar.setVisible(state.activity not in _WITHOUT_BAR)
        if busy and state.activity not in (Activity.TRAINING, Activity.STOPPING):
            self.bar.setRange(0, 0)
        self.folder_button.setVisible(state.saved_to is not None and not busy)
        self.sentence.setText(self._sentence_for(state))

    def _sentence_for(self, state: State) -> str:
        if state.activity is Activity.TRAINING and state.last_epoch is not None and state.best_epoch is not None:
            return status.training_text(state.last_epoch, state.best_epoch, seconds_left(self._epochs))
        if state.is_idle and not self._options_are_valid:
            return "One of the options cannot be used; it is marked under Options."
        estimate = self._session.estimate_seconds(self._commands.overrides()) if state.is_idle else None
        return status.main_text(state, estimate)

    def _show_button(self, state: State) -> None:
        actions = available(state)
        stops = ActionId.STOP in actions and state.is_training
        self.train_button.setEnabled(stops or (ActionId.TRAIN in actions and self._options_are_valid))
        set_primary(self.train_button, state.is_ready and not state.is_training and state.trained is None)
        if state.activity is Activity.STOPPING:
            self.train_button.setText("Stopping…")
        elif stops:
            kept = state.kept_epoch if state.is_memorizing else None
            self.train_button.setText("Stop" if kept is None else f"Stop and Keep Epoch {kept.epoch}")
        else:
            self.train_button.setText("Train Again" if state.trained is not None else "Train")

    def _show_notice(self) -> None:
        _show(self.notice_banner, notices.notice(self._session.state, self._problem))

    @Slot(object)
    def _on_model(self, summary: ModelSummary | None) -> None:
        if self._session.state.trained is None:
            self._problem = None  # it was the former model's
            self._show_notice()
            self._epochs = []
            self.plot.clear()

    @Slot(object)
    def _on_progress(self, progress: JobProgress) -> None:
        activity = self._session.state.activity
        if activity in (Activity.PREPARING, Activity.SCANNING):
            self.bar.setRange(0, progress.total)
            self.bar.setValue(progress.done)
        if activity in (Activity.PREPARING, Activity.SCANNING, Activity.TRAINING):  # between epochs: variants
            self.sentence.setText(status.progress_text(progress))

    @Slot(object)
    def _on_ended(self, trained: object) -> None:
        self.plot.catch_up()

    @Slot(object)
    def _on_started(self, event: PriorTrainingStartEvent) -> None:
        self._epochs = []
        self.bar.setRange(0, _BAR_STEPS)
        self.bar.setValue(0)
        self._total_epochs = event.total_epochs
        note = words.sibling_text(event)
        self.plot.start(event.total_epochs, event.unigram_perplexity, event.memorization_limit, note)

    @Slot(object)
    def _on_step(self, step: PriorStepMetrics) -> None:
        done = (step.epoch - 1) + step.step / step.total_steps
        self.bar.setValue(round(_BAR_STEPS * done / self._total_epochs))
        self.sentence.setText(self._sentence_for(self._session.state))  # instead of what was prepared for the epoch

    @Slot(object)
    def _on_epoch(self, epoch: PriorEpochMetrics) -> None:
        self._epochs.append(epoch)
        self.plot.add_epoch(epoch)
        self.sentence.setText(self._sentence_for(self._session.state))

    @Slot(str, object)
    def _on_failed(self, job: str, problem: Problem) -> None:
        if job not in ("model", "sounds"):  # those are answered on their cards
            self._problem = problem
            self._show_notice()

    @Slot()
    def _on_train_clicked(self) -> None:
        if self._session.state.is_training:
            self._commands.stop()
        else:
            self._commands.train()

    @Slot(str)
    def _on_banner(self, action: str) -> None:
        self._answers[action]()

    def _reopen(self) -> None:
        """Open the model of the training that was never saved."""
        if runs := self._session.state.recoverable:
            self._commands.open_model(runs[0].model)


def _show(banner: Banner, notice: Notice | None) -> None:
    if notice is None:
        banner.hide_message()
    else:
        banner.show_message(notice.kind, notice.title, notice.detail, notice.actions, notice.primary)


def _banner(name: str, on_action: object) -> Banner:
    banner = Banner()
    banner.setObjectName(name)
    banner.action_triggered.connect(on_action)
    banner.hide_message()
    return banner
