"""The events that the training of a codec sends: frozen, plain values, safe to hand to another thread."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from distill_core.training.codec.settings import CodecSettings


@dataclass(frozen=True, slots=True)
class CodecTrainingStartEvent:
    """The start of a codec's training, or of its continuation.

    `chunks` counts started seconds of sound; `augmentation` is the number of times that an epoch has each.
    `mean_frame_l1` is the error of each held-out chunk's own mean frame, which a useful codec stays below; `history`
    has the epochs before a continuation; `device` is the device as a person knows it, which computes in float32.
    """

    train_files: int
    validation_files: int
    chunks: int
    augmentation: int
    mean_frame_l1: float
    seed: int
    threads: int
    total_epochs: int
    config: CodecSettings
    history: tuple[CodecEpochMetrics, ...] = ()
    device: str = ""


@dataclass(frozen=True, slots=True)
class CodecEpochMetrics:
    """One epoch of codec training, counted from 1.

    `train_loss` includes `commit_loss`; `val_loss` is that of the reconstruction of held-out sounds, `val_l1` the mean
    absolute error of their log-mel (of a codec without a mel: of its own features), `codebook_use` the share of the
    first level's codes that they use. An epoch that is a fit has a `learning_rate` of 0. `best_epoch` is the epoch with
    the lowest `val_loss` so far; 0 if unknown.
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
    best_epoch: int = 0

    @property
    def is_fit(self) -> bool:
        """Whether the epoch was a fit: it took no optimizer step."""
        return self.learning_rate == 0


@dataclass(frozen=True, slots=True)
class CodecTrainingCompleteEvent:
    """The end of a codec's training; `val_l1`, and `codebook_use` on training sounds, are those of the best epoch."""

    final_train_loss: float
    final_val_loss: float
    best_val_loss: float
    best_epoch: int
    val_l1: float
    mean_frame_l1: float
    codebook_use: float
    epochs_trained: int
    ended: str = ""
