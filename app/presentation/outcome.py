"""What a training reached, in sentences: pure, so that a table can test them."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING

from app import words
from distill_core.training.events import Ended
from distill_core.training.prior.events import Keep, Verdict, perplexity
from distill_core.training.prior.knowledge import Knowledge, measured_in

if TYPE_CHECKING:
    from distill_core.models.summary import ModelSummary
    from distill_core.training.prior.events import PriorEpochMetrics
    from distill_core.training.prior.trained import TrainedPrior

_ENDED = {
    Ended.LAST_EPOCH: "Finished.",
    Ended.STOPPED: "Stopped.",
    Ended.NO_BETTER: "Ended: it got no better.",
    Ended.DIVERGED: "Ended: it diverged again and again.",
    Ended.TIME_LIMIT: "Ended at its time limit.",
    Ended.MEMORIZING: "Ended: it began to memorize.",
}
_KNOWS = {
    Knowledge.UNTOLD: "It has learned your sounds ({0}).",
    Knowledge.NOTHING: "It knows no more than how common each code is.",
    Knowledge.BARELY: "It barely knows your sounds ({0}).",
    Knowledge.A_LITTLE: "It knows your sounds a little ({0}).",
    Knowledge.WELL: "It knows your sounds well ({0}).",
    Knowledge.VERY_WELL: "It knows your sounds very well ({0}).",
    Knowledge.BY_HEART: "It knows your sounds by heart ({0}).",
}
_BY_AN_OLDER_MEASURE = "It has learned your sounds ({0}, by an older measure)."
_KEPT = {
    Keep.BEST: "Epoch {0}, the best, is kept.",
    Keep.LAST: "Epoch {0}, the last, is kept.",
    Keep.BEFORE_MEMORIZING: "Epoch {0}, the best before memorizing, is kept.",
}
_OTHERS = {
    Keep.BEST: "The best is epoch {0} ({1:.1f}).",
    Keep.LAST: "The last is epoch {0} ({1:.1f}).",
    Keep.BEFORE_MEMORIZING: "The best before memorizing is epoch {0} ({1:.1f}).",
}
_COPIES: dict[object, str] = {
    Verdict.CANT_TELL: "Too little sound was kept aside to tell whether it copies.",
    Verdict.SIBLINGS: "The sounds kept aside are near-copies of the others, so nobody can tell whether it copies.",
    Verdict.MEMORIZING: "What it makes may be copies.",
    Verdict.LEARNING: "It does not copy them.",
    Verdict.FITTING: "It knows the sounds it learned from better than new ones.",
}
_KNOWN_BY_HEART = "It predicts the sounds it learned from {0:.1f} times as well as those kept aside: it may copy them."
_MAY_BE_MEMORY = "The sounds kept aside are near-copies of the others, so {0:.1f} may be memory: listen for copies."
_PREDICTABLE = "It predicts the sounds kept aside nearly without a doubt ({0:.1f}): listen for copies."


def finished_text(trained: TrainedPrior, model: ModelSummary) -> str:
    """Return how a training ended, how well its prior knows the sounds, and which epoch is kept."""
    return f"{_ENDED[trained.ended]} {_reached(trained, model)} {_kept(trained)}"


def unsaved_detail(trained: TrainedPrior, model: ModelSummary) -> str:
    """Return the facts of a prior that is not saved yet."""
    sentences = [
        _reached(trained, model),
        _copies(trained),
        _kept(trained),
        *_others(trained),
        "" if trained.ended in (Ended.LAST_EPOCH, Ended.STOPPED) else _ENDED[trained.ended],
    ]
    return " ".join(filter(None, sentences))


def _reached(trained: TrainedPrior, model: ModelSummary) -> str:
    measured = measured_in(trained.metadata)
    shown = words.out_of(trained.metadata["final_perplexity"], model.codebook_size)
    if measured.counts_padding and measured.level is Knowledge.UNTOLD:
        return _BY_AN_OLDER_MEASURE.format(shown)
    return _KNOWS[measured.level].format(shown)


def _copies(trained: TrainedPrior) -> str:
    """Return whether the prior copies its sounds; one that knows nothing can't."""
    knows_nothing = measured_in(trained.metadata).level is Knowledge.NOTHING
    return "" if knows_nothing else _COPIES.get(trained.metadata.get("verdict"), "")


def _kept(trained: TrainedPrior) -> str:
    return _KEPT[Keep(trained.metadata["kept"])].format(trained.metadata["kept_epoch"])


def _others(trained: TrainedPrior) -> list[str]:
    """Return a sentence for each of the other weights to choose from."""
    kept = trained.metadata.get("kept")
    others = [(which, weights) for which, weights in trained.weights.items() if which != kept]
    return [_OTHERS[which].format(weights.epoch, perplexity(weights.loss)) for which, weights in others]


def kept_when_stopped(epoch: PriorEpochMetrics) -> str:
    """Return which epoch stopping keeps of a training that memorizes."""
    return f"Stopping keeps epoch {epoch.epoch} ({epoch.val_perplexity:.1f})."


def warning_text(epoch: PriorEpochMetrics) -> str:
    """Return what an epoch that the engine warns of shows, and what may follow; the engine's own words if unknown."""
    reached, known = epoch.val_perplexity, epoch.known_perplexity
    if epoch.verdict == Verdict.MEMORIZING:
        return _KNOWN_BY_HEART.format(reached / known) if isfinite(known) else epoch.memorization_message
    return (_MAY_BE_MEMORY if epoch.verdict == Verdict.SIBLINGS else _PREDICTABLE).format(reached)
