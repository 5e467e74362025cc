"""The page of the sounds: a row for each file, to be heard, left out and taken back in."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING

from PySide6.QtCore import QPoint, Qt, Slot
from PySide6.QtWidgets import QHBoxLayout, QMenu, QPushButton, QStackedLayout, QVBoxLayout, QWidget

from app.flows.commands import Commands
from app.presentation import sounds as words
from app.presentation.status import looking_text, progress_text
from app.session import Session
from app.session.available import ActionId, available
from app.session.state import State
from app.widgets.card.body import ElidedLabel
from app.widgets.page import PageWidget
from app.widgets.rows.invitation import Invitation
from app.widgets.rows.table import RowsTable
from app.widgets.tips import set_tip
from distill_core.events import Phase

if TYPE_CHECKING:
    from app.session.tasks.sounds import SoundOutline
    from distill_core.audio.dataset import AudioFile
    from distill_core.events import JobProgress

_BUTTON_HEIGHT = 28


class SoundsPage(PageWidget):
    """Shows the open sounds and takes clicks on them."""

    def __init__(self, session: Session, commands: Commands) -> None:
        super().__init__()
        self._session, self._commands, self._sounds = session, commands, commands.sounds
        self._files: dict[Hashable, AudioFile] = {}
        self._shown: tuple[object, ...] = ()
        self._heading = ""
        self.setObjectName("soundsPage")
        self.heading = ElidedLabel(mode=Qt.TextElideMode.ElideRight)
        self.heading.setObjectName("soundsHeading")
        self.table = RowsTable("soundsTable", "Sounds", words.COLUMNS)
        self.invitation = Invitation("soundsInvitation")
        self.begins_at = self.table
        self.leave_out_button = _button("leaveOutButton", words.LEAVE_OUT)
        self.choose_button = _button("chooseFolderButton", words.CHOOSE)
        self._lay_out()
        self._connect()
        self._on_state(session.state)

    def _lay_out(self) -> None:
        top = QHBoxLayout()
        top.addWidget(self.heading, 1)
        top.addWidget(self.leave_out_button)
        top.addWidget(self.choose_button)
        rows, column = QWidget(), QVBoxLayout()
        column.setContentsMargins(0, 0, 0, 0)
        column.addLayout(top)
        column.addWidget(self.table, 1)
        rows.setLayout(column)
        self._stack = QStackedLayout(self)
        self._stack.addWidget(self.invitation)
        self._stack.addWidget(rows)

    def _connect(self) -> None:
        session, table = self._session, self.table
        session.state_changed.connect(self._on_state)
        session.progress.connect(self._on_progress)
        session.sound_outlined.connect(self._on_outline)
        session.sounds_outlined.connect(self._on_outlines_ended)
        session.player.changed.connect(self._on_player)
        self._commands.hearing.changed.connect(self._on_player)
        self._sounds.chosen_changed.connect(self._show_button)
        self.leave_out_button.clicked.connect(self._sounds.leave_out_or_take_back)
        for button in (self.choose_button.clicked, self.invitation.accepted):
            button.connect(self._commands.browse_sounds)
        table.chosen_changed.connect(self._on_chosen)
        table.play_wanted.connect(self._on_play)
        table.toggle_wanted.connect(self._on_toggle)
        table.remove_wanted.connect(self._sounds.leave_out_or_take_back)
        table.thumbnails_wanted.connect(self._on_thumbnails_wanted)
        table.menu_wanted.connect(self._on_menu)

    # Shown

    @Slot(object)
    def _on_state(self, state: State) -> None:
        self._show_rows(state)
        has_rows = bool(self._files)
        self._stack.setCurrentIndex(1 if has_rows else 0)
        can_choose = ActionId.CHOOSE_SOUNDS in available(state)
        self.choose_button.setEnabled(can_choose)
        if state.open.pending_sounds:
            self._say(looking_text(state.open.pending_sounds))
        elif not has_rows:
            self.invitation.invite(words.INVITATION, words.CHOOSE)
            self.invitation.button.setEnabled(can_choose)
        else:
            self.heading.setText(self._heading)
        self._show_button()

    def _say(self, sentence: str) -> None:
        """Show that sounds are being looked through: in the heading, or where the rows will be."""
        self.heading.setText(sentence)
        self.invitation.invite(sentence)

    def _show_rows(self, state: State) -> None:
        """Show the rows again if they may say something else; making 5,000 takes 30 ms."""
        opened = state.open
        training = state.training
        shows = (opened.scanned, opened.dataset, training.left_out, training.started, words.split_choice(state))
        if self._is_shown(shows):
            return
        former, self._shown = self._shown, shows
        rows = words.rows(state)
        self._files = {row.key: row.file for row in rows if row.file is not None}
        if not former or former[0] is not opened.scanned:
            self.table.rows.forget_peaks()
            self.table.thumbnails_ended()
        self.table.set_rows(rows)
        set_tip(self.choose_button, words.places(state))
        self._heading = words.heading(state, rows)

    def _is_shown(self, shows: tuple[object, ...]) -> bool:
        """Tell whether the rows say this already; to compare thousands of files themselves would take longer."""
        pairs = zip(shows[:-1], self._shown[:-1], strict=False)
        return bool(self._shown) and all(one is other for one, other in pairs) and shows[-1] == self._shown[-1]

    @Slot(object)
    def _on_progress(self, progress: JobProgress) -> None:
        if progress.phase is Phase.SCAN and self._session.state.open.pending_sounds:
            self._say(progress_text(progress))

    @Slot()
    def _show_button(self) -> None:
        state, chosen = self._session.state, self._sounds.chosen
        self.leave_out_button.setText(words.leave_out_text(state, chosen))
        self.leave_out_button.setEnabled(words.can_leave_out(state, chosen))
        set_tip(self.leave_out_button, words.leave_out_tip(state, chosen))

    @Slot()
    def _on_player(self) -> None:
        file = self._commands.hearing.heard
        self.table.rows.set_playing(None if file is None else file.name)

    @Slot(object)
    def _on_thumbnails_wanted(self, keys: Sequence[Hashable]) -> None:
        self._session.outline_sounds([self._files[key] for key in keys])

    @Slot(object)
    def _on_outline(self, outline: SoundOutline) -> None:
        if self._files.get(outline.file.name) is outline.file:
            self.table.rows.set_peaks(outline.file.name, outline.peaks)

    @Slot(object)
    def _on_outlines_ended(self, files: object) -> None:
        self.table.thumbnails_ended()

    # Clicked

    @Slot()
    def _on_chosen(self) -> None:
        self._sounds.choose(set(self.table.chosen))

    @Slot(object)
    def _on_play(self, key: Hashable) -> None:
        self._commands.hearing.play(self._files[key])

    @Slot(object)
    def _on_toggle(self, key: Hashable) -> None:
        self._commands.hearing.toggle(self._files[key])

    @Slot(QPoint)
    def _on_menu(self, where: QPoint) -> None:
        menu = self.menu()
        menu.aboutToHide.connect(menu.deleteLater)
        menu.popup(where)

    def menu(self) -> QMenu:
        """Return the menu of the chosen sounds."""
        menu, file = QMenu(self), self._files.get(self.table.current)
        state, chosen = self._session.state, self._sounds.chosen
        if file is not None:
            menu.addAction("&Play").triggered.connect(lambda: self._commands.hearing.play(file))
            menu.addAction("Show in &Folder").triggered.connect(lambda: self._sounds.show_in_folder(file))
            menu.addSeparator()
        leave_out = menu.addAction(words.leave_out_text(state, chosen))
        leave_out.setEnabled(words.can_leave_out(state, chosen))
        leave_out.triggered.connect(self._sounds.leave_out_or_take_back)
        return menu


def _button(name: str, text: str) -> QPushButton:
    button = QPushButton(text)
    button.setObjectName(name)
    button.setMinimumHeight(_BUTTON_HEIGHT)
    return button
