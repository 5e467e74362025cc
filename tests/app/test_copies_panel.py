"""The Copies tab in the window: a real model is checked, and its takes are seen, heard and proven beside its sounds."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from PySide6.QtCore import QPoint, QPointF, QSettings, Qt
from PySide6.QtGui import QPalette
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from app.main_window import MainWindow
from app.session import Session
from app.session.available import ActionId
from app.session.evidence import MomentKey
from app.session.state import State
from app.session.takes import TakeOptions
from app.session.tasks.hearing import SourceKey
from app.theme import SPACE, accent_color, plot_colors
from app.widgets.copies.bars import BarLook, SoundBars
from app.widgets.copies.cells import SILENT, AgreementCells, CellGrid
from distill_core import load_model_v2, save_prior_to_model, scan, train_prior
from distill_core.audio.dataset import AudioDataset
from distill_core.audio.variants import ORIGINAL
from distill_core.events import never
from distill_core.generation.generate import generate
from distill_core.generation.request import GenerateRequest
from distill_core.generation.takes.shelf import TakeShelf
from distill_core.generation.takes.verdict import Copying
from distill_core.models.persistence import LoadedVQModel
from distill_core.models.sounds_list import learned_sounds
from distill_core.training.data.codes import SoundEncoder
from distill_core.training.data.encoding import codes_of_silence
from tests.app.driving import WAIT_MS, ScriptedPrompts, bring_to, session_of, settle
from tests.app.test_first_take import Speaker, speaker  # noqa: F401 - fixture
from tests.varied_sounds import write_varied_sounds

# ruff: noqa: F811

TINY: dict[str, Any] = {"hidden_size": 32, "num_layers": 1, "num_heads": 2, "device": "cpu", "max_epochs": 2}
PLANTED = 2  # the number of the take that is a copy


def _codes_of(loaded: LoadedVQModel, dataset: AudioDataset, name: str) -> torch.Tensor:
    encoder = SoundEncoder(loaded, "rows", None, codes_of_silence(loaded, "rows", never))
    (file,) = (file for file in dataset.files if file.name == name)
    return encoder.codes_of(file, ORIGINAL, never).sound_WHQ


def _plant(model: Path, dataset: AudioDataset) -> str:
    """Put a take on the shelf that is a sound which the model learned from, and return that sound's name."""
    loaded = load_model_v2(model)
    listed = learned_sounds(loaded.prior_metadata or {})
    name = next(sound.name for sound in listed if not sound.held_out)
    codes_WHQ = _codes_of(loaded, dataset, name)
    sample = generate(loaded, GenerateRequest(seconds=0.25, seed=42))
    with torch.no_grad():
        waveform_T = torch.cat([*loaded.model.audio_of(iter([codes_WHQ]))])
    copied = replace(
        sample, codes_WHQ=codes_WHQ, waveform_T=0.5 * waveform_T / waveform_T.abs().max(), ends=(), gain=1.0
    )
    TakeShelf(model).add(copied, loaded.prior_metadata)
    return name


