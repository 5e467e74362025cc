"""One window: a later start hands its files to the first one, whatever state that one is in."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtNetwork import QLocalSocket
from PySide6.QtWidgets import QApplication, QMessageBox
from pytestqt.qtbot import QtBot

from app.desktop import single_instance
from app.desktop.single_instance import HandedOver, Listener, SingleInstance, read_line
from app.flows.questions import plain
from app.main_window import MainWindow
from tests.app.driving import WAIT_MS, settle
from tests.app.test_look import window  # noqa: F401 - fixture
from tests.app.test_start import CLOSING

# ruff: noqa: F811

ROOT = Path(__file__).parents[2]

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="elsewhere folders are found in other ways"),
    pytest.mark.qt_log_ignore(r"raise\(\)", extend=True),  # the offscreen platform has one window in front: each
]


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder in which this test's windows find each other, of a short name as sockets need it."""
    folder = Path(subprocess.check_output(["mktemp", "-d"], text=True).strip())
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def first(home: Path) -> Iterator[SingleInstance]:
    instance = SingleInstance()
    assert instance.claim()
    yield instance
    instance.release()


def _start(*words: str, folder: Path) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "XDG_ACTIVATION_TOKEN": "token_1"}
    command = [sys.executable, "-m", "app", *words]
    return subprocess.Popen(command, cwd=folder, env=environment, stderr=subprocess.PIPE, text=True)


def _end(qtbot: QtBot, started: subprocess.Popen[str]) -> int:
    qtbot.waitUntil(lambda: started.poll() is not None, timeout=WAIT_MS)
    assert started.communicate()[1] == ""
    return started.returncode


def test_a_second_start_hands_its_files_to_the_first_window_and_ends(
    qtbot: QtBot, first: SingleInstance, window: MainWindow, tiny_model: Path, sounds_folder: Path
) -> None:
    listener = Listener(first.address, window)
    listener.handed_over.connect(window.receive)
    taken: list[HandedOver] = []
    listener.handed_over.connect(taken.append)
    model = tiny_model.rename(tiny_model.with_name("drüms #1 %20?.distill"))
    window.showMinimized()
    assert _end(qtbot, _start(model.name, str(sounds_folder), folder=model.parent)) == 0
    settle(qtbot, window)
    assert taken == [HandedOver((model, sounds_folder), "token_1")]
    assert not window.isMinimized()
    state = window.commands._session.state
    assert state.open.model is not None
    assert state.open.model.path == model
    assert state.open.dataset is not None
    assert state.open.dataset.sources == (sounds_folder,)

    assert _end(qtbot, _start(folder=model.parent)) == 0  # nothing to open, but the window comes to the front
    assert taken[1:] == [HandedOver((), "token_1")]


def test_nobody_else_can_connect(qtbot: QtBot, first: SingleInstance, window: MainWindow) -> None:
    Listener(first.address, window)
    address = Path(first.address)
    assert stat.S_IMODE(address.stat().st_mode) & 0o077 == 0
    assert stat.S_IMODE(address.parent.stat().st_mode) & 0o077 == 0


_KILLED = """
import sys
from PySide6.QtCore import QCoreApplication
from app.desktop.single_instance import Listener, SingleInstance

application, instance = QCoreApplication([]), SingleInstance()
assert instance.claim()
listener = Listener(instance.address, application)
print("ready", flush=True)
application.exec()
"""


_WAITING = """
import sys
from app.__main__ import main
from app.desktop.single_instance import SingleInstance

class Telling(SingleInstance):
    def claim(self):
        print("waiting", flush=True)
        return super().claim()

import app.desktop.single_instance
app.desktop.single_instance.SingleInstance = Telling
sys.exit(main([]))
"""


