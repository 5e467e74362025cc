"""The plot of a model's error: its numbers, its words, its drawing and its descriptions."""

from __future__ import annotations

import math

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QPalette
from PySide6.QtWidgets import QApplication, QLabel
from pytestqt.qtbot import QtBot

from app.theme import plot_colors
from app.widgets.plot.error_canvas import ErrorCanvas
from app.widgets.plot.error_curve import ErrorCurve
from app.widgets.plot.error_plot import ErrorPlot
from distill_core.training.codec.events import CodecEpochMetrics

TITLE = "Error – lower is nearer"


def _epoch(number: int, error: float, best: int = 0) -> CodecEpochMetrics:
    return CodecEpochMetrics(number, 50, 0.5, 0.0, 0.6, 0.6, error, 0.4, 2.0, 1e-3, best or number)


@pytest.fixture
def plot(qtbot: QtBot) -> ErrorPlot:
    plot = ErrorPlot(TITLE)
    qtbot.addWidget(plot)
    plot.resize(400, 240)
    plot.build()
    plot.show()
    return plot


def _learn(plot: ErrorPlot, epochs: int) -> None:
    plot.start(50, 0.84)
    for number in range(1, epochs + 1):
        plot.add_epoch(_epoch(number, 0.3 + 0.2 / number))
    plot.catch_up()


def test_a_gap_stands_for_epochs_that_were_rolled_back() -> None:
    curve = ErrorCurve()
    curve.add(_epoch(1, 0.5))
    curve.add(_epoch(4, 0.4))
    assert curve.errors[0] == 0.5
    assert all(map(math.isnan, curve.errors[1:3]))
    assert (len(curve), curve.best(), curve.read_out(2), curve.read_out(5)) == (4, 0.4, "", "")
    assert curve.read_out(4) == "Epoch 4 · error 0.400 · 40% of its codes in use"


def test_the_axes_have_room_for_all_values_and_grow_by_stages() -> None:
    curve = ErrorCurve(total_epochs=50, mean_frame=0.84)
    assert curve.last_x() == 10
    low, high = curve.y_range()
    assert low < 0.84 < high
    for number in range(1, 22):
        curve.add(_epoch(number, 0.3))
    low, high = curve.y_range()
    assert low < 0.3 < 0.84 < high
    assert curve.last_x() == 40
    assert ErrorCurve(total_epochs=1).last_x() == 2


def test_the_whole_plot_is_told_to_those_who_cannot_see_it(plot: ErrorPlot) -> None:
    assert plot.accessibleDescription() == ""
    _learn(plot, 3)
    assert plot.accessibleDescription() == (
        "Epoch 3 · error 0.367 · 40% of its codes in use. Best 0.367 at epoch 3. "
        "Each sound's average alone is off by 0.840."
    )


def test_its_words_stand_on_it(plot: ErrorPlot) -> None:
    _learn(plot, 3)
    canvas = plot.findChild(ErrorCanvas)
    assert canvas.best_label.text() == "best 0.367 at epoch 3"
    assert canvas.mean_frame_label.text() == "each sound's average alone: 0.840"
    assert canvas.best_label.isVisible()
    assert canvas.mean_frame_label.isVisible()
    plot.set_words("It is good.")
    assert {TITLE, "It is good.", "epoch"} <= {label.text() for label in plot.findChildren(QLabel)}


def test_a_new_curve_has_nothing_of_the_one_before(plot: ErrorPlot) -> None:
    _learn(plot, 3)
    plot.set_words("It is good.")
    plot.start(50, 0.0)
    canvas = plot.findChild(ErrorCanvas)
    assert (plot.epoch_count, plot.words(), plot.accessibleDescription()) == (0, "", "")
    assert not canvas.best_label.isVisible()
    assert not canvas.mean_frame_label.isVisible()


def test_the_keyboard_steps_from_epoch_to_epoch(qtbot: QtBot, plot: ErrorPlot) -> None:
    _learn(plot, 3)
    plot.setFocus()
    for key, number in ((Qt.Key.Key_Left, 3), (Qt.Key.Key_Left, 2), (Qt.Key.Key_Home, 1), (Qt.Key.Key_End, 3)):
        qtbot.keyClick(plot, key)
        assert plot.read_out().startswith(f"Epoch {number} · error ")
    plot.clearFocus()
    assert plot.read_out() == "epoch"


def test_a_curve_that_came_before_the_drawing_is_drawn_then(qtbot: QtBot) -> None:
    plot = ErrorPlot(TITLE)
    qtbot.addWidget(plot)
    _learn(plot, 3)
    plot.build()
    canvas = plot.findChild(ErrorCanvas)
    assert canvas.best_label.text() == "best 0.367 at epoch 3"
    plot.build()
    assert plot.findChildren(ErrorCanvas) == [canvas]


def test_it_can_be_read_in_light_and_in_dark(qtbot: QtBot, plot: ErrorPlot, palette: QPalette) -> None:
    _learn(plot, 8)
    QApplication.processEvents()
    image = plot.grab().toImage()
    wanted = plot_colors(plot.palette()).validation
    seen = {image.pixelColor(x, y).name() for x in range(0, image.width(), 2) for y in range(0, image.height(), 2)}
    assert wanted.name() in seen
