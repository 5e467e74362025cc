"""The events that the training of a codec sends: frozen, plain values, safe to hand to another thread."""

from __future__ import annotations

from dataclasses import dataclass


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
