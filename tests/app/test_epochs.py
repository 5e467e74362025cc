"""Looser ↔ closer: the kept epochs of a training side by side, heard, judged and chosen."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PySide6.QtCore import QSettings, Qt
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from app.main_window import MainWindow
from app.presentation import epochs
from app.session import Session
from app.session.activity import Activity
from app.session.comparing import ComparingState, EpochKey, EpochTake
from app.session.slots import Playable
from app.session.state import Page, State
from app.session.takes import TakeOptions
from app.widgets.epochs.look import EpochsLook
from distill_core import GenerateRequest, read_summary, scan, train_prior
from distill_core.audit.verdict import NOT_HERE
from distill_core.generation.request import Sample
from distill_core.generation.takes.shelf import TakeShelf
from distill_core.generation.takes.verdict import Copying, TakeVerdict
from distill_core.training.prior.events import Keep, PriorEpochMetrics
from distill_core.training.prior.trained import TrainedPrior
from tests.app.driving import ScriptedPrompts, bring_to, session_of, settle

Epoch = Callable[..., PriorEpochMetrics]
Make = Callable[..., TrainedPrior]
BY_HEART = {"hidden_size": 64, "num_layers": 2, "num_heads": 2, "learning_rate": 0.02, "dropout": 0.0, "variants": 0}
QUICK = {**BY_HEART, "max_epochs": 10, "patience": 0, "device": "cpu"}


@pytest.fixture
def three(make_trained: Make, an_epoch: Epoch) -> TrainedPrior:
    """A training that had begun to memorize before it reached its best epoch."""
    perplexities = [9.0, 7.4, 7.8, 6.1, 8.5]
    verdicts = ["fitting", "fitting", "memorizing", "memorizing", "memorizing"]
    return make_trained([an_epoch(n, *each) for n, each in enumerate(zip(perplexities, verdicts, strict=True), 1)])


@pytest.fixture
def trained_state(three: TrainedPrior, shared_tiny_model: Path, shared_sounds_folder: Path) -> State:
    state = State().with_open(model=read_summary(shared_tiny_model), dataset=scan(shared_sounds_folder))
    state = replace(state, page=Page.LEARNING)
    return state.with_training(trained=three, unsaved=True, epochs=three.history)


def _take(epoch: int, verdict: TakeVerdict | None = None) -> EpochTake:
    playable = Playable(f"Epoch {epoch}", np.zeros(480, np.float32), 48_000, EpochKey("", epoch, 41))
    codes_WHQ = torch.zeros(1, 1, 1, dtype=torch.long)
    return EpochTake(playable, Sample(torch.zeros(480), 48_000, codes_WHQ, GenerateRequest(seed=41)), verdict)


def _compared(state: State, takes: dict[Keep, EpochTake], making: frozenset[Keep] = frozenset()) -> State:
    trained = state.training.trained
    assert trained is not None
    return replace(state, comparing=ComparingState(trained.weights, TakeOptions(seed=41), takes, making))


# What the row says


def _look(state: State) -> EpochsLook:
    look = epochs.look_of(state)
    assert look is not None
    return look


def test_the_kept_epochs_stand_in_the_order_in_which_they_come_closer(trained_state: State) -> None:
    look = _look(trained_state)
    assert [card.titles[0] for card in look.cards] == [
        "Before memorizing · epoch 2 · perplexity 7.4",
        "Best · epoch 4 · perplexity 6.1",
        "Last · epoch 5 · perplexity 8.5",
    ]
    assert [card.line for card in look.cards] == ["Training: fitting", *["Training: memorizing"] * 2]
    assert [card.keep for card in look.cards] == [epochs.KEPT, epochs.KEEP, epochs.KEEP]
    assert [card.is_kept for card in look.cards] == [True, False, False]
    assert look.button == epochs.COMPARE


def test_there_is_no_row_unless_a_training_left_a_choice(
    trained_state: State, make_trained: Make, an_epoch: Epoch
) -> None:
    assert epochs.look_of(State()) is None
    assert epochs.look_of(replace(trained_state, work=Activity.TRAINING)) is None
    assert epochs.look_of(trained_state.with_training(trained=make_trained([an_epoch(1, 8.0)]))) is None


@pytest.mark.parametrize(
    ("take", "line", "is_copy"),
    [
        (_take(4), "comparing…", False),
        (_take(4, TakeVerdict(Copying.NEW, 0.31, 5, 90, 0.3, "kick_02.wav")), "new", False),
        (_take(4, TakeVerdict(Copying.CLOSE_RELATIVE, 0.7, 9, 90, 0.8, "kick_07.wav")), "close to kick_07", False),
        (_take(4, TakeVerdict(Copying.COPY, 1.0, 90, 90, 1.0, "kick_07.wav")), "copy of kick_07", True),
        (_take(4, TakeVerdict(Copying.CANT_TELL, reason=NOT_HERE)), "can't tell · the sounds are not here", False),
        (_take(4, TakeVerdict(Copying.CANT_TELL, reason="The take is nearly silent.")), "can't tell", False),
    ],
)
def test_a_card_says_the_verdict_on_its_take(trained_state: State, take: EpochTake, line: str, is_copy: bool) -> None:
    _, best, last = _look(_compared(trained_state, {Keep.BEST: take}, frozenset({Keep.LAST}))).cards
    assert (best.line, best.is_copy) == (line, is_copy)
    assert last.line == "making its take…"


def test_the_tooltip_has_the_numbers_behind_the_verdict(trained_state: State) -> None:
    copied = TakeVerdict(Copying.COPY, 0.97, 90, 93, 1.0, "kick_07.wav", 0.25, -2)
    _, best, _ = _look(_compared(trained_state, {Keep.BEST: _take(4, copied)})).cards
    assert "Perplexity 6.10 on the sounds kept aside." in best.tip
    assert "Training: memorizing – it knows its training sounds by heart." in best.tip
    assert "Its take: A copy. Of 93 codes that can be heard, 97% are those of kick_07.wav (−2 semitones)" in best.tip


def test_the_button_makes_what_is_missing_and_then_offers_another_seed(trained_state: State) -> None:
    assert _look(_compared(trained_state, {}, frozenset({Keep.BEST}))).button == epochs.COMPARING
    assert _look(_compared(trained_state, {Keep.BEST: _take(4)})).button == epochs.COMPARE
    whole = _compared(trained_state, {which: _take(4) for which in Keep})
    assert _look(whole).button == epochs.ANOTHER_SEED
    assert "seed 41" in _look(whole).tip


def test_a_saved_training_has_no_choice_any_more_but_can_be_heard(trained_state: State) -> None:
    saved = _look(trained_state.with_training(unsaved=False, saved_to=Path("m.distill")))
    assert [card.keep for card in saved.cards] == [epochs.IN_FILE, epochs.KEEP, epochs.KEEP]
    assert not any(card.can_keep for card in saved.cards)


def test_a_comparison_is_of_one_training_alone(trained_state: State, make_trained: Make, an_epoch: Epoch) -> None:
    other = make_trained([an_epoch(1, 8.0), an_epoch(2, 9.0, best=1)])
    state = _compared(trained_state, {Keep.BEST: _take(4)}).with_training(trained=other)
    assert epochs.take_of(state, Keep.BEST) is None
    assert _look(state).button == epochs.COMPARE
    kept = _keeping(trained_state, Keep.LAST)
    assert epochs.take_of(kept, Keep.BEST) is not None, "another choice of weights is the same training"


def _keeping(state: State, which: Keep) -> State:
    compared = _compared(state, {Keep.BEST: _take(4)})
    assert compared.training.trained is not None
    return compared.with_training(trained=compared.training.trained.keeping(which))


# With real clicks


@pytest.fixture(scope="module")
def kicks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of sounds, enough of them to compare with."""
    from tests.conftest import _write_sound

    folder = tmp_path_factory.mktemp("kicks")
    for number in range(8):
        _write_sound(folder / f"kick_{number:02}.wav", seed=number, seconds=0.75)
    return folder


