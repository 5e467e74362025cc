"""The papers of a model in Inspect, its card, and takes saved with a JSON of how they were made."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import QSettings
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QLineEdit, QPushButton
from pytestqt.qtbot import QtBot

from app.flows.drag_out import copy_to_drag
from app.main_window import MainWindow
from app.session import Session
from app.session.available import ActionId
from app.widgets.facts.papers_words import NO_LICENCE, papers_rows
from distill_core import load_model_v2, read_summary
from distill_core.audio.tags import read_tagged
from distill_core.generation.generate import generate
from distill_core.generation.request import GenerateRequest
from distill_core.generation.takes.papers import read_papers
from distill_core.generation.takes.shelf import TakeShelf
from distill_core.generation.takes.verdict import Copying, TakeVerdict
from distill_core.generation.takes.verify import verify_take
from distill_core.models.summary import ModelSummary
from tests.app.driving import ScriptedPrompts, session_of, settle
from tests.app.test_generating import shared_model  # noqa: F401 - fixture

# ruff: noqa: F811

SOUNDS = [
    {"digest": f"{number:032x}", "duration_s": 2.0, "held_out": number < 2, "name": f"kick {number}.wav"}
    for number in range(8)
]


@pytest.fixture
def model(shared_model: Path, tmp_path: Path) -> Path:
    """A model with a take on its shelf."""
    model = Path(shutil.copy(shared_model, tmp_path / "my drums.distill"))
    TakeShelf(model).add(generate(load_model_v2(model), GenerateRequest(seconds=0.25, seed=41)))
    return model


@pytest.fixture
def prompts() -> ScriptedPrompts:
    return ScriptedPrompts()


@pytest.fixture
def window(qtbot: QtBot, prompts: ScriptedPrompts, tmp_path: Path, model: Path) -> Iterator[MainWindow]:
    QSettings.setPath(QSettings.Format.IniFormat, QSettings.Scope.UserScope, str(tmp_path / "settings"))
    session = Session()
    window = MainWindow(session, prompts)
    window.show()
    qtbot.waitExposed(window)
    window.commands.open_model(model)
    settle(qtbot, window)
    yield window
    window._may_close = True
    window.close()
    window.deleteLater()
    session.deleteLater()


def _button(window: MainWindow, name: str) -> QPushButton:
    button = window.findChild(QPushButton, name)
    assert isinstance(button, QPushButton)
    return button


def _with(summary: ModelSummary, sounds: object, **facts: Any) -> ModelSummary:
    metadata = {**(summary.prior_metadata or {}), "sounds": sounds, **facts}
    return replace(summary, prior_metadata=metadata)


def test_papers_name_the_first_sounds_and_count_all(shared_model: Path) -> None:
    summary = _with(read_summary(shared_model), SOUNDS)
    rows = dict(papers_rows(summary)[:2])
    assert rows == {
        "Learned from": "8 sounds, 16 s, 2 kept aside",
        "Which sounds": "kick 0.wav, kick 1.wav, kick 2.wav, kick 3.wav, kick 4.wav and 3 more",
    }
    assert papers_rows(summary)[-1] == ("Licence", NO_LICENCE)


def test_an_anonymous_model_names_none(shared_model: Path) -> None:
    hashes = [{key: value for key, value in sound.items() if key != "name"} for sound in SOUNDS]
    rows = papers_rows(_with(read_summary(shared_model), hashes))
    assert ("Which sounds", "only hashes of their content: it was trained anonymously") in rows
    assert not any("kick" in value for _, value in rows)


def test_an_older_file_tells_the_number_alone(shared_model: Path) -> None:
    rows = papers_rows(_with(read_summary(shared_model), [5], dataset_file_count=24, dataset_total_duration_s=192.4))
    assert rows[:2] == [
        ("Learned from", "24 sounds, 3 min 12 s"),
        ("Which sounds", "the file doesn't list them: an older Distill made it"),
    ]


def test_the_card_is_copied_and_saved(
    qtbot: QtBot, window: MainWindow, prompts: ScriptedPrompts, tmp_path: Path
) -> None:
    _button(window, "copyCardButton").click()
    card = QGuiApplication.clipboard().text()
    assert card.startswith("---\nlibrary_name:")
    assert window.statusBar().currentMessage() == "The card is copied."
    prompts.paths["card"] = tmp_path / "card.md"
    _button(window, "saveCardButton").click()
    settle(qtbot, window)
    assert prompts.paths["suggested"].name == "my drums card.md"
    assert (tmp_path / "card.md").read_text(encoding="utf-8") == card
    assert window.statusBar().currentMessage() == "The card is saved as card.md."
    prompts.paths["card"] = tmp_path / "none" / "card.md"
    _button(window, "saveCardButton").click()
    settle(qtbot, window)
    assert "There is no folder" in window.notices.notice_banner.title()
    assert window.statusBar().currentMessage() == ""
    (tmp_path / "none").mkdir()
    _button(window, "saveCardButton").click()
    settle(qtbot, window)
    assert not window.notices.notice_banner.isVisible(), "the next one went well"
    model = session_of(window).state.open.model.path
    before = model.read_bytes()
    prompts.paths["card"] = model
    _button(window, "saveCardButton").click()
    settle(qtbot, window)
    assert "is the model itself" in window.notices.notice_banner.title()
    assert model.read_bytes() == before


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
def test_the_model_is_written_for_a_plugin(
    qtbot: QtBot, window: MainWindow, prompts: ScriptedPrompts, tmp_path: Path
) -> None:
    from neutone_sdk.utils import load_neutone_model

    export = window.actions_table.by_id[ActionId.EXPORT_PLUGIN]
    prompts.paths["plugin"] = tmp_path / "drums.nm"
    export.trigger()
    assert window.statusBar().currentMessage() == "The plugin's model is being written."
    settle(qtbot, window)
    assert prompts.paths["suggested"].name == "my drums.nm"
    _, metadata = load_neutone_model(str(tmp_path / "drums.nm"))
    assert metadata["is_experimental"]
    said = "The plugin's model is saved as drums.nm. Not run in the real plugin yet."
    assert window.statusBar().currentMessage() == said
    prompts.paths["plugin"] = tmp_path / "none" / "drums.nm"
    export.trigger()
    settle(qtbot, window)
    assert "There is no folder" in window.notices.notice_banner.title()


def test_without_the_sdk_the_plugins_entry_says_how_to_get_it(
    window: MainWindow, prompts: ScriptedPrompts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "neutone_sdk", None)
    prompts.answers["pluginDialog"] = "close"
    window.actions_table.by_id[ActionId.EXPORT_PLUGIN].trigger()
    assert "-m pip install neutone_sdk" in prompts.asked[-1].text
    assert "suggested" not in prompts.paths


def test_the_licence_line_is_written_beside_name_and_notes(qtbot: QtBot, window: MainWindow, model: Path) -> None:
    window.commands.edit_model()
    field = window.findChild(QLineEdit, "modelLicenceField")
    assert isinstance(field, QLineEdit)
    field.setText("x" * 201)
    assert not _button(window, "saveModelTextsButton").isEnabled()
    field.setText(" CC BY 4.0 ")
    _button(window, "saveModelTextsButton").click()
    settle(qtbot, window)
    assert read_summary(model).licence == "CC BY 4.0"
    assert window.inspect.view.papers.rows()[-1] == ("Licence", "CC BY 4.0")
    window.commands.edit_model()
    assert field.text() == "CC BY 4.0"


def test_takes_are_saved_with_a_json_once_that_is_wanted(
    qtbot: QtBot, window: MainWindow, prompts: ScriptedPrompts, model: Path, tmp_path: Path
) -> None:
    action = window.actions_table.by_id[ActionId.WITH_SIDECAR]
    assert not action.isChecked()
    prompts.paths["take"], prompts.paths["target"] = tmp_path / "out" / "take.flac", tmp_path / "out"
    (tmp_path / "out").mkdir()
    number = next(take.number for take in TakeShelf(model).takes() if take.seed == 41)
    window.commands.takes.save(number)
    settle(qtbot, window)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["take.flac"]
    action.trigger()
    assert action.isChecked()
    window.commands.takes.save(number)
    settle(qtbot, window)
    told = json.loads((tmp_path / "out" / "take.json").read_text())
    assert (told["seed"], told["file"], told["sound"]["format"]) == (41, "take.flac", "flac")
    assert verify_take(tmp_path / "out" / "take.flac", model).is_verified
    window.commands.takes.save_all()
    settle(qtbot, window)
    assert (tmp_path / "out" / "my_drums_take1_seed41.json").exists()
    assert Session().settings.saves_sidecar()


def test_a_dragged_take_has_its_verdict_once_there_is_one(model: Path) -> None:
    take = TakeShelf(model).takes()[0]
    plain = copy_to_drag(take, "x.wav")
    compared = TakeShelf(model).note_verdict(take.number, TakeVerdict(Copying.COPY, 1.0, 40, 40, 1.0, "kick.wav"))
    told = copy_to_drag(compared, "x.wav")
    assert plain.read_bytes() == take.wav.read_bytes()
    assert b"kick" not in told.read_bytes()
    assert compared.origin == take.origin
    papers = read_papers(read_tagged(told).comment)
    assert papers is not None
    assert papers.verdict == "copy"
    assert verify_take(told, model).is_verified
