"""The health of the codec in the window: a picture with its verdict in Inspect, and a warning before training."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from PySide6.QtCore import QPoint, QRectF
from PySide6.QtGui import QPalette
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from app.main_window import MainWindow
from app.presentation.notices import Notice, warning
from app.session.activity import Activity
from app.session.state import State
from app.theme import accent_color
from app.widgets.facts.fact_list import FactLabel
from app.widgets.facts.health_picture import HealthPicture
from app.widgets.facts.inspect_view import InspectView
from distill_core import load_model_v2, read_summary, save_model_v2
from distill_core.models.codec_health import ADVICE, POOR_CODEC, codec_health
from distill_core.models.summary import ModelSummary
from distill_core.training.prior.events import PriorEpochMetrics
from distill_core.training.prior.trained import TrainedPrior
from tests.app.driving import settle
from tests.app.test_main_window import prompts, window  # noqa: F401 - fixtures

# ruff: noqa: F811

REFERENCE = Path(__file__).parents[1] / "data" / "ref_small_prior.distill"


@pytest.fixture(scope="module")
def reference() -> ModelSummary:
    return read_summary(REFERENCE)


@pytest.fixture
def view(qtbot: QtBot) -> InspectView:
    view = InspectView()
    qtbot.addWidget(view)
    view.resize(260, 600)
    view.show()
    return view


def with_levels(summary: ModelSummary, *levels: tuple[float, float], **training: float) -> ModelSummary:
    """Return the model with as many levels, each with its use and perplexity."""
    health = {f"level_{number}": {"utilization": use, "perplexity": of} for number, (use, of) in enumerate(levels)}
    config = summary.vqvae_config | {"num_quantizers": len(levels)}
    return replace(summary, vqvae_config=config, codebook_health=health, training_config=dict(training))


def picture_of(view: InspectView) -> HealthPicture:
    QApplication.processEvents()
    picture = view.findChild(HealthPicture)
    assert isinstance(picture, HealthPicture)
    return picture


@pytest.mark.usefixtures("palette")
def test_the_bar_shows_share_and_line(view: InspectView, reference: ModelSummary) -> None:
    view.show_model(with_levels(reference, (0.5, 16.0), (0.01, 1.0)))
    picture = picture_of(view)
    palette, image = picture.palette(), picture.grab().toImage()
    first, dead = codec_health(with_levels(reference, (0.5, 16.0), (0.01, 1.0))).levels
    bar, hatched = picture.bar_of(first), picture.bar_of(dead)
    role = QPalette.ColorRole
    shown, ground, ink = (
        each.name() for each in (accent_color(palette), palette.color(role.Base), palette.color(role.WindowText))
    )

    def at(share: float, frame: QRectF = bar) -> str:
        return image.pixelColor(int(frame.left() + share * frame.width()), int(frame.center().y())).name()

    assert (at(0.4), at(0.6)) == (shown, ground)
    assert at(0.25) == ink
    assert {at(x / 40, hatched) for x in range(8, 38)} > {ground}, "a dead level is hatched, not only coloured"
    assert not {at(x / 40, hatched) for x in range(40)} & {shown}


def test_each_level_has_its_tooltip_and_all_are_read_out(view: InspectView, reference: ModelSummary) -> None:
    view.show_model(with_levels(reference, (0.5, 16.0), (1 / 64, 1.0), (0.05, 2.5)))
    picture = picture_of(view)
    told = ["Level 1: 50% in use, perplexity 16.0", "Level 2: 2% in use, perplexity 1.0, dead"]
    told.append("Level 3: 5% in use, perplexity 2.5, hardly used")
    assert picture.accessibleName() == "Use of the codebooks"
    assert picture.accessibleDescription() == ". ".join(told)
    levels = codec_health(with_levels(reference, (0.5, 16.0), (1 / 64, 1.0), (0.05, 2.5))).levels
    for level, words in zip(levels, told, strict=True):
        assert picture.tip_at(picture.bar_of(level).center().y()).startswith(f"{words}. Bar: ")
    assert picture.tip_at(0).startswith("Bar: ")


def test_the_verdict_stands_above_the_picture_and_its_numbers_in_the_fold(
    view: InspectView, reference: ModelSummary
) -> None:
    view.set_details(True)
    levels = [(0.53, 16.9), (1 / 64, 1.0), (0.06, 2.7)]
    view.show_model(with_levels(reference, *levels, best_val_l1=0.612, mean_frame_l1=0.352))
    verdicts = [
        "Level 2 is dead: it always says the same.",
        "Level 3 is hardly used: 4 of its 64 entries.",
        "Its error is worse than that of answering with each sound's average spectrum: 0.612 against 0.352.",
    ]
    QApplication.processEvents()  # a layout shows its new widgets one event later
    assert [label.text() for label in view.findChildren(FactLabel) if label.text() in verdicts] == verdicts
    assert dict(view.facts())["Health of the codec"][:3] == [("", verdict) for verdict in verdicts]
    assert "  Level 2: 2% in use, perplexity 1.0\n" in view.as_text()
    shown = ["Level 2 tells nothing.", "Level 3 is hardly used."]
    assert [label.text() for label in view.findChildren(FactLabel) if label.text() in shown] == shown
    above = next(label for label in view.findChildren(FactLabel) if label.text() == shown[-1])
    assert above.mapTo(view, QPoint(0, above.height())).y() <= picture_of(view).mapTo(view, QPoint()).y()


@pytest.mark.parametrize(("levels", "highest"), [(1, 60), (3, 90), (8, 180), (12, 260), (13, 260), (32, 320)])
def test_many_levels_stay_small(view: InspectView, reference: ModelSummary, levels: int, highest: int) -> None:
    summary = with_levels(reference, *[(1 - number / 40, 60 - number) for number in range(levels)])
    view.show_model(summary)
    picture, bars = picture_of(view), codec_health(summary).levels
    assert picture.height() <= highest
    frames = [picture.bar_of(bar) for bar in bars]
    assert all(above.bottom() < below.top() for above, below in pairwise(frames))
    assert frames[-1].bottom() <= picture.height()
    assert min(frame.width() for frame in frames) >= 80, "a narrow panel still shows a difference"


def test_a_file_that_tells_of_errors_alone_has_no_picture(view: InspectView, tiny_model: Path) -> None:
    view.show_model(replace(read_summary(tiny_model), training_config={"best_val_l1": 0.4, "mean_frame_l1": 0.5}))
    assert view.findChild(HealthPicture) is None
    error = "Its error on sounds kept aside is 0.400; each sound's average spectrum is off by 0.500."
    assert dict(view.facts())["Health of the codec"] == [("", error)]


# Before a prior is trained


DEAD = "Level 2 is dead: it always says the same."
WARNED = Notice("warning", POOR_CODEC, f"{DEAD} {ADVICE}")


@pytest.fixture
def poor(shared_tiny_model: Path, tmp_path: Path) -> Path:
    """A real model file of 2 levels × 16 codes, the second of them dead."""
    loaded = load_model_v2(shared_tiny_model)
    return save_model_v2(
        tmp_path / "poor.distill",
        loaded.model,
        spectrogram_config=loaded.spectrogram.config,
        vqvae_config=loaded.vqvae_config,
        training_config={"best_val_l1": 0.25, "mean_frame_l1": 0.35},
        metadata={"name": "Poor"},
        codebook_health={
            "level_0": {"utilization": 0.5, "perplexity": 6.0, "dead_codes": 8},
            "level_1": {"utilization": 1 / 16, "perplexity": 1.0, "dead_codes": 15},
        },
    )


def test_a_poor_codec_is_warned_of_until_it_is_trained_on(
    poor: Path,
    reference: ModelSummary,
    make_trained: Callable[..., TrainedPrior],
    an_epoch: Callable[..., PriorEpochMetrics],
) -> None:
    opened = State().with_open(model=read_summary(poor))
    assert warning(opened) == WARNED
    assert warning(replace(opened, work=Activity.SCANNING)) == WARNED, "it does not blink while sounds are added"
    assert warning(replace(opened, work=Activity.TRAINING)) is None
    assert warning(opened.with_training(trained=make_trained([an_epoch(3, 8.17)]))) is None
    assert warning(opened.with_open(model=reference)) is None
    assert warning(State()) is None


def test_the_window_warns_and_another_model_takes_the_warning_away(
    qtbot: QtBot, window: MainWindow, poor: Path, tiny_model: Path, sounds_folder: Path
) -> None:
    banner = window.notices.memorization_banner
    window.commands.open_model(poor)
    window.commands.open_sounds(sounds_folder)
    settle(qtbot, window)
    assert banner.isVisible()
    assert (banner.title(), banner.detail()) == (POOR_CODEC, f"{DEAD} {ADVICE}")
    assert window.stage.train_button.isEnabled(), "it stops nothing"
    picture = window.inspect.findChild(HealthPicture)
    assert isinstance(picture, HealthPicture)
    assert "Level 2: 6% in use, perplexity 1.0, dead" in picture.accessibleDescription()
    window.commands.open_model(tiny_model)
    settle(qtbot, window)
    assert not banner.isVisible()
    assert window.inspect.findChild(HealthPicture) is None
