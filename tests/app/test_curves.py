"""The curve in the window: its axes, its export, and another model's curve beside it."""

from __future__ import annotations

import csv
import math
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import QPoint, QSettings, Qt
from PySide6.QtGui import QContextMenuEvent, QImage
from PySide6.QtWidgets import QApplication, QMenu, QPushButton
from pytestqt.qtbot import QtBot

from app.main_window import MainWindow
from app.presentation.learning import caption, comparison
from app.session.activity import Activity
from app.session.available import ActionId
from app.session.beside import BesideModel
from app.session.settings import Settings
from app.session.state import Page, State
from app.session.tasks.beside import reading_beside
from app.widgets.plot.canvas import PerplexityCanvas
from app.widgets.plot.curve import Beside, Curve, PlotAxes
from app.widgets.plot.plot import PerplexityPlot
from distill_core import read_summary, save_prior_to_model, train_prior
from distill_core.models.summary import ModelSummary
from distill_core.training.prior.curve import COLUMNS
from distill_core.training.prior.events import PriorEpochMetrics
from tests.app.driving import WAIT_MS, ScriptedPrompts, session_of, settle
from tests.app.test_main_window import SMALL, _action, prompts, ready, window  # noqa: F401 - fixtures
from tests.app.test_perplexity_plot import _canvas, plot  # noqa: F401 - fixture

pytestmark = pytest.mark.usefixtures("known_codes")

# ruff: noqa: F811

REFERENCE = Path(__file__).parents[1] / "data" / "ref_small_prior.distill"
Epoch = Callable[..., PriorEpochMetrics]


@pytest.fixture
def with_prior(tiny_model: Path, sounds_folder: Path) -> Path:
    """A model that keeps the curve of three epochs."""
    trained = train_prior(tiny_model, sounds_folder, {**SMALL, "max_epochs": 3})
    assert trained.prior is not None
    save_prior_to_model(tiny_model, trained.prior, trained.config, trained.metadata)
    return tiny_model


def _points(item: Any) -> tuple[list[float], list[float]]:
    xs, ys = item.getData()
    return [*map(float, xs)], [*map(float, ys)]


def _learn(plot: PerplexityPlot, an_epoch: Epoch) -> None:
    plot.start(10, 143.0, 2.0)
    for number, value in enumerate((60.0, 30.0, 20.0), start=1):
        plot.add_epoch(replace(an_epoch(number, value), epoch_time_s=90.0 * number))


# Axes


def test_the_axis_counts_the_minutes_of_a_training(plot: PerplexityPlot, an_epoch: Epoch, qtbot: QtBot) -> None:
    _learn(plot, an_epoch)
    plot.set_axes(PlotAxes(by_time=True))
    canvas = _canvas(plot)
    assert _points(canvas._validation)[0] == pytest.approx([1.5, 4.5, 9.0])
    assert _points(canvas._star)[0] == pytest.approx([9.0])
    qtbot.keyClick(plot, Qt.Key.Key_Home)
    qtbot.keyClick(plot, Qt.Key.Key_Right)
    assert plot.shown_read_out().startswith("Epoch 2 · kept aside 30.0")
    assert canvas._cursor.value() == pytest.approx(4.5)
    near_second = canvas.mapFromScene(canvas._view.mapToScene(canvas._pixel(5.0, 1.0)))
    qtbot.mouseMove(canvas.viewport(), near_second)
    assert plot.shown_read_out().startswith("Epoch 2 ")
    plot.show_saved([1, 2], [3.0, 2.0], [], 2)
    assert _points(_canvas(plot)._validation)[0] == [1, 2], "a file does not tell when its epochs ended"
    assert plot._words.text() == "epoch (when each ended is not known)"


def test_even_steps_and_those_of_the_logarithm(plot: PerplexityPlot, an_epoch: Epoch) -> None:
    _learn(plot, an_epoch)
    plot.set_axes(PlotAxes(is_linear=True))
    canvas = _canvas(plot)
    assert _points(canvas._validation)[1] == pytest.approx([60.0, 30.0, 20.0])
    assert canvas._limit.value() == pytest.approx(2.0)
    low, high = canvas._view.viewRange()[1]
    assert 0 <= low < 2.0 < 143.0 < high
    axis = canvas.getPlotItem().getAxis("left")
    ((_, ticks),) = axis.tickValues(low, high, 300.0)
    assert axis.tickStrings(ticks, 1.0, 1.0) == [f"{tick:g}" for tick in ticks]
    plot.set_axes(PlotAxes())
    assert 10 ** _points(canvas._validation)[1][2] == pytest.approx(20.0)


