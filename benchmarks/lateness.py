"""How late a 16 ms timer of the window's thread is: what a person feels as a stutter."""

from __future__ import annotations

from time import perf_counter
from typing import Any

from PySide6.QtCore import QEventLoop, QObject, Qt, QTimer, Slot

TIMER_MS = 16
LONGEST_MS = 120_000


class Lateness(QObject):
    """Notes how much later than asked for a precise repeating timer fires."""

    def __init__(self) -> None:
        super().__init__()
        self.late_ms: list[float] = []
        self._due = 0.0
        self._timer = QTimer(self)
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._on_timeout)

    def measure(self, seconds: float) -> list[float]:
        """Return the lateness of each tick in milliseconds."""
        self.begin()
        wait_ms(round(1000 * seconds))
        return self.end()

    def begin(self) -> None:
        """Begin to note."""
        self.late_ms = []
        self._arm()

    def end(self) -> list[float]:
        """Return the lateness of each tick since the beginning, in milliseconds."""
        self._timer.stop()
        return self.late_ms

    def _arm(self) -> None:
        self._due = perf_counter() + TIMER_MS / 1000
        self._timer.start(TIMER_MS)

    @Slot()
    def _on_timeout(self) -> None:
        self.late_ms.append(max(0.0, 1000 * (perf_counter() - self._due)))
        self._arm()


def wait_ms(milliseconds: int) -> None:
    """Let the window work for a while."""
    loop = QEventLoop()
    QTimer.singleShot(milliseconds, loop.quit)
    loop.exec()


def wait_for(signal: Any) -> None:
    """Let the window work until a signal comes, two minutes at most."""
    loop = QEventLoop()
    signal.connect(loop.quit)
    QTimer.singleShot(LONGEST_MS, loop.quit)
    loop.exec()


def _percentile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))] if values else float("nan")


def figures_of(late_ms: list[float]) -> dict[str, float]:
    """Return the middle, the high shares and the worst of lateness in milliseconds."""
    shares = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "max": 1.0}
    return {name: round(_percentile(late_ms, share), 1) for name, share in shares.items()} | {"ticks": len(late_ms)}
