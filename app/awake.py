"""Holds sleep off while training, where the desktop offers it; says in the log where it does not."""

from __future__ import annotations

import ctypes
import sys

from PySide6.QtCore import QObject, QProcess

from app.problems import logger

_REASON = "Training a prior"
_BUS_TIMEOUT_MS = 500
_ES_CONTINUOUS, _ES_SYSTEM_REQUIRED = 0x80000000, 0x00000001
_LINUX_SERVICE = ("org.freedesktop.PowerManagement", "/org/freedesktop/PowerManagement/Inhibit")
_LINUX_INTERFACE = "org.freedesktop.PowerManagement.Inhibit"


class Awake(QObject):
    """`hold(True)` keeps the computer awake, `hold(False)` lets it sleep again."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._is_held = False
        self._cookie: int | None = None
        self._process: QProcess | None = None

    def hold(self, wanted: bool) -> None:
        """Change only what has to change."""
        if wanted == self._is_held:
            return
        self._is_held = wanted
        try:
            if sys.platform == "win32":
                self._hold_windows(wanted)
            elif sys.platform == "darwin":
                self._hold_mac(wanted)
            else:
                self._hold_linux(wanted)
        except (OSError, ImportError) as error:
            logger.info("sleep is not held off: %s", error)

    def _hold_windows(self, wanted: bool) -> None:
        flags = _ES_CONTINUOUS | (_ES_SYSTEM_REQUIRED if wanted else 0)
        ctypes.windll.kernel32.SetThreadExecutionState(flags)  # type: ignore[attr-defined,unused-ignore]

    def _hold_mac(self, wanted: bool) -> None:
        if wanted:
            self._process = QProcess(self)
            self._process.start("caffeinate", ["-i"])
        elif self._process is not None:
            self._process.kill()

    def _hold_linux(self, wanted: bool) -> None:
        from PySide6.QtDBus import QDBusConnection, QDBusInterface, QDBusMessage

        bus = QDBusConnection.sessionBus()
        if not bus.isConnected():
            raise OSError("there is no session bus")
        service = QDBusInterface(*_LINUX_SERVICE, _LINUX_INTERFACE, bus)
        service.setTimeout(_BUS_TIMEOUT_MS)  # a desktop that hangs must not hang the window
        if wanted:
            reply = service.call("Inhibit", "Distill", _REASON)
            if reply.type() == QDBusMessage.MessageType.ErrorMessage:
                raise OSError(reply.errorMessage())
            self._cookie = reply.arguments()[0]
        elif self._cookie is not None:
            service.call("UnInhibit", self._cookie)
            self._cookie = None
