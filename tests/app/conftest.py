"""Windows without a screen, in light and in dark."""

from __future__ import annotations

import gc
import os

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")  # before anything starts Qt

import math
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import pytest
from distill_core.training.events import Ended
from PySide6.QtGui import QColor, QPalette
from PySide6.QtWidgets import QApplication

from distill_core.training.prior.events import FilePrior, PriorEpochMetrics

if TYPE_CHECKING:
    from distill_core.training.prior.trained import TrainedPrior


def _palette(window: str, text: str, base: str, button: str) -> QPalette:
    palette = QPalette(QColor(button), QColor(window))
    role = QPalette.ColorRole
    for text_role in (role.WindowText, role.Text, role.ButtonText):
        palette.setColor(text_role, QColor(text))
    palette.setColor(role.Base, QColor(base))
    return palette


@pytest.fixture(autouse=True)
def _collected() -> Iterator[None]:
    """Collect what a test's windows left between tests, and not in the middle of a call into Qt, which may hang."""
    yield
    gc.collect()


@pytest.fixture
def palettes() -> dict[str, QPalette]:
    """A light and a dark palette: setColorScheme changes nothing on the offscreen platform."""
    return {
        "light": _palette("#efefef", "#000000", "#ffffff", "#efefef"),
        "dark": _palette("#323232", "#f0f0f0", "#242424", "#3c3c3c"),
    }


@pytest.fixture(params=["light", "dark"])
def palette(request: pytest.FixtureRequest, qapp: QApplication, palettes: dict[str, QPalette]) -> Iterator[QPalette]:
    """The application in light, then in dark."""
    before = qapp.palette()
    qapp.setPalette(palettes[request.param])
    yield palettes[request.param]
    qapp.setPalette(before)


@pytest.fixture
def an_epoch() -> Callable[..., PriorEpochMetrics]:
    """Return `an_epoch(number, perplexity, verdict="learning", message="", of=50)`, as training sends it."""

    def make(
        number: int, perplexity: float, verdict: str = "learning", message: str = "", of: int = 50
    ) -> PriorEpochMetrics:
        loss = math.log(perplexity)
        losses = (loss / 2, loss, perplexity, perplexity)
        return PriorEpochMetrics(number, of, *losses, False, message, 1.5, 1e-3, verdict=verdict)

    return make


@pytest.fixture
def make_trained() -> Callable[..., TrainedPrior]:
    """Return `make_trained(epochs, ended=…, file_prior=…, **metadata)`: what training returns after such epochs."""
    from distill_core import CodePrior
    from distill_core.training.loop import KeptWeights, copy_of
    from distill_core.training.prior.train import KEPT_UNASKED
    from distill_core.training.prior.trained import TrainedPrior, choices

    def make(
        epochs: Sequence[PriorEpochMetrics],
        ended: Ended = Ended.LAST_EPOCH,
        file_prior: FilePrior | None = None,
        **metadata: Any,
    ) -> TrainedPrior:
        prior, (best, last, before) = CodePrior(16, 2, 96, 32, 1, 2), [KeptWeights() for _ in range(3)]
        has_memorized = False
        for epoch in epochs:
            has_memorized = has_memorized or epoch.verdict == "memorizing"
            best.keep_if_better(copy_of(prior), epoch.val_loss, epoch.epoch)
            last.keep(copy_of(prior), epoch.val_loss, epoch.epoch)
            if not has_memorized:
                before.keep_if_better(copy_of(prior), epoch.val_loss, epoch.epoch)
        facts = {"unigram_perplexity": 24.3, "measure": 2, "best_epoch": best.epoch, "ended": ended.value} | metadata
        trained = TrainedPrior(
            prior,
            prior.sizes(),
            facts,
            tuple(epochs),
            ended,
            weights=choices(best, last, before),
            file_prior=file_prior,
        )
        return trained.keeping(KEPT_UNASKED)

    return make
