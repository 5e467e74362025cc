"""The curve of the Learning page: pure, so that a table can test that it is never an old one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from app.session.state import State
from app.session.training import TrainingState
from app.widgets.plot.curve import CurveLines

if TYPE_CHECKING:
    from distill_core.models.summary import ModelSummary
    from distill_core.training.prior.events import PriorEpochMetrics

FLATTERS = "The sounds kept aside resemble the others, so the curve flatters a little."
_RESEMBLING = 0.3  # the share of codes from which held-out sounds resemble those learned from


@dataclass(frozen=True, slots=True)
class ShownCurve:
    """The curve to show: of a training, as far as it has come, or of the file `saved` where that is not None.

    `empty_words` stand in its place as long as there is none.
    """

    lines: CurveLines = field(default_factory=CurveLines)
    epochs: tuple[PriorEpochMetrics, ...] = ()
    saved: ModelSummary | None = None
    empty_words: str = ""


def shown_curve(state: State) -> ShownCurve:
    """Return the curve that is true now: of the training under way or not saved yet, or else of the model's prior.

    A training that was saved, and whose model and sounds are still open, counts as well.
    """
    training, model = state.training, state.open.model
    if state.is_training or training.epochs:
        return ShownCurve(_lines(training), training.epochs, empty_words=_empty_words(state))
    if model is not None and model.has_prior:
        return ShownCurve(saved=model, empty_words="This model was saved without its curve.")
    return ShownCurve(empty_words=_empty_words(state))


def _lines(training: TrainingState) -> CurveLines:
    """Return what a training is compared with; one that was recovered has told no start."""
    started, trained = training.started, training.trained
    if started is not None:
        note = flattering_words(started.sibling_agreement)
        return CurveLines(started.total_epochs, started.unigram_perplexity, started.memorization_limit, note)
    return CurveLines() if trained is None else _lines_of_facts(training, trained.metadata)


def _lines_of_facts(training: TrainingState, facts: Mapping[str, Any]) -> CurveLines:
    from distill_core.models.summary import unigram_of  # it imports torch, as what was trained has done before

    total = training.last.total_epochs if training.last is not None else 0
    return CurveLines(total, unigram_of(facts) or 0.0, note=flattering_words(facts.get("sibling_agreement")))


def flattering_words(share: object) -> str:
    """Return that the curve flatters, or "": `share` is that of the codes which held-out sounds share with others."""
    if isinstance(share, bool) or not isinstance(share, int | float):
        return ""
    return FLATTERS if _RESEMBLING <= share <= 1 else ""


def _empty_words(state: State) -> str:
    if state.is_training:
        return "The first dots appear soon."
    if state.open.is_ready:
        return "The curve appears once the training has begun."
    return "Here you see how well a training gets to know your sounds."
