"""The shelf of takes: a row of clips, the newest first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from PySide6.QtCore import QPoint, Qt, Slot
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QWidget

from app.flows.commands import Commands
from app.flows.take_menu import take_menu
from app.presentation import takes as words
from app.session import Session
from app.session.available import ActionId, available
from app.session.state import State
from app.session.tasks.shelving import take_key
from app.theme import height_for
from app.widgets.sound.clip import Clip, ClipLook
from app.widgets.sound.clip_row import ClipRow

if TYPE_CHECKING:
    from app.session.tasks.shelving import TakeOutline
    from distill_core.generation.takes.folder import Take

_SHELF_HEIGHT, _COMPACT_HEIGHT, _BUTTON_HEIGHT = 72, 50, 28  # with room for a scroll bar


class TakesPanel(QWidget):
    """Shows the takes of the open model, and takes clicks on them."""

    def __init__(self, session: Session, commands: Commands) -> None:
        super().__init__()
        self._session, self._takes = session, commands.takes
        self._by_number: dict[int, Take] = {}
        self._outlines: dict[int, tuple[float, ...]] = {}
        self._asked_for: set[int] = set()
        self.setObjectName("takesPanel")
        self.empty = _sentence("takesEmpty")
        self.undo_button = _button("&Undo Delete", self._takes.bring_back)
        self.save_all_button = _button("Save &All…", self._takes.save_all)
        self._lay_out()
        session.state_changed.connect(self._on_state)
        session.take_outlined.connect(self._on_outline)
        session.takes_outlined.connect(self._on_outlines_ended)
        session.model_opened.connect(self._on_model_opened)
        session.player.changed.connect(self._on_player)
        self._on_state(session.state)

    def _lay_out(self) -> None:
        self.area = ClipRow(self._look_of, self.empty, _SHELF_HEIGHT)
        self.area.built.connect(self._on_built)
        shelf = QHBoxLayout()
        shelf.addWidget(self.area, 1)
        for widget in (self.undo_button, self.save_all_button):
            shelf.addWidget(widget, 0, Qt.AlignmentFlag.AlignTop)
        shelf.setContentsMargins(0, 0, 0, 0)
        self.setLayout(shelf)

    @property
    def clips(self) -> Mapping[int, Clip]:
        """The clips that are seen, and some beside them, by the numbers of their takes."""
        return self.area.clips

    # Shown

    def set_compact(self, is_compact: bool) -> None:
        """Take less room."""
        self.area.setFixedHeight(height_for(self, _COMPACT_HEIGHT if is_compact else _SHELF_HEIGHT, lines=2))
        self.area.set_compact(is_compact)
        self.updateGeometry()  # at once, as the window asks for the least height right after

    @Slot(object)
    def _on_state(self, state: State) -> None:
        self.empty.setText(words.shelf_text(state))
        self.empty.setVisible(not state.takes.takes)
        self.undo_button.setToolTip(words.undo_tip(state))
        self.undo_button.setVisible(ActionId.BRING_TAKE_BACK in available(state))
        self.save_all_button.setVisible(ActionId.SAVE_ALL_TAKES in available(state))
        self._show_clips(state)

    def _show_clips(self, state: State) -> None:
        self._by_number = {take.number: take for take in state.takes.takes}
        self.area.show_numbers([*self._by_number])
        self._ask_for_outlines(state.takes.takes)

    def _look_of(self, number: int) -> ClipLook:
        return words.clip_look(self._by_number[number], self._outlines.get(number, ()), **self._playing(number))

    def _playing(self, number: int) -> dict[str, bool]:
        """Return whether a take is in the player, and whether that plays."""
        player, model = self._session.player, self._session.state.open.model
        loaded = player.playable.key if player.playable is not None else None
        is_loaded = model is not None and loaded == take_key(model.path, number)
        return {"is_loaded": is_loaded, "is_playing": player.is_playing}

    @Slot(object)
    def _on_built(self, clip: Clip) -> None:
        clip.play_wanted.connect(self._takes.play)
        clip.star_wanted.connect(self._session.star_take)
        clip.delete_wanted.connect(self._on_delete)
        clip.chosen.connect(self._on_chosen)
        clip.step_wanted.connect(self._on_step)
        clip.menu_wanted.connect(self._on_menu)
        clip.drag_wanted.connect(self._on_drag)

    def _ask_for_outlines(self, takes: tuple[Take, ...]) -> None:
        known = self._asked_for.union(self._outlines)
        missing = [take for take in takes if take.number not in known]
        if missing:
            self._asked_for |= {take.number for take in missing}
            self._session.outline_takes(missing)

    @Slot(object)
    def _on_outline(self, outline: TakeOutline) -> None:
        model = self._session.state.open.model
        if model is not None and outline.model == model.path:
            self._outlines[outline.number] = outline.peaks
            self.area.show_look(outline.number)

    @Slot(object)
    def _on_outlines_ended(self, numbers: frozenset[int]) -> None:
        """Ask again for the outlines that have not come, as a sound was to be heard meanwhile."""
        self._asked_for -= numbers
        self._ask_for_outlines(self._session.state.takes.takes)

    @Slot(object)
    def _on_model_opened(self, summary: object) -> None:
        self._outlines.clear()
        self._asked_for.clear()

    @Slot()
    def _on_player(self) -> None:
        self._show_clips(self._session.state)

    # Clicked

    @Slot(int)
    def _on_chosen(self, number: int) -> None:
        self._session.choose_take(number)
        self.area.reveal(number)

    @Slot(int)
    def _on_delete(self, number: int) -> None:
        self._takes.delete(number)
        if chosen := self._session.state.takes.chosen:
            self.area.focus(chosen)

    @Slot(int)
    def _on_step(self, step: int) -> None:
        numbers = [take.number for take in self._session.state.takes.takes]
        chosen = self._session.state.takes.chosen
        if chosen in numbers:
            place = min(max(numbers.index(chosen) + step, 0), len(numbers) - 1)
            self.area.focus(numbers[place])

    @Slot(int)
    def _on_drag(self, number: int) -> None:
        self._takes.drag_out.start(number, self, self.clips[number].grab())  # a clip may go meanwhile

    @Slot(int, QPoint)
    def _on_menu(self, number: int, where: QPoint) -> None:
        self._session.choose_take(number)
        menu = take_menu(self, self._session, self._takes, number)
        menu.aboutToHide.connect(menu.deleteLater)
        menu.popup(where)


def _sentence(name: str) -> QLabel:
    label = QLabel()
    label.setObjectName(name)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setWordWrap(True)
    label.setMinimumWidth(1)  # one long word must not widen the window
    return label


def _button(text: str, on_click: object) -> QPushButton:
    button = QPushButton(text)
    button.setMinimumHeight(_BUTTON_HEIGHT)
    button.clicked.connect(on_click)
    return button
