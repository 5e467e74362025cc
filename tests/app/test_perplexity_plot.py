"""The plot: its numbers, its words, its drawing and its descriptions."""

from __future__ import annotations

import math
import subprocess
import sys
from itertools import combinations, pairwise

import numpy as np
import pytest
from PySide6.QtCore import QEvent, QPoint, QPointF, QRectF, Qt
from PySide6.QtGui import QPalette
from PySide6.QtWidgets import QApplication, QLabel
from pytestqt.qtbot import QtBot

from app.theme import plot_colors
from app.times import clock
from app.widgets.plot.axis import PerplexityAxis, epoch_ticks, log_ticks, near_ticks, plain
from app.widgets.plot.canvas import PerplexityCanvas
from app.widgets.plot.curve import Curve, CurveLines, in_words
from app.widgets.plot.head import TITLE, PlotTitle
from app.widgets.plot.labels import PlotLabel, PlotLegend
from app.widgets.plot.plot import NO_CURVE_YET, PerplexityPlot
from app.widgets.plot.points import thinned
from distill_core.training.events import StepMetrics
from distill_core.training.prior.events import PriorEpochMetrics


def _loss(perplexity: float) -> float:
    return math.log(perplexity) if math.isfinite(perplexity) else perplexity


def _epoch(
    number: int,
    validation: float,
    training: float,
    best: int | None = None,
    *,
    total: int = 100,
    memorizing_from: int = 0,
) -> PriorEpochMetrics:
    """Return an epoch; `best` is the number of the best one so far, or this one's."""
    losses = _loss(training), _loss(validation)
    verdict = "memorizing" if memorizing_from else "fitting"
    measured = (number, total, *losses, validation, validation, False, "words", 4.0, 1e-3)
    named = {"best_epoch": number if best is None else best, "memorizing_from": memorizing_from}
    return PriorEpochMetrics(*measured, verdict=verdict, **named)


def _learn(plot: PerplexityPlot, epochs: int, *, floor: float = 5.0, limit: float = 2.0, total: int = 100) -> None:
    plot.start(total, 143.0, limit)
    memorizing_from = 0
    for number in range(1, epochs + 1):
        value = floor + 90 * math.exp(-number / 6)
        memorizing_from = memorizing_from or number * (value < limit)
        plot.add_epoch(_epoch(number, value, 0.9 * value, total=total, memorizing_from=memorizing_from))
    plot.catch_up()


@pytest.fixture
def plot(qtbot: QtBot) -> PerplexityPlot:
    plot = PerplexityPlot()
    qtbot.addWidget(plot)
    plot.resize(400, 220)
    plot.build()
    plot.show()
    return plot


def _canvas(plot: PerplexityPlot) -> PerplexityCanvas:
    plot.catch_up()
    return plot.findChildren(PerplexityCanvas)[0]


def _shown_texts(plot: PerplexityPlot) -> list[str]:
    plot.catch_up()
    return [label.text() for label in plot.findChildren(QLabel) if label.isVisibleTo(plot)]


def _shown_labels(plot: PerplexityPlot) -> list[PlotLabel]:
    canvas = _canvas(plot)
    labels = (canvas.limit_label, canvas.unigram_label, canvas.best_label, canvas.band_label)
    return [label for label in labels if label.isVisible()]


def _ground(label: PlotLabel) -> QRectF:
    return label.sceneBoundingRect()


# Numbers


@pytest.mark.parametrize(
    ("low", "high", "pixels", "expected"),
    [
        (1, 300, 300, [1, 2, 5, 10, 20, 50, 100, 200]),
        (1, 300, 100, [1, 10, 100]),
        (1.4, 8, 300, [1.5, 2, 3, 4, 5, 6, 7, 8]),
        (1, 1e9, 60, [1, 1000, 1e6, 1e9]),
    ],
)
def test_perplexity_ticks_are_plain_and_fit(low: float, high: float, pixels: float, expected: list[float]) -> None:
    ticks = log_ticks(math.log10(low), math.log10(high), pixels)
    assert [10**tick for tick in ticks] == pytest.approx(expected)


