"""The player: its doors without a sound output, what it hands to one, and source sounds that play in the window."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import QSettings, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QLineEdit, QPushButton
from pytestqt.qtbot import QtBot

from app.main_window import MainWindow
from app.presentation.player import side_obstacle, source_of
from app.session import Session
from app.session.available import ActionId
from app.session.player import Playable, Player
from app.session.playing.pcm import Pcm, resampled, source_frames
from app.session.playing.reel import CEILING, Ceiling, Reel
from app.session.slots import Slots
from app.session.tasks.hearing import SourceKey
from distill_core import scan
from distill_core.audio.io import read_mono, resample_blocks
from distill_core.generation.round_trip import round_trip
from distill_core.models.persistence import load_model_v2
from tests.app.driving import WAIT_MS, session_of, settle

RATE = 1000


def _samples(count: int, seed: int = 0) -> np.ndarray[Any, np.dtype[np.float32]]:
    return np.random.default_rng(seed).uniform(-0.5, 0.5, count).astype(np.float32)


def _playable(key: object, seconds: float = 1.0) -> Playable:
    return Playable(str(key), _samples(round(seconds * RATE)), RATE, key)


# The order of samples


def test_a_reel_is_taken_to_its_end_or_round_and_round() -> None:
    samples = _samples(10)
    reel = Reel(samples, RATE)
    assert [reel.take(4)[0] for _ in range(3)] == [0, 4, 8]
    assert reel.is_at_end
    assert not len(reel.take(4)[1])
    reel.loops = True
    assert not reel.is_at_end
    first, taken = reel.take(40)
    assert first == 0
    assert np.array_equal(taken, samples)


def test_an_open_reel_waits_for_more() -> None:
    reel = Reel(np.zeros(0, np.float32), RATE, is_open=True)
    reel.loops = True
    assert not len(reel.take(5)[1])
    assert not reel.is_at_end
    blocks = [_samples(count, count) for count in (3, 50, 7)]
    taken = []
    for block in blocks:
        reel.append(block)
        taken.append(reel.take(100)[1])
    assert np.array_equal(np.concatenate(taken), np.concatenate(blocks))
    assert np.array_equal(reel.samples_T, np.concatenate(blocks))


def test_a_finished_sound_takes_over_at_the_cursor_without_a_jump() -> None:
    old, new = np.full(200, 0.8, np.float32), np.full(300, 0.2, np.float32)
    reel = Reel(np.zeros(0, np.float32), RATE, is_open=True)
    reel.append(old)
    reel.take(100)
    reel.finish(new)
    heard = np.concatenate([reel.take(7)[1] for _ in range(40)])
    assert reel.is_at_end
    assert len(heard) == 200
    assert heard[0] == pytest.approx(0.8)
    assert np.all(heard[20:] == new[0])
    assert np.abs(np.diff(heard)).max() < 0.04


def test_a_streams_peaks_stay_below_the_ceiling_and_its_gain_never_rises() -> None:
    rate = 48_000
    blocks = [0.5 * np.ones(4800), 3 * np.ones(4800), 0.1 * np.ones(4800), 5 * np.ones(300), np.zeros(9600)]
    ceiling, gains, heard = Ceiling(rate), [], []
    for block in blocks:
        heard.append(ceiling.passed(block.astype(np.float32)))
        gains.append(ceiling.gain)
    assert gains == sorted(gains, reverse=True)
    assert gains[0] == 1
    assert gains[-1] == pytest.approx(CEILING / 5)
    whole = np.concatenate(heard)
    assert np.abs(whole).max() <= CEILING + 1e-6
    assert len(whole) == sum(map(len, blocks)) - round(0.02 * rate)  # that much is held back
    falling = whole[4800 - 960 : 4800]
    assert np.abs(np.diff(falling)).max() < 0.001
    assert np.allclose(whole[:3840], 0.5)


def test_a_device_gets_its_own_numbers_in_each_of_its_channels() -> None:
    samples = np.array([0.0, 0.5, -1.5], np.float32)
    assert np.frombuffer(Pcm(RATE).packed(samples), np.float32).tolist() == [0, 0.5, -1]
    assert np.frombuffer(Pcm(RATE, 2, "int16").packed(samples), np.int16).tolist() == [
        0,
        0,
        16384,
        16384,
        -32767,
        -32767,
    ]
    assert np.frombuffer(Pcm(RATE, 1, "uint8").packed(samples), np.uint8).tolist() == [128, 192, 1]
    assert np.frombuffer(Pcm(RATE, 1, "int32").packed(samples), np.int32)[2] < -2_147_000_000
    assert Pcm(RATE, 6, "int16").frame_bytes == 12


def test_parts_for_a_device_of_another_rate_join_to_the_whole() -> None:
    import torch

    samples = _samples(44_100, 3)
    whole = torch.cat([*resample_blocks([torch.from_numpy(samples)], 44_100, 48_000)]).numpy()
    first, parts = 0, []
    while first < len(samples):
        count = min(source_frames(1000, 44_100, 48_000), len(samples) - first)
        parts.append(resampled(samples, first, count, 44_100, 48_000))
        first += count
    joined = np.concatenate(parts)
    assert len(joined) == 48_000
    assert np.abs(joined - whole[:48_000]).max() < 1e-5


# What is compared


def test_the_last_two_sounds_are_in_a_and_b() -> None:
    slots, one, two, three = Slots(), _playable(1), _playable(2), _playable(3)
    assert slots.choose("B") is None
    assert slots.active == "A"
    slots.put(one)
    slots.put(two)
    assert (slots["A"], slots["B"], slots.active) == (one, two, "B")
    slots.put(two)
    assert slots.active == "B"
    assert slots.choose("A") is one
    slots.put(three)
    assert (slots["A"], slots["B"], slots.active) == (one, three, "B")
    finished = _playable("finished")
    slots.renew(_playable(1), finished)
    assert (slots["A"], slots["B"]) == (finished, three)


# The doors, on a computer without sound output


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch) -> None:
    """No sound output, wherever the test runs."""
    monkeypatch.setattr("app.session.playing.output.QMediaDevices.audioOutputs", staticmethod(lambda: []))
    monkeypatch.setattr("app.session.playing.output.QMediaDevices.defaultAudioOutput", staticmethod(_no_device))


def _no_device() -> object:
    from PySide6.QtMultimedia import QAudioDevice

    return QAudioDevice()


@pytest.fixture
def player(qtbot: QtBot, silent: None) -> Iterator[Player]:
    player = Player()
    yield player
    player.deleteLater()


def test_without_a_sound_output_that_is_said_once_and_the_rest_works(player: Player) -> None:
    said: list[str] = []
    player.unavailable.connect(said.append)
    player.play()  # nothing to play
    assert said == []
    player.show(_playable("one"))
    for _ in range(3):
        player.toggle()
    assert len(said) == 1
    assert said[0].startswith("This computer has no sound output; ")
    assert not player.is_playing
    assert player.devices() == []
    moves: list[float] = []
    player.moved.connect(moves.append)
    player.seek(0.25)
    player.seek(7)
    assert moves == [0.25, 1.0]
    player.set_loop(True)
    player.set_volume(3)
    player.set_device("gone")
    assert (player.position_s, player.is_loop, player.volume, player.device) == (1.0, True, 1.0, "gone")


def test_missing_sound_libraries_are_said_too(qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "app.session.playing.output", raising=False)
    monkeypatch.setitem(sys.modules, "PySide6.QtMultimedia", None)
    player, said = Player(), []
    player.unavailable.connect(said.append)
    player.show(_playable("one"))
    player.play()
    player.play()
    assert len(said) == 1
    assert "sound libraries are missing" in said[0]
    player.deleteLater()


def test_a_new_sound_begins_at_its_beginning_and_the_other_one_goes_on(player: Player) -> None:
    one, two = _playable("one"), _playable("two", 0.5)
    player.show(one)
    player.seek(0.4)
    player.show(two)
    assert (player.playable, player.position_s) == (two, 0.0)
    player.seek(0.3)
    player.flip()
    assert (player.playable, player.position_s) == (one, 0.3)
    player.seek(0.9)
    player.flip()
    assert (player.playable, player.position_s) == (two, 0.5)
    other_side = _playable("two, through the model", 0.5)
    player.seek(0.1)
    player.swap(other_side)
    assert (player.playable, player.position_s, player.slots["A"]) == (other_side, 0.1, one)


def test_a_stream_grows_and_its_finished_sound_takes_its_place(player: Player) -> None:
    block = _samples(400)
    player.begin("take 3", RATE, "k")
    assert player.is_streaming
    lengths = []
    for _ in range(3):
        player.feed(block)
        lengths.append(len(player.playable.samples))
    assert lengths == [380, 780, 1180]  # 20 ms are held back
    assert np.array_equal(player.playable.samples[:400], block)
    finished = Playable("take 3", np.tile(block, 3), RATE, "k")
    player.seek(0.2)
    player.end(finished)
    assert not player.is_streaming
    assert (player.playable, player.position_s, player.slots["A"]) == (finished, 0.2, finished)


def test_a_stream_that_was_given_up_keeps_what_came(player: Player) -> None:
    player.begin("take 3", RATE)
    player.feed(_samples(400))
    player.end(None)
    assert not player.is_streaming
    assert len(player.playable.samples) == 380
    player.feed(_samples(400))
    assert len(player.playable.samples) == 380


def test_a_sound_chosen_meanwhile_stays_and_the_finished_one_is_the_other(player: Player) -> None:
    chosen, finished = _playable("chosen"), _playable("k")
    player.begin("take 3", RATE, "coming")
    player.feed(_samples(400))
    player.show(chosen)
    assert not player.is_streaming
    player.feed(_samples(400))
    assert player.slots["A"].duration_s == 0.78
    player.end(finished)
    assert player.playable is chosen
    player.flip()
    assert player.playable is finished


def test_a_stream_goes_on_where_it_is_listened_to_again(player: Player) -> None:
    block, finished = _samples(400), _playable("k")
    player.show(_playable("chosen"))
    player.begin("take 3", RATE, "coming")
    player.feed(block)
    player.flip()
    player.feed(block)
    player.flip()
    assert player.is_streaming
    player.feed(block)
    assert player.playable.duration_s == 1.18
    player.end(finished)
    assert (player.playable, player.slots["B"]) == (finished, finished)


def test_a_block_of_a_stream_changes_nothing_but_its_length(player: Player) -> None:
    changed: list[bool] = []
    grown: list[float] = []
    player.begin("take 3", RATE, "k")
    player.changed.connect(lambda: changed.append(True))
    player.grown.connect(lambda: grown.append(player.playable.duration_s))
    for _ in range(2):
        player.feed(_samples(400))
    assert (changed, grown) == ([], [0.38, 0.78])


# With a sound output, where a test can make one


@pytest.fixture
def null_sink(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Any]]:
    """A sound server with an output that is recorded: `record(program)` runs a program and returns what was heard."""
    if not all(map(shutil.which, ("pulseaudio", "pactl", "parec"))):
        pytest.skip("needs pulseaudio")
    folder = tmp_path_factory.mktemp("pulse")
    folder.chmod(0o700)
    environment = os.environ | {"XDG_RUNTIME_DIR": str(folder), "HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
    environment |= {"PYTHONPATH": str(Path(__file__).parents[2]), "QT_QPA_PLATFORM": "offscreen"}
    environment.pop("PULSE_SERVER", None)
    sink = "module-null-sink sink_name=ear rate=48000 norewinds=1"
    server = [
        "pulseaudio",
        "-n",
        "--exit-idle-time=-1",
        "--daemonize=no",
        "-L",
        "module-native-protocol-unix",
        "-L",
        sink,
    ]
    daemon = subprocess.Popen(server, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    recording = folder / "heard.raw"

    def record(program: str) -> np.ndarray[Any, np.dtype[np.float32]]:
        options = ["-d", "ear.monitor", "--format=float32le", "--rate=48000", "--channels=1", "--latency-msec=20"]
        with recording.open("wb") as file:
            recorder = subprocess.Popen(["parec", *options], env=environment, stdout=file)
            _wait(lambda: recording.stat().st_size > 0)
            subprocess.run([sys.executable, "-c", program], env=environment, check=True, timeout=60)
            enough = recording.stat().st_size + 100_000  # half a second more
            _wait(lambda: recording.stat().st_size > enough)
            recorder.terminate()
            recorder.wait()
        return np.fromfile(recording, np.float32)

    def answers() -> bool:
        return subprocess.run(["pactl", "info"], env=environment, capture_output=True, check=False).returncode == 0

    _wait(answers)
    yield record
    daemon.terminate()
    daemon.wait()


def _wait(is_there: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not is_there():
        assert time.monotonic() < end
        time.sleep(0.05)


_PROGRAM = """
import time
import numpy as np
from PySide6.QtCore import QCoreApplication
from app.session.player import Playable, Player