def test_after_a_killed_window_the_next_one_is_the_first(qtbot: QtBot, home: Path, window: MainWindow) -> None:
    killed = subprocess.Popen(
        [sys.executable, "-c", _KILLED],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    with killed:
        assert killed.stdout is not None
        assert killed.stdout.readline() == "ready\n"
        instance = SingleInstance()
        assert not instance.claim()
        killed.send_signal(signal.SIGKILL)
    assert Path(instance.address).exists()
    assert instance.claim()
    listener = Listener(instance.address, window)
    with qtbot.waitSignal(listener.handed_over, timeout=WAIT_MS):
        started = _start(folder=home)
    assert _end(qtbot, started) == 0
    listener.close()
    assert not Path(instance.address).exists()
    instance.release()


def test_a_first_window_that_does_not_answer_is_not_waited_for(
    first: SingleInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(single_instance, "_ANSWER_MS", 500)
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(first.address)
        silent.listen()
        assert not SingleInstance().hand_over([])
    Path(first.address).unlink()


def test_a_first_window_that_hears_too_many_at_once_is_asked_again(
    first: SingleInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(single_instance, "_START_S", 0.5)
    with socket.socket(socket.AF_UNIX) as crowded, socket.socket(socket.AF_UNIX) as other:
        crowded.bind(first.address)
        crowded.listen(0)
        other.connect(first.address)
        assert not SingleInstance().hand_over([])  # a warning of Qt would fail this test
    Path(first.address).unlink()


def test_ctrl_c_ends_a_start_that_waits_for_the_first_window(first: SingleInstance, home: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", _WAITING]
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as waiting:
        assert waiting.stdout is not None
        assert waiting.stdout.readline() == "waiting\n"
        waiting.send_signal(signal.SIGINT)
        assert waiting.communicate() == ("", "")
    assert waiting.returncode == -signal.SIGINT


def test_a_first_one_that_ends_meanwhile_leaves_its_place(home: Path) -> None:
    former = SingleInstance()
    assert former.claim()
    former.release()
    later = SingleInstance()
    assert not later.hand_over([])
    assert later.is_first
    later.release()


def test_a_new_window_is_opened_on_purpose(qtbot: QtBot, first: SingleInstance, window: MainWindow) -> None:
    listener = Listener(first.address, window)
    taken: list[HandedOver] = []
    listener.handed_over.connect(taken.append)
    done = subprocess.run(
        [sys.executable, "-c", CLOSING, "--new-window"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (0, "shown\n"), done.stderr
    assert not taken
    assert not SingleInstance().claim()


RUBBISH = {
    "no JSON": b"GET / HTTP/1.1\r\n",
    "no UTF-8": b"\xff\xfe\n",
    "nested": b"[" * 100_000 + b"\n",
    "a list": b'["/a.distill"]\n',
    "a relative path": b'{"files": ["a.distill"], "activation_token": ""}\n',
    "a number": b'{"files": [1], "activation_token": ""}\n',
    "no text": b'{"files": ["/a\\u0000b"], "activation_token": ""}\n',
    "half a character": b'{"files": ["/\\ud800x"], "activation_token": ""}\n',
    "no token": b'{"files": ["/a.distill"], "activation_token": null}\n',
}


@pytest.mark.parametrize("line", RUBBISH.values(), ids=RUBBISH)
def test_rubbish_is_nothing(line: bytes) -> None:
    assert read_line(line) is None


def test_a_token_that_is_none_is_left_out() -> None:
    assert read_line(b'{"files": [], "activation_token": "a\\nb"}\n') == HandedOver(())


@pytest.mark.parametrize("said", [RUBBISH["no JSON"], b"x" * (3 << 20)], ids=["rubbish", "without an end"])
def test_whoever_talks_rubbish_is_hung_up_on(
    qtbot: QtBot, first: SingleInstance, window: MainWindow, said: bytes
) -> None:
    listener = Listener(first.address, window)
    taken: list[HandedOver] = []
    listener.handed_over.connect(taken.append)
    caller = QLocalSocket(window)
    caller.connectToServer(first.address)
    with qtbot.waitSignal(caller.disconnected, timeout=WAIT_MS):
        caller.write(said)
    assert not taken


def test_files_that_come_while_a_question_is_open_wait_for_its_answer(
    qtbot: QtBot, window: MainWindow, tiny_model: Path, sounds_folder: Path
) -> None:
    window.commands.ask(plain("aQuestion", "A question", "Really?"), str)
    (question,) = window.findChildren(QMessageBox, "aQuestion")
    window.receive(HandedOver((tiny_model,)))
    window.receive(HandedOver((tiny_model, sounds_folder)))
    settle(qtbot, window)
    state = window.commands._session.state
    assert state.open.is_empty
    assert state.open.model_refusal == ""
    assert window.statusBar().currentMessage() == "What you named will be opened once the dialog is closed."
    question.reject()
    qtbot.waitUntil(lambda: window.commands._session.state.open.is_ready, timeout=WAIT_MS)


def test_a_closed_window_opens_nothing_more(qtbot: QtBot, window: MainWindow, tiny_model: Path) -> None:
    window.commands.ask(plain("aQuestion", "A question", "Really?"), str)
    (question,) = window.findChildren(QMessageBox, "aQuestion")
    window.receive(HandedOver((tiny_model,)))
    question.reject()
    window.hide()
    QApplication.sendPostedEvents()
    settle(qtbot, window)
    assert window.commands._session.state.open.is_empty
