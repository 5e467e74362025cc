"""Takes in the window, from the click to the sound: real models, real threads, no sound output needed."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from threading import Event

import pytest
import torch
from PySide6.QtCore import QMimeData, QPoint, QPointF, QSettings, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDropEvent
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from app.main_window import MainWindow
from app.presentation import controls, generating
from app.presentation.controls import Button
from app.session import Session
from app.session.activity import Activity, Runner, Subject
from app.session.available import ActionId
from app.session.heard import hear
from app.session.state import State
from app.session.takes import Making, TakeEvent, TakeOptions
from app.session.task import Task
from app.session.voice import can_end, can_start, prior_settings
from distill_core import load_model_v2, read_summary, save_prior_to_model, train_prior
from distill_core.errors import ConfigError, DistillError
from distill_core.events import JobProgress, Phase
from distill_core.generation.generate import generate
from distill_core.generation.request import GenerateRequest, PromptMode, SoundBlock
from distill_core.generation.takes.shelf import TakeShelf
from distill_core.models.architectures import PRIORS
from distill_core.training.prior.events import Keep, PriorEpochMetrics
from distill_core.training.prior.trained import TrainedPrior
from tests.app.driving import WAIT_MS, ScriptedPrompts, bring_to, session_of, settle, settle_session

SMALL = {"hidden_size": 32, "num_layers": 1, "num_heads": 2, "batch_size": 4, "device": "cpu"}
SHORT = TakeOptions(seconds=0.5, seed=41, holds_seed=True)
Epoch = Callable[..., PriorEpochMetrics]
Make = Callable[..., TrainedPrior]


@pytest.fixture(scope="module")
def shared_model(shared_tiny_model: Path, shared_sounds_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small model with a prior. Leave it as it is."""
    trained = train_prior(shared_tiny_model, shared_sounds_folder, {**SMALL, "max_epochs": 1})
    output = tmp_path_factory.mktemp("prior") / "drums.distill"
    assert trained.prior is not None
    return save_prior_to_model(shared_tiny_model, trained.prior, trained.config, trained.metadata, output=output)


@pytest.fixture
def model(shared_model: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(shared_model, tmp_path / "drums.distill"))


@pytest.fixture
def prompts() -> ScriptedPrompts:
    return ScriptedPrompts()


@pytest.fixture
def window(qtbot: QtBot, prompts: ScriptedPrompts, tmp_path: Path) -> Iterator[MainWindow]:
    QSettings.setPath(QSettings.Format.IniFormat, QSettings.Scope.UserScope, str(tmp_path / "settings"))
    session = Session()
    session.set_take_options(SHORT)
    window = MainWindow(session, prompts)
    window.options.form.set_overrides({**SMALL, "max_epochs": 3})
    window.show()
    qtbot.waitExposed(window)
    yield window
    window._may_close = True
    window.close()
    window.deleteLater()
    session.deleteLater()


@pytest.fixture
def opened(qtbot: QtBot, window: MainWindow, model: Path) -> MainWindow:
    window.commands.open_model(model)
    settle(qtbot, window)
    return window


def _click(qtbot: QtBot, window: MainWindow) -> None:
    qtbot.mouseClick(window.generate.button, Qt.MouseButton.LeftButton)


def _numbers(window: MainWindow) -> list[int]:
    return [take.number for take in session_of(window).state.takes.takes]


# The first take


def test_a_model_with_a_prior_shows_a_take_and_plays_nothing_unasked(opened: MainWindow, model: Path) -> None:
    session = session_of(opened)
    assert _numbers(opened) == [1]
    playable = session.player.playable
    assert playable is not None
    assert playable.key == ("take", model, 1)
    assert not session.player.is_playing
    assert len(playable.samples) == 24_000
    assert [take.seed for take in TakeShelf(model).takes()] == [41]
    assert opened.takes.clips[1].look.peaks


