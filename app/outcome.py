"""What a training came to, in words: how it ended, which weights are kept, and what is said of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from distill_core.training.events import ENDED_WORDS, Ended

from distill_core.training.prior.events import KEPT_WORDS, Keep, perplexity, verdict_words

if TYPE_CHECKING:
    from distill_core.training.prior.events import PriorEpochMetrics
    from distill_core.training.prior.trained import TrainedPrior

BY_AN_OLDER_MEASURE = "by an older measure"
_FINISHED = {Ended.LAST_EPOCH: "Finished", Ended.STOPPED: "Stopped"}


def kept_words(kept: object) -> str:
    """Return which of a training's weights are kept, or "" for what a stranger's file says."""
    return KEPT_WORDS[Keep(kept)] if isinstance(kept, str) and kept in list(Keep) else ""


def ended_words(ended: object) -> str:
    """Return how a training ended, or "" for what a stranger's file says."""
    return ENDED_WORDS[Ended(ended)] if isinstance(ended, str) and ended in list(Ended) else ""


def verdict_in_short(verdict: object) -> str:
    """Return a verdict without its explanation: "memorizing"."""
    return verdict_words(verdict).partition(" – ")[0]


def shown_perplexity(metadata: Mapping[str, Any]) -> str:
    """Return the perplexity of the weights that are kept; one over padding too is marked as such."""
    from distill_core.models.summary import MEASURE

    mark = "" if metadata.get("measure") == MEASURE else f" {BY_AN_OLDER_MEASURE}"
    return f"perplexity {metadata['final_perplexity']:,.2f}{mark}"


def finished_text(trained: TrainedPrior) -> str:
    """Return how a training ended, what is kept of it, and whether that is any good."""
    ended = _FINISHED.get(trained.ended, f"Ended {ENDED_WORDS[trained.ended]}")
    facts = trained.metadata
    kept = f"{shown_perplexity(facts)} at epoch {facts['kept_epoch']}, {kept_words(facts['kept'])}."
    return f"{ended}: {kept} {trained.guessing_note()}".strip()


def unsaved_detail(trained: TrainedPrior) -> str:
    """Return what there is to know before the prior is saved."""
    facts, verdict = trained.metadata, verdict_words(trained.metadata.get("verdict"))
    sentences = [
        f"Epoch {facts['kept_epoch']}, {kept_words(facts['kept'])}, is kept: {shown_perplexity(facts)}.",
        *_others(trained),
        f"The verdict: {verdict}." if verdict else "",
        "" if trained.ended in _FINISHED else f"Training ended {ENDED_WORDS[trained.ended]}.",
        trained.guessing_note(),
    ]
    return " ".join(filter(None, sentences))


def _others(trained: TrainedPrior) -> list[str]:
    """Return a sentence for each of the weights that could be kept instead."""
    return [
        f"{kept_words(which).capitalize()} is epoch {weights.epoch}: perplexity {perplexity(weights.loss):,.2f}."
        for which, weights in trained.weights.items()
        if which != trained.metadata.get("kept")
    ]


def kept_when_stopped(epoch: PriorEpochMetrics) -> str:
    """Return what stopping keeps of a training that memorizes."""
    return f"Stopping keeps epoch {epoch.epoch}, perplexity {epoch.val_perplexity:.2f}."
