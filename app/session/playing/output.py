"""The computer's sound output: a device that plays a reel."""

from __future__ import annotations

import os
from collections import deque

from PySide6.QtCore import QIODevice, QObject, QTimer, Signal, Slot
from PySide6.QtMultimedia import QAudioDevice, QAudioFormat, QAudioSink, QMediaDevices, QtAudio

from app.session.playing.pcm import Pcm, resampled, source_frames
from app.session.playing.reel import Reel, Samples

_LOST = "The sound output “{name}” {what}. Choose another beside the volume, or play again."
_TOP_UP_MS = 20
_AHEAD_S = 1.0  # handed to the device ahead of time: neither a training nor a busy window makes it stutter
# Qt asks PulseAudio for 10 ms, with which a training that takes all processors makes dozens of gaps a second.
_SERVER_MS = "80"
_DRAIN_MS = 2000  # for what the device still holds when the reel is at its end
_KINDS = {
    QAudioFormat.SampleFormat.Float: "float32",
    QAudioFormat.SampleFormat.Int16: "int16",
    QAudioFormat.SampleFormat.Int32: "int32",
    QAudioFormat.SampleFormat.UInt8: "uint8",
}
_FATAL = (QtAudio.Error.OpenError, QtAudio.Error.IOError, QtAudio.Error.FatalError)
_FORMATS = {kind: sample_format for sample_format, kind in _KINDS.items()}


def _id(device: QAudioDevice) -> str:
    return device.id().toStdString()


def _qt_format(pcm: Pcm) -> QAudioFormat:
    qt_format = QAudioFormat()
    qt_format.setSampleRate(pcm.sample_rate)
    qt_format.setChannelCount(pcm.channels)
    qt_format.setSampleFormat(_FORMATS[pcm.kind])
    return qt_format


def _format_of(device: QAudioDevice, sample_rate: int) -> Pcm:
    """Return the format that a device takes with the least change of mono float samples."""
    for kind in ("float32", "int16"):
        for channels in (1, 2):
            if device.isFormatSupported(_qt_format(pcm := Pcm(sample_rate, channels, kind))):
                return pcm
    preferred = device.preferredFormat()
    kind = _KINDS.get(preferred.sampleFormat(), "int16")
    return Pcm(preferred.sampleRate() or sample_rate, max(1, preferred.channelCount()), kind)