def test_a_model_without_a_prior_says_why_there_are_no_takes(
    qtbot: QtBot, window: MainWindow, tiny_model: Path
) -> None:
    window.commands.open_model(tiny_model)
    settle(qtbot, window)
    assert not window.generate.button.isEnabled()
    assert "train it to hear it" in window.generate.button.toolTip()
    assert window.takes.empty.text() == "This model hasn't learned your sounds yet: train it to hear it."
    assert _numbers(window) == []


def test_a_click_makes_the_take_that_the_engine_makes(qtbot: QtBot, opened: MainWindow, model: Path) -> None:
    session = session_of(opened)
    blocks: list[SoundBlock] = []
    session.sound_block.connect(blocks.append)
    opened.generate.variety.setValue(1.2)
    with qtbot.waitSignal(session.take_made, timeout=WAIT_MS) as made:
        _click(qtbot, opened)
        assert opened.generate.button.text() == generating.CANCEL
    settle(qtbot, opened)
    wanted = generate(load_model_v2(model), GenerateRequest(seconds=0.5, temperature=1.2, seed=41))
    (take,) = [take for take in session.state.takes.takes if take.number == 2]
    assert torch.equal(take.codes(), wanted.codes_WHQ)
    assert take.request == wanted.request
    (result,) = made.args
    assert torch.equal(torch.from_numpy(result.playable.samples), wanted.waveform_T * wanted.gain)
    streamed = torch.cat([block.waveform_T for block in blocks])
    assert torch.equal(streamed[: len(wanted.waveform_T)], wanted.waveform_T)
    assert session.player.playable is result.playable
    assert opened.generate.button.text() == generating.GENERATE


def test_a_second_click_cancels_and_leaves_the_shelf_as_it_was(qtbot: QtBot, opened: MainWindow) -> None:
    session = session_of(opened)
    session.set_take_options(replace(SHORT, seconds=600.0))
    _click(qtbot, opened)
    qtbot.waitUntil(lambda: session.state.listen is Activity.WORKING, timeout=WAIT_MS)
    _click(qtbot, opened)
    assert session.state.takes.making is None
    settle(qtbot, opened)
    assert _numbers(opened) == [1]
    assert session.state.takes.problem == ""
    assert not session.player.is_streaming


def test_a_take_that_nobody_asked_for_makes_room_for_the_one_that_is(
    qtbot: QtBot, window: MainWindow, model: Path
) -> None:
    session, may_go_on = session_of(window), Event()
    before = Task(
        Activity.WORKING,
        Subject.OTHER,
        lambda on_event, should_stop: may_go_on.wait(WAIT_MS / 1000),
        lambda state, _: (state, []),
        Runner.LISTEN,
    )
    session.do_later(before)
    window.commands.open_model(model)
    qtbot.waitUntil(lambda: session.state.takes.making is not None, timeout=WAIT_MS)
    assert window.generate.button.text() == generating.GENERATE
    session.set_take_options(replace(SHORT, seed=7))
    _click(qtbot, window)
    may_go_on.set()
    settle(qtbot, window)
    assert [take.seed for take in session.state.takes.takes] == [7]


def test_a_take_that_nobody_asked_for_is_short_and_made_once(qtbot: QtBot, window: MainWindow, model: Path) -> None:
    session = session_of(window)
    session.set_take_options(replace(SHORT, seconds=60.0))
    window.commands.open_model(model)
    settle(qtbot, window)
    assert [take.duration_s for take in session.state.takes.takes] == [5.0]
    first = session.player.playable
    window.commands.open_model(model)
    settle(qtbot, window)
    assert _numbers(window) == [1]
    assert session.state.takes.chosen == 1
    shown = session.player.playable
    assert shown is not first
    assert (shown.title, shown.key, shown.duration_s) == ("Take 1 · seed 41", ("take", model, 1), 5.0)
    assert not session.player.is_playing


