"""How long the curve of 10,000 epochs takes to be drawn, as each epoch of a training asks for it: milliseconds.

`redraw` is one epoch more with all that follows, painted; `read_out` a step of the keyboard, painted.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from time import perf_counter

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


def _milliseconds(act: Callable[[], object]) -> float:
    begun = perf_counter()
    act()
    return 1000 * (perf_counter() - begun)


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

    redraws = [_milliseconds(lambda metrics=metrics: draw(metrics)) for metrics in epochs[EPOCHS:]]
    steps = [_milliseconds(step) for _ in range(_TIMES)]
    plot.close()
    name = f"plot, {EPOCHS:,} epochs"
    return {f"{name}: redraw_ms": figures_of(redraws), f"{name}: read_out_ms": figures_of(steps)}