class Output(QObject):
    """Plays one reel at a time; its sound is handed over a second ahead, and comes out of it without Python.

    Signals: `ran_out()` the reel is at its end; `lost(str)` the device stopped working, in a sentence.
    """

    ran_out = Signal()
    lost = Signal(str)

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        os.environ.setdefault("PULSE_LATENCY_MSEC", _SERVER_MS)
        self._media = QMediaDevices(self)
        self._media.audioOutputsChanged.connect(self._on_devices)
        self._sink: QAudioSink | None = None
        self._entrance: QIODevice | None = None
        self._device, self._pcm, self._reel = QAudioDevice(), Pcm(1), Reel.empty()
        self._written: deque[tuple[int, int]] = deque()  # parts of the reel: the first sample, and how many
        self._dropped = 0  # samples of the parts before those
        self._top_up, self._drain = QTimer(self), QTimer(self)
        self._top_up.setInterval(_TOP_UP_MS)
        self._top_up.timeout.connect(self._on_top_up)
        self._drain.setSingleShot(True)
        self._drain.setInterval(_DRAIN_MS)
        self._drain.timeout.connect(self.stop)

    # Devices

    def devices(self) -> list[tuple[str, str]]:
        """Return the outputs' ids and names."""
        return [(_id(device), device.description()) for device in self._media.audioOutputs()]

    def _device_of(self, device_id: str) -> QAudioDevice:
        """Return the device, or the computer's own choice for "" and for one that is not there."""
        chosen = (device for device in self._media.audioOutputs() if _id(device) == device_id)
        return next(chosen, self._media.defaultAudioOutput())

    def is_there(self, device_id: str) -> bool:
        """Tell whether there is a device for an id: itself, or the computer's own choice."""
        return not self._device_of(device_id).isNull()

    @property
    def device_name(self) -> str:
        """The name of the device that plays, or was to play, last."""
        return self._device.description()

    @Slot()
    def _on_devices(self) -> None:
        is_there = _id(self._device) in [identity for identity, _ in self.devices()]
        if self._sink is not None and not is_there:
            self._lose("has gone")

    # Playing

    def start(self, reel: Reel, device_id: str, volume: float) -> bool:
        """Play a reel from its cursor on a device that is there; return whether that is possible."""
        self.stop()
        self._device = self._device_of(device_id)
        self._reel, self._pcm = reel, _format_of(self._device, reel.sample_rate)
        self._written.clear()
        self._dropped = 0
        return self._open(volume)

    def _open(self, volume: float) -> bool:
        self._sink = sink = QAudioSink(self._device, _qt_format(self._pcm), self)
        sink.setBufferSize(round(_AHEAD_S * self._pcm.sample_rate) * self._pcm.frame_bytes)
        self.set_volume(volume)
        self._entrance = sink.start()
        if self._entrance is None or sink.error() is not QtAudio.Error.NoError:
            self.stop()
            return False
        sink.stateChanged.connect(self._on_state)
        self._top_up.start()
        self._on_top_up()
        return True

    @Slot()
    def stop(self) -> None:
        """Fall silent at once."""
        self._top_up.stop()
        self._drain.stop()
        sink, self._sink, self._entrance = self._sink, None, None
        if sink is not None:
            sink.disconnect(self)
            sink.reset()
            sink.deleteLater()

    def set_volume(self, volume: float) -> None:
        """Set the loudness, 0 to 1, as an ear judges it."""
        scales = QtAudio.VolumeScale
        if self._sink is not None:
            linear = QtAudio.convertVolume(volume, scales.LogarithmicVolumeScale, scales.LinearVolumeScale)
            self._sink.setVolume(linear)

    @property
    def position(self) -> int:
        """The sample of the reel that is heard now."""
        left = self._played - self._dropped
        while len(self._written) > 1 and left >= self._written[0][1]:
            _, count = self._written.popleft()
            self._dropped, left = self._dropped + count, left - count
        if not self._written:
            return self._reel.cursor
        first, count = self._written[0]
        return first + min(max(0, left), count)

    @property
    def is_rounds_ahead(self) -> bool:
        """Whether the device has more than this round of a loop: the beginning again, behind what is heard."""
        heard = self.position
        return any(first <= heard for first, _ in [*self._written][1:])

    @property
    def _played(self) -> int:
        """Samples that the device has taken."""
        return 0 if self._sink is None else round(self._sink.processedUSecs() * self._reel.sample_rate / 1e6)

    @Slot()
    def _on_top_up(self) -> None:
        while (free := self._free_frames()) > 0:
            first, samples_T = self._reel.take(source_frames(free, self._reel.sample_rate, self._pcm.sample_rate))
            if not len(samples_T):
                break
            self._write(first, samples_T)
        if self._reel.is_at_end and self._played >= self._handed_over:
            self._top_up.stop()
            self._drain.start()
            self.ran_out.emit()

    @property
    def _handed_over(self) -> int:
        """Samples that the device has or had, but for a last millisecond that its clock may round away."""
        return self._dropped + sum(count for _, count in self._written) - self._reel.sample_rate // 1000

    def _free_frames(self) -> int:
        return 0 if self._sink is None else self._sink.bytesFree() // self._pcm.frame_bytes

    def _write(self, first: int, samples_T: Samples) -> None:
        self._written.append((first, len(samples_T)))
        if self._pcm.sample_rate != self._reel.sample_rate:
            rates = (self._reel.sample_rate, self._pcm.sample_rate)
            samples_T = resampled(self._reel.samples_T, first, len(samples_T), *rates)
        if self._entrance is not None:
            self._entrance.write(self._pcm.packed(samples_T))

    # Losing it

    def _lose(self, what: str) -> None:
        self.stop()
        self.lost.emit(_LOST.format(name=self.device_name, what=what))

    @Slot(QtAudio.State)
    def _on_state(self, state: QtAudio.State) -> None:
        has_failed = self._sink is not None and self._sink.error() in _FATAL
        if state is QtAudio.State.StoppedState and has_failed:
            self._lose("stopped working")