application, player, rate = QCoreApplication([]), Player(), 48_000
player.unavailable.connect(lambda sentence: print(sentence, flush=True))
sound = np.random.default_rng(7).uniform(-0.4, 0.4, rate).astype(np.float32)

def until(is_so):
    while not is_so():
        application.processEvents()
        time.sleep(0.005)

def end():
    until(lambda: not player.is_playing)
    last = time.monotonic() + 0.5  # what the server still holds
    until(lambda: time.monotonic() > last)

def play(samples):
    player.show(Playable("sound", samples, rate))
    player.play()
    assert player.is_playing
"""


def _place_of(part: np.ndarray[Any, Any], heard: np.ndarray[Any, Any]) -> int:
    """Return where a part is heard, sample for sample; the sink has 16 bits."""
    size = len(heard) + len(part)
    likeness = np.fft.irfft(np.fft.rfft(heard, size) * np.conj(np.fft.rfft(part, size)), size)
    place = int(likeness[: len(heard)].argmax())
    assert np.abs(heard[place : place + len(part)] - part).max() < 1e-4
    return place


SOUND = np.random.default_rng(7).uniform(-0.4, 0.4, 48_000).astype(np.float32)


def test_a_busy_window_does_not_make_a_sound_stutter(null_sink: Callable[..., Any]) -> None:
    heard = null_sink(_PROGRAM + "play(sound); time.sleep(0.7); end()")
    _place_of(SOUND, heard)


def test_a_loop_has_no_gap(null_sink: Callable[..., Any]) -> None:
    program = "player.set_loop(True); play(sound[:12_000]); until(lambda: player.position_s > 0.1)\n"
    heard = null_sink(_PROGRAM + program + "end = time.monotonic() + 1; until(lambda: time.monotonic() > end)")
    _place_of(np.tile(SOUND[:12_000], 3), heard)


def test_a_loop_that_is_switched_off_plays_to_its_end_and_no_further(null_sink: Callable[..., Any]) -> None:
    program = """
