"""Effort and time limit: how they scale a training, how they are told, chosen and remembered."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QComboBox, QRadioButton, QToolButton, QWidget
from pytestqt.qtbot import QtBot
from typer.testing import CliRunner

from app.main_window import MainWindow
from app.session import Session
from app.session.estimate import training_seconds
from app.widgets.settings.options_form import OptionsForm
from app.words import effort_line, time_limit_words
from distill_core import ConfigError, PriorConfig, prior_config_for, read_summary, scan, train_prior
from distill_core.audio.geometry import Geometry
from distill_core.cli import app
from distill_core.models.architectures import PRIORS
from distill_core.training.codec.effort import overrides_for as codec_overrides_for
from distill_core.training.codec.settings import SoundAmount
from distill_core.training.codec.trainings import TRAININGS, training_of
from distill_core.training.prior.config import config_for_sounds, sized_for_codes
from distill_core.training.prior.cost import epoch_work
from distill_core.training.prior.effort import overrides_for
from distill_core.training.settings import Effort
from tests.app.driving import ScriptedPrompts, session_of, settle, settle_session
from tests.app.test_main_window import SMALL, prompts, window  # noqa: F401 - fixtures

# ruff: noqa: F811

GEOMETRY = Geometry(48_000, 8192, 6, 8, 6, 0, 0)
SET_SIZES = [(6, 10_000), (18, 150_000), (60, 150_001), (150, 1_500_000), (2000, 10**8)]


# The rule


def _work(config: PriorConfig, codes: int) -> float:
    steps = codes // GEOMETRY.codes_per_step
    return config.max_epochs * epoch_work(config, GEOMETRY, 64, steps=steps, whole_seconds=steps // 6)


def _config(effort: Effort, files: int, codes: int, **overrides: Any) -> PriorConfig:
    return config_for_sounds(files, codes, {"effort": effort.value, **overrides})


@pytest.mark.parametrize("architecture", [*PRIORS])
@pytest.mark.parametrize(("files", "codes"), SET_SIZES)
def test_normal_is_what_follows_from_the_sounds(files: int, codes: int, architecture: str) -> None:
    unasked = config_for_sounds(files, codes, {"architecture": architecture})
    assert _config(Effort.NORMAL, files, codes, architecture=architecture) == unasked
    assert overrides_for(Effort.NORMAL, unasked) == {}


@pytest.mark.parametrize("architecture", [*PRIORS])
@pytest.mark.parametrize(("files", "codes"), SET_SIZES)
def test_an_effort_scales_the_work_whatever_the_set(files: int, codes: int, architecture: str) -> None:
    quick, normal, thorough = (_config(effort, files, codes, architecture=architecture) for effort in Effort)
    assert 0.1 <= _work(quick, codes) / _work(normal, codes) <= 0.35
    assert 2.5 <= _work(thorough, codes) / _work(normal, codes) <= 4.5
    assert quick.patience <= normal.patience <= thorough.patience
    assert quick.effort == "quick"


@pytest.mark.parametrize("architecture", [*TRAININGS])
@pytest.mark.parametrize("seconds", [1.0, 600.0, 40_000.0, 10.0**7])
def test_an_effort_scales_the_epochs_of_a_codec(seconds: float, architecture: str) -> None:
    amount, training = SoundAmount(files=20, seconds=seconds), training_of(architecture)
    usual = training.config_for(amount, {})
    assert codec_overrides_for(Effort.NORMAL, usual) == {}
    quick, thorough = (
        training.config_for(amount, codec_overrides_for(effort, usual)) for effort in (Effort.QUICK, Effort.THOROUGH)
    )
    assert quick.max_epochs == pytest.approx(usual.max_epochs / 3, abs=0.5)
    assert thorough.max_epochs == 3 * usual.max_epochs
    assert quick.patience <= usual.patience <= thorough.patience


@pytest.mark.parametrize("heads", [1, 2, 3, 4, 6, 8])
@pytest.mark.parametrize("width", [16, 24, 48, 96, 384, 4080])
def test_an_effort_makes_no_settings_that_cannot_be(width: int, heads: int) -> None:
    if width % (2 * heads):
        pytest.skip("the heads do not divide it")
    auto = PriorConfig(hidden_size=width, num_heads=heads, max_epochs=1, patience=1, variants=0)
    for effort in Effort:
        scaled = replace(auto, **overrides_for(effort, auto))
        assert scaled.max_epochs >= 1
        assert scaled.patience >= 1
    assert overrides_for(Effort.QUICK, replace(auto, patience=0))["patience"] == 0, "it never stops early"


def test_a_setting_that_was_given_wins_over_the_effort() -> None:
    given = {"hidden_size": 64, "max_epochs": 7, "patience": 3}
    config = _config(Effort.THOROUGH, 18, 100_000, **given)
    assert {name: getattr(config, name) for name in given} == given
    assert config.batch_size == prior_config_for(100_000, hidden_size=64).batch_size


def test_there_is_no_other_effort() -> None:
    with pytest.raises(ConfigError, match="effort cannot be 'heroic'") as refused:
        config_for_sounds(18, 100_000, {"effort": "heroic"})
    assert refused.value.field == "effort"


def test_the_sizes_follow_the_effort_once_the_codes_are_known() -> None:
    overrides = {"effort": "thorough", "patience": 3}
    asked = config_for_sounds(200, 0, overrides)
    assert sized_for_codes(asked, 1_000_000, overrides) == config_for_sounds(200, 1_000_000, overrides)


def test_training_takes_the_effort_and_the_result_tells_it(tiny_model: Path, sounds_folder: Path) -> None:
    trained = train_prior(tiny_model, sounds_folder, {"effort": "quick", "max_epochs": 1, "device": "cpu"})
    assert trained.config["effort"] == "quick"
    assert trained.config["hidden_size"] == 96


def test_the_terminal_has_the_same_efforts(tiny_model: Path, sounds_folder: Path) -> None:
    def run(*flags: str) -> Any:
        return CliRunner().invoke(
            app, ["train-prior", "--no-audit", str(tiny_model), str(sounds_folder), *flags, "--device", "cpu"]
        )

    ran = run("--effort", "quick", "--epochs", "1", "--json")
    assert ran.exit_code == 0, ran.output
    start = next(event for event in map(json.loads, ran.stdout.splitlines()) if "memorization_limit" in event)
    wanted = config_for_sounds(6, start["code_count"], {"effort": "quick", "max_epochs": 1, "device": "cpu"})
    assert start["config"] == asdict(wanted)
    refused = run("--effort", "heroic")
    assert refused.exit_code == 2
    assert "quick, normal, thorough" in " ".join(refused.output.split())


# In words


def test_an_effort_is_told_with_its_minutes_where_they_are_known() -> None:
    assert [effort_line(effort, None) for effort in Effort] == ["Quick", "Normal", "Thorough"]
    assert effort_line(Effort.QUICK, 3.0) == "Quick · a few seconds"
    assert effort_line(Effort.QUICK, 17.0) == "Quick · about 20 seconds"
    assert effort_line(Effort.NORMAL, 57.0) == "Normal · about 1 minute"
    assert effort_line(Effort.THOROUGH, 400.0) == "Thorough · about 7 minutes"


@pytest.mark.parametrize(
    ("minutes", "text"),
    [(0, "none"), (1, "1 minute"), (5, "5 minutes"), (60, "60 minutes"), (120, "2 hours"), (90, "90 minutes")],
)
def test_a_time_limit_in_words(minutes: float, text: str) -> None:
    assert time_limit_words(minutes) == text


def test_a_time_limit_bounds_the_estimate(shared_tiny_model: Path, shared_sounds_folder: Path) -> None:
    model, dataset = read_summary(shared_tiny_model), scan(shared_sounds_folder)
    config = prior_config_for(1000)
    free = training_seconds(model, dataset, config, 1.0)
    assert free > 60
    assert training_seconds(model, dataset, replace(config, time_limit_min=0.5), 1.0) == 30
    assert training_seconds(model, dataset, replace(config, time_limit_min=1e9), 1.0) == free


# The form


@pytest.fixture
def form(qtbot: QtBot) -> OptionsForm:
    form = OptionsForm(PriorConfig())
    qtbot.addWidget(form)
    form.resize(300, 700)
    form.show()
    return form


def child(form: QWidget, kind: type[Any], name: str) -> Any:
    found = form.findChild(kind, name)
    assert found is not None
    return found


def test_effort_and_time_limit_come_first_and_the_rest_is_folded(qtbot: QtBot, form: OptionsForm) -> None:
    assert form.overrides() == {}
    assert child(form, QRadioButton, "normalEffort").isChecked()
    assert not form.expert.isVisible()
    assert form.findChildren(QWidget, "effort") == [], "it is chosen once"
    assert len(form.findChildren(QWidget, "time_limit_min")) == 1
    turned: list[bool] = []
    form.expert_turned.connect(turned.append)
    qtbot.mouseClick(child(form, QToolButton, "expertButton"), Qt.MouseButton.LeftButton)
    assert form.expert.isVisible()
    form.set_expert(False)
    assert turned == [True], "only a person's choice is told"


def test_what_is_chosen_becomes_settings_and_comes_back(qtbot: QtBot, form: OptionsForm) -> None:
    told: list[dict[str, Any]] = []
    form.changed.connect(lambda: told.append(form.overrides()))
    child(form, QRadioButton, "quickEffort").click()
    child(form, QComboBox, "time_limit_min").setCurrentIndex(1)
    assert told == [{"effort": "quick"}, {"effort": "quick", "time_limit_min": 5.0}]
    chosen = {"effort": "thorough", "time_limit_min": 7.5, "seed": 4}
    form.set_overrides(chosen)
    assert form.overrides() == chosen
    assert told[2:] == [chosen]
    assert child(form, QComboBox, "time_limit_min").currentText() == "7.5 minutes"
    form.reset()
    assert form.overrides() == {}


def test_a_wrong_setting_opens_the_fold(form: OptionsForm) -> None:
    form.set_overrides({"dropout": 3})
    assert not form.is_valid()
    assert form.expert.isVisible()
    assert list(form.problems()) == ["dropout"]


def test_a_locked_form_keeps_its_choices(form: OptionsForm) -> None:
    form.set_locked(True)
    names = ("quickEffort", "normalEffort", "thoroughEffort")
    assert not any(child(form, QRadioButton, name).isEnabled() for name in names)
    assert not child(form, QComboBox, "time_limit_min").isEnabled()
    form.set_locked(False)
    assert all(child(form, QRadioButton, name).isEnabled() for name in names)


# In the session and the window


def test_each_effort_is_estimated_with_the_other_choices(
    qtbot: QtBot, session: Session, tiny_model: Path, sounds_folder: Path
) -> None:
    assert session.estimate_efforts() == {}
    session.open_model(tiny_model)
    session.open_dataset(sounds_folder)
    settle_session(qtbot, session)
    assert session.estimate_efforts() == {}, "no training has told yet how fast this computer is"
    session.settings.set_training_speed(1e8)
    seconds = session.estimate_efforts()
    assert seconds[Effort.QUICK] < seconds[Effort.NORMAL] < seconds[Effort.THOROUGH]
    session.set_options({"effort": "thorough"}, True)
    assert session.estimate_seconds() == seconds[Effort.THOROUGH]
    assert session.state.options.auto.hidden_size == 192
    assert session.state.options.unasked is not None
    assert session.state.options.unasked.hidden_size == 128
    session.set_options({"effort": "thorough", "max_epochs": 1}, True)
    assert session.estimate_efforts()[Effort.NORMAL] == pytest.approx(seconds[Effort.NORMAL] / 40)


def test_the_options_tell_the_minutes_and_remember_the_fold(
    qtbot: QtBot, window: MainWindow, tiny_model: Path, sounds_folder: Path
) -> None:
    session, form = session_of(window), window.options.form
    session.settings.set_training_speed(1e6)
    assert child(form, QRadioButton, "quickEffort").text() == "Quick"
    window.commands.open_model(tiny_model)
    window.commands.open_sounds(sounds_folder)
    settle(qtbot, window)
    shown = {effort: child(form, QRadioButton, f"{effort.value}Effort").text() for effort in Effort}
    assert shown == {effort: effort_line(effort, session.estimate_efforts()[effort]) for effort in Effort}
    assert all("·" in text for text in shown.values())
    assert not session.settings.is_unfolded("expert")
    child(form, QToolButton, "expertButton").click()
    assert session.settings.is_unfolded("expert")
    assert not session.settings.is_unfolded("details")
    child(form, QRadioButton, "quickEffort").click()
    assert session.state.options.overrides["effort"] == "quick"


def test_the_window_trains_with_the_effort(
    qtbot: QtBot,
    window: MainWindow,
    prompts: ScriptedPrompts,
    tiny_model: Path,
    sounds_folder: Path,
    an_epoch: Callable[..., object],
) -> None:
    window.commands.open_model(tiny_model)
    window.commands.open_sounds(sounds_folder)
    settle(qtbot, window)
    small = {name: value for name, value in SMALL.items() if name not in ("hidden_size", "num_heads")}
    window.options.form.set_overrides({**small, "effort": "quick", "max_epochs": 1})
    window.commands.train()
    settle(qtbot, window)
    trained = session_of(window).state.training.trained
    assert trained is not None
    assert (trained.config["effort"], trained.config["hidden_size"]) == ("quick", 96)
