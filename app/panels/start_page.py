"""The stage while nothing is open: a place for drops, and what was open last."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from itertools import pairwise
from pathlib import Path

from PySide6.QtCore import Qt, QTimer, QUrl, Slot
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import QFrame, QScrollArea, QVBoxLayout, QWidget

from app.flows.commands import Commands
from app.presentation import start
from app.session import Session
from app.session.available import ActionId, available
from app.session.remembered import RememberedSession
from app.session.state import State
from app.theme import SPACE
from app.widgets.page import PageWidget
from app.widgets.start.card import SessionCard
from app.widgets.start.cards import CardGrid
from app.widgets.start.drop_zone import DropZone


class StartPage(PageWidget):
    """Invites to drop sounds or a model, to choose them, to go on with a former session, or to try the demo."""

    def __init__(self, session: Session, commands: Commands) -> None:
        super().__init__()
        self.setObjectName("startPage")
        self._session, self._commands = session, commands
        self._moved: frozenset[Path] = frozenset()
        self._sessions: tuple[RememberedSession, ...] = ()  # of the cards; another window may remember others
        self.zone = DropZone(start.INVITATION, start.BUTTONS)
        self.cards: list[SessionCard] = []
        self.demo = SessionCard(start.DEMO)
        self._grid = CardGrid()
        self.begins_at = self.zone.button(start.FOLDER)
        self._lay_out()
        self.zone.chosen.connect(self._on_chosen)
        session.state_changed.connect(self._on_state)
        session.sessions_seen.connect(self._on_seen)
        self._show_cards()
        self._on_state(session.state)

    def _lay_out(self) -> None:
        area = QScrollArea()
        area.setFrameShape(QFrame.Shape.NoFrame)
        area.setWidgetResizable(True)
        area.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # what is in it has the focus, and brings itself into sight
        inner = QWidget()
        column = QVBoxLayout(inner)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(SPACE)
        column.addWidget(self.zone, 1)
        column.addWidget(self._grid)
        area.setWidget(inner)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(area)

    def showEvent(self, event: QShowEvent) -> None:
        """Show the sessions as they are now, once the page is on the screen."""
        super().showEvent(event)
        QTimer.singleShot(0, self._look)

    @Slot()
    def _look(self) -> None:
        self._show_cards()
        if self._sessions:
            self._session.look_for_sessions()

    def _show_cards(self) -> None:
        self._sessions = self._session.settings.sessions()
        self.cards = [self._new_card(session) for session in self._sessions]
        self.demo = SessionCard(start.DEMO)
        self.demo.clicked.connect(self._commands.try_demo)
        self._grid.show_cards([*self.cards, self.demo])
        for before, card in pairwise([self.zone.button(start.MODEL), *self.cards, self.demo]):
            self.setTabOrder(before, card)
        self._on_state(self._session.state)

    def _new_card(self, session: RememberedSession) -> SessionCard:
        card = SessionCard(start.session_look(session, self._moved, datetime.now().astimezone()))
        card.clicked.connect(partial(self._open, card, session))
        card.remove_wanted.connect(partial(self._remove, session))
        return card

    def _open(self, card: SessionCard, session: RememberedSession) -> None:
        if card.look.moved:
            card.show_menu()
        else:
            self._commands.open_session(session)

    def _remove(self, session: RememberedSession) -> None:
        self._commands.remove_session(session)
        self._show_cards()
        (self.cards or [self.demo])[0].setFocus()

    def show_drag(self, urls: Sequence[QUrl]) -> None:
        """Show whether what is held over the window would be taken."""
        looks = self._commands.drag.looks(urls)
        self.zone.set_lit("valid" in (looks.model, looks.sounds))

    def end_drag(self) -> None:
        """Take the usual look again."""
        self.zone.set_lit(False)

    @Slot(object)
    def _on_state(self, state: State) -> None:
        actions = available(state)
        focused = self.window().focusWidget()
        if ActionId.OPEN_MODEL not in actions and focused is not None and self.isAncestorOf(focused):
            focused.clearFocus()  # Qt would hand it on to some button outside
        self.zone.button(start.FOLDER).setEnabled(ActionId.CHOOSE_SOUNDS in actions)
        self.zone.button(start.MODEL).setEnabled(ActionId.OPEN_MODEL in actions)
        for card in self.cards:
            card.setEnabled(ActionId.OPEN_MODEL in actions)
        self.demo.setEnabled(ActionId.TRY_DEMO in actions)

    @Slot(object)
    def _on_seen(self, moved: frozenset[Path]) -> None:
        if moved == self._moved:
            return
        self._moved, now = moved, datetime.now().astimezone()
        for card, session in zip(self.cards, self._sessions, strict=True):
            card.show_look(start.session_look(session, moved, now))

    @Slot(str)
    def _on_chosen(self, what: str) -> None:
        if what == start.FOLDER:
            self._commands.browse_sounds()
        else:
            self._commands.browse_model()
