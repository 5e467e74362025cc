"""How long the curve of 10,000 epochs takes to be drawn, as each epoch of a training asks for it: milliseconds.

`redraw` is one epoch more with all that follows, painted; `read_out` a step of the keyboard, painted.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from functools import partial
from statistics import median
from time import perf_counter, process_time

import numpy as np
from PySide6.QtCore import Qt
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QApplication

from app.desktop.application import DistillApplication
from app.widgets.plot.canvas import PerplexityCanvas
from app.widgets.plot.plot import PerplexityPlot
from benchmarks.lateness import figures_of
from distill_core.training.prior.events import PriorEpochMetrics

EPOCHS, _TIMES, _SIZE = 10_000, 40, (1240, 500)


def _epochs(count: int) -> list[PriorEpochMetrics]:
    """Return that many epochs of a training, with the noise that small sets have."""
    noise = np.random.default_rng(0).normal(0.0, 0.02, count)
    best, epochs = (math.inf, 0), list[PriorEpochMetrics]()
    for number in range(1, count + 1):
        loss = math.log(5 + 90 * math.exp(-number / 600)) + float(noise[number - 1])
        best = min(best, (loss, number))
        losses = (loss - 0.1, loss, math.exp(loss), math.exp(best[0]))
        epochs.append(PriorEpochMetrics(number, count, *losses, False, "", 1.0, 1e-3, best_epoch=best[1]))
    return epochs


def _figures(acts: Iterable[Callable[[], object]]) -> dict[str, float]:
    """Return the figures by the clock, and the middle of a processor's: a computer with nothing else to do."""
    by_clock, by_processor = list[float](), list[float]()
    for act in acts:
        begun, begun_processor = perf_counter(), process_time()
        act()
        by_clock.append(1000 * (perf_counter() - begun))
        by_processor.append(1000 * (process_time() - begun_processor))
    return {"processor, p50": round(median(by_processor), 1), **figures_of(by_clock)}


def measure(application: DistillApplication) -> dict[str, dict[str, float]]:
    """Return the figures of a plot on the screen."""
    plot, epochs = PerplexityPlot(), _epochs(EPOCHS + _TIMES)
    plot.resize(*_SIZE)
    plot.build()
    plot.show()
    plot.start(EPOCHS + _TIMES, 143.0, 2.0)
    for metrics in epochs[:EPOCHS]:
        plot.add_epoch(metrics)
    application.processEvents()

    paper = plot.findChildren(PerplexityCanvas)[0].viewport()

    def draw(metrics: PriorEpochMetrics) -> None:
        plot.add_epoch(metrics)
        plot.catch_up()
        paper.repaint()

    def step() -> None:
        left = QKeyEvent(QKeyEvent.Type.KeyPress, Qt.Key.Key_Left, Qt.KeyboardModifier.NoModifier)
        QApplication.sendEvent(plot, left)
        paper.repaint()

    redraws = _figures(partial(draw, metrics) for metrics in epochs[EPOCHS:])
    steps = _figures([step] * _TIMES)
    plot.close()
    name = f"plot, {EPOCHS:,} epochs"
    return {f"{name}: redraw_ms": redraws, f"{name}: read_out_ms": steps}
