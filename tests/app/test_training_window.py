"""A training's sentences while it runs, the weights that are kept, and that a bad result replaces nothing unasked."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from PySide6.QtWidgets import QPushButton
from pytestqt.qtbot import QtBot

from app.main_window import MainWindow
from app.session.available import ActionId
from app.widgets.banner import READ_ALL
from distill_core import read_summary, save_prior_to_model, train_prior
from distill_core.training.events import Ended
from distill_core.training.kinds import prior_runs
from tests.app.driving import WAIT_MS, ScriptedPrompts, session_of, settle
from tests.app.test_main_window import (  # noqa: F401 - fixtures
    SMALL,
    _action,
    _button,
    _texts,
    _train,
    prompts,
    ready,
    window,
)

# ruff: noqa: F811

BY_HEART = {"hidden_size": 64, "num_layers": 2, "num_heads": 2, "learning_rate": 0.02, "dropout": 0.0, "variants": 0}
LONG, FOR_EVER = ({"max_epochs": epochs, "patience": 0} for epochs in (400, 100_000))
GOOD = {**SMALL, "learning_rate": 0.02, "max_epochs": 4}
HOPELESS = {**SMALL, "learning_rate": 3.0, "max_epochs": 30}
KEEP = {ActionId.KEEP_BEST, ActionId.KEEP_LAST, ActionId.KEEP_BEFORE_MEMORIZING}


def _buttons(window: MainWindow) -> list[str]:
    banners = (window.notices.memorization_banner, window.notices.notice_banner)
    shown = [button for banner in banners for button in banner.findChildren(QPushButton) if button.isVisible()]
    return [button.text() for button in shown if button.text() != READ_ALL]


def _save(qtbot: QtBot, window: MainWindow) -> None:
    window.commands.saving.save()
    settle(qtbot, window)


def _train_with(qtbot: QtBot, window: MainWindow, options: dict[str, object]) -> None:
    window.options.form.set_overrides(options)
    _train(qtbot, window)


@pytest.fixture
def copies(sounds_folder: Path) -> Path:
    """The folder, with nine copies of one sound in it and nothing else."""
    first, *others = sorted(sounds_folder.iterdir())
    for path in others:
        path.unlink()
    for number in range(8):
        shutil.copy(first, sounds_folder / f"copy {number}{first.suffix}")
    return sounds_folder


@pytest.fixture(scope="module")
def good_model(shared_tiny_model: Path, shared_sounds_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with a prior in its file that is better than guessing. Leave it as it is."""
    trained = train_prior(shared_tiny_model, shared_sounds_folder, GOOD)
    assert trained.prior is not None
    assert not trained.is_no_better_than_guessing
    output = tmp_path_factory.mktemp("good") / "good.distill"
    return save_prior_to_model(shared_tiny_model, trained.prior, trained.config, trained.metadata, output=output)


@pytest.fixture
def with_good_prior(
    qtbot: QtBot, window: MainWindow, good_model: Path, tiny_model: Path, sounds_folder: Path
) -> MainWindow:
    """A window with a copy of that model, in place of `tiny_model`, and the sounds it was trained on."""
    shutil.copy(good_model, tiny_model)
    window.commands.open_model(tiny_model)
    window.commands.open_sounds(sounds_folder)
    settle(qtbot, window)
    return window


# While it runs


