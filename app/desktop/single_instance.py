"""One window a person and display: a later start hands its files to the first one, and ends.

The first start holds a lock, which dies with its process, and listens. A later one connects, waits for the greeting –
a window that no longer answers has none, and is told nothing –, says in one line of JSON what to open, and waits until
that is taken. This loads no widgets: it runs before all that is slow.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout
from PySide6.QtCore import QObject, QTimer, Signal, Slot
from PySide6.QtNetwork import QLocalServer, QLocalSocket

from distill_core.folders import convenience, logger, run_folders, runtime_folder

_START_S = 30  # from the lock to the first look at the socket: a window that is starting loads its libraries
_RETRY_S = 0.05
_CONNECT_MS = 1500
_ANSWER_MS = 5_000  # a window that builds its plots on a busy computer takes some seconds
_LONGEST = 1 << 20  # bytes
_LONGEST_TOKEN = 256
_GREETING, _TAKEN = b"distill\n", b"taken\n"
_TOKENS = ("XDG_ACTIVATION_TOKEN", "DESKTOP_STARTUP_ID")


@dataclass(frozen=True, slots=True)
class HandedOver:
    """What a later start was to open; the token lets the window come to the front where the desktop asks for one."""

    files: tuple[Path, ...]
    activation_token: str = ""


def _line_of(handed: HandedOver) -> bytes:
    said = {"files": [str(path) for path in handed.files], "activation_token": handed.activation_token}
    return json.dumps(said).encode() + b"\n"


def _is_path(said: object) -> bool:
    if not isinstance(said, str) or "\0" in said:
        return False
    try:
        os.fsencode(said)
    except UnicodeEncodeError:  # half a character, which no file's name has
        return False
    return os.path.isabs(said)


def read_line(line: bytes) -> HandedOver | None:
    """Return what a line hands over, or None if it is none of ours."""
    try:
        said = json.loads(line)
    except (ValueError, RecursionError):
        return None
    match said:
        case {"files": [*files], "activation_token": str(token)} if all(map(_is_path, files)):
            is_token = len(token) <= _LONGEST_TOKEN and token.isascii() and token.isprintable()
            return HandedOver(tuple(map(Path, files)), token if is_token else "")
    return None


def _name() -> str:
    """Return a name for this person's windows on this display; with other folders it is another Distill."""
    displays = (os.environ.get(name, "") for name in ("QT_QPA_PLATFORM", "WAYLAND_DISPLAY", "DISPLAY", "SESSIONNAME"))
    return hashlib.sha256("\n".join([str(run_folders()), *displays]).encode(errors="surrogateescape")).hexdigest()[:16]


def _say(socket: QLocalSocket, handed: HandedOver) -> bool:
    """Hand over through a connected socket; return whether the other side took it."""
    if not socket.waitForReadyRead(_ANSWER_MS) or bytes(socket.readLine().data()) != _GREETING:
        return False
    socket.write(_line_of(handed))
    while socket.bytesToWrite() > 0:
        if not socket.waitForBytesWritten(_ANSWER_MS):
            return False
    return socket.waitForReadyRead(_ANSWER_MS) and bytes(socket.readLine().data()) == _TAKEN


class SingleInstance:
    """The lock by which starts know the first one, and the address where that one listens."""

    def __init__(self) -> None:
        self._lock: FileLock | None = None
        self.address = ""
        with convenience("one window"):
            folder, name = runtime_folder(), _name()
            self._lock = FileLock(folder / f"{name}.lock", timeout=0)
            self.address = f"distill-{name}" if sys.platform == "win32" else str(folder / f"{name}.socket")

    def claim(self) -> bool:
        """Become the first one, if there is none; return whether another one is. Where no lock can be made, none is."""
        if self._lock is None:
            return True
        try:
            self._lock.acquire()
        except Timeout:
            return False
        except OSError as error:
            logger.info("going on without one window: %s", error)
            self._lock = None
        return True

    @property
    def is_first(self) -> bool:
        """Whether this process holds the lock."""
        return self._lock is not None and self._lock.is_locked

    def release(self) -> None:
        """Let a later start be the first one."""
        if self._lock is not None:
            self._lock.release()

    def hand_over(self, files: Sequence[Path]) -> bool:
        """Hand files over to the first one, also while that starts; return whether it took them. Paths are absolute."""
        token = next((os.environ[name] for name in _TOKENS if os.environ.get(name)), "")
        handed = HandedOver(tuple(files), token)
        socket, end = QLocalSocket(), time.monotonic() + _START_S
        while time.monotonic() < end:
            socket.abort()  # a try that failed may still wait for its turn
            socket.connectToServer(self.address)
            if socket.waitForConnected(_CONNECT_MS):
                return _say(socket, handed)
            if self.claim():
                return False  # the first one has ended: this one is the first
            time.sleep(_RETRY_S)
        return False


class _Caller(QObject):
    """The other end of a connection, which is greeted, and may say one line within some seconds."""

    said = Signal(object)

    def __init__(self, socket: QLocalSocket) -> None:
        super().__init__(socket)
        self._socket = socket
        socket.setReadBufferSize(_LONGEST)
        socket.disconnected.connect(socket.deleteLater)
        socket.readyRead.connect(self._on_said)
        QTimer.singleShot(2 * _ANSWER_MS, self._hang_up)
        socket.write(_GREETING)

    @Slot()
    def _hang_up(self) -> None:
        self._socket.abort()

    @Slot()
    def _on_said(self) -> None:
        if not self._socket.canReadLine():
            if self._socket.bytesAvailable() >= _LONGEST:
                self._hang_up()
            return
        handed = read_line(bytes(self._socket.readLine().data()))
        if handed is None:
            self._hang_up()
            return
        self._socket.write(_TAKEN)
        self._socket.disconnectFromServer()  # once that is written
        self.said.emit(handed)


class Listener(QObject):
    """The first window's ear: `handed_over(HandedOver)` is emitted for each later start."""

    handed_over = Signal(object)

    def __init__(self, address: str, parent: QObject) -> None:
        super().__init__(parent)
        self._server = QLocalServer(self)
        self._server.setSocketOptions(QLocalServer.SocketOption.UserAccessOption)
        self._server.newConnection.connect(self._on_connection)
        QLocalServer.removeServer(address)  # what a killed window left; nobody else listens while the lock is held
        if not self._server.listen(address):
            logger.info("going on without one window: %s", self._server.errorString())

    @property
    def is_listening(self) -> bool:
        """Whether later starts are heard."""
        return self._server.isListening()

    @Slot()
    def close(self) -> None:
        """Listen no longer."""
        self._server.close()

    @Slot()
    def _on_connection(self) -> None:
        while self._server.hasPendingConnections():
            caller = _Caller(self._server.nextPendingConnection())
            caller.said.connect(self.handed_over)
