"""The buttons of the player: what plays, and how it is heard and seen."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QEvent, QSize, Qt, Signal, Slot
from PySide6.QtGui import QActionGroup, QPaintEvent, QPalette
from PySide6.QtWidgets import QHBoxLayout, QLabel, QMenu, QSlider, QToolButton, QVBoxLayout, QWidget

from app.theme import WIDE, icon, tabular
from app.times import position
from app.widgets.card.body import ElidedLabel
from app.widgets.focus import draw_focus
from app.widgets.sound.segments import TARGET, Segments
from app.widgets.tips import set_tip
from app.words import on_button

_ICON = QSize(18, 18)
_LEFT_WIDTH, _VOLUME_WIDTH = 204, 72
_LONGEST_TIME = "00:00.0/00:00.0"
_SHORT_S = 10.0
_FULL = 100  # of the volume's slider
COMPARE_TIP = "A and B are the last two sounds that you listened to; Ctrl+B goes from one to the other in mid-sound"


def _tool(name: str, tip: str, *, is_checkable: bool = False) -> QToolButton:
    button = QToolButton()
    button.setAccessibleName(name)
    set_tip(button, tip)
    button.setCheckable(is_checkable)
    button.setIconSize(_ICON)
    button.setMinimumSize(TARGET, TARGET)
    button.setAutoRaise(True)
    return button


class Iconic(QWidget):
    """A widget whose buttons' icons follow the palette."""

    def __init__(self) -> None:
        super().__init__()
        self._icons: dict[QToolButton, str] = {}

    def _set_icon(self, button: QToolButton, name: str) -> None:
        self._icons[button] = name
        button.setIcon(icon(name, self.palette().color(QPalette.ColorRole.WindowText)))

    def changeEvent(self, event: QEvent) -> None:
        """Follow the palette."""
        super().changeEvent(event)
        if event.type() in (QEvent.Type.PaletteChange, QEvent.Type.ApplicationPaletteChange):
            for button, name in getattr(self, "_icons", {}).items():
                self._set_icon(button, name)


class PlayControls(Iconic):
    """Play, loop, the time, and the title; Signals: `play_clicked()`, `loop_chosen(bool)`."""

    play_clicked = Signal()
    loop_chosen = Signal(bool)

    def __init__(self) -> None:
        super().__init__()
        widest = self.fontMetrics().horizontalAdvance(_LONGEST_TIME) + 2 * TARGET + WIDE
        self.setFixedWidth(max(_LEFT_WIDTH, widest))
        self.play_button = _tool("Play", "Play (Space; Ctrl+Space from anywhere)")
        self.play_button.setObjectName("playButton")
        self.loop_button = _tool("Loop", "Begin again at the end (Ctrl+L)", is_checkable=True)
        self.time, self.title = QLabel(), ElidedLabel(mode=Qt.TextElideMode.ElideRight)
        self.time.setFont(tabular(self.time.font()))
        self.play_button.clicked.connect(self.play_clicked)
        self.loop_button.clicked.connect(self.loop_chosen)
        self._lay_out()
        self._set_icon(self.loop_button, "loop")
        self._is_playing: bool | None = None
        self.show_playing(False)
        self.show_time(0.0, 0.0)

    def _lay_out(self) -> None:
        words = QVBoxLayout()
        words.setSpacing(2)
        words.addStretch(1)
        words.addWidget(self.title)
        words.addWidget(self.time)
        words.addStretch(1)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(4)
        row.addWidget(self.play_button)
        row.addWidget(self.loop_button)
        row.addLayout(words, 1)

    def show_title(self, title: str) -> None:
        """Show what plays, if anything does."""
        self.title.setText(title)
        self.title.setVisible(bool(title))

    def show_playing(self, is_playing: bool) -> None:
        """Offer to stop, or to play."""
        if is_playing is self._is_playing:
            return  # an icon is drawn anew in 5 ms
        self._is_playing = is_playing
        self._set_icon(self.play_button, "stop" if is_playing else "play")
        self.play_button.setAccessibleName("Stop" if is_playing else "Play")

    def show_time(self, position_s: float, duration_s: float) -> None:
        """Show "0:12/0:25", with tenths for a short sound."""
        is_fine = 0 < duration_s < _SHORT_S
        self.time.setText(f"{position(position_s, is_fine=is_fine)}/{position(duration_s, is_fine=is_fine)}")