def test_memorizing_offers_to_stop_and_keep_what_came_before(qtbot: QtBot, ready: MainWindow) -> None:
    session, banner = session_of(ready), ready.notices.memorization_banner
    ready.options.form.set_overrides({**BY_HEART, **LONG})
    _button(ready).click()
    qtbot.waitUntil(lambda: session.state.is_memorizing, timeout=WAIT_MS)
    kept = session.state.training.kept_epoch
    assert kept is not None
    assert kept.verdict != "memorizing"
    since = session.state.training.last.memorizing_from
    assert kept.epoch < since
    assert banner.title() == f"Memorizing since epoch {since}."
    assert [text for _, text in banner.actions_shown()] == [f"Stop, Keep Epoch {kept.epoch} (Before It)", "Go On"]
    assert f"Stopping keeps epoch {kept.epoch} ({kept.val_perplexity:.1f})." in banner.detail()
    assert _button(ready).text() == f"Stop and Keep Epoch {kept.epoch}"
    banner.button("stop").click()
    settle(qtbot, ready)
    assert not banner.isVisible()
    assert "Memorizing since epoch" in ready.learning.plot.accessibleDescription()
    trained = session.state.training.trained
    assert trained is not None
    assert trained.kept == kept
    assert ready.stage.sentence.text().startswith("Stopped. It knows your sounds ")
    assert f"({kept.val_perplexity:.1f} of 16)" in ready.stage.sentence.text()
    _save(qtbot, ready)
    facts = session.state.open.model.prior_metadata
    assert (facts["kept_epoch"], facts["run_verdict"]) == (kept.epoch, "memorizing")
    assert "Worst verdict of the run: memorizing" in ready.inspect.view.as_text()
    assert f"({kept.val_perplexity:.1f} of 16)" in _texts(ready.chips.model_card)


def test_whoever_goes_on_memorizing_is_left_alone(qtbot: QtBot, ready: MainWindow) -> None:
    session, banner = session_of(ready), ready.notices.memorization_banner
    ready.options.form.set_overrides({**BY_HEART, **LONG})
    _button(ready).click()
    qtbot.waitUntil(lambda: session.state.is_memorizing, timeout=WAIT_MS)
    banner.button("goOn").click()
    assert not banner.isVisible()
    epochs = len(session.state.training.epochs)
    qtbot.waitUntil(lambda: len(session.state.training.epochs) > epochs, timeout=WAIT_MS)
    assert session.state.is_memorizing
    assert not banner.isVisible()
    assert _button(ready).text().startswith("Stop and Keep Epoch")
    session.stop()
    settle(qtbot, ready)


def test_copies_are_told_before_and_warned_of_in_milder_words(qtbot: QtBot, ready: MainWindow, copies: Path) -> None:
    session, banner = session_of(ready), ready.notices.memorization_banner
    ready.commands.open_sounds(copies)
    settle(qtbot, ready)
    assert "All 9 files are one sound" in ready.stage.sentence.text()
    ready.options.form.set_overrides({**BY_HEART, **LONG})
    with qtbot.waitSignal(session.training_started, timeout=WAIT_MS):
        _button(ready).click()
    assert "All 9 sounds are one sound to this model" in ready.notices.notice_banner.detail()
    assert ready.notices.notice_banner.isVisible()
    qtbot.waitUntil(banner.isVisible, timeout=WAIT_MS)
    assert "listen for copies" in banner.detail()
    assert _buttons(ready) == ["Explain"]
    assert _button(ready).text() == "Stop"
    assert not session.state.is_memorizing
    _button(ready).click()
    settle(qtbot, ready)
    assert not banner.isVisible()
    assert session.state.training.unsaved


@pytest.mark.parametrize("architecture", ["flat", "frames"])
def test_the_limit_is_drawn_for_both_architectures(qtbot: QtBot, ready: MainWindow, architecture: str) -> None:
    _train_with(qtbot, ready, {**SMALL, "max_epochs": 1, "architecture": architecture})
    assert "Very predictable below 2.0." in ready.learning.plot.accessibleDescription()


def test_variants_are_prepared_between_epochs_and_named(qtbot: QtBot, ready: MainWindow) -> None:
    session, sentences = session_of(ready), []
    session.progress.connect(lambda progress: sentences.append((progress.phase, ready.stage.sentence.text())))
    session.step_finished.connect(lambda step: sentences.append(("step", ready.stage.sentence.text())))
    _train_with(qtbot, ready, {**SMALL, "max_epochs": 3, "variants": 2})
    phases = [phase for phase, _ in sentences]
    assert phases.index("step") < phases.index("variants"), "the first epoch is of the sounds as they are"
    first = sentences[phases.index("variants")]
    assert first[1].startswith("Preparing variants of the sounds: ")
    after = next(sentence for phase, sentence in sentences[phases.index("variants") :] if phase == "step")
    assert after.startswith("Epoch 1 of 3")


