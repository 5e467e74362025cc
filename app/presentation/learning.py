"""The curve of the Learning page: pure, so that a table can test that it is never an old one."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from app.session.state import State
from app.session.training import TrainingState
from app.widgets.plot.curve import Beside, Curve, CurveLines, in_words
from app.words import counted, shown_name, sound_count
from distill_core.text import LONGEST_NAME, printable
from distill_core.training.prior.curve import SavedCurve, curve_csv, rows_of_file, rows_of_training, saved_curve
from distill_core.training.prior.events import perplexity
from distill_core.training.prior.knowledge import share_saved

if TYPE_CHECKING:
    from app.session.beside import BesideModel
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


# The model of the curve, in words


def model_name(state: State) -> str:
    """Return the name of the open model's file without its ending, for a file beside it; "model" for none."""
    return "model" if state.open.model is None else state.open.model.path.stem


def _own_best(state: State) -> tuple[float, int] | None:
    """Return the lowest perplexity of the curve that is shown, and its epoch; None before there is one."""
    shown = shown_curve(state)
    if shown.saved is None:
        best = state.training.best
        return None if best is None else (best.val_perplexity, best.epoch)
    curve = saved_curve(shown.saved.prior_metadata or {})
    return None if curve is None else _best_of(curve)


def _best_of(curve: SavedCurve) -> tuple[float, int] | None:
    losses = dict(zip(curve.epochs, curve.val_losses, strict=False))
    loss = losses.get(curve.best_epoch or 0, math.nan)
    return (perplexity(loss), curve.best_epoch or 0) if math.isfinite(loss) else None


def _is_anonymous(training: TrainingState) -> bool:
    config = None if training.started is None else training.started.config
    return config is not None and config.anonymous


def _sounds_words(state: State) -> str:
    shown = shown_curve(state)
    if shown.saved is not None:
        facts = shown.saved.prior_metadata or {}
        count, name = sound_count(facts), facts.get("dataset_name")
        name = printable(name, LONGEST_NAME) if isinstance(name, str) else ""
    elif (dataset := state.training.dataset) is not None:
        count, name = len(dataset.files), "" if _is_anonymous(state.training) else dataset.name
    else:
        return ""
    words = counted(count, "sound") if count else ""
    return f"{words} ({name})" if words and name else words or name


def caption(state: State) -> str:
    """Return what the curve is of: its model, sounds, epochs and best, and how it compares with one beside it."""
    shown = shown_curve(state)
    last = shown.epochs[-1].epoch if shown.epochs else 0
    if shown.saved is not None and (curve := saved_curve(shown.saved.prior_metadata or {})) is not None:
        last = curve.epochs[-1]
    best = _own_best(state)
    words = [
        "" if state.open.model is None else shown_name(state.open.model.path),
        _sounds_words(state),
        counted(last, "epoch"),
        f"best perplexity {in_words(best[0])} at epoch {best[1]}" if best else "",
    ]
    beside = comparison(state)
    return "\n".join(filter(None, [" · ".join(filter(None, words)), "" if beside is None else beside.description()]))


# Its export


def why_no_export(state: State) -> str:
    """Return why there is no curve to export, or ""."""
    shown = shown_curve(state)
    if shown.saved is None:
        return "" if shown.epochs else "There is no curve to export yet: it begins with the first epoch."
    has_curve = saved_curve(shown.saved.prior_metadata or {}) is not None
    return "" if has_curve else "This model was saved without its curve: there is nothing to export."


def curve_table(state: State) -> bytes:
    """Return the curve that is shown as a CSV file."""
    shown = shown_curve(state)
    if shown.saved is not None:
        return curve_csv(rows_of_file(shown.saved.prior_metadata or {})).encode()
    return curve_csv(rows_of_training(shown.epochs, shown.lines.limit)).encode()


# Another model's curve beside it


def comparison(state: State) -> Beside | None:
    """Return the curve of the model that is shown beside, and how both compare; None for none."""
    if state.beside is None:
        return None
    other = state.beside.summary
    saved = saved_curve(other.prior_metadata or {})
    if saved is None:
        return None
    curve = Curve.saved(saved.epochs, saved.val_losses, saved.train_losses, saved.best_epoch, None)
    return Beside(shown_name(other.path), curve, _comparison_words(state, state.beside, saved))


def _comparison_words(state: State, beside: BesideModel, saved: SavedCurve) -> str:
    own, other = state.open.model, beside.summary
    is_own_older = shown_curve(state).saved is not None and own is not None and own.counts_padding
    if is_own_older or other.counts_padding:
        return "One of the two was measured by an older Distill: their perplexities don't compare."
    if beside.has_same_codec:
        return "Both have the same codec: their perplexities compare, each on its own sounds kept aside."
    words, shares = "Their codecs differ: perplexities don't compare.", _shares(state, beside, saved)
    return (
        words if shares is None else f"{words} Bits saved against guessing: {shares[0]:.0%}, beside it {shares[1]:.0%}."
    )


def _shares(state: State, beside: BesideModel, saved: SavedCurve) -> tuple[float, float] | None:
    """Return the shares of bits that the best epochs of both save, None if one is unknown."""
    shown = shown_curve(state)
    own_guess = shown.lines.unigram if shown.saved is None else shown.saved.unigram_perplexity
    own_best, other_best, other_guess = _own_best(state), _best_of(saved), beside.summary.unigram_perplexity
    if not own_best or not own_guess or not other_best or not other_guess:
        return None
    return share_saved(own_best[0], own_guess), share_saved(other_best[0], other_guess)


def _empty_words(state: State) -> str:
    if state.is_training:
        return "The first dots appear soon."
    if state.open.is_ready:
        return "The curve appears once the training has begun."
    return "Here you see how well a training gets to know your sounds."
