"""Windows without a screen, in light and in dark."""

from __future__ import annotations

import gc
import math
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")  # before anything starts Qt

import pytest
from PySide6.QtCore import QSettings
from PySide6.QtGui import QPalette
from PySide6.QtWidgets import QApplication, QWidget
from pytestqt.qtbot import QtBot

from app.flows.commands import Commands
from app.session import Session
from app.session.training import TrainingState
from app.theme import DARK, LIGHT, apply_style, palette_of
from distill_core.training.events import Ended
from distill_core.training.prior.config import PriorConfig
from distill_core.training.prior.events import FilePrior, PriorEpochMetrics, PriorTrainingStartEvent
from tests.app.driving import (
    DISK_WATCH,
    WAIT_MS,
    DiskWatch,
    FrugalBot,
    ScriptedPrompts,
    bring_to,
    make_short_takes,
    settle_session,
)

if TYPE_CHECKING:
    from distill_core.training.prior.trained import TrainedPrior


@pytest.fixture(autouse=True)
def _collected() -> Iterator[None]:
    """Collect a test's garbage between tests: in the middle of a call into Qt a collection may hang."""
    yield
    gc.collect()


@pytest.fixture(autouse=True)
def _short_audits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the audit that follows each training take a tenth of the time: most tests train for something else."""
    monkeypatch.setattr(Session, "samples", 8)


@pytest.fixture
def qtbot(qapp: QApplication, request: pytest.FixtureRequest) -> QtBot:
    return FrugalBot(request)


@pytest.fixture
def palettes() -> dict[str, QPalette]:
    """The window's light and dark palette: setColorScheme changes nothing on the offscreen platform."""
    return {"light": palette_of(LIGHT), "dark": palette_of(DARK)}


@pytest.fixture(params=["light", "dark"])
def palette(request: pytest.FixtureRequest, qapp: QApplication, palettes: dict[str, QPalette]) -> Iterator[QPalette]:
    """The application in light, then in dark, as it gives itself either."""
    before = qapp.palette()
    apply_style(qapp, dark=request.param == "dark")
    yield palettes[request.param]
    qapp.setStyleSheet("")
    qapp.setPalette(before)


@pytest.fixture
def an_epoch() -> Callable[..., PriorEpochMetrics]:
    """Return `an_epoch(number, perplexity, verdict="learning", message="", of=50, best=number, kept=best)`."""

    def make(
        number: int,
        perplexity: float,
        verdict: str = "learning",
        message: str = "",
        of: int = 50,
        best: int = 0,
        kept: int = 0,
    ) -> PriorEpochMetrics:
        loss = math.log(perplexity)
        losses = (loss / 2, loss, perplexity, perplexity)
        named = {"best_epoch": best or number, "kept_epoch": kept or best or number}
        return PriorEpochMetrics(number, of, *losses, False, message, 1.5, 1e-3, verdict=verdict, **named)

    return make


@pytest.fixture
def start_event() -> Callable[..., PriorTrainingStartEvent]:
    """Return `start_event(history=(), patient_from=0, sibling_agreement=None, **settings)` of 50 epochs."""

    def make(
        history: Sequence[PriorEpochMetrics] = (),
        patient_from: int = 0,
        sibling_agreement: float | None = None,
        **settings: Any,
    ) -> PriorTrainingStartEvent:
        return PriorTrainingStartEvent(
            train_files=9,
            validation_files=2,
            chunks=20,
            unigram_perplexity=51.5,
            memorization_limit=2.0,
            seed=0,
            threads=2,
            total_epochs=50,
            code_count=9000,
            unigram_by_level=(51.5,),
            sibling_agreement=sibling_agreement,
            config=PriorConfig(**{"max_epochs": 50, "patience": 8, **settings}),
            history=tuple(history),
            patient_from=patient_from,
        )

    return make


@pytest.fixture
def make_trained() -> Callable[..., TrainedPrior]:
    """Return `make_trained(epochs, ended=…, file_prior=…, **metadata)`: a training's result after such epochs."""
    from distill_core import CodePrior
    from distill_core.training.loop import copy_of
    from distill_core.training.prior.kept import KEPT_UNASKED, Kept
    from distill_core.training.prior.trained import TrainedPrior

    def make(
        epochs: Sequence[PriorEpochMetrics],
        ended: Ended = Ended.LAST_EPOCH,
        file_prior: FilePrior | None = None,
        **metadata: Any,
    ) -> TrainedPrior:
        prior, kept = CodePrior(16, 2, 96, 32, 1, 2), Kept()
        has_memorized = False
        for epoch in epochs:
            has_memorized = has_memorized or epoch.verdict == "memorizing"
            kept.keep(copy_of(prior), epoch.val_loss, epoch.epoch, has_memorized=has_memorized)
        facts = {
            "unigram_perplexity": 24.3,
            "measure": 2,
            "best_epoch": kept.best.epoch,
            "ended": ended.value,
        } | metadata
        trained = TrainedPrior(
            prior,
            prior.sizes(),
            facts,
            tuple(epochs),
            ended,
            weights=kept.choices,
            file_prior=file_prior,
        )
        return trained.keeping(KEPT_UNASKED)

    return make


@pytest.fixture
def watch() -> Iterator[DiskWatch]:
    """Return the watch that notes the threads which touch files below `watch.folders`."""
    DISK_WATCH.threads.clear()
    yield DISK_WATCH
    DISK_WATCH.folders = []


# The flows without the window


@pytest.fixture
def session(qtbot: QtBot, tmp_path: Path) -> Iterator[Session]:
    QSettings.setPath(QSettings.Format.IniFormat, QSettings.Scope.UserScope, str(tmp_path / "settings"))
    session = Session()
    make_short_takes(session)
    yield session
    assert session.close(WAIT_MS)
    session.deleteLater()


@pytest.fixture
def prompts() -> ScriptedPrompts:
    return ScriptedPrompts()


@pytest.fixture
def commands(qtbot: QtBot, session: Session, prompts: ScriptedPrompts) -> Commands:
    parent = QWidget()
    qtbot.addWidget(parent)
    commands = Commands(session, prompts, parent)
    commands.keeps = parent
    return commands


@pytest.fixture
def unsaved(make_trained: Callable[..., TrainedPrior], an_epoch: Callable[..., PriorEpochMetrics]) -> TrainingState:
    trained = make_trained([an_epoch(3, 8.17)])
    return TrainingState(trained=trained, unsaved=True, epochs=trained.history)


@pytest.fixture
def with_unsaved(qtbot: QtBot, session: Session, unsaved: TrainingState, tiny_model: Path) -> Session:
    """A Session with a small model and a prior to be saved into it."""
    session.open_model(tiny_model)
    settle_session(qtbot, session)
    bring_to(qtbot, session, replace(session.state, training=unsaved))
    return session
