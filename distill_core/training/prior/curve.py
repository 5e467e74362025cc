"""The curve of a prior's training, as its file has it or as its epochs tell it, and as a table for other programs."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any

from distill_core.models.value_reader import known_number, known_numbers, rising_numbers
from distill_core.training.prior.events import PriorEpochMetrics, Verdict, perplexity

COLUMNS = ("epoch", "seconds", "train_loss", "val_loss", "train_ppl", "val_ppl", "best", "memorizing", "threshold")
_MOST_LOSS, _MOST_POINTS, _LAST_EPOCH = 30.0, 10_000, 100_000


@dataclass(frozen=True, slots=True)
class SavedCurve:
    """The losses in nats that a prior's training left in the file, NaN if unknown, and their epochs' numbers."""

    epochs: list[int]
    val_losses: list[float]
    train_losses: list[float]
    best_epoch: int | None


def _best_epoch(
    facts: Mapping[str, Any], epochs: Sequence[int], val_losses: Sequence[float], are_numbered: bool
) -> int | None:
    """Return the best epoch's number, None if it is none of the epochs.

    Files of older versions number none and leave out a rolled-back epoch: every later one then stands a place too
    early.
    """
    epoch, best = facts.get("best_epoch"), known_number(facts.get("best_perplexity"))
    if type(epoch) is not int or epoch not in epochs:
        return None
    if are_numbered or best is None or best <= 0 or math.isclose(math.exp(val_losses[epoch - 1]), best, rel_tol=0.01):
        return epoch
    return None


def saved_curve(facts: Mapping[str, Any]) -> SavedCurve | None:
    """Return the curve among a prior's facts in a file, or None if no validation loss is known."""
    found = facts.get("history")
    history: Mapping[str, Any] = found if isinstance(found, dict) else {}
    val_losses = known_numbers(history.get("val_losses"), _MOST_LOSS, _MOST_POINTS)
    train_losses = known_numbers(history.get("train_losses"), _MOST_LOSS, _MOST_POINTS)
    if all(math.isnan(loss) for loss in val_losses):
        return None
    epochs = rising_numbers(history.get("epochs"), len(val_losses), _LAST_EPOCH)
    are_numbered = epochs == history.get("epochs")
    return SavedCurve(epochs, val_losses, train_losses, _best_epoch(facts, epochs, val_losses, are_numbered))


def tells_all(epochs: Sequence[int]) -> bool:
    """Tell whether a training tells of all its epochs but those rolled back, and not of each second or fourth alone.

    Of two gaps without an epoch between them neither is that of a single epoch that diverged.
    """
    steps = [later - earlier for earlier, later in pairwise(epochs)]
    return not any(before > 1 and after > 1 for before, after in pairwise(steps))


@dataclass(frozen=True, slots=True)
class CurveRow:
    """An epoch of a curve, None for what is not known.

    `seconds` count from the start of the training to the end of the epoch, losses are in nats; the training is very
    predictable below the perplexity `threshold`.
    """

    epoch: int
    seconds: float | None
    train_loss: float | None
    val_loss: float | None
    is_best: bool | None
    is_memorizing: bool | None
    threshold: float | None


def rows_of_training(history: Sequence[PriorEpochMetrics], limit: float | None) -> list[CurveRow]:
    """Return the rows of a training's epochs; `limit` is the perplexity below which it is very predictable."""
    if not history:
        return []
    best, has_times = history[-1].best_epoch, tells_all([metrics.epoch for metrics in history])
    ends = accumulate(metrics.epoch_time_s for metrics in history)
    return [
        CurveRow(
            metrics.epoch,
            seconds if has_times else None,
            metrics.train_loss,
            metrics.val_loss,
            metrics.epoch == best if best else None,
            metrics.verdict == Verdict.MEMORIZING if metrics.verdict else None,
            limit or None,
        )
        for metrics, seconds in zip(history, ends, strict=True)
    ]


def rows_of_file(facts: Mapping[str, Any]) -> list[CurveRow]:
    """Return the rows of the curve among a prior's facts in a file, none if it has none."""
    if (curve := saved_curve(facts)) is None:
        return []
    train_losses = curve.train_losses + [math.nan] * (len(curve.epochs) - len(curve.train_losses))
    best, limit = curve.best_epoch, _limit_in(facts)
    return [
        CurveRow(epoch, None, train, val, epoch == best if best else None, None, limit)
        for epoch, train, val in zip(curve.epochs, train_losses, curve.val_losses, strict=False)
    ]


def _limit_in(facts: Mapping[str, Any]) -> float | None:
    """Return the perplexity below which a training on so many sounds is very predictable, None if they are unknown."""
    from distill_core.training.prior.memorization import memorization_limit  # loads torch

    count = facts.get("dataset_file_count")
    return memorization_limit(count) if type(count) is int and count > 0 else None


def _cells(row: CurveRow) -> list[str]:
    losses = (row.train_loss, row.val_loss)
    known = [loss if loss is not None and math.isfinite(loss) else None for loss in losses]
    perplexities = [None if loss is None else perplexity(loss) for loss in known]
    flags = [None if flag is None else int(flag) for flag in (row.is_best, row.is_memorizing)]
    values = (row.epoch, row.seconds, *known, *perplexities, *flags, row.threshold)
    return ["" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value) for value in values]


def curve_csv(rows: Iterable[CurveRow]) -> str:
    """Return a curve as CSV with a line of titles; what is not known is empty, 1 is yes and 0 is no."""
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(map(_cells, rows))
    return table.getvalue()
