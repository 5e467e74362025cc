"""From an empty start with a folder of own sounds to the first take heard: by a few clicks, or by keys alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QByteArray, QObject, QPoint, QSettings, Qt, Signal
from PySide6.QtGui import QPalette
from PySide6.QtMultimedia import QAudioFormat, QtAudio
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QPushButton, QToolButton, QWidget
from pytestqt.qtbot import QtBot

from app.main_window import MainWindow
from app.presentation import start
from app.session import Session
from app.session.available import ActionId
from app.session.state import Page
from app.session.tasks.shelving import take_key
from tests.app.driving import WAIT_MS, ScriptedPrompts, make_short_takes, session_of, settle
from tests.app.test_making import PRIOR, TINY

MOST_CLICKS, MOST_DIALOGS = 6, 1
MOST_TABS = 4  # from where the focus is to what is wanted next
SIZES = [(1280, 800), (760, 560)]
# Each size and each palette once: no size behaves otherwise in the dark.
pytestmark = pytest.mark.parametrize(
    ("palette", "window"), [("light", SIZES[0]), ("dark", SIZES[1])], ids=["large-light", "small-dark"], indirect=True
)


class Speaker:
    """A sound device, which the computer that runs the tests has not; it keeps what it is given."""

    def __init__(self) -> None:
        self.heard = bytearray()

    def id(self) -> QByteArray:
        return QByteArray(b"speaker")

    def description(self) -> str:
        return "Speaker"

    def isNull(self) -> bool:
        return False

    def isFormatSupported(self, sample_format: QAudioFormat) -> bool:
        return sample_format.sampleFormat() is QAudioFormat.SampleFormat.Float


class SpeakerSink(QObject):
    """Stands for the QAudioSink of a speaker, whose buffer is never empty."""

    stateChanged = Signal(object)

    def __init__(self, speaker: Speaker, sample_format: QAudioFormat, parent: QObject) -> None:
        super().__init__(parent)
        self._speaker, self._size = speaker, 0
        self.setVolume = lambda volume: None

    def setBufferSize(self, size: int) -> None:
        self._size = size

    def start(self) -> SpeakerSink:
        return self

    def error(self) -> QtAudio.Error:
        return QtAudio.Error.NoError

    def bytesFree(self) -> int:
        return max(0, self._size - len(self._speaker.heard))

    def processedUSecs(self) -> int:
        return 0

    def write(self, data: bytes) -> None:
        self._speaker.heard += data

    def reset(self) -> None:
        self._size = 0


@pytest.fixture
def speaker(monkeypatch: pytest.MonkeyPatch) -> Speaker:
    speaker = Speaker()
    monkeypatch.setattr("app.session.playing.output.QMediaDevices.audioOutputs", staticmethod(lambda: [speaker]))
    monkeypatch.setattr("app.session.playing.output.QMediaDevices.defaultAudioOutput", staticmethod(lambda: speaker))
    monkeypatch.setattr("app.session.playing.output.QAudioSink", SpeakerSink)
    return speaker


class CountingPrompts(ScriptedPrompts):
    """Counts the file dialogs."""

    dialogs = 0

    def choose_folder(self, *asked: object) -> None:
        self.dialogs += 1
        super().choose_folder(*asked)


@pytest.fixture
def window(
    qtbot: QtBot, tmp_path: Path, sounds_folder: Path, request: pytest.FixtureRequest, palette: QPalette
) -> Iterator[MainWindow]:
    """A window in which nothing was ever opened, and whose trainings are tiny."""
    QSettings.setPath(QSettings.Format.IniFormat, QSettings.Scope.UserScope, str(tmp_path / "settings"))
    session, prompts = Session(), CountingPrompts()
    make_short_takes(session)
    session.settings.set_models_folder(tmp_path / "models")
    session.set_making_options(TINY)
    prompts.paths["folder"] = sounds_folder
    window = MainWindow(session, prompts)
    window.options.form.set_overrides(PRIOR)
    window.resize(*request.param)
    window.show()
    qtbot.waitExposed(window)
    window.activateWindow()
    qtbot.waitUntil(window.isActiveWindow)
    settle(qtbot, window)
    yield window
    window._may_close = True
    window.close()
    window.deleteLater()
    session.deleteLater()


def _prompts_of(window: MainWindow) -> CountingPrompts:
    prompts = window.commands._prompts
    assert isinstance(prompts, CountingPrompts)
    return prompts


def _is_heard(window: MainWindow, speaker: Speaker) -> bool:
    """Tell whether the player plays the first take, and sound of it has come to the device."""
    state, player = session_of(window).state, session_of(window).player
    key = take_key(state.open.real_path, state.takes.takes[0].number)
    return player.is_playing and player.playable.key == key and any(speaker.heard)


class Mouse:
    """Clicks in the middle of what can be seen and pressed, and counts."""

    def __init__(self, window: MainWindow) -> None:
        self._window, self.clicks = window, 0

    def click(self, widget: QWidget) -> None:
        middle = widget.rect().center()
        assert widget.isVisible()
        assert widget.isEnabled()
        assert self._window.childAt(widget.mapTo(self._window, middle)) is widget, "it is covered, or out of sight"
        QTest.mouseClick(widget, Qt.MouseButton.LeftButton, pos=middle)
        self.clicks += 1


def _play_button(window: MainWindow) -> QToolButton:
    button = window.player.findChild(QToolButton, "playButton")
    assert isinstance(button, QToolButton)
    return button


def test_a_few_clicks_lead_from_nothing_to_a_take_that_is_heard(
    qtbot: QtBot, window: MainWindow, speaker: Speaker
) -> None:
    mouse, session = Mouse(window), session_of(window)
    mouse.click(window.start_page.zone.button(start.FOLDER))
    settle(qtbot, window)
    assert session.state.page is Page.SOUNDS
    with qtbot.waitSignal(session.take_made, timeout=WAIT_MS):
        mouse.click(window.stage.button_of(ActionId.MAKE_BOTH))
    settle(qtbot, window)
    mouse.click(_play_button(window))
    qtbot.waitUntil(lambda: _is_heard(window, speaker), timeout=WAIT_MS)
    assert mouse.clicks <= MOST_CLICKS
    assert _prompts_of(window).dialogs <= MOST_DIALOGS
    assert _prompts_of(window).asked == []


# By keys alone


class Keys:
    """Presses keys where the focus is, and insists that it can be seen there."""

    def __init__(self, window: MainWindow) -> None:
        self._window, self.tabs = window, 0

    @property
    def focused(self) -> QWidget:
        focused = QApplication.focusWidget()
        assert focused is not None, "nothing has the focus"
        assert focused.isVisible()
        assert focused.isEnabled()
        return focused

    def press(self, key: Qt.Key) -> None:
        QTest.keyClick(self.focused, key)

    def go_to(self, wanted: QWidget) -> None:
        """Step with the Tab key as far as needed, each stop in sight."""
        for _ in range(MOST_TABS):
            if self.focused is wanted:
                return
            self.press(Qt.Key.Key_Tab)
            self.tabs += 1
            assert shows_its_focus(self._window, self.focused)
        assert self.focused is wanted


def _picture(window: MainWindow, place: QWidget) -> object:
    """Return the picture of a widget and of what is around it, without the cursor of a text."""
    rect = place.rect().adjusted(-4, -4, 4, 4).translated(place.mapTo(window, QPoint()))
    return window.grab(rect).toImage()


def shows_its_focus(window: MainWindow, focused: QWidget) -> bool:
    """Tell whether the widget with the focus looks different without it."""
    with_it = _picture(window, focused)
    focused.clearFocus()
    without = _picture(window, focused)
    focused.setFocus(Qt.FocusReason.TabFocusReason)
    return with_it != without


def test_keys_alone_lead_from_nothing_to_a_take_that_is_heard(
    qtbot: QtBot, window: MainWindow, speaker: Speaker
) -> None:
    keys, session = Keys(window), session_of(window)
    assert keys.focused is window.start_page.zone.button(start.FOLDER), "where one begins"
    assert shows_its_focus(window, keys.focused)
    keys.press(Qt.Key.Key_Return)
    settle(qtbot, window)
    assert keys.focused is window.sounds_page.table
    keys.go_to(window.stage.button_of(ActionId.MAKE_BOTH))
    with qtbot.waitSignal(session.take_made, timeout=WAIT_MS):
        keys.press(Qt.Key.Key_Space)
        assert keys.focused is window.making_page.plot, "the button has gone, and its focus is on what it began"
    settle(qtbot, window)
    assert keys.focused is window.learning.plot
    assert shows_its_focus(window, keys.focused)
    keys.press(Qt.Key.Key_Space)
    qtbot.waitUntil(lambda: _is_heard(window, speaker), timeout=WAIT_MS)
    assert _prompts_of(window).dialogs <= MOST_DIALOGS
    assert _prompts_of(window).asked == []


def test_shortcuts_alone_do_too(qtbot: QtBot, window: MainWindow, speaker: Speaker) -> None:
    session, both = session_of(window), Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier
    QTest.keyClick(window, Qt.Key.Key_O, both)
    settle(qtbot, window)
    QTest.keyClick(window, Qt.Key.Key_M, both)
    qtbot.waitUntil(lambda: session.state.is_idle and session.state.open.model is not None, timeout=WAIT_MS)
    settle(qtbot, window)
    with qtbot.waitSignal(session.take_made, timeout=WAIT_MS):
        QTest.keyClick(window, Qt.Key.Key_R, Qt.KeyboardModifier.ControlModifier)
    settle(qtbot, window)
    QTest.keyClick(window, Qt.Key.Key_Space)
    qtbot.waitUntil(lambda: _is_heard(window, speaker), timeout=WAIT_MS)


def test_the_tab_key_comes_by_everything_and_each_stop_can_be_seen(qtbot: QtBot, window: MainWindow) -> None:
    for state in ("start", "sounds", "learned"):
        if state == "sounds":
            window.commands.browse_sounds()
        if state == "learned":
            with qtbot.waitSignal(session_of(window).take_made, timeout=WAIT_MS):
                window.commands.making.make_both()
        settle(qtbot, window)
        reached, unseen = _round(window)
        assert unseen == [], state
        left = [button.text() for button in window.stage.findChildren(QPushButton) if _can_be_pressed(button)]
        assert {button.text() for button in reached if isinstance(button, QPushButton)} >= {*left}


def _can_be_pressed(button: QPushButton) -> bool:
    return button.isVisible() and button.isEnabled()


def _round(window: MainWindow) -> tuple[list[QWidget], list[str]]:
    """Return every stop of the Tab key, until it comes back to one, and the names of those that do not show it."""
    stops: list[QWidget] = []
    unseen: list[str] = []
    while (focused := QApplication.focusWidget()) not in stops:
        assert focused is not None
        stops.append(focused)
        if not shows_its_focus(window, focused):
            unseen.append(f"{type(focused).__name__} {focused.objectName()}")
        QTest.keyClick(focused, Qt.Key.Key_Tab)
    return stops, unseen