def test_an_epoch_that_is_rolled_back_is_told(qtbot: QtBot, ready: MainWindow) -> None:
    session, told = session_of(ready), []
    session.said.connect(lambda sentence: told.append((sentence, ready.statusBar().currentMessage())))
    _train_with(qtbot, ready, HOPELESS)
    assert told
    assert all(sentence == shown for sentence, shown in told)
    assert "with half the learning rate" in told[0][0]
    trained = session.state.training.trained
    assert trained is not None
    assert trained.ended is Ended.DIVERGED
    assert ready.stage.sentence.text().startswith("Ended: it diverged again and again. It ")
    assert "Ended: it diverged again and again." in ready.notices.notice_banner.detail()


# What is kept


def test_which_weights_are_kept_can_be_chosen_in_menu_and_notice(
    qtbot: QtBot, ready: MainWindow, tiny_model: Path
) -> None:
    session, notice = session_of(ready), ready.notices.notice_banner
    assert not any(_action(ready, action).isEnabled() for action in KEEP)
    _train_with(qtbot, ready, {**BY_HEART, "max_epochs": 12, "patience": 0})
    trained = session.state.training.trained
    assert trained is not None
    best, last = trained.metadata["best_epoch"], trained.history[-1].epoch
    assert best < last
    assert [action for action in KEEP if _action(ready, action).isEnabled()] == [ActionId.KEEP_LAST]
    assert f"Epoch {best}, the best, is kept" in notice.detail()
    notice.button(ActionId.KEEP_LAST).click()
    assert notice.isVisibleTo(ready), "it must not flicker while the weights are put there"
    settle(qtbot, ready)
    assert f"Epoch {last}, the last, is kept" in notice.detail()
    assert "What it makes may be copies." in notice.detail()
    assert [action for action in KEEP if _action(ready, action).isEnabled()] == [ActionId.KEEP_BEST]
    assert f"Epoch {last}, the last, is kept." in ready.stage.sentence.text()
    _save(qtbot, ready)
    assert not any(_action(ready, action).isEnabled() for action in KEEP)
    facts = read_summary(tiny_model).prior_metadata
    assert facts is not None
    assert (facts["kept"], facts["kept_epoch"], facts["best_epoch"]) == ("last", last, best)
    assert facts["final_perplexity"] == trained.history[-1].val_perplexity
    assert f"at epoch {last}, the last (uniform" in ready.inspect.view.as_text()


def test_a_choice_that_is_not_there_changes_nothing(qtbot: QtBot, ready: MainWindow) -> None:
    _train(qtbot, ready)
    before = session_of(ready).state
    ready.commands.keep(ActionId.KEEP_LAST)
    assert session_of(ready).state is before


# What may be saved


def test_a_prior_no_better_than_guessing_goes_into_a_model_without_one_and_says_so(
    qtbot: QtBot, ready: MainWindow, prompts: ScriptedPrompts, tiny_model: Path
) -> None:
    _train_with(qtbot, ready, {**SMALL, "max_epochs": 1})
    note = "It knows no more than how common each code is."
    assert note in ready.notices.notice_banner.detail()
    _save(qtbot, ready)
    assert prompts.asked == []
    assert read_summary(tiny_model).has_prior
    assert note in ready.stage.sentence.text()