@pytest.fixture(scope="module")
def shared_known(shared_klt_model: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A model that has learned from twelve sounds, and their folder. Leave both as they are."""
    folder = write_varied_sounds(tmp_path_factory.mktemp("copies") / "kicks", 12)
    trained = train_prior(shared_klt_model, scan(folder), TINY)
    assert trained.prior is not None
    output = folder.with_suffix(".distill")
    return save_prior_to_model(shared_klt_model, trained.prior, trained.config, trained.metadata, output=output), folder


@pytest.fixture
def known(shared_known: tuple[Path, Path], tmp_path: Path) -> tuple[Path, Path, str]:
    """A model with two takes, the second of which is a copy; the folder of its sounds; and the name of the copied."""
    model = Path(shutil.copy(shared_known[0], tmp_path / "kicks.distill"))
    loaded = load_model_v2(model)
    TakeShelf(model).add(generate(loaded, GenerateRequest(seconds=0.5, seed=41)), loaded.prior_metadata)
    return model, shared_known[1], _plant(model, scan(shared_known[1]))


@pytest.fixture
def prompts() -> ScriptedPrompts:
    return ScriptedPrompts()


@pytest.fixture
def window(qtbot: QtBot, prompts: ScriptedPrompts, tmp_path: Path) -> Iterator[MainWindow]:
    QSettings.setPath(QSettings.Format.IniFormat, QSettings.Scope.UserScope, str(tmp_path / "settings"))
    session = Session()
    session.set_take_options(TakeOptions(seconds=0.25, seed=44, holds_seed=True))
    window = MainWindow(session, prompts)
    window.show()
    qtbot.waitExposed(window)
    settle(qtbot, window)
    yield window
    session.stop_proof()
    session.stop_audit()
    window._may_close = True
    window.close()
    window.deleteLater()
    session.deleteLater()


@pytest.fixture
def opened(qtbot: QtBot, window: MainWindow, known: tuple[Path, Path, str]) -> MainWindow:
    """A window with the model and its sounds, whose takes are judged, and the tab open."""
    window.commands.open_sounds(known[1])
    settle(qtbot, window)
    window.commands.open_model(known[0])
    settle(qtbot, window)
    window.drawer.turn_to("copies")
    qtbot.waitUntil(lambda: session_of(window).state.copying.is_ready, timeout=WAIT_MS)
    settle(qtbot, window)
    return window


def _evidence_number(session: Session) -> int:
    evidence = session.state.copying.evidence
    return 0 if evidence is None else evidence.number


def _choose(qtbot: QtBot, window: MainWindow, number: int) -> None:
    """Choose a take, and wait for its grounds."""
    session = session_of(window)
    session.choose_take(number)
    qtbot.waitUntil(lambda: _evidence_number(session) == number, timeout=WAIT_MS)
    settle(qtbot, window)


# The tab


def test_the_tab_opens_by_its_key_and_is_remembered(qtbot: QtBot, window: MainWindow) -> None:
    QTest.keyClick(window, Qt.Key.Key_F8)
    assert window.copies.isVisible()
    assert session_of(window).settings.drawer() == "copies"
    assert not window.chips.inspect_button.isChecked()
    window.actions_table.by_id[ActionId.COPIES].trigger()
    assert not window.drawer.isVisible()


def test_a_drawer_that_an_unknown_side_is_remembered_of_opens_at_inspect(
    qtbot: QtBot, window: MainWindow, tiny_model: Path
) -> None:
    session_of(window).settings.set_drawer("a side of a newer Distill")
    window.commands.open_model(tiny_model)
    settle(qtbot, window)
    assert window.inspect.isVisible()


def test_without_a_model_or_what_it_learned_it_says_so(qtbot: QtBot, window: MainWindow, tiny_model: Path) -> None:
    window.drawer.turn_to("copies")
    panel = window.copies
    assert panel.model.grounds.text().startswith("Open a model")
    assert not any(part.isVisible() for part in (panel.leaning, panel.take, panel.proof, panel.model.button))
    window.commands.open_model(tiny_model)
    settle(qtbot, window)
    assert panel.model.grounds.text().startswith("The model hasn't learned your sounds yet.")
    assert not panel.model.button.isVisible()


def test_without_the_sounds_it_cannot_tell_until_they_are_chosen(
    qtbot: QtBot, window: MainWindow, prompts: ScriptedPrompts, known: tuple[Path, Path, str]
) -> None:
    window.commands.open_model(known[0])
    settle(qtbot, window)
    window.drawer.turn_to("copies")
    panel = window.copies
    assert panel.model.verdict.text() == "Takes: can't tell. The sounds are not here."
    assert panel.take.sentence.text() == f"Can't tell of take {PLANTED}: the sounds are not here."
    assert not panel.take.cells.isVisible()
    prompts.paths["folder"] = known[1]
    qtbot.mouseClick(panel.model.button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(panel.take.cells.isVisible, timeout=WAIT_MS)
    settle(qtbot, window)
    assert panel.model.button.text() == "Check Now"


# The model


def test_a_check_fills_the_chart_and_a_click_on_a_bar_plays_the_sound(qtbot: QtBot, opened: MainWindow) -> None:
    session, panel = session_of(opened), opened.copies
    assert panel.model.verdict.text() == "Takes: not checked yet."
    assert not panel.leaning.isVisible()
    qtbot.mouseClick(panel.model.button, Qt.MouseButton.LeftButton)
    assert panel.model.button.text() == "Stop"
    assert panel.model.bar.isVisible()
    qtbot.waitUntil(lambda: session.state.copying.record is not None, timeout=WAIT_MS)
    settle(qtbot, opened)
    record = session.state.copying.record
    assert record is not None
    assert panel.model.verdict.text() != "Takes: not checked yet."
    assert panel.model.detail.text().startswith("Checked today, ")
    assert panel.model.button.text() == "Check Again"
    bars = panel.leaning.bars.bars
    assert [bar.look.samples for bar in bars] == [each.samples for each in record.leans_on[:8]]
    qtbot.mouseClick(bars[0], Qt.MouseButton.LeftButton)
    settle(qtbot, opened)
    playable = session.player.playable
    assert playable is not None
    assert isinstance(playable.key, SourceKey)
    assert playable.key.file.name == record.leans_on[0].file


def test_a_check_can_be_stopped(qtbot: QtBot, opened: MainWindow) -> None:
    session, panel = session_of(opened), opened.copies
    qtbot.mouseClick(panel.model.button, Qt.MouseButton.LeftButton)
    qtbot.mouseClick(panel.model.button, Qt.MouseButton.LeftButton)
    settle(qtbot, opened)
    assert session.state.copying.record is None
    assert panel.model.button.text() == "Check Now"
    assert not panel.model.bar.isVisible()


# The take


def test_a_copy_is_told_and_drawn_cell_by_cell(qtbot: QtBot, opened: MainWindow, known: tuple[Path, Path, str]) -> None:
    panel = opened.copies
    _choose(qtbot, opened, PLANTED)
    take = session_of(opened).state.takes.numbered(PLANTED)
    assert take is not None
    assert take.verdict is not None
    assert take.verdict.verdict is Copying.COPY
    assert panel.take.title.text() == f"Take {PLANTED}"
    assert panel.take.sentence.text() == f"Take {PLANTED} is a copy of {known[2]}, from 0.0 s: 100% of its codes agree."
    grid, codes_WHQ = panel.take.cells.grid, take.codes()
    assert (grid.steps, grid.bands, grid.levels) == tuple(codes_WHQ.shape)
    assert {count for counts in grid.agreeing for count in counts} <= {grid.levels, SILENT}
    assert "none in 0" in panel.take.cells.accessibleDescription()
    assert dict(panel.take.numbers.rows())["Codes that agree (AGR)"].startswith("100%")
    _choose(qtbot, opened, 1)
    assert panel.take.title.text() == "Take 1"
    assert panel.take.cells.grid != grid


def test_evidence_waits_for_a_take_under_way_and_is_asked_for_only_where_it_is_seen(
    qtbot: QtBot, opened: MainWindow
) -> None:
    session = session_of(opened)
    _choose(qtbot, opened, 1)
    opened.drawer.turn_to("inspect")
    session.choose_take(PLANTED)
    settle(qtbot, opened)
    assert _evidence_number(session) == 1
    seen: list[tuple[bool, int]] = []

    def note(state: State) -> None:
        seen.append((state.takes.making is not None, _evidence_number(session)))

    session.set_take_options(TakeOptions(seconds=2.0, seed=45, holds_seed=True))
    session.generate()
    session.state_changed.connect(note)
    opened.drawer.turn_to("copies")
    qtbot.waitUntil(lambda: seen[-1:] == [(False, 3)], timeout=WAIT_MS)
    assert all(number in (0, 1) for is_making, number in seen if is_making)


def test_a_take_is_heard_against_its_nearest_sound(
    qtbot: QtBot, opened: MainWindow, known: tuple[Path, Path, str], speaker: Speaker
) -> None:
    session, panel = session_of(opened), opened.copies
    player = session.player
    _choose(qtbot, opened, PLANTED)
    qtbot.mouseClick(panel.take.buttons["take"], Qt.MouseButton.LeftButton)
    settle(qtbot, opened)
    take, sound = player.slots["A"], player.slots["B"]
    assert take is not None
    assert sound is not None
    assert player.playable is take
    assert player.is_playing
    assert (take.key, sound.key) == tuple(MomentKey(known[0], PLANTED, part) for part in ("take", "sound"))
    assert sound.title == f"B: {known[2]}, from 0.0 s"
    shelved = session.state.takes.numbered(PLANTED)
    assert shelved is not None
    samples, _ = soundfile.read(shelved.wav, dtype="float32")
    assert np.array_equal(take.samples, samples[: len(take.samples)])
    assert len(take.samples) >= len(samples) - 48_000 * panel.take.cells.grid.step_s
    loudness = [float(np.sqrt(np.mean(np.square(each.samples)))) for each in (take, sound)]
    assert loudness[0] == pytest.approx(loudness[1], rel=0.05)
    assert [button.isChecked() for button in panel.take.buttons.values()] == [True, False]
    assert session.state.takes.chosen == PLANTED
    qtbot.mouseClick(panel.take.buttons["sound"], Qt.MouseButton.LeftButton)
    assert player.playable is sound
    assert player.is_playing
    opened.actions_table.by_id[ActionId.FLIP].trigger()  # Ctrl+B goes between the two as well
    assert [button.isChecked() for button in panel.take.buttons.values()] == [True, False]
    qtbot.mouseClick(panel.take.buttons["take"], Qt.MouseButton.LeftButton)  # a second click stops
    assert not player.is_playing
    session.read_take(shelved)  # something else is played, then the comparison again, without reading
    settle(qtbot, opened)
    assert [button.isChecked() for button in panel.take.buttons.values()] == [False, False]
    qtbot.mouseClick(panel.take.buttons["sound"], Qt.MouseButton.LeftButton)
    assert player.playable is sound


def test_a_take_whose_verdict_is_another_by_now_is_heard_against_that_sound(
    qtbot: QtBot, opened: MainWindow, known: tuple[Path, Path, str], speaker: Speaker
) -> None:
    session, button = session_of(opened), opened.copies.take.buttons["sound"]
    _choose(qtbot, opened, PLANTED)
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
    settle(qtbot, opened)
    session.player.stop()
    shown, dataset = session.state.copying.evidence, session.state.open.dataset
    assert shown is not None
    assert dataset is not None
    other = next(file for file in dataset.files if file.name != known[2])
    changed = replace(shown, verdict=replace(shown.verdict, file=other.name), file=other)
    bring_to(qtbot, session, session.state.with_copying(evidence=changed))
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
    settle(qtbot, opened)
    assert session.player.playable is not None
    assert session.player.playable.title == f"B: {other.name}, from 0.0 s"


def test_a_sound_that_is_gone_is_told(
    qtbot: QtBot, window: MainWindow, tmp_path: Path, known: tuple[Path, Path, str]
) -> None:
    folder = Path(shutil.copytree(known[1], tmp_path / "going"))
    window.commands.open_sounds(folder)
    settle(qtbot, window)
    window.commands.open_model(known[0])
    settle(qtbot, window)
    window.drawer.turn_to("copies")
    qtbot.waitUntil(window.copies.take.cells.isVisible, timeout=WAIT_MS)
    _choose(qtbot, window, PLANTED)
    (folder / known[2]).unlink()
    qtbot.mouseClick(window.copies.take.buttons["sound"], Qt.MouseButton.LeftButton)
    settle(qtbot, window)
    assert window.copies.take.note.text().startswith(f"“{known[2]}” can't be played")
    assert window.copies.take.note.isVisible()


# The proof


def test_a_proof_says_what_it_found_and_stays_with_its_take(
    qtbot: QtBot, opened: MainWindow, known: tuple[Path, Path, str]
) -> None:
    session, panel = session_of(opened), opened.copies
    _choose(qtbot, opened, PLANTED)
    assert panel.proof.button.text() == f"Does It Depend on {known[2]}?"
    assert panel.proof.words.text() == "It learns nine times again, each as long as the model did."
    done: list[tuple[int, int]] = []
    session.state_changed.connect(
        lambda state: (
            done.append((state.proofs.running.done, state.proofs.running.total)) if state.proofs.running else None
        )
    )
    qtbot.mouseClick(panel.proof.button, Qt.MouseButton.LeftButton)
    assert not panel.proof.button.isVisible()
    assert panel.proof.cancel.isVisible()
    qtbot.waitUntil(lambda: session.state.proofs.running is None, timeout=8 * WAIT_MS)
    assert done == sorted(done)
    assert done[-1][0] == done[-1][1] > 0
    found = session.state.proofs.of_take(PLANTED)
    assert found is not None
    assert found.depends is not None
    assert known[2] in found.sentence
    assert panel.proof.finding.text() == found.sentence
    session.choose_take(1)
    assert not panel.proof.finding.isVisible()
    session.choose_take(PLANTED)
    assert panel.proof.finding.isVisible()
    assert panel.proof.finding.text() == found.sentence


def test_a_proof_is_begun_and_cancelled_by_keys_alone(qtbot: QtBot, opened: MainWindow) -> None:
    session, proof = session_of(opened), opened.copies.proof
    _choose(qtbot, opened, PLANTED)
    proof.button.setFocus()
    qtbot.keyClick(proof.button, Qt.Key.Key_Return)
    assert session.state.proofs.running is not None
    assert QApplication.focusWidget() is proof.cancel
    qtbot.keyClick(proof.cancel, Qt.Key.Key_Return)
    assert session.state.proofs.running is None
    assert QApplication.focusWidget() is proof.button
    settle(qtbot, opened)


def test_a_proof_can_be_cancelled(qtbot: QtBot, opened: MainWindow) -> None:
    session, panel = session_of(opened), opened.copies
    _choose(qtbot, opened, PLANTED)
    qtbot.mouseClick(panel.proof.button, Qt.MouseButton.LeftButton)
    running = session.state.proofs.running
    assert running is not None
    qtbot.mouseClick(panel.proof.cancel, Qt.MouseButton.LeftButton)
    assert session.state.proofs.running is None
    settle(qtbot, opened)
    assert session.state.proofs.proofs == ()
    assert panel.proof.button.isVisible()


# The pictures


def _look(name: str = "kick.wav", samples: int = 10, copies: int = 0, **changes: Any) -> BarLook:
    return BarLook(name, name, samples, copies, 20, f"{samples}", "Click to hear it.", **changes)


@pytest.fixture
def bars(qtbot: QtBot, palette: QPalette) -> SoundBars:
    bars = SoundBars()
    qtbot.addWidget(bars)
    bars.show_bars([_look(copies=5), _look("gone.wav", can_play=False)])
    bars.resize(300, bars.sizeHint().height())
    bars.show()
    qtbot.waitExposed(bars)
    return bars


def test_the_copied_part_of_a_bar_is_of_another_colour_and_hatched(bars: SoundBars, palette: QPalette) -> None:
    bar, image = bars.bars[0], bars.bars[0].grab().toImage()
    ratio = image.devicePixelRatio()
    copied, whole = bar.bar(5), bar.bar(10)
    y = int(whole.center().y() * ratio)
    inside = {
        image.pixelColor(int(x * ratio), y).name() for x in range(int(copied.left()) + 1, int(copied.right()) - 1)
    }
    assert plot_colors(palette).threshold.name() in inside
    assert len(inside) > 1  # the lines over it
    beyond = {
        image.pixelColor(int(x * ratio), y).name() for x in range(int(copied.right()) + 2, int(whole.right()) - 1)
    }
    assert beyond == {accent_color(palette).name()}


def test_bars_are_clicked_with_the_mouse_and_by_keys_and_are_read_out(qtbot: QtBot, bars: SoundBars) -> None:
    chosen: list[str] = []
    bars.chosen.connect(chosen.append)
    playable, gone = bars.bars
    qtbot.mouseClick(playable, Qt.MouseButton.LeftButton)
    QTest.keyClick(playable, Qt.Key.Key_Space)
    qtbot.mouseClick(gone, Qt.MouseButton.LeftButton)
    assert chosen == ["kick.wav", "kick.wav"]
    assert playable.accessibleName() == "kick.wav: 10"
    assert playable.accessibleDescription() == "Click to hear it."
    assert all(bar.focusPolicy() & Qt.FocusPolicy.TabFocus for bar in bars.bars)
    bars.show_bars([_look("tom.wav")])
    assert [bar.look.name for bar in bars.bars] == ["tom.wav"]
    assert bars.bars[0] is playable  # which keeps the focus


def test_a_long_name_loses_its_middle(bars: SoundBars) -> None:
    bars.show_bars([_look("a very long name of a sound that somebody has recorded in a cellar.wav")])
    shown = bars.bars[0].shown_name()
    assert "…" in shown
    assert shown.endswith(".wav")
    assert "in a cellar.wav" in bars.bars[0].toolTip()


GRID = CellGrid(((4, 0, SILENT), (2, 4, 4)), levels=4, step_s=0.17, begin_s=0.34)


@pytest.fixture
def cells(qtbot: QtBot, palette: QPalette) -> AgreementCells:
    cells = AgreementCells()
    qtbot.addWidget(cells)
    cells.show_grid(GRID, "some words")
    cells.resize(301, cells.sizeHint().height())
    cells.show()
    qtbot.waitExposed(cells)
    return cells


def test_a_cell_has_the_shade_of_its_share_and_silence_has_none(cells: AgreementCells) -> None:
    image = cells.grab().toImage()
    ratio = image.devicePixelRatio()

    def drawn(step: int, band: int) -> str:
        place = cells.cell(step, band).center() * ratio
        return image.pixelColor(int(place.x()), int(place.y())).name()

    assert [drawn(step, band) for step, band in ((0, 0), (0, 1), (1, 0), (1, 1))] == [
        cells.shade(count).name() for count in (4, 0, 2, 4)
    ]
    ground = cells.palette().color(QPalette.ColorRole.Window).name()
    assert drawn(0, 2) == ground
    assert len({cells.shade(count).name() for count in range(5)} | {ground}) == 6


def test_cells_are_read_out_below_the_pointer_and_by_the_arrow_keys(cells: AgreementCells) -> None:
    for step, band in ((0, 0), (1, 2)):
        assert cells.cell_at(cells.cell(step, band).center()) == (step, band)
    assert cells.cell_at(QPointF(10, cells.height() - 2)) is None
    assert cells.chosen_words() == "4 of 4 levels agree, 0.34 s, band 1 of 3"
    QTest.keyClick(cells, Qt.Key.Key_Right)
    QTest.keyClick(cells, Qt.Key.Key_Up)
    assert cells.chosen_words() == "4 of 4 levels agree, 0.51 s, band 2 of 3"
    for _ in range(5):
        QTest.keyClick(cells, Qt.Key.Key_Left)
        QTest.keyClick(cells, Qt.Key.Key_Up)
    assert cells.chosen_words() == "silent, 0.34 s, band 3 of 3"


def test_the_chosen_take_comes_into_sight(qtbot: QtBot, opened: MainWindow) -> None:
    """Whoever clicks a clip wants to see its verdict, below a long chart."""
    session, panel = session_of(opened), opened.copies
    opened.resize(760, 560)
    qtbot.mouseClick(panel.model.button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(panel.leaning.isVisible, timeout=WAIT_MS)
    settle(qtbot, opened)
    panel.area.verticalScrollBar().setValue(0)
    other = 1 if session.state.takes.chosen == PLANTED else PLANTED
    _choose(qtbot, opened, other)
    QApplication.processEvents()
    top = panel.take.title.mapTo(panel.area.viewport(), QPoint()).y()
    assert 0 <= top <= 2 * SPACE
