"""A third prior architecture and a second codec do the main job in the window, registered in the test alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtWidgets import QComboBox
from pytestqt.qtbot import QtBot

from app.main_window import MainWindow
from app.widgets.facts.model_facts import MODEL_TITLE, describe
from app.words import model_lines
from distill_core import load_model_v2, read_summary
from distill_core.training.codec.train import train_codec
from distill_core.training.kinds import prior_runs
from distill_core.training.prior.events import PriorEpochMetrics
from distill_core.training.prior.train import train_prior
from tests.app.driving import session_of, settle
from tests.app.test_main_window import _action, prompts, window  # noqa: F401 - fixtures
from tests.toy_codec import ToyCodec, toy_codec
from tests.toy_prior import ToyPrior, toy_prior

__all__ = ["toy_codec", "toy_prior"]


@pytest.fixture
def toy_model(toy_codec: str, shared_sounds_folder: Path, tmp_path: Path) -> Path:
    """A model file of the second codec, fitted to the sounds."""
    return train_codec(shared_sounds_folder, architecture=toy_codec).save(tmp_path / "toy.distill")


@pytest.fixture
def opened(toy_prior: str, toy_model: Path, window: MainWindow, shared_sounds_folder: Path, qtbot: QtBot) -> MainWindow:  # noqa: F811
    """The window with both open; its form was built after the architecture had its row."""
    session_of(window).open_model(toy_model)
    session_of(window).open_dataset(shared_sounds_folder)
    settle(qtbot, window)
    return window


def test_the_main_job_with_a_toy_prior_on_a_toy_codec(qtbot: QtBot, opened: MainWindow, toy_model: Path) -> None:
    session, form = session_of(opened), opened.options.form
    box = form.findChild(QComboBox, "architecture")
    assert isinstance(box, QComboBox)
    assert "toy" in [box.itemText(row) for row in range(box.count())]
    form.set_overrides({"architecture": "toy", "max_epochs": 3, "device": "cpu", "variants": 1})
    session.settings.set_training_speed(1e6)
    assert session.estimate_seconds() > 0
    opened.stage.train_button.click()
    settle(qtbot, opened)
    trained = session.state.training.trained
    assert trained is not None
    assert isinstance(trained.prior, ToyPrior)
    assert len(session.state.training.epochs) == 3
    _action(opened, "savePriorAction").trigger()
    settle(qtbot, opened)
    summary, loaded = read_summary(toy_model), load_model_v2(toy_model)
    assert (summary.prior_architecture, summary.has_prior) == ("toy", True)
    assert isinstance(loaded.model, ToyCodec)
    assert "Architecture: toy" in [line.strip() for line in opened.inspect.view.as_text().splitlines()]


def test_of_a_toy_codec_the_window_shows_its_own_rate_and_no_mel(
    toy_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    summary = read_summary(toy_model)
    own_rate = replace(summary.geometry, sample_rate=24_000)  # of a file whose spectrogram has 48 kHz
    monkeypatch.setattr(ToyCodec, "geometry", classmethod(lambda cls, config, spectrogram: own_rate))
    rows = dict(dict(describe(summary))[MODEL_TITLE])
    assert rows["Sample rate"] == "24 kHz"
    assert not {"Mel bands", "Spectrogram"} & rows.keys()
    assert model_lines(summary)[0] == "24 kHz, made from 6 sounds"


def test_a_toy_priors_unfinished_training_is_continued_in_the_window(
    qtbot: QtBot,
    toy_prior: str,
    toy_model: Path,
    window: MainWindow,  # noqa: F811
    shared_sounds_folder: Path,
) -> None:
    seen: list[object] = []

    def on_event(event: object) -> None:
        if isinstance(event, PriorEpochMetrics):
            seen.append(event)

    settings = {"architecture": toy_prior, "max_epochs": 4, "device": "cpu", "variants": 0, "patience": 0}
    train_prior(
        toy_model,
        shared_sounds_folder,
        settings,
        on_event=on_event,
        should_stop=lambda: len(seen) >= 2,
        run_folder=prior_runs(toy_model),
    )
    session = session_of(window)
    session.open_model(toy_model)
    session.open_dataset(shared_sounds_folder)
    settle(qtbot, window)
    assert session.state.open.unfinished is not None
    _action(window, "continueAction").trigger()
    settle(qtbot, window)
    assert [epoch.epoch for epoch in session.state.training.epochs] == [1, 2, 3, 4]
