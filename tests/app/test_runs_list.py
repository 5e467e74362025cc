"""The list of unfinished trainings in the window: it shows, opens and discards them."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtCore import QSettings
from PySide6.QtWidgets import QWidget
from pytestqt.qtbot import QtBot

from app.flows.prompts import QtPrompts, Question
from app.main_window import MainWindow
from app.session import Session
from app.session.available import ActionId
from app.widgets import run_rows
from app.widgets.runs_dialog import RunsDialog
from distill_core import PriorConfig, train_prior
from distill_core.training.codec.words import CODEC
from distill_core.training.kinds import listed_runs, prior_runs, stored_run
from distill_core.training.prior.events import PriorEpochMetrics
from distill_core.training.prior.words import PRIOR
from distill_core.training.run_folder.facts import ListedRun, RunState, UnfinishedRun
from tests.app.driving import WAIT_MS, make_short_takes, session_of, settle

pytestmark = pytest.mark.usefixtures("known_codes")

TINY = PriorConfig(hidden_size=32, num_layers=1, num_heads=2, max_epochs=4, batch_size=4, device="cpu")
FACTS = UnfinishedRun("a" * 32, Path("/m/drums.distill"), (Path("/m/kicks"),), 14, 50, 12, 7.42, False, PRIOR)
BEGUN = replace(FACTS, epoch=0, best_epoch=0, best=None, under_way=1, share=0.4)
NEW = Path("new.distill")
NEW_CODEC = UnfinishedRun("b" * 32, NEW, (Path("a"),), 9, 200, 8, 0.1823, False, CODEC, is_best_only=True)


class _Crash(BaseException):
    pass


class Answers(QtPrompts):
    """Answers each question as `choose` says, and keeps them."""

    def __init__(self) -> None:
        self.choose = "cancel"
        self.asked: list[Question] = []

    def ask(self, parent: QWidget, question: Question, answer: Callable[[str], object]) -> None:
        self.asked.append(question)
        answer(self.choose)


def _leave_unfinished(model: Path, sounds: Path) -> str:
    def on_event(event: object) -> None:
        if isinstance(event, PriorEpochMetrics) and event.epoch == 2:
            raise _Crash

    with pytest.raises(_Crash):
        train_prior(model, sounds, TINY, on_event=on_event, run_folder=prior_runs(model))
    return max(listed_runs(), key=lambda run: run.written).id


@pytest.fixture
def prompts() -> Answers:
    return Answers()


@pytest.fixture
def window(qtbot: QtBot, prompts: Answers, tmp_path: Path) -> Iterator[MainWindow]:
    QSettings.setPath(QSettings.Format.IniFormat, QSettings.Scope.UserScope, str(tmp_path / "settings"))
    session = Session()
    make_short_takes(session)
    window = MainWindow(session, prompts)
    window.show()
    qtbot.waitExposed(window)
    settle(qtbot, window)
    yield window
    window._may_close = True
    window.close()
    window.deleteLater()
    session.deleteLater()


def _list(qtbot: QtBot, window: MainWindow) -> RunsDialog:
    window.actions_table.by_id[ActionId.UNFINISHED_RUNS].trigger()
    qtbot.waitUntil(lambda: window.actions_table.runs.dialog is not None, timeout=WAIT_MS)
    settle(qtbot, window)
    assert window.actions_table.runs.dialog is not None
    return window.actions_table.runs.dialog


def _column(dialog: RunsDialog, title: str) -> list[str]:
    column = run_rows.TITLES.index(title)
    items = (dialog.table.topLevelItem(row) for row in range(dialog.table.topLevelItemCount()))
    return [item.text(column) for item in items if item is not None]


def test_an_empty_list_says_so(qtbot: QtBot, window: MainWindow) -> None:
    dialog = _list(qtbot, window)
    assert dialog.note.text() == "There is no unfinished training."
    assert not dialog.open_button.isEnabled()
    assert not dialog.discard_button.isEnabled()


def test_a_row_opens_its_model(qtbot: QtBot, window: MainWindow, tiny_model: Path, sounds_folder: Path) -> None:
    _leave_unfinished(tiny_model, sounds_folder)
    dialog = _list(qtbot, window)
    assert _column(dialog, "Model") == ["tiny.distill"]
    assert _column(dialog, "Epoch") == ["2 of 4"]
    assert _column(dialog, "State") == ["Unfinished, can go on"]
    dialog.open_button.click()
    settle(qtbot, window)
    assert window.actions_table.runs.dialog is None
    assert "Unfinished training found" in window.notices.notice_banner.title()


def test_a_training_whose_model_moved_is_listed_and_found_by_it(
    qtbot: QtBot, window: MainWindow, tiny_model: Path, sounds_folder: Path
) -> None:
    _leave_unfinished(tiny_model, sounds_folder)
    moved = tiny_model.rename(tiny_model.with_name("moved.distill"))
    dialog = _list(qtbot, window)
    assert _column(dialog, "State") == ["Its model is gone"]
    assert not dialog.open_button.isEnabled()
    assert "Open it where it is now" in dialog.note.text()
    dialog.reject()
    window.commands.open_model(moved)
    settle(qtbot, window)
    assert "It was into “tiny.distill”" in window.notices.notice_banner.detail()
    window.commands.open_sounds(sounds_folder)
    settle(qtbot, window)
    window.notices.notice_banner.button("continue").click()
    qtbot.waitUntil(lambda: session_of(window).state.training.unsaved, timeout=WAIT_MS)
    settle(qtbot, window)
    window.commands.saving.save()
    settle(qtbot, window)
    assert listed_runs() == []


def test_discarding_asks_and_takes_the_notice_along(
    qtbot: QtBot, window: MainWindow, prompts: Answers, tiny_model: Path, sounds_folder: Path
) -> None:
    run_id = _leave_unfinished(tiny_model, sounds_folder)
    window.commands.open_model(tiny_model)
    settle(qtbot, window)
    dialog = _list(qtbot, window)
    dialog.discard_button.click()
    assert [question.id for question in prompts.asked] == ["discardRunQuestion"]
    assert prompts.asked[0].title == "Discard the training into “tiny.distill”?"
    assert stored_run(run_id).exists
    prompts.choose = "discard"
    dialog.discard_button.click()
    settle(qtbot, window)
    assert not stored_run(run_id).exists
    assert _column(dialog, "Model") == []
    assert not window.notices.notice_banner.isVisible()


def test_what_cannot_be_read_can_be_discarded_alone(
    qtbot: QtBot, window: MainWindow, prompts: Answers, tiny_model: Path, sounds_folder: Path, tmp_path: Path
) -> None:
    kept = _leave_unfinished(tiny_model, sounds_folder)
    damaged = stored_run(_leave_unfinished(Path(shutil.copy(tiny_model, tmp_path / "b.distill")), sounds_folder))
    for file in damaged.folder.iterdir():
        file.write_bytes(b"PK" + bytes(2000))
    dialog = _list(qtbot, window)
    row = _column(dialog, "State").index("Cannot be read")
    item = dialog.table.topLevelItem(row)
    assert item is not None
    dialog.table.setCurrentItem(item)
    prompts.choose = "discard"
    dialog.discard_button.click()
    settle(qtbot, window)
    assert [run.id for run in listed_runs()] == [kept]


def test_a_training_that_another_has_taken_up_meanwhile_stays(
    qtbot: QtBot, window: MainWindow, prompts: Answers, tiny_model: Path, sounds_folder: Path
) -> None:
    run_id = _leave_unfinished(tiny_model, sounds_folder)
    dialog = _list(qtbot, window)
    prompts.choose = "discard"
    with stored_run(run_id).in_use():
        dialog.discard_button.click()
        settle(qtbot, window)
    assert dialog.note.text().startswith("Another training is at this run. Nothing was removed.")
    assert stored_run(run_id).exists


@pytest.mark.parametrize(
    ("run", "row", "note", "opens"),
    [
        (
            ListedRun("a" * 32, FACTS, RunState.UNFINISHED, 22_400_000, 0.0),
            ("drums.distill", "kicks", "14 of 50", "perplexity 7.42", "Unfinished, can go on", "22.4 MB"),
            "Open “drums.distill” to continue it, or to use its best prior.",
            True,
        ),
        (
            ListedRun("a" * 32, BEGUN, RunState.UNFINISHED, 22_400_000, 0.0),
            ("drums.distill", "kicks", "1 of 50, 40% in", "none yet", "Unfinished, can go on", "22.4 MB"),
            "Open “drums.distill” to continue it.",
            True,
        ),
        (
            ListedRun("a" * 32, replace(BEGUN, kind=CODEC), RunState.UNFINISHED, 22_400_000, 0.0),
            ("drums.distill", "kicks", "1 of 50, 40% in", "none yet", "Unfinished, can go on", "22.4 MB"),
            "“drums.distill” is half made. Go on with it.",
            False,
        ),
        (
            ListedRun("a" * 32, None, RunState.UNREADABLE, 6000, 0.0),
            ("–", "–", "–", "–", "Cannot be read", "6.0 kB"),
            "It is damaged, or a newer Distill made it. Discard it if no newer Distill is to go on with it.",
            False,
        ),
        (
            ListedRun(
                "abcdefgh" + "0" * 24,
                replace(NEW_CODEC, sounds=(Path("a"), Path("b"))),
                RunState.BEST_ONLY,
                8_100_000,
                0.0,
            ),
            ("new.distill", "a and 1 more", "9 of 200", "error 0.182", "Unfinished, its best can be saved", "8.1 MB"),
            "“new.distill” is not saved. Go on to save it.",
            False,
        ),
    ],
    ids=["unfinished", "in its first epoch", "a codec's in its first", "unreadable", "codec"],
)
def test_what_a_row_says(run: ListedRun, row: tuple[str, ...], note: str, opens: bool) -> None:
    assert run_rows.cells(run)[:6] == row
    assert run_rows.note(run) == note
    assert (run_rows.openable(run) is not None) is opens
