"""The curve, the banners, and the row with the button, the bar and the sentence."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QPoint, Qt, Slot
from PySide6.QtWidgets import QHBoxLayout, QLabel, QMenu, QProgressBar, QPushButton, QSplitter, QVBoxLayout, QWidget

from app import words
from app.flows.commands import Commands
from app.presentation import controls, generating, notices, status
from app.presentation.notices import Notice
from app.session import Session
from app.session.available import KEEPING
from app.session.state import State
from app.theme import set_primary
from app.widgets.banner import Banner
from app.widgets.plot.plot import PerplexityPlot
from distill_core.training.prior.words import agreement_words

if TYPE_CHECKING:
    from distill_core.events import JobProgress
    from distill_core.models.summary import ModelSummary
    from distill_core.training.events import StepMetrics
    from distill_core.training.prior.events import PriorEpochMetrics, PriorTrainingStartEvent

COMPACT_SPACE = 4
_BAR_STEPS, _COMPACT_BUTTON_HEIGHT = 1000, 32
_BAR_HEIGHT, _BUTTON_HEIGHT = 10, 36  # the button is as high as bar and sentence, so that the bar moves nothing


class TrainingPanel(QWidget):
    """Shows a training from its start to the saved prior; another widget stands beside the curve."""

    def __init__(self, session: Session, commands: Commands, beside: QWidget) -> None:
        super().__init__()
        self._session, self._commands = session, commands
        self.plot = PerplexityPlot()
        self._answers: dict[str, Callable[[], object]] = {
            notices.STOP: commands.stop,
            notices.EXPLAIN: commands.explain_perplexity,
            notices.DEMO: commands.try_demo,
            notices.COPY_COMMAND: lambda: commands.copy_text(words.NO_MODEL_COMMAND),
            notices.COPY: commands.saving.save_copy,
            notices.REPLACE: commands.saving.replace_changed,
            notices.SAVE: commands.saving.save,
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
        self.best_button = QPushButton(generating.LISTEN_TO_BEST)
        self.best_button.setObjectName("listenToBestButton")
        self.best_button.setMinimumHeight(_BUTTON_HEIGHT)
        self.best_button.clicked.connect(commands.takes.listen_to_best)
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

    def _lay_out(self, beside: QWidget) -> None:
        splitter = QSplitter(Qt.Orientation.Horizontal)
        for widget in (self.plot, beside):
            splitter.addWidget(widget)
            splitter.setCollapsible(splitter.indexOf(widget), False)
        splitter.setStretchFactor(0, 1)
        splitter.setSizes([670, 330])
        self._column = layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for banner in (self.memorization_banner, self.notice_banner):
            layout.addWidget(banner)
        layout.addWidget(splitter, 1)
        layout.addLayout(self._controls())

    def set_compact(self, is_compact: bool) -> None:
        """Take less room around the curve."""
        self._column.setSpacing(COMPACT_SPACE if is_compact else -1)  # -1: the style's
        for button in (self.train_button, self.best_button):
            button.setMinimumHeight(_COMPACT_BUTTON_HEIGHT if is_compact else _BUTTON_HEIGHT)
        for banner in (self.memorization_banner, self.notice_banner):
            banner.set_compact(is_compact)

    def _controls(self) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setSpacing(12)
        row.addWidget(self.train_button)
        row.addWidget(self.best_button)
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
        self.plot.epoch_chosen.connect(self._on_epoch_chosen)

    @Slot(object)
    def _on_state(self, state: State) -> None:
        self._show_button(controls.train_button(state))
        self._show_best_button(state)
        _show(self.notice_banner, notices.notice(state))
        _show(self.memorization_banner, notices.warning(state))
        self.bar.setVisible(controls.has_bar(state))
        if controls.bar_has_no_numbers(state):
            self.bar.setRange(0, 0)
        self.folder_button.setVisible(controls.can_show_saved(state))
        self._show_sentence(state)

    def _show_button(self, look: controls.Button) -> None:
        self.train_button.setText(look.text)
        self.train_button.setEnabled(look.is_enabled)
        set_primary(self.train_button, look.is_primary)

    def _show_best_button(self, state: State) -> None:
        self.best_button.setVisible(generating.has_best_button(state))
        self.best_button.setEnabled(generating.best_button(state).is_enabled)
        self.best_button.setToolTip(words.as_tooltip(generating.best_tip(state)))

    def _show_sentence(self, state: State) -> None:
        self.sentence.setText(status.main_text(state, self._session.estimate_seconds() if state.is_idle else None))

    @Slot(object)
    def _on_model(self, summary: ModelSummary) -> None:
        if self._session.state.training.trained is None:
            self.plot.clear()

    @Slot(object)
    def _on_progress(self, progress: JobProgress) -> None:
        state = self._session.state
        if controls.bar_counts_progress(state):
            self.bar.setRange(0, progress.total)
            self.bar.setValue(progress.done)
        if controls.tells_progress(state):
            self.sentence.setText(status.progress_text(progress))

    @Slot(object)
    def _on_ended(self, trained: object) -> None:
        self.plot.catch_up()

    @Slot(object)
    def _on_started(self, event: PriorTrainingStartEvent) -> None:
        self.bar.setRange(0, _BAR_STEPS)
        self.bar.setValue(0)
        agreement = agreement_words(event.sibling_agreement)
        note = f"{agreement}." if agreement else ""
        self.plot.start(event.total_epochs, event.unigram_perplexity, event.memorization_limit, note)

    @Slot(object)
    def _on_step(self, step: StepMetrics) -> None:
        self.bar.setValue(round(_BAR_STEPS * controls.share_done(self._session.state, step)))
        self._show_sentence(self._session.state)  # in place of the epoch's preparation

    @Slot(object)
    def _on_epoch(self, epoch: PriorEpochMetrics) -> None:
        self.plot.add_epoch(epoch)

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
        if runs := self._session.state.open.recoverable:
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
