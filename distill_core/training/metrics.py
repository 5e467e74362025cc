"""The events that training sends: frozen, plain values, safe to hand to another thread."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from distill_core.training.prior_config import PriorConfig

_MAX_LOSS = 20.0  # exp(20) is 485 million: beyond it perplexity says nothing more


def perplexity(loss: float) -> float:
    """Return exp of a mean cross-entropy in nats, bounded so that it never overflows."""
    return math.exp(min(loss, _MAX_LOSS))


@dataclass(frozen=True, slots=True)
class PriorTrainingStartEvent:
    """What training works on, and with which settings.

    `unigram_perplexity` is that of guessing by frequency alone, `unigram_by_level` the same for each level's codes;
    `sibling_agreement` is the share of codes in which the median validation second agrees with its nearest training
    second (None where no second is whole); `history` has the epochs before a training that goes on.
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

    For `frames` that is so, although `is_memorizing`, as long as the training perplexity is not far below.
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


@dataclass(frozen=True, slots=True)
class RunNotKept:
    """The training goes on, but what it reaches is not on disk until it is saved; `reason` says why."""

    reason: str

    @property
    def sentence(self) -> str:
        """What to tell a person."""
        return f"Not kept on disk until it is saved: {self.reason}"


@dataclass(frozen=True, slots=True)
class OlderStateTaken:
    """The newest state of an unfinished training is damaged; the one before it, of `epoch`, is taken."""

    epoch: int

    @property
    def sentence(self) -> str:
        """What to tell a person."""
        return f"The newest state of the unfinished training is damaged; the one of epoch {self.epoch} is taken."


@dataclass(frozen=True, slots=True)
class PriorTrainingCompleteEvent:
    """The end of training; the final values are those of the last epoch."""

    final_train_loss: float
    final_val_loss: float
    final_perplexity: float
    best_perplexity: float
    epochs_trained: int
    was_memorizing: bool


@dataclass(frozen=True, slots=True)
class VQVAETrainingStartEvent:
    """What codec training works on.

    `augmentation` is how often each chunk is heard in an epoch; `mean_frame_l1` is the error of answering each held-out
    chunk with its own mean frame: a useful codec lies below.
    """

    train_files: int
    validation_files: int
    chunks: int
    augmentation: int
    mean_frame_l1: float
    seed: int
    threads: int
    total_epochs: int


@dataclass(frozen=True, slots=True)
class VQVAEStepMetrics:
    """One optimizer step."""

    epoch: int
    step: int
    total_steps: int
    train_loss: float
    learning_rate: float
    step_time_s: float


@dataclass(frozen=True, slots=True)
class VQVAEEpochMetrics:
    """One epoch of codec training, counted from 1.

    `train_loss` includes `commit_loss`; `val_loss` is the reconstruction's on held-out sounds, `val_l1` the mean
    absolute error of their log-mel, `codebook_use` the share of the first level's codes that they use.
    """

    epoch: int
    total_epochs: int
    train_loss: float
    commit_loss: float
    val_loss: float
    best_val_loss: float
    val_l1: float
    codebook_use: float
    epoch_time_s: float
    learning_rate: float


@dataclass(frozen=True, slots=True)
class VQVAETrainingCompleteEvent:
    """The end of codec training; `val_l1` and `codebook_use` (on training sounds) are those of the best epoch."""

    final_train_loss: float
    final_val_loss: float
    best_val_loss: float
    best_epoch: int
    val_l1: float
    mean_frame_l1: float
    codebook_use: float
    epochs_trained: int