from app.session.playing.output import Output

player.set_loop(True)
play(sound[:12_000])
output = player.findChild(Output)
until(lambda: player.position_s > 0.1)
assert output.is_rounds_ahead  # a second of sound is on its way
player.set_loop(False)
assert player.is_playing
assert not output.is_rounds_ahead
end()
"""
    assert len(null_sink(_PROGRAM + program))


def test_each_failure_of_an_output_is_said_and_another_one_plays(null_sink: Callable[..., Any]) -> None:
    program = """
from PySide6.QtMultimedia import QAudioSink
from app.session.playing import output

class Broken(QAudioSink):  # as a device that another program has to itself
    def __init__(self, device, *rest):
        super().__init__(device, *rest)
        self.is_broken = broken
    def start(self):
        return None if self.is_broken else super().start()

said, broken, output.QAudioSink = [], True, Broken
player.unavailable.connect(said.append)
player.show(Playable("sound", sound, rate))
for _ in range(2):
    player.play()
    assert not player.is_playing
assert len(said) == 2
assert all("can't be used. Choose another" in sentence for sentence in said), said
(device, name), *_ = player.devices()
player.set_device(device)
first = Broken.start
def second(sink):
    Broken.start = lambda sink: super(Broken, sink).start()
    return None
Broken.start = second
player.play()
assert player.is_playing
assert said[2:] == [f"The sound output “{name}” can't be used: this plays on the computer's own choice."]
end()
"""
    _place_of(SOUND, null_sink(_PROGRAM + program))


def test_a_stream_is_heard_block_by_block_and_goes_on_after_a_pause(null_sink: Callable[..., Any]) -> None:
    program = """
