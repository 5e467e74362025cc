"""The events that the training of a prior sends: frozen, plain values, safe to hand to another thread."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from distill_core.training.prior.config import PriorConfig


_MAX_LOSS = 20.0  # exp(20) is 485 million: beyond it perplexity says nothing more


def perplexity(loss: float) -> float:
    """Return exp of a mean cross-entropy in nats, bounded so that it never overflows."""
    return math.exp(min(loss, _MAX_LOSS))


class Verdict(StrEnum):
    """What an epoch's numbers say of a prior."""

    CANT_TELL = "cant_tell"
    SIBLINGS = "siblings"
    MEMORIZING = "memorizing"
    LEARNING = "learning"
    FITTING = "fitting"


VERDICT_WORDS = {
    Verdict.CANT_TELL: "can't tell – too little sound is held out",
    Verdict.SIBLINGS: "can't tell copies from learning – held-out sounds are near-copies of training sounds",
    Verdict.MEMORIZING: "memorizing – it knows its training sounds by heart",
    Verdict.LEARNING: "learning – it predicts new sounds nearly as well as those it trains on",
    Verdict.FITTING: "fitting – it predicts the sounds it trains on better than new ones",
}


def verdict_words(verdict: object) -> str:
    """Return a verdict for people, or "" for what is none: a file's author may have put anything there."""
    return VERDICT_WORDS[Verdict(verdict)] if isinstance(verdict, str) and verdict in [*Verdict] else ""


class Keep(StrEnum):
    """Which of a run's weights are kept: of the best epoch, the last, or the best before it began to memorize."""

    BEST = "best"
    LAST = "last"
    BEFORE_MEMORIZING = "before-memorizing"


KEPT_WORDS = {Keep.BEST: "the best", Keep.LAST: "the last", Keep.BEFORE_MEMORIZING: "the best before memorizing"}


@dataclass(frozen=True, slots=True)
class FilePrior:
    """The prior that is in the model's file already, measured on the held-out codes of the run that may replace it.

    `perplexity` is None where it cannot be measured. It `decides` only where it cannot have learned from them, and for
    the file of this `sha256`: a later one may hold another prior.
    """

    perplexity: float | None
    decides: bool
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class PriorTrainingStartEvent:
    """What training works on, and with which settings.

    `chunks` counts started seconds, as `flat` computes with, `duration_s` the sound itself; `unigram_perplexity` is
    that of guessing by frequency alone, level by level, `unigram_by_level` the same for each level's codes;
    `sibling_agreement` is the share of codes in which the median validation sound agrees with its nearest training
    sound (None for a single sound split in time); `sameness` says in a sentence when the sounds are one;
    `number_format` is what training multiplies in; `file_prior` is what a save would replace, None for nothing;
    `history` has the epochs before a training that goes on.
    """

    train_files: int
    validation_files: int
    chunks: int
    unigram_perplexity: float
    memorization_limit: float
    seed: int
    threads: int
    total_epochs: int
    code_count: int
    unigram_by_level: tuple[float, ...]
    sibling_agreement: float | None
    config: PriorConfig
    history: tuple[PriorEpochMetrics, ...] = ()
    sameness: str = ""
    duration_s: float = 0.0
    number_format: str = ""
    file_prior: FilePrior | None = None


@dataclass(frozen=True, slots=True)
class PriorStepMetrics:
    """One optimizer step."""

    epoch: int
    step: int
    total_steps: int
    train_loss: float
    learning_rate: float
    step_time_s: float


@dataclass(frozen=True, slots=True)
class PriorEpochMetrics:
    """One epoch, counted from 1; `memorization_message` is "" when there is nothing to say.

    `is_memorizing` says that the fixed limit for so many sounds is passed; `verdict` is what training and held-out
    perplexity say together. `known_perplexity` is that of training sounds as validation measures it: in eval mode,
    without variants, on as many codes; `perplexity_error` is the standard error of the held-out loss, in nats.
    """

    epoch: int
    total_epochs: int
    train_loss: float
    val_loss: float
    val_perplexity: float
    best_perplexity: float
    is_memorizing: bool
    memorization_message: str
    epoch_time_s: float
    learning_rate: float
    level_perplexities: tuple[float, ...] = ()
    verdict: str = ""
    known_perplexity: float = math.nan
    perplexity_error: float = math.nan


@dataclass(frozen=True, slots=True)
class PriorTrainingCompleteEvent:
    """The end of training; the final values are those of the last epoch.

    `was_memorizing` says that the fixed limit was passed in some epoch; `run_verdict` is the worst verdict of all.
    """

    final_train_loss: float
    final_val_loss: float
    final_perplexity: float
    best_perplexity: float
    epochs_trained: int
    was_memorizing: bool
    ended: str = ""
    run_verdict: str = ""
