"""A sound as waveform or spectrogram, with a playhead."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

from PySide6.QtCore import QEvent, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QKeyEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QStackedLayout, QWidget

from app.theme import raised_color
from app.widgets.card.body import ElidedLabel
from app.widgets.focus import FOCUS_WIDTH, draw_focus

if TYPE_CHECKING:
    from app.widgets.sound.canvas import SoundCanvas
    from app.widgets.sound.envelope import Samples

Look: TypeAlias = Literal["wave", "spectrum"]

NOTHING = "Sounds and takes play here."
_STEPS = 50  # of the arrow keys, from end to end
_PAUSE_MS = 100  # between two drawings of a sound that is still coming in


class SoundView(QWidget):
    """A plain text until there is a sound; then its picture, in which a click, a drag or ← → choose a place.

    Signal: `seeked(float)` the chosen place, in seconds.
    """

    seeked = Signal(float)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("soundView")
        self.setAccessibleName("Sound")
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self._look: Look = "wave"
        self._canvases: dict[Look, SoundCanvas] = {}
        self._drawn: set[Look] = set()  # those that show the present sound
        self._samples_T: Samples | None = None
        self._sample_rate, self._position_s = 1, 0.0
        self._message = ElidedLabel()
        self._message.setText(NOTHING)
        self._message.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._stack = QStackedLayout(self)
        self.setContentsMargins(*[FOCUS_WIDTH] * 4)  # nothing covers the line around it
        self._stack.addWidget(self._message)
        self._pause = QTimer(self)
        self._pause.setSingleShot(True)
        self._pause.setInterval(_PAUSE_MS)
        self._pause.timeout.connect(self._draw)

    @property
    def look(self) -> Look:
        """What is drawn."""
        return self._look

    @property
    def duration_s(self) -> float:
        """The length of the sound in seconds."""
        return 0.0 if self._samples_T is None else len(self._samples_T) / self._sample_rate

    @property
    def position_s(self) -> float:
        """The place of the playhead in seconds."""
        return self._position_s

    def show_sound(self, title: str, samples_T: Samples | None, sample_rate: int) -> None:
        """Draw a sound in place of the former one, or none; soon, if this is called many times in a row."""
        self._samples_T, self._sample_rate = samples_T, sample_rate
        self._drawn.clear()
        self.setAccessibleDescription(f"{title}, {self.duration_s:.1f} seconds" if self.duration_s else NOTHING)
        if not self._pause.isActive():
            self._draw()
            self._pause.start()

    def show_position(self, seconds: float) -> None:
        """Move the playhead."""
        self._position_s = seconds
        if (canvas := self._canvases.get(self._look)) is not None:
            canvas.show_playhead(seconds)

    def set_look(self, look: Look) -> None:
        """Draw the waveform, or the spectrogram."""
        self._look = look
        self._draw()

    def _draw(self) -> None:
        samples_T = self._samples_T
        if samples_T is None or not len(samples_T):
            self._stack.setCurrentWidget(self._message)
            return
        canvas = self._canvas()
        if self._look not in self._drawn:
            canvas.show_sound(samples_T, self._sample_rate)
            self._drawn.add(self._look)
        canvas.show_playhead(self._position_s)
        self._stack.setCurrentWidget(canvas)

    def _canvas(self) -> SoundCanvas:
        """Return the picture of the present look, which imports pyqtgraph the first time."""
        from app.widgets.sound.spectrogram import Spectrogram
        from app.widgets.sound.waveform import Waveform

        if self._look not in self._canvases:
            canvas: SoundCanvas = Waveform(self) if self._look == "wave" else Spectrogram(self)
            canvas.restyle(self.palette())
            canvas.pointed.connect(self.seeked)
            self._canvases[self._look] = canvas
            self._stack.addWidget(canvas)
        return self._canvases[self._look]

    # Keyboard and look

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Go a fiftieth back or on with ← and →, to the ends with Home and End."""
        step, end = self.duration_s / _STEPS, self.duration_s
        places = {
            Qt.Key.Key_Left: self._position_s - step,
            Qt.Key.Key_Right: self._position_s + step,
            Qt.Key.Key_Home: 0.0,
            Qt.Key.Key_End: end,
        }
        if not end or event.key() not in places:
            super().keyPressEvent(event)
            return
        self.seeked.emit(min(max(0.0, places[Qt.Key(event.key())]), end))

    def sizeHint(self) -> QSize:
        """Ask for room to see a sound."""
        return QSize(400, 60)

    def minimumSizeHint(self) -> QSize:
        """Ask for the least room that shows anything."""
        return QSize(120, 28)

    def changeEvent(self, event: QEvent) -> None:
        """Follow the palette, which is another one while nothing can be played."""
        super().changeEvent(event)
        kinds = (QEvent.Type.PaletteChange, QEvent.Type.ApplicationPaletteChange, QEvent.Type.EnabledChange)
        if event.type() in kinds:
            for canvas in getattr(self, "_canvases", {}).values():
                canvas.restyle(self.palette())

    def paintEvent(self, event: QPaintEvent) -> None:
        """Show the ground and the focus."""
        painter = QPainter(self)
        painter.fillRect(self.rect(), raised_color(self.palette()))
        painter.end()
        draw_focus(self)