player.begin("take", rate, "k")
player.feed(sound[:24_000])
until(lambda: player.position_s > 0.47)
time.sleep(0.3)
assert player.is_playing
player.feed(sound[24_000:36_000])
player.end(Playable("take", sound, rate, "k"))
end()
"""
    heard = null_sink(_PROGRAM + program)
    held_back = 960
    first, rest = SOUND[: 24_000 - held_back], SOUND[24_000 - held_back :]
    assert _place_of(rest, heard) > _place_of(first, heard) + len(first) + 4_800


# In the window


@pytest.fixture
def window(qtbot: QtBot, silent: None, tmp_path: Path) -> Iterator[MainWindow]:
    QSettings.setPath(QSettings.Format.IniFormat, QSettings.Scope.UserScope, str(tmp_path / "settings"))
    session = Session()
    window = MainWindow(session)
    window.show()
    qtbot.waitExposed(window)
    settle(qtbot, window)
    yield window
    window.close()
    window.deleteLater()
    session.deleteLater()


@pytest.fixture
def filled(qtbot: QtBot, window: MainWindow, tiny_model: Path, sounds_folder: Path) -> MainWindow:
    """The window with a model and sounds."""
    window.commands.open_model(tiny_model)
    window.commands.open_sounds(sounds_folder)
    settle(qtbot, window)
    return window


def test_nothing_that_plays_is_loaded_with_the_window() -> None:
    program = """
