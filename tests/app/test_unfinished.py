"""A training that was never saved: the window offers to go on with it, to use its best, or to discard it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QSettings
from PySide6.QtWidgets import QLabel, QPushButton
from pytestqt.qtbot import QtBot

from app.main_window import MainWindow
from app.session import Session
from app.session.available import ActionId
from app.widgets.banner import READ_ALL
from distill_core import PriorConfig, read_summary, scan, train_prior
from distill_core.training.codec.train import train_codec
from distill_core.training.codec.vqvae.config import VQVAEConfig
from distill_core.training.events import Ended, StepMetrics
from distill_core.training.kinds import codec_runs, prior_runs
from distill_core.training.prior.events import PriorEpochMetrics
from distill_core.training.run_folder.folder import RunFolder
from tests.app.driving import WAIT_MS, leave_questions_open, make_short_takes, session_of, settle
from tests.older_runs import leave_older_run

pytestmark = pytest.mark.usefixtures("known_codes")

TINY = PriorConfig(hidden_size=32, num_layers=1, num_heads=2, max_epochs=4, batch_size=4, device="cpu")


class _Crash(BaseException):
    pass


def _crash_after_two(event: object) -> None:
    if isinstance(event, PriorEpochMetrics) and event.epoch == 2:
        raise _Crash


@pytest.fixture
def folder(tiny_model: Path, sounds_folder: Path, monkeypatch: pytest.MonkeyPatch) -> RunFolder:
    """The run folder of a training that a crash ended after its second epoch."""
    folder = prior_runs(tiny_model)
    monkeypatch.setattr("distill_core.training.prior.state.PAUSE_IN_WRITING_TIMES", 0)
    with pytest.raises(_Crash):
        train_prior(tiny_model, sounds_folder, TINY, on_event=_crash_after_two, run_folder=folder)
    return folder


@pytest.fixture
def window(qtbot: QtBot, tmp_path: Path) -> Iterator[MainWindow]:
    QSettings.setPath(QSettings.Format.IniFormat, QSettings.Scope.UserScope, str(tmp_path / "settings"))
    session = Session()
    make_short_takes(session)
    window = MainWindow(session)
    window.show()
    qtbot.waitExposed(window)
    yield window
    window._may_close = True
    window.close()
    window.deleteLater()
    session.deleteLater()


@pytest.fixture
def opened(qtbot: QtBot, window: MainWindow, folder: RunFolder, tiny_model: Path) -> MainWindow:
    window.commands.open_model(tiny_model)
    settle(qtbot, window)
    return window


def test_continue_goes_on_with_the_sounds_it_had(
    qtbot: QtBot, opened: MainWindow, folder: RunFolder, tiny_model: Path
) -> None:
    banner = opened.notices.notice_banner
    assert "Unfinished training found: epoch 2 of 4, best perplexity" in banner.title()
    banner.button("continue").click()
    qtbot.waitUntil(lambda: session_of(opened).state.training.unsaved, timeout=WAIT_MS)
    settle(qtbot, opened)
    assert opened.learning.plot.epoch_count == 4
    trained = session_of(opened).state.training.trained
    assert trained is not None
    assert len(trained.history) == 4
    assert folder.unfinished() is not None  # until it is saved
    opened.commands.saving.save()
    settle(qtbot, opened)
    assert read_summary(tiny_model).has_prior
    assert folder.unfinished() is None
    assert not banner.isVisible()


def test_the_best_can_be_used_as_it_is(qtbot: QtBot, opened: MainWindow, folder: RunFolder, tiny_model: Path) -> None:
    opened.notices.notice_banner.button("useBest").click()
    settle(qtbot, opened)
    assert session_of(opened).state.training.unsaved
    assert "not saved yet" in opened.notices.notice_banner.title()
    assert opened.stage.sentence.text().startswith("Stopped. It ")
    opened.commands.saving.save()
    settle(qtbot, opened)
    metadata = read_summary(tiny_model).prior_metadata
    assert metadata is not None
    assert metadata["epochs_trained"] == 2
    assert folder.unfinished() is None


def test_which_state_was_taken_for_a_damaged_one_is_told(qtbot: QtBot, opened: MainWindow, folder: RunFolder) -> None:
    file = folder.folder / "run.distill-run"
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    opened.notices.notice_banner.button("useBest").click()
    settle(qtbot, opened)
    told = "newest state of the unfinished training is damaged; the one of epoch 1 is taken"
    assert told in opened.notices.notice_banner.detail()
    assert told in opened.statusBar().currentMessage()


def test_it_can_be_given_up(qtbot: QtBot, opened: MainWindow, folder: RunFolder) -> None:
    questions = leave_questions_open(opened)
    opened.notices.notice_banner.button("discard").click()
    questions.answer("cancel")
    settle(qtbot, opened)
    assert folder.unfinished() is not None
    opened.actions_table.by_id[ActionId.DISCARD].trigger()
    assert questions.asked_ids == ["discardRunQuestion"] * 2
    questions.answer("discard")
    settle(qtbot, opened)
    assert not opened.notices.notice_banner.isVisible()
    assert folder.unfinished() is None
    assert not opened.actions_table.by_id[ActionId.CONTINUE].isEnabled()


@pytest.mark.parametrize("is_open", [True, False])
def test_it_goes_on_without_the_sounds_that_it_did_without(
    qtbot: QtBot,
    window: MainWindow,
    tiny_model: Path,
    sounds_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    is_open: bool,
) -> None:
    """Whether its sounds are open, with others left out meanwhile, or have to be looked through again."""
    folder, name, other = prior_runs(tiny_model), "sound 2.wav", "sound 4.wav"
    monkeypatch.setattr("distill_core.training.prior.state.PAUSE_IN_WRITING_TIMES", 0)
    with pytest.raises(_Crash):
        train_prior(tiny_model, scan(sounds_folder).without({name}), TINY, on_event=_crash_after_two, run_folder=folder)
    window.commands.open_model(tiny_model)
    if is_open:
        window.commands.open_sounds(sounds_folder)
    settle(qtbot, window)
    session = session_of(window)
    if is_open:
        session.leave_out({other})
    assert session.state.open.unfinished.left_out == {name}
    window.notices.notice_banner.button("continue").click()
    qtbot.waitUntil(lambda: session.state.training.unsaved, timeout=WAIT_MS)
    assert session.state.open.left_out == {name}
    assert session.state.training.trained.metadata["dataset_file_count"] == 5
    settle(qtbot, window)


def test_sounds_that_have_moved_are_asked_for(
    qtbot: QtBot, opened: MainWindow, sounds_folder: Path, folder: RunFolder
) -> None:
    moved = sounds_folder.rename(sounds_folder.with_name("elsewhere"))
    opened.notices.notice_banner.button("continue").click()
    said = [label.text() for label in opened.chips.sounds_card.findChildren(QLabel)]
    assert any("has moved" in text for text in said)
    opened.commands.open_sounds(moved)
    settle(qtbot, opened)
    opened.notices.notice_banner.button("continue").click()
    qtbot.waitUntil(lambda: session_of(opened).state.training.unsaved, timeout=WAIT_MS)
    settle(qtbot, opened)


def test_more_sounds_than_it_had_are_not_those_it_had(
    qtbot: QtBot, opened: MainWindow, sounds_folder: Path, tmp_path: Path
) -> None:
    """One source of several is the same: that is not enough."""
    more = tmp_path / "more"
    more.mkdir()
    shutil.copy(min(sounds_folder.iterdir()), more / "another.wav")
    opened.commands.open_sounds(sounds_folder, more)
    settle(qtbot, opened)
    opened.notices.notice_banner.button("continue").click()
    qtbot.waitUntil(lambda: session_of(opened).state.training.unsaved, timeout=WAIT_MS)
    assert session_of(opened).state.open.dataset.sources == (sounds_folder,)
    settle(qtbot, opened)


def test_the_start_offers_the_model_of_a_training_that_was_never_saved(
    qtbot: QtBot, folder: RunFolder, window: MainWindow, tiny_model: Path
) -> None:
    session, banner = session_of(window), window.notices.notice_banner
    qtbot.waitUntil(lambda: bool(session.state.open.recoverable), timeout=WAIT_MS)
    assert "Unfinished training found" in banner.title()
    banner.button("reopen").click()
    settle(qtbot, window)
    assert session.state.open.model is not None
    assert session.state.open.model.path == tiny_model.resolve()
    assert "Unfinished training found" in banner.title()


@pytest.fixture
def older(tiny_model: Path) -> RunFolder:
    """The run folder of a training that a Distill of the format before left, as a crash ended it."""
    leave_older_run(tiny_model, version=1)
    return prior_runs(tiny_model)


def test_a_training_of_an_older_distill_is_named_and_its_best_can_be_used(
    qtbot: QtBot, older: RunFolder, window: MainWindow, tiny_model: Path
) -> None:
    window.commands.open_model(tiny_model)
    settle(qtbot, window)
    banner = window.notices.notice_banner
    assert banner.title() == (
        "Unfinished training of an older Distill found: epoch 3 of 5, best perplexity 11.37 by an older measure."
    )
    assert "can't be gone on with" in banner.detail()
    shown = [button.text() for button in banner.findChildren(QPushButton) if button.isVisible()]
    assert shown == [READ_ALL, "Use Best", "Discard…"]
    assert not window.actions_table.by_id[ActionId.CONTINUE].isEnabled()
    banner.button("useBest").click()
    settle(qtbot, window)
    assert "It has learned your sounds (11.4 of " in banner.detail()
    window.commands.saving.save()
    settle(qtbot, window)
    summary = read_summary(tiny_model)
    assert (summary.perplexity, summary.counts_padding) == (pytest.approx(11.369, abs=1e-3), True)
    assert older.unfinished() is None
    assert "(11.4 of " in window.chips.model_card.accessibleDescription()
    assert "counts padding too" in window.inspect.view.as_text()


def test_a_training_of_an_older_distill_can_be_given_up(
    qtbot: QtBot, older: RunFolder, window: MainWindow, tiny_model: Path
) -> None:
    window.commands.open_model(tiny_model)
    settle(qtbot, window)
    questions = leave_questions_open(window)
    window.notices.notice_banner.button("discard").click()
    questions.answer("discard")
    settle(qtbot, window)
    assert older.unfinished() is None
    assert not window.notices.notice_banner.isVisible()


# Before the first epoch has ended


def _crash_in_the_first_epoch(event: object) -> None:
    if isinstance(event, StepMetrics) and event.step == 2:
        raise _Crash


def _write_each_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("distill_core.training.keeper.PAUSE_WITHIN_AN_EPOCH_S", 0.0)
    monkeypatch.setattr("distill_core.training.keeper.PAUSE_IN_WRITING_TIMES", 0)


@pytest.fixture
def half(
    qtbot: QtBot, window: MainWindow, tiny_model: Path, sounds_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> MainWindow:
    """The window with a model whose training a crash ended in the middle of its first epoch."""
    _write_each_step(monkeypatch)
    with pytest.raises(_Crash):
        train_prior(
            tiny_model,
            sounds_folder,
            TINY,
            on_event=_crash_in_the_first_epoch,
            run_folder=prior_runs(tiny_model),
        )
    window.commands.open_model(tiny_model)
    settle(qtbot, window)
    return window


def test_a_training_without_an_epoch_can_go_on(qtbot: QtBot, half: MainWindow) -> None:
    banner = half.notices.notice_banner
    assert banner.title() == "Unfinished training found: epoch 1 of 4, 50% in."
    assert not half.actions_table.by_id[ActionId.USE_BEST].isEnabled()
    banner.button("continue").click()
    qtbot.waitUntil(lambda: session_of(half).state.training.unsaved, timeout=WAIT_MS)
    settle(qtbot, half)
    trained = session_of(half).state.training.trained
    assert trained is not None
    assert [metrics.epoch for metrics in trained.history] == [1, 2, 3, 4]


def test_a_training_without_an_epoch_can_be_discarded(qtbot: QtBot, half: MainWindow, tiny_model: Path) -> None:
    questions = leave_questions_open(half)
    half.notices.notice_banner.button("discard").click()
    assert "It reached epoch 1 of 4, 50% in, and what it learned is in no model." in questions.asked[-1].text
    questions.answer("discard")
    settle(qtbot, half)
    assert prior_runs(tiny_model).unfinished() is None
    assert not half.notices.notice_banner.isVisible()


def _train_a_step(qtbot: QtBot, window: MainWindow) -> None:
    """Begin a training whose first epoch takes long, and wait for an optimizer step."""
    session = session_of(window)
    wide = {"hidden_size": 256, "num_layers": 4, "num_heads": 4, "batch_size": 1, "precision": "float32"}
    window.options.form.set_overrides(wide)
    with qtbot.waitSignal(session.step_finished, timeout=WAIT_MS):
        window.stage.train_button.click()


def test_a_stop_in_a_long_first_epoch_can_be_gone_on_from(
    qtbot: QtBot, window: MainWindow, tiny_model: Path, sounds_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _write_each_step(monkeypatch)
    session = session_of(window)
    window.commands.open_model(tiny_model)
    window.commands.open_sounds(sounds_folder)
    settle(qtbot, window)
    _train_a_step(qtbot, window)
    window.commands.stop()
    settle(qtbot, window)
    trained = session.state.training.trained
    assert trained is not None
    assert (trained.prior, trained.ended) == (None, Ended.STOPPED)
    assert window.stage.sentence.text() == "Stopped before the first epoch: it can go on from there."
    assert window.notices.notice_banner.title().startswith("Unfinished training found: epoch 1 of ")
    found = session.state.open.unfinished
    assert found is not None
    assert not found.has_best
    with qtbot.waitSignal(session.step_finished, timeout=WAIT_MS) as heard:
        window.notices.notice_banner.button("continue").click()
    assert heard.args[0].step / heard.args[0].total_steps > found.share
    assert session.state.training.goes_on
    window.commands.stop()
    settle(qtbot, window)
    assert prior_runs(tiny_model).unfinished().run_id == found.run_id


def test_what_is_thrown_away_in_a_long_first_epoch_leaves_nothing(
    qtbot: QtBot, window: MainWindow, tiny_model: Path, sounds_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _write_each_step(monkeypatch)
    window.commands.open_model(tiny_model)
    window.commands.open_sounds(sounds_folder)
    settle(qtbot, window)
    _train_a_step(qtbot, window)
    assert prior_runs(tiny_model).look() is not None
    session_of(window).cancel_training()
    settle(qtbot, window)
    assert prior_runs(tiny_model).look() is None
    assert not window.notices.notice_banner.isVisible()


def test_the_making_of_a_model_without_an_epoch_can_go_on(
    qtbot: QtBot, tmp_path: Path, sounds_folder: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    """The window makes models of another codec, whose first epoch is a fit: this one was begun in the terminal."""
    _write_each_step(monkeypatch)
    runs = codec_runs(tmp_path / "new.distill")
    begun = VQVAEConfig(codebook_size=16, num_quantizers=2, batch_size=1, max_epochs=9, augmentation=0, device="cpu")
    with pytest.raises(_Crash):
        train_codec(sounds_folder, begun, on_event=_crash_in_the_first_epoch, run_folder=runs)
    window: MainWindow = request.getfixturevalue("window")
    session, banner = session_of(window), window.notices.notice_banner
    qtbot.waitUntil(lambda: session.state.open.unfinished_model is not None, timeout=WAIT_MS)
    assert banner.title().startswith("The model new.distill is half made: epoch 1 of 9, ")
    with qtbot.waitSignal(session.making_step, timeout=WAIT_MS):
        banner.button("continue").click()
    window.commands.stop()
    settle(qtbot, window)
    offered = session.state.open.unfinished_model
    assert offered is not None
    assert (offered.epoch, offered.under_way) == (0, 1)
    assert banner.title().startswith("The model new.distill is half made: epoch 1 of 9, ")
    assert window.stage.sentence.text() == "Stopped before the first epoch: it can go on from there."
