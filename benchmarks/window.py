"""How late a 16 ms timer in the window is, whatever the window does: `python3 run.py bench window`.

Prints how soon the window is on the screen and the engine ready (`window_start`), how long a curve of 10,000 epochs
takes to be drawn (`window_plot`), then the lateness of the timer, in milliseconds, idle and while a prior trains beside
it, how long a stop takes in steps and seconds, and how long closing takes: offscreen, on copies of the bundled demo
with the middle-sized prior (256 hidden, 4 layers), whose steps are long. Then the lateness while it trains with each
page open (`window_pages`), with 5,000 sounds and 200 takes what `window_rows` measures, and with 20,000 sounds
`window_scan`.
`--only` prints one of these parts; `--json` prints one line, the last on stdout. A bar stands beside what has one.
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

from PySide6.QtCore import QSettings

from app.desktop.application import DistillApplication
from app.flows.demo_files import copy_demo
from app.main_window import MainWindow
from app.session import Session
from benchmarks import window_pages, window_plot, window_rows, window_scan, window_start
from benchmarks.lateness import Lateness, figures_of, wait_for
from distill_core.training.prior.events import PriorStepMetrics

OPTIONS = {"hidden_size": 256, "num_layers": 4, "num_heads": 4, "max_epochs": 10_000}
PARTS = ("start", "plot", "training", "pages", "rows", "scan")
# What a person takes for at once, and for smooth: a frame of the screen, and no more than a blink.
_LATE_BAR = {"p99": 50.0, "max": 150.0}
_BARS = {
    "start_s": {"p50": 0.7},
    "engine_processor_s": {"opens, p50": 2.0, "makes takes, p50": 2.0},
    "plot, 10,000 epochs: redraw_ms": {"processor, p50": 16.0},
    "plot, 10,000 epochs: read_out_ms": {"processor, p50": 16.0},
    "scan: late_ms": {"p99": 50.0},
    "scan: cancel_s": {"max": 0.3},
}


def bar_of(name: str) -> dict[str, float]:
    """Return the most that single figures of a measurement should be; none for one without a bar."""
    return _LATE_BAR if name.endswith("training_ms") else _BARS.get(name, {})


def line_of(name: str, value: Any) -> str:
    """Return a measurement as a line, with its bar and whether it holds."""
    bar = bar_of(name)
    if not bar:
        return f"{name}: {value}"
    words = ", ".join(f"{share} {value[share]} of at most {most:g}" for share, most in bar.items())
    return f"{name}: {value} · {'holds' if holds(name, value) else 'MISSED'}: {words}"


def holds(name: str, value: Any) -> bool:
    """Tell whether a measurement is within its bar."""
    return all(value[share] <= most for share, most in bar_of(name).items())


def _stop_figures(session: Session, steps: list[PriorStepMetrics]) -> dict[str, float]:
    started = perf_counter()
    session.stop()
    wait_for(session.training_ended)
    step_s = max((step.step_time_s for step in steps), default=0.0)
    return {"stop_s": round(perf_counter() - started, 3), "longest_step_s": round(step_s, 3)}


def measure_training(application: DistillApplication, seconds: float, folder: Path) -> dict[str, Any]:
    """Return the figures of one run of the real window with a training."""
    session = Session()
    window = MainWindow(session)
    window.options.form.set_overrides(OPTIONS)
    window.show()
    model, sounds = copy_demo(folder)
    session.open_model(model)
    session.open_dataset(sounds)
    wait_for(session.dataset_changed)
    lateness = Lateness()
    figures: dict[str, Any] = {"idle_ms": figures_of(lateness.measure(seconds / 4))}
    window.commands.train()
    wait_for(session.training_started)
    steps: list[PriorStepMetrics] = []
    session.step_finished.connect(steps.append)
    figures["training_ms"] = figures_of(lateness.measure(seconds))
    figures |= _stop_figures(session, steps)
    session.discard_prior()
    window.commands.train()
    wait_for(session.step_finished)
    session.stop()
    started = perf_counter()
    window._may_close = True
    window.close()
    application.processEvents()
    return figures | {"close_while_training_s": round(perf_counter() - started, 3)}


def measure(only: str, seconds: float, folder: Path) -> dict[str, Any]:
    """Return the figures of the real window, settings and takes in a folder of its own."""
    QSettings.setPath(QSettings.Format.IniFormat, QSettings.Scope.UserScope, str(folder))
    os.environ["XDG_DATA_HOME"] = str(folder / "data")
    figures: dict[str, Any] = dict(window_start.measure(folder)) if only in ("", "start") else {}
    application = DistillApplication(["distill"])
    if only in ("", "plot"):
        figures |= window_plot.measure(application)
    if only in ("", "training"):
        figures |= measure_training(application, seconds, folder)
    if only in ("", "pages"):
        figures |= window_pages.measure(application, seconds / 4, folder, OPTIONS)
    if only in ("", "rows"):
        figures |= window_rows.measure(application, folder)
    if only in ("", "scan"):
        figures |= window_scan.measure(application, folder)
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(prog="run.py bench window", description=__doc__)
    parser.add_argument("--seconds", type=float, default=40.0, help="how long to measure while training")
    parser.add_argument("--only", choices=PARTS, default="", help="one part")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="distill-bench-") as folder:
        figures = measure(options.only, options.seconds, Path(folder))
    for name, value in figures.items():
        print(line_of(name, value))
    if options.json:
        print(json.dumps(figures))


if __name__ == "__main__":
    main()