class _Volume(QSlider):
    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the slider, and a line around it while it has the keyboard."""
        super().paintEvent(event)
        draw_focus(self)


class Switches(Iconic):
    """What is seen and heard of it.

    Signals: `look_chosen(str)` "wave" or "spectrum", `slot_chosen(str)` "A" or "B", `side_chosen(str)` "original" or
    "model", `volume_chosen(float)` 0 to 1, `device_chosen(str)` an id; `devices_wanted()` asks for `show_devices`.
    """

    look_chosen = Signal(str)
    slot_chosen = Signal(str)
    side_chosen = Signal(str)
    volume_chosen = Signal(float)
    device_chosen = Signal(str)
    devices_wanted = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.look = Segments("Picture", {"wave": ("wave", "Waveform"), "spectrum": ("spectrum", "Spectrogram")})
        self.slot = Segments("Compare", {"A": ("A", COMPARE_TIP), "B": ("B", COMPARE_TIP)})
        self.side = Segments("Source", {"original": ("original", ""), "model": ("model", "")})
        self.volume = _Volume(Qt.Orientation.Horizontal)
        self.volume.setRange(0, _FULL)
        self.volume.setFixedWidth(_VOLUME_WIDTH)
        self.volume.setMinimumHeight(TARGET)
        self.volume.setAccessibleName("Volume")
        set_tip(self.volume, "Volume")
        self.device_button = _tool("Sound output", "Choose the sound output")
        self.device_button.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.devices = QMenu(self)
        self.device_button.setMenu(self.devices)
        self._set_icon(self.device_button, "speaker")
        self._lay_out()
        self.look.chosen.connect(self.look_chosen)
        self.slot.chosen.connect(self.slot_chosen)
        self.side.chosen.connect(self.side_chosen)
        self.volume.valueChanged.connect(self._on_volume)
        self.devices.aboutToShow.connect(self.devices_wanted)

    def _lay_out(self) -> None:
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2)
        for widgets in ((self.look, self.slot), (self.side, self.device_button, self.volume)):
            row = QHBoxLayout()
            row.setSpacing(4)
            for widget in widgets:
                row.addWidget(widget)
            row.insertStretch(1, 1)
            column.addLayout(row)
        column.insertStretch(0, 1)
        column.addStretch(1)

    def show_volume(self, volume: float) -> None:
        """Show the loudness, 0 to 1."""
        self.volume.blockSignals(True)
        self.volume.setValue(round(volume * _FULL))
        self.volume.blockSignals(False)

    def show_place(self, place: str, title: str) -> None:
        """Say what is in A, or in B."""
        self.slot.set_tip(place, f"{place}: {title}. {COMPARE_TIP}" if title else COMPARE_TIP)

    def show_devices(self, devices: Sequence[tuple[str, str]], chosen: str) -> None:
        """List the outputs, ids and names, below the computer's own choice."""
        self.devices.clear()
        group = QActionGroup(self.devices)
        for identity, name in [("", "The Computer's Own Choice"), *devices] if devices else []:
            action = self.devices.addAction(on_button(name))
            action.setCheckable(True)
            action.setChecked(identity == chosen)
            action.setData(identity)
            action.triggered.connect(self._on_device)
            group.addAction(action)
        if not devices:
            self.devices.addAction("No sound output").setEnabled(False)

    @Slot()
    def _on_device(self) -> None:
        action = next(action for action in self.devices.actions() if action is self.sender())
        self.device_chosen.emit(action.data())

    @Slot(int)
    def _on_volume(self, value: int) -> None:
        self.volume_chosen.emit(value / _FULL)
