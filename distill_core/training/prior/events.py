"""The events that the training of a prior sends: frozen, plain values, safe to hand to another thread."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from distill_core.training.events import StepMetrics

if TYPE_CHECKING:
    from distill_core.training.prior.config import PriorConfig


PriorStepMetrics = StepMetrics  # the name that users of the engine were promised
_MAX_LOSS = 20.0  # exp(20) is 485 million: beyond it perplexity says nothing more


def perplexity(loss: float) -> float:
    """Return exp of a mean cross-entropy in nats, bounded so that it never overflows."""
    return math.exp(min(loss, _MAX_LOSS))


class Verdict(StrEnum):
    """The judgement of a prior by an epoch's numbers."""

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
    """Return a verdict in words, or "" for a value of a stranger's file that is no verdict."""
    return VERDICT_WORDS[Verdict(verdict)] if isinstance(verdict, str) and verdict in [*Verdict] else ""


class Keep(StrEnum):
    """The choice of weights to keep: of the best epoch, the last, or the best before the prior began to memorize."""

    BEST = "best"
    LAST = "last"
    BEFORE_MEMORIZING = "before-memorizing"


KEPT_WORDS = {Keep.BEST: "the best", Keep.LAST: "the last", Keep.BEFORE_MEMORIZING: "the best before memorizing"}


@dataclass(frozen=True, slots=True)
class FilePrior:
    """The prior in the model's file, measured on the held-out codes of the run that may replace it.

    `perplexity` is None if it cannot be measured. It `decides` only if the prior cannot have learned from those codes,
    and for the file of this `sha256` alone: a later file may have another prior.
    """

    perplexity: float | None
    decides: bool
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class PriorTrainingStartEvent:
    """The start of a prior's training, or of its continuation: its sounds, its settings and its baselines.

    `chunks` counts started seconds, which `flat` learns from, `duration_s` the sound itself; `unigram_perplexity` is
    that of guessing by frequency alone, level by level, `unigram_by_level` the same for each level's codes;
    `sibling_agreement` is the share of codes in which the median validation sound agrees with its nearest training
    sound (None for a single sound split in time); `sameness` is a sentence about sounds that are too much alike, or "";
    `near_copies` has the names in each group of sounds that are nearly the same, and stay on one side of the split;
    `validation_names` are the names of the held-out sounds; `device` is the device as a person knows it, and
    `number_format` that of training's products there; `file_prior` is the prior that a save replaces, or None;
    `history` has the epochs before a continuation. Patience counts from the best epoch, or from `patient_from` if that
    is later.
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
    patient_from: int = 0
    near_copies: tuple[tuple[str, ...], ...] = ()
    validation_names: tuple[str, ...] = ()
    device: str = ""


@dataclass(frozen=True, slots=True)
class PriorEpochMetrics:
    """One epoch of a prior's training, counted from 1; `memorization_message` is a warning, or "".

    `is_memorizing`: the perplexity is below the fixed limit for the number of sounds; `verdict` is the judgement by
    training and held-out perplexity together. `known_perplexity` is that of training sounds, measured as in validation:
    in eval mode, without variants, on the same number of codes; `perplexity_error` is the standard error of the
    held-out loss, in nats. `best_epoch` is the epoch with the lowest held-out loss so far, `memorizing_from` the first
    with the verdict that it memorizes; `kept_epoch` is the one that a stop keeps: the best, or the best before that.
    Each is 0 if there is none, or if it is unknown.
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
    best_epoch: int = 0
    kept_epoch: int = 0
    memorizing_from: int = 0


@dataclass(frozen=True, slots=True)
class PriorTrainingCompleteEvent:
    """The end of a prior's training; the final values are those of the last epoch.

    `was_memorizing`: some epoch was below the fixed limit; `run_verdict` is the worst verdict of all epochs.
    """

    final_train_loss: float
    final_val_loss: float
    final_perplexity: float
    best_perplexity: float
    epochs_trained: int
    was_memorizing: bool
    ended: str = ""
    run_verdict: str = ""
