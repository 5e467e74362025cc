"""The shelf of takes: a row of clips, the newest first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QPoint, Qt, Slot
from PySide6.QtWidgets import QHBoxLayout, QLabel, QMenu, QPushButton, QVBoxLayout, QWidget

from app.flows.commands import Commands
from app.presentation import takes as words
from app.session import Session
from app.session.available import ActionId, available
from app.session.state import State
from app.session.tasks.shelving import take_key
from app.theme import error_color, height_for
from app.widgets.announce import announce
from app.widgets.sound.clip import Clip
from app.widgets.sound.row_area import RowArea

if TYPE_CHECKING:
    from app.session.tasks.shelving import TakeOutline
    from distill_core.generation.takes.folder import Take

_SHELF_HEIGHT, _COMPACT_HEIGHT, _BUTTON_HEIGHT, _SPACE = 72, 50, 28, 6  # with room for a scroll bar


class TakesPanel(QWidget):
    """Shows the takes of the open model, takes clicks on them, and says what failed."""

    def __init__(self, session: Session, commands: Commands) -> None:
        super().__init__()
        self._session, self._takes = session, commands.takes
        self._is_compact = False
        self._outlines: dict[int, tuple[float, ...]] = {}
        self._asked_for: set[int] = set()
        self.clips: dict[int, Clip] = {}
        self.setObjectName("takesPanel")
        self.problem = _sentence("takesProblem")
        self.empty = _sentence("takesEmpty")
        self.undo_button = _button("&Undo Delete", self._takes.bring_back)
        self.save_all_button = _button("Save &All…", self._takes.save_all)
        self._row = QHBoxLayout()
        self._lay_out()
        session.state_changed.connect(self._on_state)
        session.take_outlined.connect(self._on_outline)
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
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        column.addWidget(self.problem)
        column.addLayout(shelf)

    # Shown

    def set_compact(self, is_compact: bool) -> None:
        """Take less room."""
        self._is_compact = is_compact
        self.area.setFixedHeight(height_for(self, _COMPACT_HEIGHT if is_compact else _SHELF_HEIGHT, lines=2))
        for clip in self.clips.values():
            clip.set_compact(is_compact)

    @Slot(object)
    def _on_state(self, state: State) -> None:
        self._show_problem(words.problem_text(state))
        self.empty.setText(words.shelf_text(state))
        self.empty.setVisible(not state.takes.takes)
        self.undo_button.setToolTip(words.undo_tip(state))
        self.undo_button.setVisible(ActionId.BRING_TAKE_BACK in available(state))
        self.save_all_button.setVisible(ActionId.SAVE_ALL_TAKES in available(state))
        self._show_clips(state)

    def _show_problem(self, text: str) -> None:
        palette = self.palette()
        palette.setColor(self.problem.foregroundRole(), error_color(palette))
        self.problem.setPalette(palette)
        is_new = bool(text) and text != self.problem.text()
        self.problem.setText(text)
        self.problem.setVisible(bool(text))
        if is_new:
            announce(self.problem, text)

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
        missing = [take for take in takes if take.number not in self._outlines | dict.fromkeys(self._asked_for)]
        if missing:
            self._asked_for |= {take.number for take in missing}
            self._session.outline_takes(missing)

    @Slot(object)
    def _on_outline(self, outline: TakeOutline) -> None:
        model = self._session.state.open.model
        if model is not None and outline.model == model.path:
            self._outlines[outline.number] = outline.peaks
            self._show_clips(self._session.state)

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
        self._takes.drag_out.start(number, self.clips[number])

    @Slot(int, QPoint)
    def _on_menu(self, number: int, where: QPoint) -> None:
        self._session.choose_take(number)
        menu = self.menu_of(number)
        menu.aboutToHide.connect(menu.deleteLater)
        menu.popup(where)

    def menu_of(self, number: int) -> QMenu:
        """Return the menu of a take."""
        take, takes = self._session.state.takes.numbered(number), self._takes
        menu = QMenu(self)
        menu.addAction("&Play").triggered.connect(lambda: takes.play(number))
        menu.addAction("&Save…").triggered.connect(lambda: takes.save(number))
        menu.addAction("Save &All…").triggered.connect(takes.save_all)
        star = menu.addAction("Sta&r")
        star.setCheckable(True)
        star.setChecked(take is not None and take.is_starred)
        star.triggered.connect(lambda is_on: self._session.star_take(number, is_on))
        menu.addSeparator()
        again = menu.addAction("Make A&gain")
        again.setEnabled(ActionId.GENERATE in available(self._session.state))
        again.triggered.connect(lambda: takes.make_again(number))
        menu.addAction("Copy S&eed").triggered.connect(lambda: takes.copy_seed(number))
        menu.addAction("&Copy Settings").triggered.connect(lambda: takes.copy_settings(number))
        menu.addAction("Show in &Folder").triggered.connect(lambda: takes.show_in_folder(number))
        menu.addSeparator()
        menu.addAction("&Delete").triggered.connect(lambda: takes.delete(number))
        return menu


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
