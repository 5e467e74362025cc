"""The window of panels, menus and a title; commands and Session decide everything."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QSize, Qt, QTimer, Signal, Slot
from PySide6.QtGui import (
    QCloseEvent,
    QDragEnterEvent,
    QDragLeaveEvent,
    QDropEvent,
    QGuiApplication,
    QKeyEvent,
    QResizeEvent,
    QSessionManager,
    QShowEvent,
)
from PySide6.QtWidgets import QApplication, QLabel, QMainWindow, QVBoxLayout, QWidget

from app.desktop.activation import bring_to_front
from app.flows.closing import Closing
from app.flows.commands import Commands
from app.flows.menu_bar import Actions
from app.flows.prompts import Prompts, QtPrompts
from app.panels.chips_panel import ChipsPanel
from app.panels.copies_panel import CopiesPanel
from app.panels.drawer_panel import DrawerPanel
from app.panels.generate_panel import GeneratePanel
from app.panels.inspect_panel import InspectPanel
from app.panels.learning_page import LearningPage
from app.panels.making_page import MakingPage
from app.panels.notice_panel import NoticePanel
from app.panels.options_panel import OptionsPanel
from app.panels.player_panel import PlayerPanel
from app.panels.sounds_page import SoundsPage
from app.panels.stage_panel import StagePanel
from app.panels.start_page import StartPage
from app.panels.takes_page import TakesPage
from app.panels.takes_panel import TakesPanel
from app.presentation.notices import begins_to_warn
from app.session import Session
from app.session.available import ActionId
from app.session.state import Page, State
from app.theme import height_for
from app.widgets.card.card import accept_copy
from app.widgets.drawer import WithDrawer
from app.words import shown_name
from distill_core.awake import Awake
from distill_core.training.prior.words import no_longer_opens_words

if TYPE_CHECKING:
    from app.desktop.single_instance import HandedOver

_EVENT_MS = 5000
_FIRST_SIZE, _MINIMUM_SIZE = (1280, 800), (760, 560)
_ROOMY_HEIGHT, _STATUS_HEIGHT = 700, 24
_SPACE, _COMPACT_SPACE = 6, 3


class _Central(QWidget):
    """The column of all regions; larger letters may need more room than the least.

    The window's `bars` are above and below it; `to_be_saved` is the height in px that the regions give up when they
    become compact.
    """

    def __init__(self, *bars: QWidget) -> None:
        super().__init__()
        self.to_be_saved, self._bars = 0, bars

    def minimumSizeHint(self) -> QSize:
        """Ask for the room of the contents once they are compact, but for no less than the smallest window has."""
        needed = super().minimumSizeHint() - QSize(0, self.to_be_saved)
        heights = (bar.sizeHint().expandedTo(bar.minimumSize()).height() for bar in self._bars)
        bars = QSize(0, sum(heights))
        return needed.expandedTo(QSize(*_MINIMUM_SIZE) - bars)


class MainWindow(QMainWindow):
    """The window; the signal `shown()` is sent once, after the first paint, and `leaving()` once it closes for good."""

    shown = Signal()
    leaving = Signal()

    def __init__(self, session: Session, prompts: Prompts | None = None) -> None:
        super().__init__()
        self._session = session
        self._may_close = self._was_shown = self._is_small = False
        self._saved_by_compact = 0
        self.commands = Commands(session, prompts or QtPrompts(), self)
        self.closing = Closing(session, self.commands)
        self.chips = ChipsPanel(session, self.commands)
        self.notices = NoticePanel(session, self.commands)
        self.inspect = InspectPanel(session, self.commands)
        self.options = OptionsPanel(session)
        self.copies = CopiesPanel(session, self.commands)
        self.drawer = DrawerPanel(session, self.commands, self.inspect, self.options, self.copies)
        self.learning = LearningPage(session, self.commands)
        self.sounds_page = SoundsPage(session, self.commands)
        self.takes_page = TakesPage(session, self.commands)
        self.start_page = StartPage(session, self.commands)
        pages = {Page.SOUNDS: self.sounds_page, Page.LEARNING: self.learning, Page.TAKES: self.takes_page}
        self.making_page = MakingPage(session)
        self.stage = StagePanel(session, self.commands, self.start_page, self.making_page, pages)
        self.generate = GeneratePanel(session, self.commands)
        self.takes = TakesPanel(session, self.commands)
        self.player = PlayerPanel(session, self.commands)
        self.actions_table = Actions(session, self.commands, self)
        self._awake = Awake()
        self._lay_out()
        self._measure_compact()
        self._connect()
        self.setAcceptDrops(True)
        if geometry := session.settings.geometry():
            self.restoreGeometry(geometry)
        else:
            self.resize(*_FIRST_SIZE)
        self._on_state(session.state)

    def _lay_out(self) -> None:
        self._central = central = _Central(self.menuBar(), self.statusBar())
        self._column = layout = QVBoxLayout(central)
        layout.setSpacing(_SPACE)
        layout.addWidget(self.chips)
        layout.addWidget(self.notices)
        layout.addWidget(WithDrawer(self.stage, self.drawer), 1)
        layout.addWidget(self.player)
        layout.addWidget(self.generate)
        layout.addWidget(self.takes)
        self.setCentralWidget(central)
        self.start_page.begins_at.setFocus()
        self._device = QLabel()
        self._device.setToolTip("What training computes on")
        self.statusBar().addPermanentWidget(self._device)
        self.statusBar().setFixedHeight(height_for(self.statusBar(), _STATUS_HEIGHT))  # with words and without

    def _connect(self) -> None:
        self.closing.close_now.connect(self._on_close_now)
        self.closing.close_wanted.connect(self.close)
        self.drawer.turned_to.connect(self.chips.show_drawer)
        self.commands.edit_wanted.connect(self.inspect.edit)  # behind the drawer, which opens first
        self.commands.said.connect(self._on_said)
        self._session.state_changed.connect(self._on_state)
        self._session.saved.connect(self._on_saved)
        self._session.backed_up.connect(self._on_backup)
        self._session.said.connect(self._on_said)
        self._session.failed.connect(self._on_failed)
        self._session.device_known.connect(self._device.setText)
        self._session.epoch_finished.connect(self._on_epoch)
        self._session.training_ended.connect(self._on_training_ended)
        self._session.model_made.connect(self._on_training_ended)
        application = QGuiApplication.instance()
        if isinstance(application, QGuiApplication):
            application.commitDataRequest.connect(self._on_desktop_session_end)

    @Slot(object)
    def _on_state(self, state: State) -> None:
        name = shown_name(state.open.model.path) if state.open.model else "No Model"
        self.setWindowTitle(f"{name.replace('[*]', '[*][*]')}[*] – Distill")  # Qt takes a single one for the mark
        self.setWindowModified(state.has_unsaved)
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
    def _on_close_now(self) -> None:
        self._may_close = True
        self.close()

    @Slot(QSessionManager)
    def _on_desktop_session_end(self, manager: QSessionManager) -> None:
        self.closing.on_desktop_session_end()
        self._may_close = True

    @Slot(object)
    def receive(self, handed: HandedOver) -> None:
        """Come to the front, and open what a later start of the program hands over."""
        bring_to_front(self, handed.activation_token)
        if handed.files:
            self.commands.open_files(*handed.files)

    def showEvent(self, event: QShowEvent) -> None:
        """Load the engine and the plot, which are slow to import, once the window is on the screen."""
        super().showEvent(event)
        if not self._was_shown:
            self._was_shown = True
            self._measure_compact()  # again: before it is shown, sizes are those of no style
            QTimer.singleShot(0, self._after_first_paint)

    @Slot()
    def _after_first_paint(self) -> None:
        self.repaint()
        self.shown.emit()
        self.learning.plot.build()
        self.making_page.plot.build()
        self._session.load_engine()  # last: beside it, the plots would take twice as long

    def closeEvent(self, event: QCloseEvent) -> None:
        """Close if nothing would be lost; otherwise ask, and close later."""
        if not self._may_close and not self.closing.may_close():
            event.ignore()
            return
        self._session.settings.set_geometry(self.saveGeometry())
        self.hide()
        self.leaving.emit()
        self._awake.hold(False)
        self.closing.shut_down()
        event.accept()

    def changeEvent(self, event: QEvent) -> None:
        """Follow the palette; look whether another window has removed what Train Further goes on from."""
        super().changeEvent(event)
        if event.type() is QEvent.Type.ActivationChange and self.isActiveWindow():
            self._session.look_after_absence()
        if event.type() is QEvent.Type.PaletteChange:
            self.actions_table.recolor()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Give all but the page less room in a small window; a drawer that nobody asked for hides nothing there."""
        super().resizeEvent(event)
        self.drawer.give_room(event.size().width())
        is_small = event.size().height() < _ROOMY_HEIGHT
        if is_small is not self._is_small:
            self._is_small = is_small
            self._set_compact(is_small)

    def _set_compact(self, is_small: bool) -> None:
        for panel in (self.stage, self.player, self.takes):
            panel.set_compact(is_small)
            if (layout := panel.layout()) is not None:
                layout.activate()  # now: the window asks for the room of its regions before the next event
        across = self._column.contentsMargins().left()
        down = _COMPACT_SPACE if is_small else across
        self._column.setContentsMargins(across, down, across, down)
        self._column.setSpacing(_COMPACT_SPACE if is_small else _SPACE)
        self._central.to_be_saved = 0 if is_small else self._saved_by_compact
        for part in (self._central, *self._central.findChildren(QWidget)):
            part.updateGeometry()  # or layouts tell the height that they had

    def _measure_compact(self) -> None:
        """Learn how much smaller the window can get than its regions ask for now."""
        roomy, compact = (self._height_when(is_small) for is_small in (False, True))
        self._saved_by_compact = roomy - compact
        self._set_compact(self._is_small)

    def _height_when(self, is_small: bool) -> int:
        self._set_compact(is_small)
        return self._column.minimumSize().height()

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
            urls = event.mimeData().urls()
            self.chips.show_drag(urls)
            self.start_page.show_drag(urls)
        else:
            self._on_said(self.commands.locked_text())

    def dragLeaveEvent(self, event: QDragLeaveEvent) -> None:
        """Take the usual look again."""
        self._end_drag()

    def _end_drag(self) -> None:
        self.chips.end_drag()
        self.start_page.end_drag()

    def dropEvent(self, event: QDropEvent) -> None:
        """Open the dropped files."""
        self._end_drag()
        accept_copy(event)
        self.commands.take_drop(event.mimeData().urls(), "window")
