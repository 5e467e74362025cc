"""Composes the panels, menus and title; what happens is decided in commands and Session."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QTimer, Signal, Slot
from PySide6.QtGui import (
    QCloseEvent,
    QDragEnterEvent,
    QDropEvent,
    QGuiApplication,
    QSessionManager,
    QShowEvent,
)
from PySide6.QtWidgets import QApplication, QLabel, QMainWindow, QTabWidget, QVBoxLayout, QWidget

from app import words
from app.desktop.awake import Awake
from app.flows.actions import Actions
from app.flows.closing import Closing
from app.flows.commands import Commands
from app.flows.prompts import Prompts, QtPrompts
from app.panels.inspect_panel import InspectPanel
from app.panels.options_panel import OptionsPanel
from app.panels.sources_panel import SourcesPanel
from app.panels.training_panel import TrainingPanel
from app.session import Session
from app.session.state import ActionId, State
from app.widgets.card.card import accept_copy
from app.words import shown_name

if TYPE_CHECKING:
    from distill_core.training.events import OlderStateTaken, RolledBack, RunNotKept
    from distill_core.training.prior.events import PriorEpochMetrics

_EVENT_MS = 5000
_MINIMUM_SIZE = (760, 560)


class MainWindow(QMainWindow):
    """The one window; `shown` comes once, after the first paint was asked for."""

    shown = Signal()

    def __init__(self, session: Session, prompts: Prompts | None = None) -> None:
        super().__init__()
        self._session = session
        self._may_close = self._was_shown = self._was_memorizing = False
        self.commands = Commands(session, prompts or QtPrompts(), self)
        self.closing = Closing(session, self.commands)
        self.sources = SourcesPanel(session, self.commands)
        self.inspect = InspectPanel(session)
        self.options = OptionsPanel(session)
        self.side = QTabWidget()
        self.training = TrainingPanel(session, self.commands, self.side)
        self.actions_table = Actions(session, self.commands, self)
        self._awake = Awake(self)
        self._lay_out()
        self._connect()
        self.setAcceptDrops(True)
        self.setMinimumSize(*_MINIMUM_SIZE)
        self.restoreGeometry(geometry) if (geometry := session.settings.geometry()) else self.resize(1040, 720)
        self._on_state(session.state)

    def _lay_out(self) -> None:
        self.side.addTab(self.inspect, "Inspect")
        self.side.addTab(self.options, "Options")
        central = QWidget()
        layout = QVBoxLayout(central)
        layout.addWidget(self.sources)
        layout.addWidget(self.training, 1)
        self.setCentralWidget(central)
        central.setFocus()  # no card looks chosen at the start; the Tab key goes to the first
        self._device = QLabel()
        self._device.setToolTip("What training computes on")
        self.statusBar().addPermanentWidget(self._device)

    def _connect(self) -> None:
        self.commands.overrides = self.options.overrides
        self.closing.close_now.connect(self._on_close_now)
        self.commands.options_wanted.connect(self._on_options_wanted)
        self.commands.inspect_wanted.connect(self._on_inspect_wanted)
        self.commands.said.connect(self._on_said)
        self.options.changed.connect(self._on_options_changed)
        self._session.state_changed.connect(self._on_state)
        self._session.saved.connect(self._on_saved)
        self._session.backed_up.connect(self._on_backup)
        self._session.run_not_kept.connect(self._on_run_event)
        self._session.rolled_back.connect(self._on_run_event)
        self._session.older_state_taken.connect(self._on_run_event)
        self._session.failed.connect(self._on_failed)
        self._session.device_known.connect(self._device.setText)
        self._session.epoch_finished.connect(self._on_epoch)
        self._session.training_ended.connect(self._on_training_ended)
        application = QGuiApplication.instance()
        if isinstance(application, QGuiApplication):
            application.commitDataRequest.connect(self._on_desktop_session_end)

    @Slot(object)
    def _on_state(self, state: State) -> None:
        name = shown_name(state.model.path) if state.model else "No Model"
        self.setWindowTitle(f"{name.replace('[*]', '[*][*]')}[*] – Distill")  # Qt takes a single one for the mark
        self.setWindowModified(state.unsaved)
        self._awake.hold(state.is_training)
        if state.is_training:
            self._may_close = False  # the end of the desktop session was called off

    @Slot(object)
    def _on_saved(self, path: Path) -> None:
        self._on_said(f"Saved into {shown_name(path)}.")

    @Slot(object)
    def _on_backup(self, backup: Path) -> None:
        model = self._session.state.model
        self._on_said(
            f"Saved into {shown_name(model.path) if model else 'the model'}. {words.backup_words(shown_name(backup))}"
        )

    @Slot(object)
    def _on_run_event(self, event: RunNotKept | RolledBack | OlderStateTaken) -> None:
        self._on_said(event.sentence)

    @Slot(str, object)
    def _on_failed(self, job: str, problem: object) -> None:
        self.statusBar().clearMessage()  # "Saved" would contradict what the window says now

    @Slot(str)
    def _on_said(self, text: str) -> None:
        self.statusBar().showMessage(text, _EVENT_MS)

    @Slot(object)
    def _on_epoch(self, epoch: PriorEpochMetrics) -> None:
        if epoch.memorization_message and not self._was_memorizing:
            QApplication.alert(self)
        self._was_memorizing = bool(epoch.memorization_message)

    @Slot(object)
    def _on_training_ended(self, trained: object) -> None:
        QApplication.alert(self)

    @Slot()
    def _on_options_changed(self) -> None:
        self.training.set_options_valid(self.options.is_valid())
        self.sources.show_options()

    @Slot()
    def _on_options_wanted(self) -> None:
        self.side.setCurrentWidget(self.options)

    @Slot()
    def _on_inspect_wanted(self) -> None:
        self.side.setCurrentWidget(self.inspect)

    @Slot()
    def _on_close_now(self) -> None:
        self._may_close = True
        self.close()

    @Slot(QSessionManager)
    def _on_desktop_session_end(self, manager: QSessionManager) -> None:
        self.closing.on_desktop_session_end()
        self._may_close = True

    def showEvent(self, event: QShowEvent) -> None:
        """Put in what is slow to import once the window is on screen."""
        super().showEvent(event)
        if not self._was_shown:
            self._was_shown = True
            QTimer.singleShot(0, self._after_first_paint)

    @Slot()
    def _after_first_paint(self) -> None:
        self.repaint()
        self._session.load_engine()
        self.training.plot.build()
        self.shown.emit()

    def closeEvent(self, event: QCloseEvent) -> None:
        """Close when nothing is lost by it; otherwise ask and close later."""
        if not self._may_close and not self.closing.may_close():
            event.ignore()
            return
        self._session.settings.set_geometry(self.saveGeometry())
        self.hide()
        self._awake.hold(False)
        self.closing.shut_down()
        event.accept()

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Take files anywhere in the window; while training say why not."""
        if not event.mimeData().hasUrls():
            return
        if self.commands.can(ActionId.OPEN_MODEL):
            accept_copy(event)
        else:
            self._on_said(self.commands.locked_text())

    def dropEvent(self, event: QDropEvent) -> None:
        """Open what was dropped."""
        accept_copy(event)
        self.commands.take_drop(event.mimeData().urls(), "window")