def test_a_worse_prior_replaces_a_good_one_only_when_asked_for(
    qtbot: QtBot, with_good_prior: MainWindow, prompts: ScriptedPrompts, tiny_model: Path
) -> None:
    window, good = with_good_prior, tiny_model.read_bytes()
    _train_with(qtbot, window, HOPELESS)
    prompts.answers["worsePriorQuestion"] = "cancel"
    _save(qtbot, window)
    assert prompts.asked_ids == ["worsePriorQuestion"]
    assert "The new one knows no more than how common each code is." in prompts.asked[0].text
    assert "on the same sounds kept aside" in prompts.asked[0].text
    assert session_of(window).state.training.unsaved
    assert tiny_model.read_bytes() == good
    prompts.answers["worsePriorQuestion"] = "replace"
    _save(qtbot, window)
    assert not session_of(window).state.training.unsaved
    assert tiny_model.read_bytes() != good


def test_a_copy_is_never_objected_to_but_the_model_itself_is_no_copy(
    qtbot: QtBot, with_good_prior: MainWindow, prompts: ScriptedPrompts, tiny_model: Path, tmp_path: Path
) -> None:
    window, good = with_good_prior, tiny_model.read_bytes()
    _train_with(qtbot, window, HOPELESS)
    prompts.answers["worsePriorQuestion"] = "cancel"
    prompts.paths["copy"] = tiny_model
    window.commands.saving.save_copy()
    settle(qtbot, window)
    assert prompts.asked_ids == ["worsePriorQuestion"]
    assert tiny_model.read_bytes() == good
    prompts.paths["copy"] = tmp_path / "copy.distill"
    window.commands.saving.save_copy()
    settle(qtbot, window)
    assert prompts.asked_ids == ["worsePriorQuestion"]
    assert read_summary(tmp_path / "copy.distill").has_prior
    assert tiny_model.read_bytes() == good


def test_one_worse_than_the_files_on_the_same_sounds_is_asked_about_with_both_values(
    qtbot: QtBot, with_good_prior: MainWindow, prompts: ScriptedPrompts, tiny_model: Path
) -> None:
    window, good = with_good_prior, read_summary(tiny_model)
    _train_with(qtbot, window, {**GOOD, "max_epochs": 1})
    trained = session_of(window).state.training.trained
    assert trained is not None
    assert trained.file_prior is not None
    assert trained.file_prior.decides
    assert not trained.is_no_better_than_guessing
    prompts.answers["worsePriorQuestion"] = "cancel"
    _save(qtbot, window)
    values = f"{trained.metadata['final_perplexity']:.1f} instead of {good.perplexity:.1f}"
    assert values in prompts.asked[-1].text


def test_a_stopped_run_that_is_saved_on_quitting_is_judged_too(
    qtbot: QtBot, with_good_prior: MainWindow, prompts: ScriptedPrompts, tiny_model: Path
) -> None:
    window, good = with_good_prior, tiny_model.read_bytes()
    window.options.form.set_overrides({**SMALL, **FOR_EVER, "learning_rate": 1e-6})
    with qtbot.waitSignal(session_of(window).epoch_finished, timeout=WAIT_MS):
        _button(window).click()
    prompts.answers = {"quitTrainingQuestion": "save", "worsePriorQuestion": "cancel"}
    window.close()
    settle(qtbot, window)
    assert prompts.asked_ids == ["quitTrainingQuestion", "worsePriorQuestion"]
    assert window.isVisible()
    assert tiny_model.read_bytes() == good


def test_the_end_of_the_desktop_session_leaves_a_good_prior_and_offers_the_worse_one_later(
    qtbot: QtBot, with_good_prior: MainWindow, prompts: ScriptedPrompts, tiny_model: Path
) -> None:
    window, good = with_good_prior, tiny_model.read_bytes()
    window.options.form.set_overrides({**SMALL, **FOR_EVER, "learning_rate": 1e-6})
    with qtbot.waitSignal(session_of(window).epoch_finished, timeout=WAIT_MS):
        _button(window).click()
    window.closing.on_desktop_session_end()
    assert prompts.asked == []
    assert tiny_model.read_bytes() == good
    run = prior_runs(tiny_model).unfinished()
    assert run is not None
    assert run.can_go_on
