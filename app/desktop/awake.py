"""Holding sleep off while training, if the desktop offers it; the log says if it does not."""

from __future__ import annotations

import ctypes
import os
import shutil
import sys

from PySide6.QtCore import QObject, QProcess, Slot

from app.session.problems import logger

_ES_CONTINUOUS, _ES_SYSTEM_REQUIRED = 0x80000000, 0x00000001
_END_WAIT_MS = 1000


def _holder_command() -> list[str]:
    """Return the program that holds sleep off for as long as it runs; each ends by itself when this process does."""
    if sys.platform == "darwin":
        return ["caffeinate", "-i", "-w", str(os.getpid())]
    # `cat` ends when its input does, that is with this process, however it ends.
    return ["systemd-inhibit", "--what=idle:sleep", "--who=Distill", "--why=Training a prior", "--mode=block", "cat"]


class Awake(QObject):
    """Keeps the computer awake after `hold(True)`, until `hold(False)`."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._is_held = False
        self._process = QProcess(self)
        self._process.finished.connect(self._on_finished)

    def hold(self, wanted: bool) -> None:
        """Keep the computer awake, or let it sleep; a repeated call changes nothing."""
        if wanted == self._is_held:
            return
        self._is_held = wanted
        if sys.platform == "win32":
            flags = _ES_CONTINUOUS | (_ES_SYSTEM_REQUIRED if wanted else 0)
            ctypes.windll.kernel32.SetThreadExecutionState(flags)
        elif wanted:
            self._start_holder()
        else:
            self.release()

    def _start_holder(self) -> None:
        program, *arguments = _holder_command()
        if shutil.which(program) is None:
            logger.info("sleep is not held off: there is no %s", program)
            return
        self._process.start(program, arguments)

    def release(self) -> None:
        """End the program that holds sleep off."""
        self._process.closeWriteChannel()
        if self._process.state() is not QProcess.ProcessState.NotRunning:
            self._process.terminate()
            self._process.waitForFinished(_END_WAIT_MS)

    @Slot(int)
    def _on_finished(self, code: int) -> None:
        if self._is_held:
            logger.info(
                "sleep is not held off: %s", bytes(self._process.readAllStandardError().data()).decode(errors="replace")
            )
