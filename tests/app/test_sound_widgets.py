"""The pictures of a sound, and the buttons beside them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QColor, QImage, QPalette
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QSlider, QToolButton
from pytestqt.qtbot import QtBot

from app.times import position
from app.widgets.sound.envelope import envelope
from app.widgets.sound.segments import Segments
from app.widgets.sound.spectrogram import levels_db
from app.widgets.sound.transport import PlayControls, Switches
from app.widgets.sound.view import NOTHING, SoundView

RATE = 48_000
Array = np.ndarray[Any, np.dtype[np.float32]]


def _sine(hertz: float, seconds: float) -> Array:
    return (0.5 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * RATE)) / RATE)).astype(np.float32)


@pytest.fixture
def view(qtbot: QtBot) -> SoundView:
    view = SoundView()
    qtbot.addWidget(view)
    view.resize(402, 82)
    view.show()
    qtbot.waitExposed(view)
    return view


def _image(view: SoundView) -> QImage:
    return view.grab().toImage().convertToFormat(QImage.Format.Format_RGB32)


def _is_near(first: QColor, second: QColor) -> bool:
    pairs = zip(first.getRgb()[:3], second.getRgb()[:3], strict=True)
    return max(abs(a - b) for a, b in pairs) < 24


def test_the_outline_has_every_peak_and_no_more_columns_than_asked_for() -> None:
    samples = np.zeros(100_003, np.float32)
    samples[77_777], samples[5] = -0.75, 0.5
    low, high = envelope(samples, 300)
    assert len(low) == len(high) == 300
    assert (low.min(), high.max()) == (-0.75, 0.5)
    assert int(low.argmin()) == 77_777 * 300 // 100_003
    low, high = envelope(samples[:4], 300)
    assert np.array_equal(low, samples[:4])
    assert not len(envelope(samples[:0], 300)[0])


@pytest.mark.parametrize("hertz", [110.0, 1000.0, 9000.0])
def test_the_spectrogram_shows_a_tone_at_its_octave(hertz: float) -> None:
    levels = levels_db(_sine(hertz, 0.5), RATE)
    rows = levels.shape[1]
    row = rows * np.log(hertz / 40) / np.log(RATE / 2 / 40)
    assert levels[len(levels) // 2].argmax() == pytest.approx(row, abs=2)
    assert (levels.min(), levels.max()) == (-75, 0)


def test_a_long_sound_has_no_more_columns_than_a_window_and_silence_is_the_floor() -> None:
    assert len(levels_db(_sine(440, 30), RATE)) <= 481
    assert np.all(levels_db(np.zeros(5000, np.float32), RATE) == -75)
    assert len(levels_db(np.ones(3, np.float32), RATE)) == 1


def test_the_waveform_is_drawn_where_there_is_sound(view: SoundView, palette: QPalette) -> None:
    samples = np.concatenate([np.zeros(RATE, np.float32), _sine(300, 1)])
    view.show_sound("half", samples, RATE)
    image, ground = _image(view), palette.color(QPalette.ColorRole.Base)
    assert _is_near(image.pixelColor(100, 25), ground)
    assert not _is_near(image.pixelColor(300, 25), ground)
    assert "half, 2.0 seconds" in view.accessibleDescription()


def test_the_spectrogram_follows_light_and_dark(view: SoundView, palettes: dict[str, QPalette]) -> None:
    view.set_look("spectrum")
    samples = _sine(300, 1)
    view.show_sound("tone", samples, RATE)
    for name, is_light in (("light", True), ("dark", False)):
        view.setPalette(palettes[name])
        quiet = _image(view).pixelColor(300, 8)
        assert (quiet.lightness() > 200) is is_light


def test_the_playhead_stands_where_it_plays(view: SoundView, palette: QPalette) -> None:
    ink = palette.color(QPalette.ColorRole.WindowText)
    for look in ("wave", "spectrum"):
        view.set_look(look)
        view.show_sound("silence", np.zeros(4 * RATE, np.float32) + 1e-3, RATE)
        view.show_position(1.0)
        image = _image(view)
        columns = [x for x in range(image.width()) if _is_near(image.pixelColor(x, 15), ink)]
        assert columns
        assert sum(columns) / len(columns) == pytest.approx(101, abs=2)


def test_pointer_and_keys_choose_a_place(qtbot: QtBot, view: SoundView) -> None:
    chosen: list[float] = []
    view.seeked.connect(chosen.append)
    QTest.mouseClick(view, Qt.MouseButton.LeftButton, pos=QPoint(100, 40))
    QTest.keyClick(view, Qt.Key.Key_Right)
    assert chosen == []  # there is nothing in it
    view.show_sound("tone", _sine(300, 4), RATE)
    canvas = view.childAt(100, 40)
    QTest.mousePress(canvas, Qt.MouseButton.LeftButton, pos=QPoint(100, 40))
    QTest.mouseMove(canvas, QPoint(300, 40))
    QTest.mouseRelease(canvas, Qt.MouseButton.LeftButton, pos=QPoint(300, 40))
    assert chosen[0] == pytest.approx(1.0, abs=0.02)
    assert chosen[-1] == pytest.approx(3.0, abs=0.02)
    view.show_position(2.0)
    chosen.clear()
    for key in (Qt.Key.Key_Left, Qt.Key.Key_Right, Qt.Key.Key_Home, Qt.Key.Key_End):
        QTest.keyClick(view, key)
    assert chosen == pytest.approx([1.92, 2.08, 0.0, 4.0])


def test_a_sound_that_grows_is_drawn_to_its_last_block(qtbot: QtBot, view: SoundView) -> None:
    for count in (1, 2, 3, 4):
        view.show_sound("take", _sine(300, count), RATE)
    qtbot.waitUntil(lambda: view._canvases["wave"].duration_s == 4)
    view.show_sound("", None, 1)
    qtbot.waitUntil(lambda: view._message.isVisible())
    assert view.accessibleDescription() == NOTHING


def test_time_is_told_as_it_has_passed() -> None:
    assert [position(seconds) for seconds in (0, 2.99, 60, 605.2, -1)] == ["0:00", "0:02", "1:00", "10:05", "0:00"]
    assert [position(seconds, is_fine=True) for seconds in (0.25, 2.0, 9.99)] == ["0:00.2", "0:02.0", "0:09.9"]
    controls = PlayControls()
    controls.show_time(1.26, 2.5)
    assert controls.time.text() == "0:01.2/0:02.5"
    controls.show_time(1.26, 25)
    assert controls.time.text() == "0:01/0:25"


def test_the_play_button_is_drawn_when_it_becomes_another_one(qtbot: QtBot) -> None:
    controls = PlayControls()
    qtbot.addWidget(controls)
    keys = []
    for is_playing in (False, False, True, True):
        controls.show_playing(is_playing)
        keys.append(controls.play_button.icon().cacheKey())
    assert (keys[0] == keys[1], keys[1] == keys[2], keys[2] == keys[3]) == (True, False, True)
    assert controls.play_button.accessibleName() == "Stop"


def _contrast(first: QColor, second: QColor) -> float:
    def light(color: QColor) -> float:
        shares = (color.redF(), color.greenF(), color.blueF())
        red, green, blue = (share / 12.92 if share <= 0.03928 else ((share + 0.055) / 1.055) ** 2.4 for share in shares)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue + 0.05

    low, high = sorted((light(first), light(second)))
    return high / low


def test_the_chosen_segment_can_be_told_from_the_other(qtbot: QtBot, palette: QPalette) -> None:
    segments = Segments("Picture", {"wave": ("wave", ""), "spectrum": ("spectrum", "")})
    qtbot.addWidget(segments)
    segments.show()
    grounds = []
    for identity in ("wave", "spectrum"):
        button = segments.button(identity)
        grounds.append(button.grab().toImage().pixelColor(button.width() // 2, 6))
    assert _contrast(*grounds) > 3


def test_a_click_on_another_segment_is_reported_once(qtbot: QtBot) -> None:
    segments, chosen = Segments("Picture", {"wave": ("wave", ""), "spectrum": ("spectrum", "")}), []
    qtbot.addWidget(segments)
    segments.chosen.connect(chosen.append)
    segments.choose("spectrum")
    assert (segments.choice, chosen) == ("spectrum", [])
    segments.button("wave").click()
    assert chosen == ["wave"]


def test_outputs_are_listed_and_chosen(qtbot: QtBot) -> None:
    switches, chosen = Switches(), []
    qtbot.addWidget(switches)
    switches.device_chosen.connect(chosen.append)
    switches.show_devices([("usb", "Headphones & Co"), ("hdmi", "Screen")], "usb")
    actions = switches.devices.actions()
    assert [action.text() for action in actions] == ["The Computer's Own Choice", "Headphones && Co", "Screen"]
    assert [action.isChecked() for action in actions] == [False, True, False]
    actions[2].trigger()
    actions[0].trigger()
    assert chosen == ["hdmi", ""]
    switches.show_devices([], "")
    assert [(action.text(), action.isEnabled()) for action in switches.devices.actions()] == [
        ("No sound output", False)
    ]


def test_all_that_can_be_pressed_has_a_name_a_tip_and_a_size(qtbot: QtBot) -> None:
    for widget in (PlayControls(), Switches()):
        qtbot.addWidget(widget)
        widget.show()
        QApplication.processEvents()
        for control in (*widget.findChildren(QToolButton), *widget.findChildren(QSlider)):
            assert control.accessibleName()
            assert control.height() >= 28
            assert control.toolTip() or control.text() in ("original", "model")  # whose tips follow from the sound
