"""The player: what it shows of a sound, and the buttons beside it."""

from __future__ import annotations

from typing import cast

from PySide6.QtCore import Slot
from PySide6.QtGui import QPainter, QPaintEvent
from PySide6.QtWidgets import QHBoxLayout, QWidget

from app.flows.commands import Commands
from app.presentation.player import MODEL_TIP, ORIGINAL_TIP, side_obstacle, source_of
from app.session import Session
from app.session.slots import Playable
from app.session.slots import Slot as Place
from app.session.tasks.hearing import Side
from app.theme import RADIUS, ROOMY, SPACE, border_color, raised_color
from app.widgets.sound.transport import PlayControls, Switches
from app.widgets.sound.view import Look, SoundView

HEIGHT, COMPACT_HEIGHT = 84, 62
_EDGE = 2  # px above and below


class PlayerPanel(QWidget):
    """Shows what the Session's player is at, and takes clicks; dimmed while there is nothing to play."""

    def __init__(self, session: Session, commands: Commands) -> None:
        super().__init__()
        self.setObjectName("playerPanel")
        self._session, self._player, self._commands = session, session.player, commands
        self._shown: Playable | None = None
        self.view, self.controls, self.switches = SoundView(), PlayControls(), Switches()
        row = QHBoxLayout(self)
        row.setContentsMargins(SPACE, _EDGE, SPACE, _EDGE)
        row.setSpacing(ROOMY)
        row.addWidget(self.controls)
        row.addWidget(self.view, 1)
        row.addWidget(self.switches)
        self.set_compact(False)
        self._connect()
        self._show_sound(None)
        self._on_player()

    def set_compact(self, is_compact: bool) -> None:
        """Take less room, in a small window."""
        usual = COMPACT_HEIGHT if is_compact else HEIGHT
        self.setFixedHeight(max(usual, self.switches.minimumSizeHint().height() + 2 * _EDGE))

    def _connect(self) -> None:
        player, switches = self._player, self.switches
        self.view.seeked.connect(player.seek)
        self.controls.play_clicked.connect(player.toggle)
        self.controls.loop_chosen.connect(player.set_loop)
        switches.look_chosen.connect(self._on_look)
        switches.slot_chosen.connect(self._on_slot)
        switches.side_chosen.connect(self._on_side)
        switches.volume_chosen.connect(player.set_volume)
        switches.device_chosen.connect(player.set_device)
        switches.devices_wanted.connect(self._on_devices_wanted)
        player.changed.connect(self._on_player)
        player.grown.connect(self._on_grown)
        player.moved.connect(self._on_moved)
        self._commands.hearing.changed.connect(self._show_words)
        self._session.state_changed.connect(self._on_state)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw one ground for all of the player."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(border_color(self.palette()))
        painter.setBrush(raised_color(self.palette()))
        painter.drawRoundedRect(self.rect().toRectF().adjusted(0.5, 0.5, -0.5, -0.5), RADIUS, RADIUS)
        painter.end()

    @Slot()
    def _on_grown(self) -> None:
        playable = self._player.playable
        if playable is not self._shown:
            self._shown = playable
            self._show_sound(playable)

    @Slot()
    def _on_player(self) -> None:
        self._on_grown()
        self.controls.show_playing(self._player.is_playing)
        self.controls.loop_button.setChecked(self._player.is_loop)
        self.switches.show_volume(self._player.volume)
        self._show_slots()
        self._show_words()
        self._on_state()

    def _show_sound(self, playable: Playable | None) -> None:
        for widget in (self.controls, self.view, self.switches.look):
            widget.setEnabled(playable is not None)
        if playable is None:
            self.view.show_sound("", None, 1)
        else:
            self.view.show_sound(playable.title, playable.samples, playable.sample_rate)
        self._on_moved(self._player.position_s)

    def _show_slots(self) -> None:
        places: tuple[Place, ...] = ("A", "B")
        slots = self._player.slots
        self.switches.slot.choose(slots.active)
        self.switches.slot.setEnabled(all(slots[place] is not None for place in places))
        for place in places:
            held = slots[place]
            self.switches.show_place(place, "" if held is None else held.title)

    @Slot()
    def _show_words(self) -> None:
        title = "" if self._shown is None else self._shown.title
        self.controls.show_title(self._commands.hearing.note or title)

    @Slot()
    def _on_state(self) -> None:
        playable, source = self._player.playable, source_of(self._player.playable)
        obstacle = side_obstacle(playable, self._session.state)
        self.switches.side.setEnabled(not obstacle)
        self.switches.side.choose("original" if source is None else source.side)
        self.switches.side.set_tip("original", obstacle or ORIGINAL_TIP)
        self.switches.side.set_tip("model", obstacle or MODEL_TIP)

    @Slot(float)
    def _on_moved(self, seconds: float) -> None:
        self.view.show_position(seconds)
        self.controls.show_time(seconds, self.view.duration_s)

    @Slot(str)
    def _on_look(self, look: str) -> None:
        self.view.set_look(cast(Look, look))

    @Slot(str)
    def _on_slot(self, place: str) -> None:
        self._player.choose_slot(cast(Place, place))

    @Slot(str)
    def _on_side(self, side: str) -> None:
        self._commands.hearing.choose_side(cast(Side, side))

    @Slot()
    def _on_devices_wanted(self) -> None:
        self.switches.show_devices(self._player.devices(), self._player.device)