def test_another_prior_in_the_same_model_makes_a_take_of_its_own(
    qtbot: QtBot, opened: MainWindow, model: Path, shared_tiny_model: Path, sounds_folder: Path
) -> None:
    trained = train_prior(shared_tiny_model, sounds_folder, {**SMALL, "max_epochs": 1})
    metadata = {**trained.metadata, "training_date": "2001-01-01T00:00:00+00:00"}
    save_prior_to_model(model, trained.prior, trained.config, metadata)
    opened.commands.open_model(model)
    settle(qtbot, opened)
    assert _numbers(opened) == [2, 1]


def test_a_newest_take_that_cannot_be_read_gives_way_to_the_one_before(
    qtbot: QtBot, opened: MainWindow, model: Path
) -> None:
    session = session_of(opened)
    _click(qtbot, opened)
    settle(qtbot, opened)
    session.state.takes.numbered(2).wav.write_bytes(b"no sound")
    opened.commands.open_model(model)
    settle(qtbot, opened)
    assert _numbers(opened) == [2, 1]
    assert session.player.playable.key == ("take", model, 1)
    assert session.state.takes.problem == ""


def test_a_number_that_is_still_being_typed_counts(qtbot: QtBot, opened: MainWindow) -> None:
    panel, generate_action = opened.generate, opened.actions_table.by_id[ActionId.GENERATE]
    for box, typed in ((panel.length, "0.3"), (panel.variety, "0.7")):
        box.setFocus()
        box.selectAll()
        qtbot.keyClicks(box, typed)
    generate_action.trigger()
    settle(qtbot, opened)
    request = session_of(opened).state.takes.takes[0].request
    assert (request.seconds, request.temperature) == (0.3, 0.7)


def test_the_seed_is_another_one_after_each_take_unless_it_is_held(qtbot: QtBot, opened: MainWindow) -> None:
    session, panel = session_of(opened), opened.generate
    _click(qtbot, opened)
    settle(qtbot, opened)
    assert panel.seed.value() == 41
    panel.renew.click()
    _click(qtbot, opened)
    settle(qtbot, opened)
    assert session.state.takes.takes[0].seed == 41
    assert panel.seed.value() != 41
    panel.seed.setValue(12)
    assert not panel.renew.isChecked()
    _click(qtbot, opened)
    settle(qtbot, opened)
    assert (session.state.takes.takes[0].seed, panel.seed.value()) == (12, 12)


def test_choices_outlive_the_window_but_for_the_sound_and_the_seed(qtbot: QtBot, opened: MainWindow) -> None:
    session = session_of(opened)
    session.set_take_options(TakeOptions(2.5, True, 0.8, Path("kick.wav"), PromptMode.VARY, 5, True))
    session.settings.sync()
    assert session.settings.take_options() == TakeOptions(seconds=2.5, one_sound=True, variety=0.8)
    for key, nonsense in (("take/seconds", "inf"), ("take/variety", "loud")):
        session.settings._store.setValue(key, nonsense)
    assert session.settings.take_options() == TakeOptions(one_sound=True)


def test_another_model_ends_the_take_under_way(qtbot: QtBot, opened: MainWindow, tiny_model: Path, model: Path) -> None:
    session = session_of(opened)
    session.set_take_options(replace(SHORT, seconds=600.0))
    _click(qtbot, opened)
    opened.commands.open_model(tiny_model)
    settle(qtbot, opened)
    assert _numbers(opened) == []
    assert session.state.takes.making is None
    assert [take.number for take in TakeShelf(model).takes()] == [1]


def test_a_file_that_is_gone_is_a_sentence_beside_the_takes_and_no_dialog(
    qtbot: QtBot, opened: MainWindow, model: Path, prompts: ScriptedPrompts
) -> None:
    model.unlink()
    _click(qtbot, opened)
    settle(qtbot, opened)
    assert opened.notices.notice_banner.isVisible()
    assert "drums.distill" in opened.notices.notice_banner.title()
    assert session_of(opened).state.problem is None
    assert prompts.asked == []
    assert opened.generate.button.text() == generating.GENERATE