@pytest.fixture(scope="module")
def overfit(shared_tiny_model: Path, kicks: Path) -> TrainedPrior:
    trained = train_prior(shared_tiny_model, scan(kicks), QUICK)
    assert [*trained.weights] == [Keep.BEST, Keep.LAST]
    return trained


@pytest.fixture
def window(
    qtbot: QtBot, tmp_path: Path, overfit: TrainedPrior, shared_tiny_model: Path, kicks: Path
) -> Iterator[MainWindow]:
    """A window in which that training has just ended, and takes are short."""
    QSettings.setPath(QSettings.Format.IniFormat, QSettings.Scope.UserScope, str(tmp_path / "settings"))
    session = Session()
    session.samples = 8  # of the audit that comes by itself
    window = MainWindow(session, ScriptedPrompts())
    window.show()
    qtbot.waitExposed(window)
    window.commands.open_model(Path(shutil.copy(shared_tiny_model, tmp_path / "tiny.distill")))
    window.commands.open_sounds(kicks)
    settle(qtbot, window)
    session.set_take_options(TakeOptions(seconds=1.0, seed=7))
    state = replace(session.state, page=Page.LEARNING)
    bring_to(qtbot, session, state.with_training(trained=overfit, unsaved=True, epochs=overfit.history))
    settle(qtbot, window)
    yield window
    window._may_close = True
    window.close()
    window.deleteLater()
    session.deleteLater()