def test_the_choice_of_axes_is_remembered(ready: MainWindow) -> None:
    by_time, logarithm = (_action(ready, action) for action in (ActionId.CURVE_BY_TIME, ActionId.CURVE_LOGARITHMIC))
    assert (by_time.isChecked(), logarithm.isChecked()) == (False, True)
    by_time.trigger()
    logarithm.trigger()
    assert ready.learning.plot._axes == PlotAxes(by_time=True, is_linear=True) == ready.commands.curves.axes
    settings = Settings()
    assert (settings.plots_time(), settings.plots_evenly()) == (True, True)
    logarithm.trigger()
    assert not Settings().plots_evenly()


def test_the_curve_has_a_menu_of_its_own_where_it_is_clicked(
    ready: MainWindow, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[QPoint] = []
    monkeypatch.setattr(QMenu, "popup", lambda menu, where: opened.append(where))  # no screen here can show one
    page, session = ready.learning, session_of(ready)
    session.show_page(Page.LEARNING)
    point = page.plot.findChildren(PerplexityCanvas)[0].viewport()
    where = point.rect().center()
    click = QContextMenuEvent(QContextMenuEvent.Reason.Mouse, where, point.mapToGlobal(where))
    QApplication.sendEvent(point, click)
    assert opened == [point.mapToGlobal(where)]
    (menu,) = page.findChildren(QMenu)
    by_time, logarithm, *others = menu.actions()
    assert (by_time.isChecked(), logarithm.isChecked()) == (False, True)
    assert not any(action.isEnabled() for action in others), "there is no curve yet"
    by_time.trigger()
    assert page.plot._axes == PlotAxes(by_time=True)
    assert _action(ready, ActionId.CURVE_BY_TIME).isChecked()
    assert page.curve_menu().actions()[0].isChecked()


# Another curve beside


def _beside(*perplexities: float, best: int, words: str = "They compare.") -> Beside:
    losses = [math.log(value) for value in perplexities]
    return Beside("kicks", Curve.saved([*range(1, len(losses) + 1)], losses, [], best, None), words)


def test_another_curve_is_told_apart_by_its_dash_and_its_name(
    plot: PerplexityPlot, an_epoch: Epoch, qtbot: QtBot
) -> None:
    _learn(plot, an_epoch)
    plot.set_axes(PlotAxes(by_time=True))
    plot.show_beside(_beside(90.0, 50.0, 12.0, 13.0, 14.0, 15.0, *[16.0] * 9, best=3))
    canvas = _canvas(plot)
    assert _points(canvas._validation)[0] == [1, 2, 3], "both stand at their epochs"
    xs, ys = _points(canvas._other)
    assert (xs, 10 ** ys[2]) == ([*range(1, 16)], pytest.approx(12.0))
    own, other = (item.opts["pen"] for item in (canvas._validation, canvas._other))
    assert own.style() is not other.style()
    assert canvas.beside_label.text() == "kicks, best 12.00"
    assert canvas._view.viewRange()[0][1] > 15
    assert plot.read_out(2) == "Epoch 2 · kept aside 30.0 · learned from 5.48 · 4:30 · kicks 50.0"
    assert plot.accessibleDescription().endswith("Beside it kicks: best 12.00 at epoch 3. They compare.")
    with qtbot.waitSignal(plot.comparison_ended):
        qtbot.keyClick(plot, Qt.Key.Key_Escape)
    with qtbot.waitSignal(plot.comparison_ended):
        plot.findChild(QPushButton, "endComparisonButton").click()
    plot.show_beside(None)
    assert not canvas.beside_label.isVisible()
    assert _points(canvas._validation)[0] == pytest.approx([1.5, 4.5, 9.0])
    assert "kicks" not in plot.accessibleDescription()


def _summary(path: Path, **facts: Any) -> ModelSummary:
    summary = read_summary(path)
    return replace(summary, prior_metadata={**(summary.prior_metadata or {}), "measure": 2, **facts})


def test_perplexities_of_other_codecs_are_not_said_to_compare() -> None:
    history = {"epochs": [1, 2], "val_losses": [3.0, 2.0]}
    own = _summary(REFERENCE, history=history, best_epoch=2, unigram_by_level=[math.exp(4.0)])
    other = _summary(REFERENCE, history=history, best_epoch=2, unigram_by_level=[math.exp(8.0)])
    state = State().with_open(model=own)

    def words(other: ModelSummary, same: bool) -> str:
        beside = comparison(replace(state, beside=BesideModel(other, has_same_codec=same)))
        assert beside is not None
        return beside.words

    assert words(other, same=True).startswith("Both have the same codec: their perplexities compare")
    assert words(other, same=False) == (
        "Their codecs differ: perplexities don't compare. Bits saved against guessing: 50%, beside it 75%."
    )
    assert words(_summary(REFERENCE, history=history), same=False) == "Their codecs differ: perplexities don't compare."
    older = _summary(REFERENCE, history=history, measure=None)
    assert "an older Distill" in words(older, same=True)
    assert comparison(state) is None


def test_a_model_is_compared_with_and_the_comparison_goes_with_a_click(
    qtbot: QtBot, window: MainWindow, prompts: ScriptedPrompts, with_prior: Path, tmp_path: Path
) -> None:
    session, plot = session_of(window), window.learning.plot
    other = Path(shutil.copy(with_prior, tmp_path / "other drums.distill"))
    window.commands.open_model(with_prior)
    settle(qtbot, window)
    assert session.state.page is Page.TAKES
    prompts.paths["model"] = other
    _action(window, ActionId.COMPARE_CURVE).trigger()
    settle(qtbot, window)
    assert session.state.beside is not None
    assert session.state.page is Page.LEARNING
    assert session.state.beside.has_same_codec
    assert "Beside it other drums.distill: best" in plot.accessibleDescription()
    assert "Beside it other drums.distill" in caption(session.state)
    plot.findChild(QPushButton, "endComparisonButton").click()
    assert session.state.beside is None
    assert "Beside it" not in plot.accessibleDescription()
    window.actions_table.to_compare.aboutToShow.emit()
    (recent,) = window.actions_table.to_compare.actions()
    recent.trigger()
    settle(qtbot, window)
    assert session.state.beside is not None
    assert session.state.beside.summary.path == with_prior
    prompts.paths["model"] = REFERENCE
    _action(window, ActionId.COMPARE_CURVE).trigger()
    settle(qtbot, window)
    assert window.notices.notice_banner.title().startswith("“ref_small_prior.distill” was saved without its curve")
    assert session.state.beside.summary.path == with_prior, "nothing changes"
    window.commands.open_model(other)
    settle(qtbot, window)
    assert session.state.beside is None, "it was compared with another model"


def test_a_comparison_with_a_model_that_is_no_longer_open_is_for_nobody(with_prior: Path, tmp_path: Path) -> None:
    other = read_summary(shutil.copy(with_prior, tmp_path / "other.distill"))
    task = reading_beside(other.path, with_prior)
    read = task.run(lambda event: None, lambda: False)
    asked, _ = task.take(State().with_open(model=read_summary(with_prior)), read)
    assert asked.beside is read
    elsewhere = State().with_open(model=other)
    assert task.take(elsewhere, read) == (elsewhere, [])


def test_esc_ends_the_comparison_and_not_the_training(
    qtbot: QtBot, with_prior: Path, ready: MainWindow, prompts: ScriptedPrompts
) -> None:
    session, plot = session_of(ready), ready.learning.plot
    ready.options.form.set_overrides({**SMALL, "max_epochs": 100_000, "patience": 0})
    ready.stage.train_button.click()
    qtbot.waitUntil(lambda: bool(session.state.training.epochs), timeout=WAIT_MS)
    prompts.paths["model"] = with_prior  # what its training had reached the last time
    _action(ready, ActionId.COMPARE_CURVE).trigger()
    qtbot.waitUntil(lambda: session.state.beside is not None, timeout=WAIT_MS)
    plot.setFocus()
    qtbot.keyClick(plot, Qt.Key.Key_Escape)
    assert session.state.beside is None
    assert session.state.work is Activity.TRAINING
    qtbot.keyClick(plot, Qt.Key.Key_Escape)
    assert session.state.work is Activity.STOPPING
    settle(qtbot, ready)


# Export


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return [*csv.DictReader(file)]


def test_a_training_is_exported_while_it_goes_on_and_after_its_end(
    qtbot: QtBot, ready: MainWindow, prompts: ScriptedPrompts, tmp_path: Path
) -> None:
    session, table, picture = session_of(ready), tmp_path / "curve.csv", tmp_path / "curve.png"
    assert not _action(ready, ActionId.EXPORT_TABLE).isEnabled()
    assert _action(ready, ActionId.EXPORT_PICTURE).shortcut().toString() == "Ctrl+E"
    ready.options.form.set_overrides({**SMALL, "max_epochs": 100_000, "patience": 0})
    ready.stage.train_button.click()
    qtbot.waitUntil(lambda: len(session.state.training.epochs) >= 2, timeout=WAIT_MS)
    prompts.paths["plot"] = table
    _action(ready, ActionId.EXPORT_TABLE).trigger()
    assert prompts.paths["suggested"].name == "tiny curve.csv"
    qtbot.waitUntil(table.exists, timeout=WAIT_MS)
    ready.commands.stop()
    settle(qtbot, ready)
    assert tuple(_rows(table)[0]) == COLUMNS
    assert [row["epoch"] for row in _rows(table)][:2] == ["1", "2"]
    _action(ready, ActionId.EXPORT_TABLE).trigger()
    prompts.paths["plot"] = picture
    _action(ready, ActionId.EXPORT_PICTURE).trigger()
    settle(qtbot, ready)
    told, epochs = _rows(table), session.state.training.epochs
    assert [float(row["val_loss"]) for row in told] == pytest.approx([each.val_loss for each in epochs], rel=1e-5)
    assert [row["epoch"] for row in told if row["best"] == "1"] == [str(epochs[-1].best_epoch)]
    assert float(told[-1]["seconds"]) == pytest.approx(sum(each.epoch_time_s for each in epochs), rel=1e-4)
    image = QImage(str(picture))
    assert (image.width(), image.height()) == (1920, 1200)
    assert len({image.pixel(x, y) for x in range(0, 1920, 7) for y in range(1060, 1180, 3)}) > 2, "a caption"
    words = caption(session.state)
    assert words.startswith("tiny.distill · 6 sounds (")
    assert f"{len(epochs)} epochs · best perplexity" in words
    started = session.state.training.started
    assert started is not None
    assert started.config is not None
    anonymous = replace(started, config=replace(started.config, anonymous=True))
    assert caption(session.state.with_training(started=anonymous)).startswith("tiny.distill · 6 sounds · ")


def test_a_saved_curve_is_exported_or_it_is_said_why_not(
    qtbot: QtBot, window: MainWindow, prompts: ScriptedPrompts, with_prior: Path, tmp_path: Path
) -> None:
    said: list[str] = []
    window.commands.said.connect(said.append)
    session_of(window).said.connect(said.append)
    prompts.paths["plot"] = tmp_path / "curve.csv"
    window.commands.open_model(REFERENCE)
    settle(qtbot, window)
    _action(window, ActionId.EXPORT_TABLE).trigger()
    assert said == ["This model was saved without its curve: there is nothing to export."]
    window.commands.open_model(with_prior)
    settle(qtbot, window)
    _action(window, ActionId.EXPORT_TABLE).trigger()
    settle(qtbot, window)
    assert said[-1] == "The curve is saved as curve.csv."
    assert [(row["epoch"], row["seconds"]) for row in _rows(tmp_path / "curve.csv")] == [
        ("1", ""),
        ("2", ""),
        ("3", ""),
    ]
    prompts.paths["plot"] = tmp_path / "no such folder" / "curve.csv"
    _action(window, ActionId.EXPORT_TABLE).trigger()
    settle(qtbot, window)
    assert window.notices.notice_banner.title().startswith("There is no folder")


def test_strange_settings_are_the_usual_axes(tmp_path: Path) -> None:
    QSettings.setPath(QSettings.Format.IniFormat, QSettings.Scope.UserScope, str(tmp_path / "settings"))
    file = tmp_path / "settings" / "Distill" / "Distill.ini"
    file.parent.mkdir(parents=True)
    file.write_text("[plot]\ntime=7, x\neven=perhaps\n")
    assert (Settings().plots_time(), Settings().plots_evenly()) == (False, False)
