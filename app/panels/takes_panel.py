"""The shelf of takes: a row of clips, the newest first."""

from __future__ import annotations

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
from app.widgets.sound.clip import Clip
from app.widgets.sound.row_area import RowArea

if TYPE_CHECKING:
    from app.session.tasks.shelving import TakeOutline
    from distill_core.generation.takes.folder import Take

_SHELF_HEIGHT, _COMPACT_HEIGHT, _BUTTON_HEIGHT, _SPACE = 72, 50, 28, 6  # with room for a scroll bar


class TakesPanel(QWidget):
    """Shows the takes of the open model, and takes clicks on them."""

    def __init__(self, session: Session, commands: Commands) -> None:
        super().__init__()
        self._session, self._takes = session, commands.takes
        self._is_compact = False
        self._outlines: dict[int, tuple[float, ...]] = {}
        self._asked_for: set[int] = set()
        self.clips: dict[int, Clip] = {}
        self.setObjectName("takesPanel")
        self.empty = _sentence("takesEmpty")
        self.undo_button = _button("&Undo Delete", self._takes.bring_back)
        self.save_all_button = _button("Save &All…", self._takes.save_all)
        self._row = QHBoxLayout()
        self._lay_out()
        session.state_changed.connect(self._on_state)
        session.take_outlined.connect(self._on_outline)
        session.takes_outlined.connect(self._on_outlines_ended)
        session.model_opened.connect(self._on_model_opened)
        session.player.changed.connect(self._on_player)
        self._on_state(session.state)

    def _lay_out(self) -> None:
        inside = QWidget()
        self._row.setContentsMargins(0, 0, 0, 0)
        self._row.setSpacing(_SPACE)
        self._row.addWidget(self.empty, 1)
        self._row.addStretch(0)
        inside.setLayout(self._row)
        self.area = RowArea(inside, _SHELF_HEIGHT)
        shelf = QHBoxLayout()
        shelf.addWidget(self.area, 1)
        for widget in (self.undo_button, self.save_all_button):
            shelf.addWidget(widget, 0, Qt.AlignmentFlag.AlignTop)
        shelf.setContentsMargins(0, 0, 0, 0)
        self.setLayout(shelf)

    # Shown

    def set_compact(self, is_compact: bool) -> None:
        """Take less room."""
        self._is_compact = is_compact
        self.area.setFixedHeight(height_for(self, _COMPACT_HEIGHT if is_compact else _SHELF_HEIGHT, lines=2))
        for clip in self.clips.values():
            clip.set_compact(is_compact)

    @Slot(object)
    def _on_state(self, state: State) -> None:
        self.empty.setText(words.shelf_text(state))
        self.empty.setVisible(not state.takes.takes)
        self.undo_button.setToolTip(words.undo_tip(state))
        self.undo_button.setVisible(ActionId.BRING_TAKE_BACK in available(state))
        self.save_all_button.setVisible(ActionId.SAVE_ALL_TAKES in available(state))
        self._show_clips(state)

    def _show_clips(self, state: State) -> None:
        wanted = [take.number for take in state.takes.takes]
        for number in [number for number in self.clips if number not in wanted]:
            self._remove(number)
        for place, take in enumerate(state.takes.takes):
            self._show_clip(place, take)
        self._ask_for_outlines(state.takes.takes)

    def _show_clip(self, place: int, take: Take) -> None:
        look = words.clip_look(take, self._outlines.get(take.number, ()), **self._playing(take.number))
        if take.number not in self.clips:
            self.clips[take.number] = self._new_clip(Clip(look))
            self._row.insertWidget(place + 1, self.clips[take.number])  # the sentence of an empty shelf is the first
            self.clips[take.number].show()  # now: the layout would do it only later
            if place == 0:
                self.area.horizontalScrollBar().setValue(0)
        elif self.clips[take.number].look != look:
            self.clips[take.number].show_look(look)

    def _playing(self, number: int) -> dict[str, bool]:
        """Return whether a take is in the player, and whether that plays."""
        player, model = self._session.player, self._session.state.open.model
        loaded = player.playable.key if player.playable is not None else None
        is_loaded = model is not None and loaded == take_key(model.path, number)
        return {"is_loaded": is_loaded, "is_playing": player.is_playing}

    def _new_clip(self, clip: Clip) -> Clip:
        clip.set_compact(self._is_compact)
        clip.play_wanted.connect(self._takes.play)
        clip.star_wanted.connect(self._session.star_take)
        clip.delete_wanted.connect(self._on_delete)
        clip.chosen.connect(self._on_chosen)
        clip.step_wanted.connect(self._on_step)
        clip.menu_wanted.connect(self._on_menu)
        clip.drag_wanted.connect(self._on_drag)
        return clip

    def _remove(self, number: int) -> None:
        clip = self.clips.pop(number)
        self._row.removeWidget(clip)
        clip.hide()
        clip.deleteLater()

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
            self._show_outline(outline.number)

    def _show_outline(self, number: int) -> None:
        """Show the outline of one take: of hundreds, each comes by itself."""
        for place, take in enumerate(self._session.state.takes.takes):
            if take.number == number:
                self._show_clip(place, take)

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
        self.area.ensureWidgetVisible(self.clips[number], _SPACE, 0)

    @Slot(int)
    def _on_delete(self, number: int) -> None:
        self._takes.delete(number)
        if (clip := self.clips.get(self._session.state.takes.chosen)) is not None:
            clip.setFocus()

    @Slot(int)
    def _on_step(self, step: int) -> None:
        numbers = [take.number for take in self._session.state.takes.takes]
        chosen = self._session.state.takes.chosen
        if chosen in numbers:
            place = min(max(numbers.index(chosen) + step, 0), len(numbers) - 1)
            self.clips[numbers[place]].setFocus()

    @Slot(int)
    def _on_drag(self, number: int) -> None:
        self._takes.drag_out.start(number, self.clips[number], self.clips[number].grab())

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