def _click(qtbot: QtBot, window: MainWindow, which: Keep, name: str) -> None:
    card = window.learning.epochs.card_of(which)
    qtbot.mouseClick({"play": card.play_button, "keep": card.keep_button}[name], Qt.MouseButton.LeftButton)


def _lines(window: MainWindow) -> list[str]:
    return [card.line.text() for card in window.learning.epochs.cards if card.isVisibleTo(window)]


def test_one_click_makes_and_judges_the_take_of_each_epoch(qtbot: QtBot, window: MainWindow) -> None:
    session, row = session_of(window), window.learning.epochs
    assert row.isVisible()
    assert _lines(window)[0].startswith("Training: ")
    qtbot.mouseClick(row.button, Qt.MouseButton.LeftButton)
    assert row.button.text() == epochs.COMPARING
    assert _lines(window) == ["making its take…"] * 2
    settle(qtbot, window)
    takes = session.state.comparing.takes
    assert {take.sample.seed for take in takes.values()} == {7}
    assert all(take.verdict is not None and take.verdict.file for take in takes.values())
    assert row.button.text() == epochs.ANOTHER_SEED
    assert not session.player.is_playing
    assert session.state.open.model is not None
    assert TakeShelf(session.state.open.model.path).takes() == []
    before = {which: take.sample for which, take in takes.items()}
    qtbot.mouseClick(row.button, Qt.MouseButton.LeftButton)
    settle(qtbot, window)
    again = session.state.comparing.takes
    assert {take.sample.seed for take in again.values()} == {session.state.comparing.options.seed} != {7}
    assert all(again[which].sample is not sample for which, sample in before.items())


def test_a_take_is_made_when_it_is_first_asked_for_and_then_plays_at_once(qtbot: QtBot, window: MainWindow) -> None:
    session, player = session_of(window), session_of(window).player
    shown: list[object] = []
    player.changed.connect(lambda: shown.append(player.playable and player.playable.title))
    _click(qtbot, window, Keep.LAST, "play")
    settle(qtbot, window)
    last = session.state.comparing.takes[Keep.LAST]
    assert player.playable is last.playable
    assert player.playable.title == "Epoch 10, the last"
    assert Keep.BEST not in session.state.comparing.takes
    _click(qtbot, window, Keep.BEST, "play")
    settle(qtbot, window)
    shown.clear()
    _click(qtbot, window, Keep.LAST, "play")
    assert player.playable is last.playable
    assert not session.is_busy
    assert session.state.comparing.takes[Keep.LAST].sample is last.sample
    player.flip()
    assert player.playable.title != last.playable.title, "both can be compared in the player, too"


def test_the_take_is_the_one_that_the_epoch_makes_once_it_is_in_the_file(qtbot: QtBot, window: MainWindow) -> None:
    from distill_core import generate, load_model_v2

    session = session_of(window)
    _click(qtbot, window, Keep.LAST, "play")
    settle(qtbot, window)
    heard = session.state.comparing.takes[Keep.LAST].sample
    _click(qtbot, window, Keep.LAST, "keep")
    settle(qtbot, window)
    card = window.learning.epochs.card_of(Keep.LAST)
    assert card.keep_button.isChecked()
    assert not window.learning.epochs.card_of(Keep.BEST).keep_button.isChecked()
    assert session.state.comparing.takes[Keep.LAST].sample is heard
    session.save_prior(though_changed=True)
    settle(qtbot, window)
    assert session.state.open.model is not None
    saved = load_model_v2(session.state.open.model.path)
    assert (saved.prior_metadata or {})["kept"] == "last"
    assert torch.equal(generate(saved, heard.request).codes_WHQ, heard.codes_WHQ)


