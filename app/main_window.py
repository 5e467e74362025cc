"""The window of panels, menus and a title; commands and Session decide everything."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Qt, QTimer, Signal, Slot
from PySide6.QtGui import (
    QCloseEvent,
    QDragEnterEvent,
    QDropEvent,
    QGuiApplication,
    QKeyEvent,
    QResizeEvent,
    QSessionManager,
    QShowEvent,
)
from PySide6.QtWidgets import QApplication, QLabel, QMainWindow, QTabWidget, QVBoxLayout, QWidget

from app.desktop.awake import Awake
from app.flows.actions import Actions
from app.flows.closing import Closing
from app.flows.commands import Commands
from app.flows.prompts import Prompts, QtPrompts
from app.panels.generate_panel import GeneratePanel
from app.panels.inspect_panel import InspectPanel
from app.panels.options_panel import OptionsPanel
from app.panels.player_panel import PlayerPanel
from app.panels.sources_panel import SourcesPanel
from app.panels.takes_panel import TakesPanel
from app.panels.training_panel import COMPACT_SPACE, TrainingPanel
from app.presentation.notices import begins_to_warn
from app.session import Session
from app.session.available import ActionId
from app.session.state import State
from app.widgets.card.card import accept_copy
from app.words import shown_name
from distill_core.training.prior.words import no_longer_opens_words

_EVENT_MS = 5000
_FIRST_SIZE, _MINIMUM_SIZE = (1040, 720), (760, 560)
_ROOMY_HEIGHT = 700


class MainWindow(QMainWindow):
    """The application's one window; the signal `shown()` is sent once, after the first paint."""

    shown = Signal()

    def __init__(self, session: Session, prompts: Prompts | None = None) -> None:
        super().__init__()
        self._session = session
        self._may_close = self._was_shown = self._is_small = False
        self.commands = Commands(session, prompts or QtPrompts(), self)
        self.closing = Closing(session, self.commands)
        self.sources = SourcesPanel(session, self.commands)
        self.inspect = InspectPanel(session)
        self.options = OptionsPanel(session)
        self.side = QTabWidget()
        self.training = TrainingPanel(session, self.commands, self.side)
        self.generate = GeneratePanel(session, self.commands)
        self.takes = TakesPanel(session, self.commands)
        self.player = PlayerPanel(session, self.commands)
        self.actions_table = Actions(session, self.commands, self)
        self._awake = Awake(self)
        self._lay_out()
        self._connect()
        self.setAcceptDrops(True)
        self.setMinimumSize(*_MINIMUM_SIZE)
        if geometry := session.settings.geometry():
            self.restoreGeometry(geometry)
        else:
            self.resize(*_FIRST_SIZE)
        self._on_state(session.state)

    def _lay_out(self) -> None:
        self.side.addTab(self.inspect, "Inspect")
        self.side.addTab(self.options, "Options")
        central = QWidget()
        self._column = layout = QVBoxLayout(central)
        layout.addWidget(self.sources)
        layout.addWidget(self.training, 1)
        layout.addWidget(self.player)
        layout.addWidget(self.generate)
        layout.addWidget(self.takes)
        self.setCentralWidget(central)
        central.setFocus()  # no card looks chosen at the start; the Tab key goes to the first
        self._device = QLabel()
        self._device.setToolTip("What training computes on")
        self.statusBar().addPermanentWidget(self._device)

    def _connect(self) -> None:
        self.closing.close_now.connect(self._on_close_now)
        self.commands.options_wanted.connect(self._on_options_wanted)
        self.commands.inspect_wanted.connect(self._on_inspect_wanted)
        self.commands.said.connect(self._on_said)
        self._session.state_changed.connect(self._on_state)
        self._session.saved.connect(self._on_saved)
        self._session.backed_up.connect(self._on_backup)
        self._session.said.connect(self._on_said)
        self._session.failed.connect(self._on_failed)
        self._session.device_known.connect(self._device.setText)
        self._session.epoch_finished.connect(self._on_epoch)
        self._session.training_ended.connect(self._on_training_ended)
        application = QGuiApplication.instance()
        if isinstance(application, QGuiApplication):
            application.commitDataRequest.connect(self._on_desktop_session_end)

    @Slot(object)
    def _on_state(self, state: State) -> None:
        name = shown_name(state.open.model.path) if state.open.model else "No Model"
        self.setWindowTitle(f"{name.replace('[*]', '[*][*]')}[*] – Distill")  # Qt takes a single one for the mark
        self.setWindowModified(state.training.unsaved)
        self._awake.hold(state.is_training)
        if state.is_training:
            self._may_close = False  # the end of the desktop session was called off

    @Slot(object)
    def _on_saved(self, path: Path) -> None:
        self._on_said(f"Saved into {shown_name(path)}.")

    @Slot(object)
    def _on_backup(self, backup: Path) -> None:
        model = backup.with_suffix("")
        self._on_said(f"Saved into {shown_name(model)}. {no_longer_opens_words(model, backup)}")

    @Slot(object, object)
    def _on_failed(self, subject: object, problem: object) -> None:
        self.statusBar().clearMessage()  # "Saved" would contradict the failure that the window shows now

    @Slot(str)
    def _on_said(self, text: str) -> None:
        self.statusBar().showMessage(text, _EVENT_MS)

    @Slot(object)
    def _on_epoch(self, epoch: object) -> None:
        if begins_to_warn(self._session.state.training):
            QApplication.alert(self)

    @Slot(object)
    def _on_training_ended(self, trained: object) -> None:
        QApplication.alert(self)

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
        """Load the engine and the plot, which are slow to import, once the window is on the screen."""
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
        """Close if nothing would be lost; otherwise ask, and close later."""
        if not self._may_close and not self.closing.may_close():
            event.ignore()
            return
        self._session.settings.set_geometry(self.saveGeometry())
        self.hide()
        self._awake.hold(False)
        self.closing.shut_down()
        event.accept()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Give all but the curve less room in a small window."""
        super().resizeEvent(event)
        is_small = event.size().height() < _ROOMY_HEIGHT
        if is_small is not self._is_small:
            self._is_small = is_small
            self._set_compact(is_small)

    def _set_compact(self, is_small: bool) -> None:
        for panel in (self.sources, self.training, self.player, self.takes):
            panel.set_compact(is_small)
        across = self._column.contentsMargins().left()
        down = COMPACT_SPACE if is_small else across
        self._column.setContentsMargins(across, down, across, down)
        self._column.setSpacing(COMPACT_SPACE if is_small else -1)  # -1: the style's

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Play or stop with the space bar, where no button, box, list or text field takes it."""
        if event.key() == Qt.Key.Key_Space and not event.modifiers() and not event.isAutoRepeat():
            self.commands.play()
        else:
            super().keyPressEvent(event)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Accept files anywhere in the window, or say why none can be opened now."""
        if not event.mimeData().hasUrls():
            return
        if self.commands.can(ActionId.OPEN_MODEL):
            accept_copy(event)
        else:
            self._on_said(self.commands.locked_text())

    def dropEvent(self, event: QDropEvent) -> None:
        """Open the dropped files."""
        accept_copy(event)
        self.commands.take_drop(event.mimeData().urls(), "window")
