"""The facts of a prior's training: of its start, of its end, and those that the file holds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate
from typing import Any

from distill_core.audio.dataset import AudioDataset
from distill_core.device import describe_device, training_threads
from distill_core.models.persistence import now_utc
from distill_core.models.sounds_list import SOUNDS, sounds_list
from distill_core.models.summary import MEASURE
from distill_core.training.data.split_codes import SplitCodes
from distill_core.training.events import Ended
from distill_core.training.prior.baselines import sameness
from distill_core.training.prior.events import (
    Keep,
    PriorEpochMetrics,
    PriorTrainingCompleteEvent,
    PriorTrainingStartEvent,
    Verdict,
)
from distill_core.training.prior.memorization import memorization_limit, worst
from distill_core.training.prior.run import PriorRun
from distill_core.training.run_folder.format import thinned

_MOST_NEAR_COPIES = 5_000  # sounds, of which a file names the groups


def start_event(run: PriorRun) -> PriorTrainingStartEvent:
    """Return the facts of a training that begins, or goes on."""
    codes = run.codes
    files = codes.train_files if codes.is_one_sound else (*codes.train_files, *codes.val_files)
    return PriorTrainingStartEvent(
        train_files=len(codes.train_files),
        validation_files=len(codes.val_files),
        chunks=sum(math.ceil(file.duration_s) for file in files),
        unigram_perplexity=run.unigram,
        memorization_limit=memorization_limit(run.file_count),
        seed=run.config.seed,
        threads=training_threads(),
        total_epochs=run.config.max_epochs,
        code_count=codes.count,
        unigram_by_level=run.unigram_by_level,
        sibling_agreement=run.agreement,
        config=run.config,
        history=tuple(run.history),
        sameness="" if codes.is_one_sound else sameness(codes.all, run.silence_WHQ),
        duration_s=sum(file.duration_s for file in files),
        number_format=run.format,
        file_prior=run.file_prior,
        patient_from=run.patient_from,
        near_copies=tuple(tuple(file.name for file in group) for group in codes.near_copies or ()),
        validation_names=tuple(file.name for file in codes.val_files),
        device=describe_device(next(run.prior.parameters()).device),
    )


def run_verdict(history: Sequence[PriorEpochMetrics]) -> Verdict:
    """Return the worst verdict of a run."""
    return worst(Verdict(metrics.verdict) for metrics in history)


def kept_epochs(run: PriorRun) -> list[PriorEpochMetrics]:
    """Return the epochs that a file has room for, with those whose weights are kept and the first of each verdict."""
    first_of = {(metrics.verdict, metrics.is_memorizing): metrics.epoch for metrics in reversed(run.history)}
    weights = (run.best.epoch, run.history[-1].epoch, run.before_memorizing.epoch)
    return thinned(run.history, {*first_of.values(), *weights})


def _near_copies(codes: SplitCodes) -> list[list[str]]:
    """Return the digests in each group of near-copies, as many groups as a file has room for."""
    digests = [[file.digest for file in group] for group in codes.near_copies or ()]
    sizes = accumulate(map(len, digests))
    return [group for group, size in zip(digests, sizes, strict=True) if size <= _MOST_NEAR_COPIES]


def prior_metadata(run: PriorRun, dataset: AudioDataset) -> dict[str, Any]:
    """Return a run's facts as the file holds them, without those of the weights that are saved: `kept_facts`."""
    best = next(metrics for metrics in run.history if metrics.epoch == run.best.epoch)
    kept = kept_epochs(run)
    metadata: dict[str, Any] = {
        "epochs_trained": run.history[-1].epoch,
        "best_perplexity": best.val_perplexity,
        "training_date": now_utc(),
        "best_epoch": best.epoch,
        "seed": run.config.seed,
        "threads": training_threads(),
        "device": describe_device(next(run.prior.parameters()).device),
        "format": run.format,
        "measure": MEASURE,
        "history": {
            "epochs": [metrics.epoch for metrics in kept],
            "train_losses": [metrics.train_loss for metrics in kept],
            "val_losses": [metrics.val_loss for metrics in kept],
        },
        "codec_digest": run.codec_digest,
        "unigram_perplexity": run.unigram,
        "unigram_by_level": list(run.unigram_by_level),
        "sibling_agreement": run.agreement,
        "was_memorizing": any(metrics.is_memorizing for metrics in run.history),
        "run_verdict": run_verdict(run.history).value,
        "dataset_file_count": len(dataset.files),
        "dataset_total_duration_s": dataset.total_duration_s,
        SOUNDS: sounds_list(dataset.files, run.codes.train_files, run.codes.val_files, anonymous=run.config.anonymous),
    }
    if run.codes.near_copies is not None:
        metadata["near_copies"] = _near_copies(run.codes)
    if not run.config.anonymous:
        metadata["dataset_name"] = dataset.name
        metadata["validation_files"] = [file.name for file in run.codes.val_files]
    return metadata


def kept_facts(metrics: PriorEpochMetrics, kept: Keep, temperature: float | None = None) -> dict[str, Any]:
    """Return the facts of the epoch whose weights are saved, as the file holds them; `temperature` None: not fitted."""
    facts = {
        "kept": kept.value,
        "kept_epoch": metrics.epoch,
        "final_perplexity": metrics.val_perplexity,
        "level_perplexities": list(metrics.level_perplexities),
    }
    others = {"verdict": metrics.verdict or None, "temperature": temperature}  # epochs of an older Distill have none
    return facts | {key: value for key, value in others.items() if value is not None}


def complete_event(run: PriorRun, ended: Ended) -> PriorTrainingCompleteEvent:
    """Return the figures of the last epoch and of the best one."""
    last = run.history[-1]
    return PriorTrainingCompleteEvent(
        final_train_loss=last.train_loss,
        final_val_loss=last.val_loss,
        final_perplexity=last.val_perplexity,
        best_perplexity=last.best_perplexity,
        epochs_trained=last.epoch,
        was_memorizing=any(metrics.is_memorizing for metrics in run.history),
        ended=ended.value,
        run_verdict=run_verdict(run.history).value,
    )