import os
import sys
from PySide6.QtWidgets import QApplication
from app.main_window import MainWindow
from app.session import Session

application = QApplication([])
session = Session()
window = MainWindow(session)
window.show()
application.processEvents()
print("PySide6.QtMultimedia" in sys.modules, flush=True)
os._exit(0)  # without waiting for the engine
"""
    environment = os.environ | {"QT_QPA_PLATFORM": "offscreen"}
    root = Path(__file__).parents[2]
    run = subprocess.run([sys.executable, "-c", program], cwd=root, env=environment, capture_output=True, check=True)
    assert run.stdout.split() == [b"False"]


def test_a_source_sound_is_read_at_the_models_rate_and_shown(qtbot: QtBot, filled: MainWindow) -> None:
    session, table = session_of(filled), filled.sounds_page.table
    file = session.state.open.dataset.files[4]
    table.choose([file.name], file.name)
    QTest.keyClick(table, Qt.Key.Key_Space)
    settle(qtbot, filled)
    shown = session.player.playable
    assert np.array_equal(shown.samples, read_mono(file.path, 48_000, file.channel).numpy())
    assert shown.key == SourceKey(file)
    assert filled.player.controls.title.text() == file.name
    assert filled.player.view.duration_s == pytest.approx(file.duration_s, abs=1e-3)
    assert "no sound output" in filled.statusBar().currentMessage()
    QTest.keyClick(table, Qt.Key.Key_Down)
    QTest.keyClick(table, Qt.Key.Key_Return)
    settle(qtbot, filled)
    assert source_of(session.player.playable).file == session.state.open.dataset.files[5]


def test_the_other_side_of_a_sound_is_its_round_trip_at_the_same_place(
    qtbot: QtBot, filled: MainWindow, tiny_model: Path
) -> None:
    session, switches = session_of(filled), filled.player.switches
    assert not switches.side.isEnabled()
    file = session.state.open.dataset.files[1]
    filled.commands.hearing.play(file)
    settle(qtbot, filled)
    assert switches.side.isEnabled()
    filled.player.view.seeked.emit(0.5)
    switches.side.button("model").click()
    assert filled.player.controls.title.text() == "Going through the model…"
    settle(qtbot, filled)
    original, model = session.player.slots["A"], session.player.playable
    assert original is model  # the place that is listened to has the other side now
    assert (model.key, session.player.position_s) == (SourceKey(file, "model"), 0.5)
    assert model.title == f"model: {file.name}"
    expected = round_trip(load_model_v2(tiny_model), read_mono(file.path, 48_000, file.channel))
    assert np.allclose(model.samples, expected.numpy(), atol=1e-4)
    filled.actions_table.by_id[ActionId.FLIP_SIDE].trigger()
    assert session.player.playable.key == SourceKey(file)  # at once: it is kept
    assert switches.side.choice == "original"


def test_a_sound_that_is_gone_is_said_in_the_player(qtbot: QtBot, filled: MainWindow) -> None:
    file = session_of(filled).state.open.dataset.files[0]
    file.path.unlink()
    filled.sounds_page.table.play_wanted.emit(file.name)
    settle(qtbot, filled)
    assert filled.player.controls.title.text().startswith(f"“{file.name}” can't be played: ")
    assert session_of(filled).state.problem is None


def test_only_the_first_minute_of_a_long_sound_is_played_and_that_is_said(
    qtbot: QtBot, window: MainWindow, write_sound: Callable[..., Path], tmp_path: Path
) -> None:
    write_sound(tmp_path / "long" / "drone.wav", seconds=61, rate=8000)
    window.commands.open_sounds(tmp_path / "long")
    settle(qtbot, window)
    session = session_of(window)
    window.commands.hearing.play(session.state.open.dataset.files[0])
    settle(qtbot, window)
    assert session.player.playable.duration_s == 60
    assert window.player.controls.title.text() == "drone.wav (first 60 s)"
    assert side_obstacle(session.player.playable, session.state) == "Open a model to hear what it makes of this sound."


def test_space_plays_unless_something_else_takes_it(qtbot: QtBot, filled: MainWindow) -> None:
    toggled: list[bool] = []
    player = session_of(filled).player
    player.show(_playable("take"))
    player.changed.connect(lambda: toggled.append(True))
    filled.learning.plot.setFocus()
    QTest.keyClick(filled.focusWidget(), Qt.Key.Key_Space)
    assert len(toggled) == 1
    field = QLineEdit(filled)
    field.show()
    for widget in (filled.player.controls.loop_button, field, filled.inspect.findChild(QPushButton)):
        widget.setFocus()
        toggled.clear()
        QTest.keyPress(widget, Qt.Key.Key_Space)
        assert toggled == [], widget
        QTest.keyRelease(widget, Qt.Key.Key_Space)
    assert field.text() == " "
    filled.actions_table.by_id[ActionId.PLAY].trigger()
    assert toggled
    assert filled.actions_table.by_id[ActionId.PLAY].shortcut().toString() == "Ctrl+Space"


def test_the_players_keys_are_good_in_the_rows(qtbot: QtBot, filled: MainWindow) -> None:
    player, table = session_of(filled).player, filled.sounds_page.table
    table.setFocus()
    table.choose([table.rows.keys[0]], table.rows.keys[0])
    player.show(_playable("one"))
    player.show(_playable("two"))
    toggled: list[bool] = []
    player.unavailable.connect(lambda sentence: toggled.append(True))
    QTest.keyClick(table, Qt.Key.Key_B, Qt.KeyboardModifier.ControlModifier)
    assert player.playable.title == "one"
    QTest.keyClick(table, Qt.Key.Key_L, Qt.KeyboardModifier.ControlModifier)
    assert player.is_loop
    QTest.keyClick(table, Qt.Key.Key_Space, Qt.KeyboardModifier.ControlModifier)
    assert toggled == [True]
    assert len(table.chosen) == 1


def test_volume_output_and_loop_outlive_the_window(qtbot: QtBot, window: MainWindow) -> None:
    window.player.switches.volume.setValue(40)
    window.player.switches.device_chosen.emit("usb")
    session_of(window).player.set_loop(True)
    again = Session()
    assert (again.player.volume, again.player.device, again.player.is_loop) == (0.4, "usb", True)
    assert again.close(WAIT_MS)
    again.deleteLater()


def test_the_player_takes_less_room_in_a_small_window(window: MainWindow) -> None:
    window.resize(1040, 720)
    tall = window.player.height()
    window.resize(760, 560)
    assert window.player.height() < tall
    for button in (*window.player.controls.findChildren(type(window.player.controls.play_button)),):
        assert min(button.height(), button.width()) >= 28


def test_a_round_trip_is_as_long_and_as_loud(tiny_model: Path, sounds_folder: Path) -> None:
    file, loaded = scan(sounds_folder).files[0], load_model_v2(tiny_model)
    waveform_T = read_mono(file.path, 48_000, file.channel)
    heard_T, quiet_T = round_trip(loaded, waveform_T), round_trip(loaded, waveform_T / 10)
    assert len(heard_T) == len(waveform_T)
    assert np.allclose(quiet_T.numpy(), heard_T.numpy() / 10, atol=1e-3)