def test_a_take_that_cannot_be_shelved_can_be_played(
    qtbot: QtBot, opened: MainWindow, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr("distill_core.folders.user_data_path", lambda name, **options: tmp_path / "file" / name)
    session = session_of(opened)
    _click(qtbot, opened)
    settle(qtbot, opened)
    assert "it is not on the shelf" in opened.notices.notice_banner.title()
    assert session.player.playable is not None
    assert session.player.playable.title == "New take"
    assert len(session.player.playable.samples) == 24_000


def test_closing_ends_a_take_under_way(qtbot: QtBot, opened: MainWindow) -> None:
    session = session_of(opened)
    session.set_take_options(replace(SHORT, seconds=600.0))
    _click(qtbot, opened)
    assert opened.closing.may_close()
    opened.close()
    assert session.has_ended


# Beside other sounds

LONG = replace(SHORT, seconds=20.0)


def _begin(qtbot: QtBot, window: MainWindow) -> None:
    """Begin with a long take, and return once it is heard."""
    session = session_of(window)
    session.set_take_options(LONG)
    with qtbot.waitSignal(session.sound_block, timeout=WAIT_MS):
        _click(qtbot, window)


@pytest.mark.parametrize("flips", [1, 2])
def test_a_take_is_whole_after_listening_to_another_sound_meanwhile(
    qtbot: QtBot, opened: MainWindow, model: Path, flips: int
) -> None:
    player = session_of(opened).player
    former = player.playable
    _begin(qtbot, opened)
    for _ in range(flips):
        player.flip()
    assert player.is_streaming is (flips == 2)
    settle(qtbot, opened)
    if flips == 1:
        assert player.playable is former
        player.flip()
    assert player.playable.key == ("take", model, 2)
    assert player.playable.duration_s == pytest.approx(LONG.seconds)


def test_a_take_that_is_given_up_anywhere_falls_silent(qtbot: QtBot, opened: MainWindow) -> None:
    session = session_of(opened)
    _begin(qtbot, opened)
    assert session.player.is_streaming
    session.cancel_take()
    qtbot.waitUntil(lambda: not session.player.is_streaming)
    settle(qtbot, opened)
    assert _numbers(opened) == [1]


def test_a_take_that_was_given_up_tells_nothing_any_more(qtbot: QtBot, opened: MainWindow) -> None:
    session, released = session_of(opened), threading.Event()
    made: list[object] = []
    failures: list[object] = []

    def fail(on_event: object, should_stop: object) -> None:
        released.wait()
        raise DistillError("The former take failed.", "Make another.")

    session.take_made.connect(made.append)
    session.failed.connect(lambda subject, problem: failures.append(problem))
    former = session.do_later(Task(Activity.WORKING, Subject.TAKE, fail, lambda state, _: (state, []), Runner.LISTEN))
    former.stop.set()
    _click(qtbot, opened)
    released.set()
    settle(qtbot, opened)
    assert failures == []
    assert session.state.takes.problem == ""
    assert len(made) == 1


def test_source_sounds_wait_for_no_take_that_nobody_asked_for(
    qtbot: QtBot, window: MainWindow, model: Path, sounds_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.session.takes.DEFAULT_SECONDS", 600.0)  # of a take that nobody asked for, at most
    session, hearing = session_of(window), window.commands.hearing
    window.commands.open_sounds(sounds_folder)
    settle(qtbot, window)
    session.set_take_options(replace(SHORT, seconds=600.0))
    window.commands.open_model(model)
    qtbot.waitUntil(lambda: session.state.takes.making is not None, timeout=WAIT_MS)
    unasked = session.state.takes.making
    hearing.play(session.state.open.dataset.files[0])
    qtbot.waitUntil(lambda: hearing.source is not None, timeout=WAIT_MS)
    hearing.choose_side("model")
    qtbot.waitUntil(lambda: hearing.source.side == "model", timeout=WAIT_MS)
    assert session.state.takes.making is unasked
    with qtbot.waitSignal(session.take_progress, timeout=WAIT_MS):
        pass  # it is made after all
    session.cancel_take()


# The sound to start from


def _drop_on(widget: object, *paths: Path) -> bool:
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    held = (Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier)
    enter = QDragEnterEvent(QPoint(5, 5), Qt.DropAction.CopyAction, data, *held)
    QApplication.sendEvent(widget, enter)
    if not enter.isAccepted():
        return False
    drop = QDropEvent(QPointF(5, 5), Qt.DropAction.CopyAction, data, *held)
    QApplication.sendEvent(widget, drop)
    return drop.isAccepted()


def test_a_sound_is_dropped_to_start_from(opened: MainWindow, sounds_folder: Path, model: Path) -> None:
    session, field = session_of(opened), opened.generate.start
    sound, other = sorted(sounds_folder.iterdir())[:2]
    assert field.isEnabled()
    for refused in ([sounds_folder], [model], [sound, other], [sound.with_name("gone.wav")]):
        assert not field.can_accept([QUrl.fromLocalFile(str(path)) for path in refused]), refused
    assert _drop_on(field, sound)
    assert field.text() == f"Continue: {sound.name}"
    field.mode_wanted.emit("vary")
    assert field.text() == f"Vary: {sound.name}"
    request = session.state.takes.options.request(can_end=False, can_start=True)
    assert (request.prompt, request.mode) == (sound, PromptMode.VARY)
    field.nothing_wanted.emit()
    assert field.text() == "From nothing"


def test_a_sound_is_chosen_to_start_from(opened: MainWindow, sounds_folder: Path, prompts: ScriptedPrompts) -> None:
    prompts.paths["sound"] = sorted(sounds_folder.iterdir())[0]
    opened.generate.start.choose_wanted.emit()
    assert session_of(opened).state.takes.options.start == prompts.paths["sound"]


# While it trains


def _train(session: Session, model: Path, sounds: Path, qtbot: QtBot, listens: bool) -> TrainedPrior:
    session.open_model(model)
    session.open_dataset(sounds)
    settle_session(qtbot, session)
    session.set_options({**SMALL, "max_epochs": 40, "patience": 0, "dropout": 0.1, "variants": 1}, is_valid=True)
    session.set_take_options(SHORT)
    were_training: list[bool] = []
    session.take_made.connect(lambda made: were_training.append(session.state.is_training))
    with qtbot.waitSignal(session.epoch_finished, timeout=WAIT_MS):
        session.train()
    if listens:
        session.listen_to_run()
    settle_session(qtbot, session)
    assert were_training == ([True, False] if listens else [False])  # the last is made by itself
    trained = session.state.training.trained
    assert trained is not None
    session.discard_prior()
    return trained


def test_training_with_and_without_a_listener_ends_in_the_same_weights(
    qtbot: QtBot, session: Session, tiny_model: Path, sounds_folder: Path
) -> None:
    before = torch.get_rng_state()
    alone, heard = (_train(session, tiny_model, sounds_folder, qtbot, listens) for listens in (False, True))
    assert torch.equal(torch.get_rng_state(), before)
    assert alone.weights.keys() == heard.weights.keys()
    for which, kept in alone.weights.items():
        assert kept.epoch == heard.weights[which].epoch
        for name, weight in kept.state.items():
            assert torch.equal(weight, heard.weights[which].state[name]), (which, name)
    assert [epoch.val_loss for epoch in alone.history] == [epoch.val_loss for epoch in heard.history]


def test_the_best_so_far_is_heard_beside_stop(
    qtbot: QtBot, window: MainWindow, tiny_model: Path, sounds_folder: Path
) -> None:
    session, button = session_of(window), window.stage.best_button
    window.commands.open_model(tiny_model)
    window.commands.open_sounds(sounds_folder)
    settle(qtbot, window)
    assert not button.isVisible()
    window.options.form.set_overrides({**SMALL, "max_epochs": 100_000, "patience": 0})
    window.stage.train_button.click()
    assert button.isVisible()
    qtbot.waitUntil(button.isEnabled, timeout=WAIT_MS)
    with qtbot.waitSignal(session.take_made, timeout=WAIT_MS):
        button.click()
    assert session.state.is_training
    assert _numbers(window) == [1]
    assert session.player.playable is not None
    assert session.player.playable.key == ("take", tiny_model, 1)
    session.stop()
    settle(qtbot, window)
    assert not button.isVisible()


def test_a_take_that_is_heard_outlives_its_training_and_the_new_priors_follows(
    qtbot: QtBot, window: MainWindow, tiny_model: Path, sounds_folder: Path
) -> None:
    session, made, streaming = session_of(window), [], []
    session.take_made.connect(lambda take: made.append((take.making.title, session.player.playable.title)))
    session.training_ended.connect(lambda trained: streaming.append(session.player.is_streaming))
    session.set_take_options(LONG)
    window.commands.open_model(tiny_model)
    window.commands.open_sounds(sounds_folder)
    settle(qtbot, window)
    window.options.form.set_overrides({**SMALL, "max_epochs": 100_000, "patience": 0})
    window.stage.train_button.click()
    qtbot.waitUntil(window.stage.best_button.isEnabled, timeout=WAIT_MS)
    with qtbot.waitSignal(session.sound_block, timeout=WAIT_MS):
        window.stage.best_button.click()
    session.stop()
    qtbot.waitUntil(lambda: len(streaming) == 1, timeout=WAIT_MS)
    session.set_take_options(SHORT)
    settle(qtbot, window)
    assert streaming == [True]
    assert [title for title, _ in made] == ["Best so far", "New take"]
    assert not session.player.is_streaming
    assert {take.number: round(take.duration_s, 1) for take in session.state.takes.takes} == {1: LONG.seconds, 2: 0.5}


def test_an_epoch_that_is_kept_is_heard_and_chosen_in_the_plot(
    qtbot: QtBot, opened: MainWindow, make_trained: Make, an_epoch: Epoch
) -> None:
    session, panel = session_of(opened), opened.learning
    trained = make_trained([an_epoch(1, 8.0), an_epoch(2, 9.0, best=1), an_epoch(3, 9.5, best=1)])
    state = session.state.with_training(trained=trained, unsaved=True)
    for epoch in trained.history:
        state = state.with_epoch(epoch)
    bring_to(qtbot, session, state)
    session.set_take_options(replace(SHORT, seconds=1.0))
    assert [action.text() for action in panel.epoch_menu(1).actions()] == ["&Hear Epoch 1"]
    gone = panel.epoch_menu(2).actions()
    assert [action.isEnabled() for action in gone] == [False]
    assert "Epoch 2 is not kept" in gone[0].text()
    hear, keep = panel.epoch_menu(3).actions()
    assert (hear.text(), keep.text()) == ("&Hear Epoch 3", "&Keep Epoch 3")
    keep.trigger()
    settle(qtbot, opened)
    assert session.state.training.trained.metadata["kept"] == Keep.LAST
    with qtbot.waitSignal(session.take_made, timeout=WAIT_MS) as made:
        hear.trigger()
    assert made.args[0].making.title == "Epoch 3"


# Tables


def test_what_the_listen_runner_tells_is_of_the_take_under_way() -> None:
    block, progress = SoundBlock(41, torch.zeros(3), 48_000), JobProgress(Phase.SAMPLE, 1, 2)
    take, of_same_seed = Making("New take", 41, True), Making("New take", 41, True)
    idle = State(listen=Activity.WORKING)
    making, other = idle.with_takes(making=take), idle.with_takes(making=of_same_seed)
    for event, signal in ((block, "sound_block"), (progress, "take_progress")):
        told = TakeEvent(take, event)
        assert hear(making, told, Runner.LISTEN) == (making, [(signal, event)])
        assert hear(other, told, Runner.LISTEN) == (other, [])
        assert hear(idle, told, Runner.LISTEN) == (idle, [])
        assert hear(making, event, Runner.LISTEN) == (making, [])
    assert hear(making, block, Runner.WORK) == (making, [])


def test_the_prior_that_sounds(model: Path, make_trained: Make, an_epoch: Epoch) -> None:
    state = State().with_open(model=read_summary(model))
    trained = make_trained([an_epoch(1, 8.0)])
    assert prior_settings(State()) is None
    assert prior_settings(state) == read_summary(model).prior_config
    settings = {key: value for key, value in state.open.model.prior_config.items() if key != "learns_end"}
    older = state.with_open(model=replace(state.open.model, prior_config=settings))
    assert (can_end(older), can_start(older)) == (False, True)
    unsaved = state.with_training(trained=trained, unsaved=True)
    assert prior_settings(unsaved) is trained.config
    assert not can_start(unsaved)  # flat
    assert prior_settings(state.with_training(trained=trained)) == prior_settings(state)
    ends = replace(state.open.model, prior_config={**state.open.model.prior_config, "learns_end": True})
    assert can_end(state.with_open(model=ends))


def test_every_architecture_says_whether_it_knows_seconds_alone() -> None:
    for row in PRIORS.values():
        assert row.knows_seconds is (row.load().layout == "chunks")


def test_choices_become_a_request() -> None:
    options = TakeOptions(3.0, True, 0.7, Path("kick.wav"), PromptMode.VARY, 9)
    assert options.request(can_end=False, can_start=False) == GenerateRequest(
        3.0, temperature=0.7, seed=9, mode=PromptMode.VARY
    )
    varied = options.request(can_end=True, can_start=True)
    assert (varied.seconds, varied.until_end, varied.prompt) == (None, False, Path("kick.wav"))
    continued = replace(options, mode=PromptMode.CONTINUE).request(can_end=True, can_start=True)
    assert (continued.seconds, continued.until_end) == (3.0, True)
    assert options.unasked == TakeOptions(3.0, True, 0.7, None, PromptMode.VARY, 9)
    with pytest.raises(ConfigError):
        replace(options, seconds=-1.0).request(can_end=False, can_start=False)


def test_the_row_in_each_state(model: Path, an_epoch: Epoch) -> None:
    summary = read_summary(model)
    state = State().with_open(model=summary)
    newer = State().with_open(model=replace(summary, prior_is_readable=False))
    assert generating.generate_button(State()) == Button(generating.GENERATE, False, False, ActionId.GENERATE)
    assert generating.generate_button(state) == Button(generating.GENERATE, True, True, ActionId.GENERATE)
    asked = state.with_takes(making=Making("New take", 1, True))
    assert generating.generate_button(asked) == Button(generating.CANCEL, True, False, ActionId.GENERATE)
    unasked = state.with_takes(making=Making("New take", 1, False))
    assert generating.generate_button(unasked).text == generating.GENERATE
    assert "newer Distill" in generating.reason(newer)
    assert generating.reason(State()).startswith("Takes are made by a model")
    assert generating.progress_text(JobProgress(Phase.SAMPLE, 2, 5)) == "Cancel · 40 %"
    assert generating.progress_text(JobProgress(Phase.SAMPLE, 2, 0)) == "Cancel"
    first = State(work=Activity.TRAINING)
    assert controls.best_tip(first) == "The first epoch is still under way."
    kept = first.with_epoch(an_epoch(1, 8.0))
    assert controls.best_button(kept).is_enabled
    assert controls.best_tip(kept) == "Make a take with the best epoch so far; training goes on"
    gone = "Epoch 9 can't be heard: while it trains, only epoch"
    assert generating.not_kept_words(kept, 9) == f"{gone} 1 can, the best so far."
    memorizing = kept.with_epoch(an_epoch(2, 7.5, kept=1))
    assert generating.not_kept_words(memorizing, 9) == f"{gone}s 2, the best so far, and 1, which a stop keeps, can."
    assert [generating.can_hear(memorizing, epoch) for epoch in (1, 2, 9)] == [True, True, False]
    assert not controls.best_button(kept.with_training(is_kept=False)).is_enabled
    assert "can't be kept on disk" in controls.best_tip(kept.with_training(is_kept=False))
    assert [generating.can_hear(kept, epoch) for epoch in (1, 2)] == [True, False]
    assert ActionId.LISTEN_TO_BEST.value == "listenToBestAction"
