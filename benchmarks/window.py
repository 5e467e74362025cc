"""How late a 16 ms timer in the window is while a prior trains beside it: `python3 run.py bench window`.

Prints the lateness of the timer, in milliseconds, idle and while training, how long a stop takes in steps and seconds,
and how long closing takes. Runs offscreen on copies of the bundled demo with the middle-sized prior (256 hidden, 4
layers), whose steps are long. `--json` prints one line, the last on stdout.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from pathlib import Path
from time import perf_counter
from typing import Any

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from PySide6.QtCore import QEventLoop, QObject, QSettings, Qt, QTimer, Slot

from app.desktop.application import DistillApplication
from app.flows.demo_files import copy_demo
from app.main_window import MainWindow
from app.session import Session
from distill_core.training.prior.events import PriorStepMetrics

TIMER_MS = 16
OPTIONS = {"hidden_size": 256, "num_layers": 4, "num_heads": 4, "max_epochs": 10_000}
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
        self.late_ms = []
        self._arm()
        _wait_ms(round(1000 * seconds))
        self._timer.stop()
        return self.late_ms

    def _arm(self) -> None:
        self._due = perf_counter() + TIMER_MS / 1000
        self._timer.start(TIMER_MS)

    @Slot()
    def _on_timeout(self) -> None:
        self.late_ms.append(max(0.0, 1000 * (perf_counter() - self._due)))
        self._arm()


def _wait_ms(milliseconds: int) -> None:
    loop = QEventLoop()
    QTimer.singleShot(milliseconds, loop.quit)
    loop.exec()


def _wait_for(signal: Any) -> None:
    loop = QEventLoop()
    signal.connect(loop.quit)
    QTimer.singleShot(LONGEST_MS, loop.quit)
    loop.exec()


def _percentile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))] if values else float("nan")


def _figures(late_ms: list[float]) -> dict[str, float]:
    shares = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "max": 1.0}
    return {name: round(_percentile(late_ms, share), 1) for name, share in shares.items()} | {"ticks": len(late_ms)}


def _stop_figures(session: Session, steps: list[PriorStepMetrics]) -> dict[str, float]:
    started = perf_counter()
    session.stop()
    _wait_for(session.training_ended)
    step_s = max((step.step_time_s for step in steps), default=0.0)
    return {"stop_s": round(perf_counter() - started, 3), "longest_step_s": round(step_s, 3)}


def measure(seconds: float, folder: Path) -> dict[str, Any]:
    """Return the figures of one run of the real window."""
    QSettings.setPath(QSettings.Format.IniFormat, QSettings.Scope.UserScope, str(folder))
    application = DistillApplication(["distill"])
    session = Session()
    window = MainWindow(session)
    window.options.form.set_overrides(OPTIONS)
    window.show()
    model, sounds = copy_demo(folder)
    session.open_model(model)
    session.open_dataset(sounds)
    _wait_for(session.dataset_changed)
    lateness = Lateness()
    figures: dict[str, Any] = {"idle_ms": _figures(lateness.measure(seconds / 4))}
    window.commands.train()
    _wait_for(session.training_started)
    steps: list[PriorStepMetrics] = []
    session.step_finished.connect(steps.append)
    figures["training_ms"] = _figures(lateness.measure(seconds))
    figures |= _stop_figures(session, steps)
    session.discard_prior()
    window.commands.train()
    _wait_for(session.step_finished)
    session.stop()
    started = perf_counter()
    window._may_close = True
    window.close()
    application.processEvents()
    return figures | {"close_while_training_s": round(perf_counter() - started, 3)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=40.0, help="how long to measure while training")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="distill-bench-") as folder:
        figures = measure(options.seconds, Path(folder))
    for name, value in figures.items():
        print(f"{name}: {value}")
    if options.json:
        print(json.dumps(figures))


if __name__ == "__main__":
    main()