def test_tick_words_are_plain_numbers() -> None:
    assert " ".join(plain(10**tick) for tick in log_ticks(0, 3, 600)) == "1 2 5 10 20 50 100 200 500 1000"


def test_a_narrow_range_has_ticks_that_tell_a_height() -> None:
    ticks = near_ticks(math.log10(0.19), math.log10(0.29), 300)
    assert len(ticks) >= 3
    assert all(later - earlier > 15 / 300 * math.log10(0.29 / 0.19) for earlier, later in pairwise(ticks))
    assert near_ticks(0, 3, 600) == log_ticks(0, 3, 600)


def test_the_title_of_the_axis_has_no_scale(qapp: QApplication) -> None:
    axis = PerplexityAxis("left")
    axis.setLabel("perplexity")
    axis.setRange(0.1, 0.4)
    assert "x0" not in axis.labelString()
    assert [plain(value) for value in (1.5, 20_000, 1e6, 4.9e8)] == ["1.5", "20k", "1M", "490M"]


def test_epoch_ticks_are_whole_and_begin_at_the_first() -> None:
    assert epoch_ticks(0.5, 10.5, 900) == list(range(1, 11))
    assert epoch_ticks(0.5, 100.5, 300) == [1, 20, 40, 60, 80, 100]
    assert epoch_ticks(0.5, 2.5, 300) == [1, 2]


def test_numbers_in_words() -> None:
    assert [in_words(value) for value in (7.4219, 68.11, 143.2, math.nan)] == ["7.42", "68.1", "143", "no value"]
    assert [clock(seconds) for seconds in (0, 134, 3734)] == ["0:00", "2:14", "1:02:14"]


def test_the_range_holds_curve_and_lines_whatever_they_are() -> None:
    low, high = Curve(
        total_epochs=10, unigram=143.0, limit=2.0, validation=[90.0, math.nan], training=[1.1, 95.0]
    ).y_range()
    assert low < 1.1
    assert high > 143.0
    assert Curve().y_range()[0] > 0


def test_the_epoch_axis_grows_up_to_the_epochs_planned() -> None:
    ends = [Curve(total_epochs=100, validation=[9.0] * count).last_x() for count in (0, 5, 20, 60, 100)]
    assert ends == [10, 10, 30, 75, 100]
    assert Curve(total_epochs=3, validation=[9.0]).last_x() == 3
    assert Curve(total_epochs=9000, validation=[9.0] * 2000).last_x() == 2500


# Before and after the plot is built