def test_the_choice_can_be_made_from_the_keyboard_and_a_second_press_changes_nothing(
    qtbot: QtBot, window: MainWindow
) -> None:
    session = session_of(window)
    button = window.learning.epochs.card_of(Keep.LAST).keep_button
    button.setFocus()
    for _ in range(2):
        qtbot.keyClick(button, Qt.Key.Key_Return)
        settle(qtbot, window)
        assert button.isChecked()
        assert QApplication.focusWidget() is button
    trained = session.state.training.trained
    assert trained is not None
    assert trained.metadata["kept"] == "last"


def test_buttons_have_names_of_their_own_and_follow_the_plot(qtbot: QtBot, window: MainWindow) -> None:
    row = window.learning.epochs
    cards = [row.card_of(which) for which in (Keep.BEST, Keep.LAST)]
    names = [button.accessibleName() for card in cards for button in (card.play_button, card.keep_button)]
    assert len({*names}) == 4
    assert names[2] == "Play the take of epoch 10, the last"
    assert names[3] == "Keep This: epoch 10, the last"
    window.learning.plot.setFocus()
    reached = []
    for _ in range(5):
        qtbot.keyClick(QApplication.focusWidget(), Qt.Key.Key_Tab)
        reached.append(QApplication.focusWidget())
    assert reached == [row.button, *(button for card in cards for button in (card.play_button, card.keep_button))]


def test_without_the_sounds_nothing_is_told_until_they_are_opened(
    qtbot: QtBot, window: MainWindow, kicks: Path
) -> None:
    session = session_of(window)
    dataset = session.state.open.dataset
    bring_to(qtbot, session, session.state.with_open(dataset=None, scanned=None))
    session.show_page(Page.LEARNING)
    qtbot.mouseClick(window.learning.epochs.button, Qt.MouseButton.LeftButton)
    settle(qtbot, window)
    assert _lines(window) == ["can't tell · the sounds are not here"] * 2
    window.commands.open_sounds(kicks)
    settle(qtbot, window)
    assert dataset is not None
    told = [take.verdict for take in session.state.comparing.takes.values()]
    assert all(verdict is not None and verdict.file.startswith("kick_") for verdict in told)


def test_a_new_training_forgets_the_comparison(qtbot: QtBot, window: MainWindow) -> None:
    session = session_of(window)
    qtbot.mouseClick(window.learning.epochs.button, Qt.MouseButton.LeftButton)
    bring_to(qtbot, session, session.state.without_training())
    settle(qtbot, window)
    assert session.state.comparing == ComparingState()
    assert not window.learning.epochs.isVisible()


def test_the_row_goes_without_its_focus_coming_to_a_button(qtbot: QtBot, window: MainWindow) -> None:
    session = session_of(window)
    window.learning.epochs.button.setFocus()
    bring_to(qtbot, session, session.state.without_training())
    assert QApplication.focusWidget() is window.learning.plot


@pytest.mark.parametrize("size", [(760, 560), (1280, 800)])
def test_all_verdicts_have_room(qtbot: QtBot, window: MainWindow, three: TrainedPrior, size: tuple[int, int]) -> None:
    session = session_of(window)
    window.resize(*size)
    verdicts = {
        Keep.BEFORE_MEMORIZING: TakeVerdict(Copying.NEW, 0.31, 5, 90, 0.3, "kick_02.wav"),
        Keep.BEST: TakeVerdict(Copying.CLOSE_RELATIVE, 0.7, 9, 90, 0.8, "kick_07.wav"),
        Keep.LAST: TakeVerdict(Copying.COPY, 1.0, 90, 90, 1.0, "kick_07.wav"),
    }
    state = session.state.with_training(trained=three, unsaved=True, epochs=three.history)
    takes = {which: _take(4, verdict) for which, verdict in verdicts.items()}
    bring_to(qtbot, session, _compared(state, takes))
    QApplication.processEvents()
    cards = window.learning.epochs.cards
    new, close, copy = (card.line.shown_text() for card in cards)
    assert new == "new"
    assert close.startswith("close to kick")
    assert copy.startswith("copy of kick")
    assert all("poch" in card.title.shown_text() for card in cards)
    shown = [line for line in (window.learning.learning_line, window.learning.takes_line) if line.isVisible()]
    said = " ".join(line.text() for line in shown)
    assert said.startswith("Training: ")
    assert "Takes: " in said
    assert window.learning.plot.height() >= 150
    assert window.learning.plot.geometry().bottom() < window.learning.epochs.geometry().top()
