"""The page of the takes: a row for each, to be heard, starred, dragged out and deleted."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from PySide6.QtCore import QPoint, Qt, Slot
from PySide6.QtWidgets import QCheckBox, QHBoxLayout, QMenu, QPushButton, QStackedWidget, QVBoxLayout, QWidget

from app.flows.commands import Commands
from app.flows.take_menu import take_menu
from app.presentation import copying
from app.presentation import take_rows as words
from app.presentation.takes import shelf_text
from app.session import Session
from app.session.available import ActionId, available
from app.session.state import State
from app.session.tasks.shelving import take_key
from app.widgets.card.body import ElidedLabel
from app.widgets.page import PageWidget
from app.widgets.rows.invitation import Invitation
from app.widgets.rows.table import RowsTable
from app.widgets.sentence import Sentence

if TYPE_CHECKING:
    from app.session.tasks.shelving import TakeOutline

_BOX_HEIGHT = 28


class TakesPage(PageWidget):
    """Shows the takes of the open model and takes clicks on them."""

    def __init__(self, session: Session, commands: Commands) -> None:
        super().__init__()
        self._session, self._takes = session, commands.takes
        self._shown: tuple[object, ...] = ()
        self.setObjectName("takesPage")
        self.heading = ElidedLabel(mode=Qt.TextElideMode.ElideRight)
        self.heading.setObjectName("takesHeading")
        self.starred_box = QCheckBox(words.STARRED_ONLY)
        self.starred_box.setObjectName("starredOnlyBox")
        self.starred_box.setMinimumHeight(_BOX_HEIGHT)
        self.table = RowsTable("takesTable", "Takes", words.COLUMNS)
        self.table.setSelectionMode(RowsTable.SelectionMode.SingleSelection)
        self.table.setDragEnabled(True)
        self.invitation = Invitation("takesInvitation")
        self.need = Sentence()
        self.need.setObjectName("needsSoundsSentence")
        self.choose_button = QPushButton(copying.CHOOSE_SOUNDS)
        self.choose_button.setObjectName("chooseLearnedSoundsButton")
        self.choose_button.setMinimumHeight(_BOX_HEIGHT)
        self.choose_button.setAutoDefault(True)  # Enter clicks it
        self.choose_button.clicked.connect(commands.browse_sounds)
        self.begins_at = self.table
        self._lay_out()
        self._connect()
        self._on_state(session.state)

    def _lay_out(self) -> None:
        top = QHBoxLayout()
        top.addWidget(self.heading, 1)
        top.addWidget(self.starred_box)
        self._need_row = QWidget()
        below = QHBoxLayout(self._need_row)
        below.setContentsMargins(0, 0, 0, 0)
        below.addWidget(self.need, 1)
        below.addWidget(self.choose_button)
        self._stack = QStackedWidget()
        self._stack.addWidget(self.invitation)
        self._stack.addWidget(self.table)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addLayout(top)
        column.addWidget(self._stack, 1)
        column.addWidget(self._need_row)

    def _connect(self) -> None:
        session, table = self._session, self.table
        session.state_changed.connect(self._on_state)
        session.take_outlined.connect(self._on_outline)
        session.model_opened.connect(self._on_model_opened)
        session.player.changed.connect(self._on_player)
        self.starred_box.toggled.connect(self._on_starred_only)
        table.chosen_changed.connect(self._on_chosen)
        table.play_wanted.connect(self._takes.play)
        table.toggle_wanted.connect(self._on_toggle)
        table.star_wanted.connect(session.star_take)
        table.remove_wanted.connect(self._on_remove)
        table.drag_wanted.connect(self._on_drag)
        table.menu_wanted.connect(self._on_menu)

    # Shown

    @Slot(object)
    def _on_state(self, state: State) -> None:
        trained = state.training.trained if state.training.unsaved else None
        known = state.copying
        shows = (state.takes.takes, state.open.model, trained, known.prior, known.needs_sounds, known.problem)
        if not self._shown or any(one is not other for one, other in zip(shows, self._shown, strict=True)):
            self._shown = shows
            rows = words.rows(state, datetime.now().astimezone())
            self.table.set_rows(rows)
            self.heading.setText(words.heading(rows))
            self.starred_box.setVisible(bool(rows))
        self._show_table(state)
        self._show_need(state)
        self.table.go_to(state.takes.chosen)

    def _show_need(self, state: State) -> None:
        """Say that without the sounds nobody can tell what is a copy, and offer to choose them."""
        need = copying.needs_sounds_line(state)
        self.need.setText(need)
        self._need_row.setVisible(bool(need))
        self.choose_button.setEnabled(ActionId.CHOOSE_SOUNDS in available(state))

    def _show_table(self, state: State) -> None:
        has_rows = bool(self.table.rows.rowCount())
        self._stack.setCurrentWidget(self.table if has_rows else self.invitation)
        if not has_rows:
            self.invitation.invite(shelf_text(state) or words.NONE_STARRED)

    @Slot(bool)
    def _on_starred_only(self, is_on: bool) -> None:
        self.table.show_only((lambda row: row.is_starred) if is_on else None)
        self._show_table(self._session.state)

    @Slot(object)
    def _on_outline(self, outline: TakeOutline) -> None:
        """Take a picture that the shelf has asked for."""
        model = self._session.state.open.model
        if model is not None and outline.model == model.path:
            self.table.rows.set_peaks(outline.number, outline.peaks)

    @Slot(object)
    def _on_model_opened(self, summary: object) -> None:
        self.table.rows.forget_peaks()

    @Slot()
    def _on_player(self) -> None:
        self.table.rows.set_playing(self._playing() or None)

    def _playing(self) -> int:
        """Return the number of the take that plays, 0 if none does."""
        player, model = self._session.player, self._session.state.open.model
        if not player.is_playing or player.playable is None or model is None:
            return 0
        numbers = (take.number for take in self._session.state.takes.takes)
        return next((number for number in numbers if take_key(model.path, number) == player.playable.key), 0)

    # Clicked

    def _chosen(self) -> int:
        """Return the number of the take whose row is chosen, 0 for none."""
        return next((number for number in self.table.chosen if isinstance(number, int)), 0)

    @Slot()
    def _on_chosen(self) -> None:
        if number := self._chosen():
            self._session.choose_take(number)

    @Slot(object)
    def _on_toggle(self, number: int) -> None:
        if self._playing() == number:
            self._session.player.stop()
        else:
            self._takes.play(number)

    @Slot()
    def _on_remove(self) -> None:
        if number := self._chosen():
            self._takes.delete(number)

    @Slot(object)
    def _on_drag(self, number: int) -> None:
        self._takes.drag_out.start(number, self.table, self.table.picture_of(number))

    @Slot(QPoint)
    def _on_menu(self, where: QPoint) -> None:
        if number := self._chosen():
            menu = self.menu(number)
            menu.aboutToHide.connect(menu.deleteLater)
            menu.popup(where)

    def menu(self, number: int) -> QMenu:
        """Return the menu of a take."""
        return take_menu(self, self._session, self._takes, number)