def test_nothing_heavy_is_imported_before_build() -> None:
    program = (
        "import sys; from PySide6.QtWidgets import QApplication; app = QApplication([])\n"
        "from app.widgets.plot.plot import PerplexityPlot; plot = PerplexityPlot()\n"
        "plot.start(10, 143.0, 2.0); plot.show()\n"
        "assert not {'pyqtgraph', 'numpy', 'torch'} & set(sys.modules)\n"
        "plot.build(); assert 'pyqtgraph' in sys.modules and 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


def test_what_came_before_build_shows_after_it(qtbot: QtBot) -> None:
    plot = PerplexityPlot()
    qtbot.addWidget(plot)
    _learn(plot, 3)
    plot.build()
    plot.build()
    assert len(plot.findChildren(PerplexityCanvas)) == 1
    assert plot.epoch_count == 3
    xs, ys = _canvas(plot)._validation.getData()
    assert list(xs) == [1, 2, 3]
    assert 10 ** ys[0] == pytest.approx(5 + 90 * math.exp(-1 / 6))


def test_says_when_the_curve_will_appear(plot: PerplexityPlot) -> None:
    assert NO_CURVE_YET in _shown_texts(plot)
    plot.start(100, 143.0, 2.0)
    assert NO_CURVE_YET in _shown_texts(plot)
    assert "very predictable below 2.0" in [label.text() for label in _shown_labels(plot)]
    plot.add_epoch(_epoch(1, 80.0, 90.0))
    assert NO_CURVE_YET not in _shown_texts(plot)
    plot.clear()
    assert NO_CURVE_YET in _shown_texts(plot)
    assert not _shown_labels(plot)


# What is drawn


def test_lines_stand_at_their_log10(plot: PerplexityPlot) -> None:
    _learn(plot, 10)
    canvas = _canvas(plot)
    assert canvas._limit.value() == pytest.approx(math.log10(2.0))
    assert canvas._unigram.value() == pytest.approx(math.log10(143.0))
    low, high = canvas._view.viewRange()[1]
    assert low < canvas._limit.value() < canvas._unigram.value() < high


def test_the_star_stands_on_the_best_epoch(plot: PerplexityPlot) -> None:
    plot.start(10, 143.0, 2.0)
    for number, (value, best) in enumerate([(30.0, 1), (20.0, 2), (25.0, 2), (19.0, 2)], start=1):
        plot.add_epoch(_epoch(number, value, 30.0, best))
    xs, ys = _canvas(plot)._star.getData()
    assert (list(xs), 10 ** ys[0]) == ([2], pytest.approx(20.0))
    assert _canvas(plot).best_label.text() == "best 20.0 at epoch 2"


@pytest.mark.parametrize("nothing", [math.nan, math.inf])
def test_what_is_not_a_number_is_a_gap(plot: PerplexityPlot, nothing: float) -> None:
    plot.start(10, 143.0, 2.0)
    for number, value in enumerate([nothing, 30.0, nothing, 20.0], start=1):
        plot.add_epoch(_epoch(number, value, nothing, (0, 2, 2, 4)[number - 1]))
    _, ys = _canvas(plot)._validation.getData()
    assert [math.isfinite(y) for y in ys] == [False, True, False, True]
    assert plot.read_out(3) == "Epoch 3 · kept aside no value · learned from no value · 0:12"
    assert _canvas(plot).best_label.text() == "best 20.0 at epoch 4"
    plot.grab()


def test_a_lone_training_value_is_seen(plot: PerplexityPlot) -> None:
    plot.start(10, 143.0, 2.0)
    plot.add_epoch(_epoch(1, 30.0, 40.0))
    assert len(_canvas(plot)._lone_training.getData()[0]) == 1
    plot.add_epoch(_epoch(2, 25.0, 35.0))
    assert len(_canvas(plot)._lone_training.getData()[0]) == 0


def test_the_band_begins_with_the_first_memorizing_epoch(plot: PerplexityPlot) -> None:
    _learn(plot, 10)
    assert not _canvas(plot)._band.isVisible()
    _learn(plot, 50, floor=1.5)
    first = next(n for n in range(1, 51) if 1.5 + 90 * math.exp(-n / 6) < 2.0)
    assert _canvas(plot)._band.rect().left() == first - 0.5
    assert f"Memorizing since epoch {first}." in plot.accessibleDescription()
    plot.start(10, 143.0, 2.0)
    plot.add_epoch(_epoch(3, 2.0, 1.5, memorizing_from=2))  # the first of them is not in the curve
    assert _canvas(plot)._band.rect().left() == 1.5


@pytest.mark.parametrize("size", [(400, 220), (900, 500)])
@pytest.mark.parametrize("epochs", [0, 1, 2, 15, 50, 100])
@pytest.mark.parametrize(("floor", "limit"), [(5.0, 2.0), (1.5, 2.0), (5.0, 5.0)])
def test_words_are_whole_and_apart(
    plot: PerplexityPlot, size: tuple[int, int], epochs: int, floor: float, limit: float
) -> None:
    plot.resize(*size)
    _learn(plot, epochs, floor=floor, limit=limit)
    QApplication.processEvents()
    view = _canvas(plot)._view.sceneBoundingRect()
    for label in _shown_labels(plot):
        assert view.adjusted(-1, -1, 1, 1).contains(_ground(label)), label.text()
    for one, other in combinations(_shown_labels(plot), 2):
        assert not _ground(one).intersects(_ground(other)), (one.text(), other.text())


def test_a_saved_curve(plot: PerplexityPlot) -> None:
    plot.show_saved([1, 2, 3, 4], [_loss(60), _loss(20), math.nan, _loss(25)], [_loss(50), _loss(15)], 2, 143.0)
    assert plot.epoch_count == 4
    assert plot.read_out(2) == "Epoch 2 · kept aside 20.0 · learned from 15.00"
    assert _canvas(plot).best_label.text() == "best 20.0 at epoch 2"
    assert not _canvas(plot).limit_label.isVisible()
    plot.show_saved([1], [_loss(60)], [], 7, None)
    assert not _canvas(plot).best_label.isVisible()
    assert not _canvas(plot).unigram_label.isVisible()
    plot.show_saved([], [], [], None)
    assert plot.epoch_count == 0


def test_a_saved_curve_stands_at_its_epochs_with_a_gap_for_one_that_was_rolled_back(plot: PerplexityPlot) -> None:
    """It said "best 9.00 at epoch 4" of a best of 7.00."""
    plot.show_saved([1, 2, 4, 5], [_loss(30), _loss(8), _loss(7), _loss(9)], [_loss(20)] * 4, 4)
    assert "Best 7.00 at epoch 4." in plot.accessibleDescription()
    assert plot.read_out(3) == "Epoch 3 · kept aside no value · learned from no value"
    assert plot.read_out(5).startswith("Epoch 5 · kept aside 9.00")
    xs, ys = _canvas(plot)._validation.getData()
    assert [int(x) for x, y in zip(xs, ys, strict=True) if math.isfinite(y)] == [1, 2, 4, 5]
    assert list(_canvas(plot)._star.getData()[0]) == [4]


def test_a_live_curve_has_a_gap_for_an_epoch_that_was_rolled_back(plot: PerplexityPlot) -> None:
    plot.start(10, 143.0, 2.0)
    for number, value in ((1, 30.0), (2, 8.0), (4, 7.0)):
        plot.add_epoch(_epoch(number, value, 20.0))
    assert _canvas(plot).best_label.text() == "best 7.00 at epoch 4"
    assert plot.read_out(3).startswith("Epoch 3 · kept aside no value")
    assert plot.read_out(4) == "Epoch 4 · kept aside 7.00 · learned from 20.0 · 0:12"


def test_a_saved_curve_of_each_second_epoch_is_a_line_with_a_gap_where_more_are_missing(plot: PerplexityPlot) -> None:
    """A file has no room for all epochs of a long training: a line that joined neighbours alone joined none of them."""
    epochs = [1, *range(2, 1001, 2)]
    epochs.remove(500)
    plot.show_saved(epochs, [_loss(5 + 90 / epoch) for epoch in epochs], [], 1000)
    xs, ys = _canvas(plot)._validation.getData()
    gaps = [int(x) for x, y in zip(xs, ys, strict=True) if not math.isfinite(y)]
    assert gaps == [499]
    assert plot.read_out(1000) == f"Epoch 1000 · kept aside {in_words(5.09)} · learned from no value"


def test_the_keyboard_steps_to_the_epochs_that_a_file_has(plot: PerplexityPlot, qtbot: QtBot) -> None:
    plot.show_saved([2, 4, 8], [_loss(30), _loss(20), _loss(10)], [], 8)
    for key, epoch in [("Left", 8), ("Left", 4), ("Right", 8), ("Home", 2), ("Left", 2), ("End", 8)]:
        qtbot.keyClick(plot, getattr(Qt.Key, f"Key_{key}"))
        assert plot.shown_read_out() == plot.read_out(epoch)


@pytest.mark.parametrize("count", [1, 2, 799, 800, 801, 10_000])
def test_a_thinned_line_has_the_ends_the_best_and_the_extremes_of_each_part(count: int) -> None:
    generator = np.random.default_rng(count)
    values = generator.normal(size=count)
    best = int(generator.integers(count))
    places = thinned(values, 400, [best])
    assert {0, count - 1, best, int(values.argmin()), int(values.argmax())} <= {*places.tolist()}
    assert len(places) <= 2 * 400 + 3
    assert (np.diff(places) > 0).all()
    length = -(-count // 400)
    for start in range(0, count, length) if count > 800 else ():
        part, drawn = values[start : start + length], values[places[(places >= start) & (places < start + length)]]
        assert (part.min(), part.max()) == (drawn.min(), drawn.max())


def test_a_thinned_line_keeps_a_gap_and_the_read_out_of_every_epoch(plot: PerplexityPlot) -> None:
    plot.start(10_000, 143.0, 2.0)
    for number in range(1, 5001):
        value = math.nan if 2000 <= number < 2100 else 30.0 if number % 7 else 20.0 + number / 1e4
        plot.add_epoch(_epoch(number, value, 31.0, best=7, total=10_000))
    xs, ys = _canvas(plot)._validation.getData()
    assert len(xs) < 900
    assert any(2000 <= x < 2100 for x, y in zip(xs, ys, strict=True) if math.isnan(y))
    assert 7 in xs
    assert plot.read_out(4242) == f"Epoch 4242 · kept aside 20.4 · learned from 31.0 · {clock(4 * 4242)}"
    assert plot.read_out(2050).startswith("Epoch 2050 · kept aside no value")


# Reading it


def test_the_keyboard_steps_the_read_out(plot: PerplexityPlot, qtbot: QtBot) -> None:
    _learn(plot, 5)
    plot.setFocus()
    for key, epoch in [("Left", 5), ("Left", 4), ("Home", 1), ("Left", 1), ("Right", 2), ("End", 5), ("Right", 5)]:
        qtbot.keyClick(plot, getattr(Qt.Key, f"Key_{key}"))
        assert plot.shown_read_out() == plot.read_out(epoch)
    assert plot.read_out(5) in _shown_texts(plot)
    plot.add_epoch(_epoch(6, 30.0, 30.0))
    plot.catch_up()
    assert plot.shown_read_out() == plot.read_out(6)
    assert plot.read_out(0) == plot.read_out(7) == ""


def test_other_keys_go_on_to_the_window(plot: PerplexityPlot, qtbot: QtBot) -> None:
    qtbot.keyClick(plot, Qt.Key.Key_Left)
    assert plot.shown_read_out() == ""
    _learn(plot, 2)
    qtbot.keyClick(plot, Qt.Key.Key_A)
    assert plot.shown_read_out() == ""


def test_hovering_reads_out_the_nearest_epoch(plot: PerplexityPlot, qtbot: QtBot) -> None:
    _learn(plot, 5)
    QApplication.processEvents()
    canvas = _canvas(plot)
    point = canvas.mapFromScene(canvas._view.mapViewToScene(canvas._view.mapToView(canvas._view.rect().center())))
    third = canvas.mapFromScene(canvas._view.mapToScene(canvas._pixel(3.3, 0.5)))
    qtbot.mouseMove(canvas.viewport(), QPoint(point))
    qtbot.mouseMove(canvas.viewport(), QPoint(third))
    assert plot.shown_read_out() == plot.read_out(3)
    assert canvas._cursor.value() == 3
    QApplication.sendEvent(canvas, QEvent(QEvent.Type.Leave))
    assert plot.shown_read_out() == ""
    assert not canvas._cursor.isVisible()


def test_describes_itself(plot: PerplexityPlot) -> None:
    assert plot.accessibleName() == "Perplexity by epoch"
    assert plot.accessibleDescription() == NO_CURVE_YET
    plot.start(10, 143.0, 2.0)
    plot.add_epoch(_epoch(1, 68.0, 70.0))
    assert plot.accessibleDescription() == (
        "Epoch 1 · kept aside 68.0 · learned from 70.0 · 0:04. Best 68.0 at epoch 1. Very predictable below 2.0. "
        "Whoever knows only how common each code is reaches 143."
    )


def test_cannot_be_moved_or_zoomed(plot: PerplexityPlot, qtbot: QtBot) -> None:
    _learn(plot, 5)
    canvas = _canvas(plot)
    before = canvas._view.viewRange()
    centre = canvas.viewport().rect().center()
    qtbot.mousePress(canvas.viewport(), Qt.MouseButton.LeftButton, pos=centre)
    qtbot.mouseMove(canvas.viewport(), centre + QPoint(60, 20))
    qtbot.mouseRelease(canvas.viewport(), Qt.MouseButton.LeftButton, pos=centre + QPoint(60, 20))
    qtbot.mouseDClick(canvas.viewport(), Qt.MouseButton.LeftButton, pos=centre)
    assert canvas._view.viewRange() == before


def test_follows_the_palette(plot: PerplexityPlot, qapp: QApplication, palettes: dict[str, QPalette]) -> None:
    _learn(plot, 5)
    before = qapp.palette()
    try:
        for palette in palettes.values():
            qapp.setPalette(palette)
            QApplication.processEvents()
            colors, canvas = plot_colors(palette), _canvas(plot)
            assert canvas._validation.opts["pen"].color() == colors.validation
            assert canvas.limit_label.brush().color() == colors.threshold
            assert canvas.getPlotItem().getAxis("left").textPen().color() == colors.foreground
            corner = plot.grab().toImage().pixelColor(plot.width() - 3, plot.height() // 2)
            assert abs(corner.lightness() - palette.color(QPalette.ColorRole.Window).lightness()) < 12
    finally:
        qapp.setPalette(before)


def test_many_epochs_in_a_moment_are_drawn_together(plot: PerplexityPlot, qtbot: QtBot) -> None:
    _learn(plot, 1)
    for number in range(2, 500):
        plot.add_epoch(_epoch(number, 30.0, 30.0, total=500))
    canvas = plot.findChildren(PerplexityCanvas)[0]
    assert plot.epoch_count == 499
    assert len(canvas._validation.getData()[0]) < 10
    qtbot.waitUntil(lambda: len(canvas._validation.getData()[0]) == 499)


def test_an_epoch_is_chosen_by_a_click_and_by_enter(qtbot: QtBot, plot: PerplexityPlot) -> None:
    chosen: list[int] = []
    plot.epoch_chosen.connect(lambda epoch, where: chosen.append(epoch))
    qtbot.mouseClick(_canvas(plot).viewport(), Qt.MouseButton.LeftButton, pos=QPoint(200, 100))
    qtbot.keyClick(plot, Qt.Key.Key_Return)
    assert chosen == []  # there is no epoch yet
    _learn(plot, 10, total=10)
    canvas = _canvas(plot)
    qtbot.keyClick(plot, Qt.Key.Key_Return)
    assert chosen == []  # none is stepped to
    qtbot.keyClick(plot, Qt.Key.Key_Home)
    qtbot.keyClick(plot, Qt.Key.Key_Return)
    where = canvas.mapFromScene(canvas._view.mapViewToScene(QPointF(7.2, math.log10(20.0))))
    qtbot.mouseClick(canvas.viewport(), Qt.MouseButton.LeftButton, pos=where)
    qtbot.mouseClick(canvas.viewport(), Qt.MouseButton.RightButton, pos=where)
    assert chosen == [1, 7]


# Its words


@pytest.mark.parametrize(
    ("width", "words"),
    [
        (1250, TITLE),
        (740, "Perplexity – lower = knows your sounds better"),
        (320, "Perplexity – lower is better"),
    ],
)
def test_the_title_is_as_long_as_it_fits_and_says_which_way_is_better(
    plot: PerplexityPlot, width: int, words: str
) -> None:
    plot.resize(width, 240)
    QApplication.processEvents()
    (title,) = plot.findChildren(PlotTitle)
    assert title.shown_text() == words
    assert title.fontMetrics().horizontalAdvance(words) <= title.width()
    assert "lower = knows your sounds better" in title.toolTip()


def test_both_axes_and_the_lines_are_named_in_words(plot: PerplexityPlot) -> None:
    _learn(plot, 30, floor=1.5)
    canvas = _canvas(plot)
    assert "perplexity" in canvas.getPlotItem().getAxis("left").label.toPlainText()
    assert "epoch" in _shown_texts(plot)
    assert canvas.unigram_label.text() == "knows only how common each code is"
    assert canvas.limit_label.text() == "very predictable below 2.0"
    assert canvas.band_label.text() == "memorizing from here"
    assert PlotLegend.WORDS == ("kept aside", "learned from", "best so far")


def test_a_note_on_the_numbers_is_told_and_takes_no_room(plot: PerplexityPlot) -> None:
    note = "The sounds kept aside resemble the others, so the curve flatters a little."
    plot.start(100, 143.0, 2.0, note)
    plot.add_epoch(_epoch(1, 80.0, 90.0))
    assert note in plot.accessibleDescription()
    assert note not in _shown_texts(plot)
    assert note in plot.findChildren(PlotLegend)[0].toolTip()
    plot.start(100, 143.0, 2.0)
    assert plot.findChildren(PlotLegend)[0].toolTip() == ""


# Batches


def _step(epoch: int, step: int, of: int, value: float) -> StepMetrics:
    return StepMetrics(epoch, step, of, _loss(value), 1e-3, 0.01)


def test_a_batch_is_a_dot_within_its_epoch_from_the_first_on(plot: PerplexityPlot) -> None:
    plot.start(10, 143.0, 2.0)
    plot.add_step(_step(1, 1, 4, 120.0))
    assert NO_CURVE_YET not in _shown_texts(plot)
    plot.add_step(_step(1, 4, 4, math.nan))
    plot.add_step(_step(2, 2, 4, 60.0))
    xs, ys = _canvas(plot)._dots.getData()
    assert list(xs) == [0.25, 1.5]
    assert [10**y for y in ys] == pytest.approx([120.0, 60.0])
    assert plot.epoch_count == 0
    plot.start(10, 143.0, 2.0)
    assert not len(_canvas(plot)._dots.getData()[0])


def test_thousands_of_batches_are_some_hundred_dots_over_the_whole_training() -> None:
    curve = Curve()
    for epoch in range(1, 101):
        for step in range(1, 201):
            curve.add_step(_step(epoch, step, 200, 9.0))
    xs = [x for x, _ in curve.dots]
    assert 250 < len(xs) <= 600
    assert xs == sorted(xs)
    gaps = [later - earlier for earlier, later in pairwise(xs)]
    assert max(gaps) < 1.0
    assert (xs[0], xs[-1] > 99.0) == (0.005, True)


# Following a training


LINES = CurveLines(100, 143.0, 2.0)


def test_of_a_training_that_is_followed_only_new_epochs_are_added_and_its_dots_stay(plot: PerplexityPlot) -> None:
    epochs = [_epoch(number, 90.0 / number, 80.0 / number) for number in range(1, 6)]
    plot.follow(LINES, ())
    plot.add_step(_step(1, 1, 4, 120.0))
    for count in (1, 1, 3):
        plot.follow(LINES, tuple(epochs[:count]))
        assert plot.epoch_count == count
    again = [_epoch(number, 90.0 / number, 80.0 / number) for number in range(1, 6)]  # as they are read from disk
    plot.follow(CurveLines(200, 143.0, 2.0), tuple(again))
    assert plot.epoch_count == 5
    assert len(_canvas(plot)._dots.getData()[0]) == 1


@pytest.mark.parametrize("others", [(), (7.0,), (7.0, 6.0, 5.0, 4.0)])
def test_another_training_takes_the_place_of_the_one_before(plot: PerplexityPlot, others: tuple[float, ...]) -> None:
    plot.follow(LINES, tuple(_epoch(number, 90.0 / number, 80.0) for number in range(1, 4)))
    plot.add_step(_step(4, 1, 4, 20.0))
    plot.follow(LINES, tuple(_epoch(number, value, 8.0) for number, value in enumerate(others, start=1)))
    assert plot.epoch_count == len(others)
    assert not len(_canvas(plot)._dots.getData()[0])
    plot.show_saved([1, 2], [_loss(60), _loss(20)], [], 2)
    plot.follow(CurveLines(), ())
    assert plot.epoch_count == 0
