"""The player: a sound, where it is heard, and how; it works without a sound output, too, but for the sound."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer, Signal, Slot

from app.session import slots
from app.session.slots import Playable, Slots

if TYPE_CHECKING:
    import numpy as np

    from app.session.playing.output import Output
    from app.session.playing.reel import Reel
    from app.session.playing.stream import Stream

_MOVED_MS = 33
_NO_OUTPUT = "This computer has no sound output; all else works. Connect one and press Play again."
_FAILED_OUTPUT = "The sound output “{name}” can't be used. Choose another beside the volume, or play again."
_OTHER_OUTPUT = "The sound output “{name}” can't be used: this plays on the computer's own choice."
_NO_LIBRARY = (
    "The system's sound libraries are missing ({error}); all else works. "
    "On Debian and Ubuntu: sudo apt-get install libpulse0"
)

__all__ = ["Playable", "Player"]


class Player(QObject):
    """Plays one sound at a time, from the place that was chosen in it.

    Signals: `changed()` anything but its position and length; `grown()` more has come of the sound that is shown;
    `moved(float)` the position in seconds; `unavailable(str)` it can't be heard as it should, in a sentence: once for a
    computer without sound output, and each time that an output does not work.
    """

    changed = Signal()
    grown = Signal()
    moved = Signal(float)
    unavailable = Signal(str)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.slots = Slots()
        self._playable: Playable | None = None
        self._reel: Reel | None = None
        self._stream: Stream | None = None  # it goes on coming in while another sound is shown
        self._output: Output | None = None
        self._is_playing = self._is_loop = self._has_complained = False
        self._start_s, self._volume, self._device = 0.0, 1.0, ""
        self._clock = QTimer(self)
        self._clock.setInterval(_MOVED_MS)
        self._clock.timeout.connect(self._on_clock)

    # What it is at

    @property
    def playable(self) -> Playable | None:
        """The sound that is shown; of a stream, what came so far."""
        return self._playable

    @property
    def is_playing(self) -> bool:
        """Whether it plays."""
        return self._is_playing

    @property
    def is_streaming(self) -> bool:
        """Whether more of the sound that is shown is to come."""
        return self._stream is not None and self._reel is self._stream.reel

    @property
    def position_s(self) -> float:
        """The place that is heard, or from which it will play, in seconds."""
        if self._is_playing and self._output is not None and self._reel is not None:
            return self._output.position / self._reel.sample_rate
        return self._start_s

    @property
    def is_loop(self) -> bool:
        """Whether it begins again at the end."""
        return self._is_loop

    @property
    def volume(self) -> float:
        """The loudness, 0 to 1."""
        return self._volume

    @property
    def device(self) -> str:
        """The id of the chosen output, "" for the computer's own choice."""
        return self._device

    # Playing

    def show(self, playable: Playable) -> None:
        """Load a sound, from its beginning; what played falls silent."""
        self._silence()
        self._start_s = 0.0
        self.slots.put(playable)
        self._load(playable)

    def compare(self, first: Playable, second: Playable, slot: slots.Slot) -> None:
        """Load two sounds into A and B, and be at the beginning of one of them; what played falls silent."""
        self._silence()
        self._start_s = 0.0
        self._load(self.slots.fill(first, second, slot))

    def play(self) -> None:
        """Play from the chosen place; without a sound output, say so."""
        self._play_from(self._start_s)

    def _play_from(self, seconds: float) -> None:
        if self._reel is None:
            return
        self._reel.jump(round(seconds * self._reel.sample_rate))
        if self._reel.is_at_end:
            self._start_s = 0.0
            self._reel.jump(0)
        self._is_playing = self._sound()
        if self._is_playing:
            self._clock.start()
        self.changed.emit()

    def _sound(self) -> bool:
        """Have the output play the reel; return whether it does."""
        output = self._ready_output()
        if output is None or self._reel is None:
            return False
        if not output.is_there(self._device):
            self._complain(_NO_OUTPUT)
            return False
        self._has_complained = False
        if output.start(self._reel, self._device, self._volume):
            return True
        refused = output.device_name
        is_heard = bool(self._device) and output.start(self._reel, "", self._volume)
        self.unavailable.emit((_OTHER_OUTPUT if is_heard else _FAILED_OUTPUT).format(name=refused))
        return is_heard

    def stop(self) -> None:
        """Fall silent; the next time it plays from the chosen place again."""
        self._silence()
        self.moved.emit(self._start_s)
        self.changed.emit()

    def toggle(self) -> None:
        """Play, or stop."""
        if self._is_playing:
            self.stop()
        else:
            self.play()

    def seek(self, seconds: float) -> None:
        """Choose the place to play from, and go there at once if it plays."""
        if self._playable is None:
            return
        self._start_s = min(max(0.0, seconds), self._playable.duration_s)
        self.moved.emit(self._start_s)
        if self._is_playing:
            self._play_from(self._start_s)

    def set_loop(self, is_loop: bool) -> None:
        """Begin again at the end from now on, or not."""
        self._is_loop = is_loop
        if self._reel is not None:
            self._reel.loops = is_loop
        if self._is_playing and not is_loop and self._output is not None and self._output.is_rounds_ahead:
            self._play_from(self.position_s)
        else:
            self.changed.emit()

    def swap(self, playable: Playable) -> None:
        """Put another sound in the place of this one, and go on where it is."""
        self.slots.replace(playable)
        self._go_on_with(playable)

    def choose_slot(self, slot: slots.Slot) -> None:
        """Listen to what is in a place, from where it is."""
        if (playable := self.slots.choose(slot)) is not None:
            self._go_on_with(playable)
        else:
            self.changed.emit()

    def flip(self) -> None:
        """Listen to the other one of two sounds, from where it is."""
        self.choose_slot(self.slots.other)

    def _go_on_with(self, playable: Playable) -> None:
        if playable is self._playable:
            self.changed.emit()
            return
        was_playing, position_s = self._is_playing, self.position_s
        self._silence()
        self._start_s = min(self._start_s, playable.duration_s)
        self._load(playable)
        if was_playing:
            self._play_from(position_s if position_s < playable.duration_s else 0.0)

    def _load(self, playable: Playable) -> None:
        from app.session.playing.reel import Reel

        self._playable, stream = playable, self._stream
        is_coming = stream is not None and playable.is_same(stream.playable)
        self._reel = stream.reel if stream and is_coming else Reel(playable.samples, playable.sample_rate)
        self._reel.loops = self._is_loop
        self.changed.emit()
        self.moved.emit(self._start_s)

    def _silence(self) -> None:
        self._clock.stop()
        self._is_playing = False
        if self._output is not None:
            self._output.stop()

    # A sound that is still being made

    def begin(self, title: str, sample_rate: int, key: object = None, *, plays: bool = True) -> None:
        """Show a sound that comes in blocks, and play them as they come, unless it is only to be shown."""
        from app.session.playing.stream import Stream

        self._stream = Stream(title, sample_rate, key)
        self.show(self._stream.playable)
        if plays:
            self.play()

    def feed(self, samples: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> None:
        """Take the next block of the sound that `begin` announced, also while another is shown.

        Its peaks stay below −1 dBFS: where they would not, it all becomes quieter from there on.
        """
        if (stream := self._stream) is not None:
            former = stream.playable
            stream.feed(samples)
            self._renew(former, stream.playable)

    def end(self, playable: Playable | None) -> None:
        """Put the finished sound in the place of its blocks, without a break; None if it stays as it is.

        Where another is shown meanwhile, it waits in its place, A or B, if it has one.
        """
        if (stream := self._stream) is not None:
            self._stream = None
            self._renew(stream.playable, stream.finish(playable))
            self.changed.emit()

    def _renew(self, former: Playable, playable: Playable) -> None:
        """Put another state of a sound in its places."""
        self.slots.renew(former, playable)
        if former.is_same(self._playable):
            self._playable = playable
            self.grown.emit()

    # What it is heard on

    def devices(self) -> list[tuple[str, str]]:
        """Return the ids and names of the computer's sound outputs; none if it has none."""
        output = self._ready_output()
        return [] if output is None else output.devices()

    def set_device(self, device: str) -> None:
        """Play on another output from now on; "" is the computer's own choice."""
        self._device = device
        if self._is_playing:
            self._play_from(self.position_s)
        else:
            self.changed.emit()

    def set_volume(self, volume: float) -> None:
        """Set the loudness, 0 to 1."""
        self._volume = min(max(0.0, volume), 1.0)
        if self._output is not None:
            self._output.set_volume(self._volume)
        self.changed.emit()

    def _ready_output(self) -> Output | None:
        """Return the output, which is imported with the first sound; None where its libraries are missing."""
        if self._output is None:
            try:
                from app.session.playing.output import Output
            except ImportError as error:
                self._complain(_NO_LIBRARY.format(error=error))
                return None
            self._output = Output(self)
            self._output.ran_out.connect(self._on_ran_out)
            self._output.lost.connect(self._on_lost)
        return self._output

    def _complain(self, sentence: str) -> None:
        """Say what is missing, the first time that it is missed."""
        if not self._has_complained:
            self._has_complained = True
            self.unavailable.emit(sentence)

    @Slot()
    def _on_ran_out(self) -> None:
        self._clock.stop()
        self._is_playing = False
        self.moved.emit(self._start_s)
        self.changed.emit()

    @Slot(str)
    def _on_lost(self, sentence: str) -> None:
        self._clock.stop()
        self._is_playing = False
        self.unavailable.emit(sentence)
        self.moved.emit(self._start_s)
        self.changed.emit()

    @Slot()
    def _on_clock(self) -> None:
        self.moved.emit(self.position_s)
