"""The judgement whether a prior memorizes: by training and held-out perplexity together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from distill_core.training.data.near_copies import NEAR_COPIES
from distill_core.training.prior.events import Verdict, perplexity

_SUSPICIOUS_RATIO, _SUSPICIOUS_TRAINING_PERPLEXITY = 3.0, 2.0
_LEARNING_RATIO = 1.5
_FEWEST_CODES = 100
# A few large losses decide the mean of fewer parts, and resampling gives no error of it.
_FEWEST_FILES, _FEWEST_PARTS = 3, 20
_RESAMPLES = 400
_DRAWN_AT_ONCE = 50_000  # 1 MB
# From the worst on.
_SEVERITY = (Verdict.MEMORIZING, Verdict.SIBLINGS, Verdict.CANT_TELL, Verdict.FITTING, Verdict.LEARNING)


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """Return the worst of one verdict or more."""
    return min(verdicts, key=_SEVERITY.index)


@dataclass(frozen=True, slots=True)
class Evidence:
    """The evidence for a verdict.

    The losses are means in nats of an equal number of training and held-out codes, both in eval mode, of sounds as they
    are; `standard_error` is that of the held-out loss. `is_one_sound`: the held-out codes are the end of a single
    sound. `agreement` is the share of codes in which held-out sounds agree with their nearest training sounds.
    """

    train_loss: float
    val_loss: float
    standard_error: float
    held_out_codes: int
    is_one_sound: bool
    agreement: float

    @property
    def ratio(self) -> float:
        """The validation perplexity divided by the training perplexity."""
        return perplexity(self.val_loss - self.train_loss)


def verdict_on(evidence: Evidence) -> Verdict:
    """Return the verdict: the first that fits."""
    log_ratio = evidence.val_loss - evidence.train_loss
    if evidence.held_out_codes < _FEWEST_CODES or evidence.is_one_sound:
        return Verdict.CANT_TELL
    if evidence.agreement >= NEAR_COPIES:
        return Verdict.SIBLINGS
    is_sure = log_ratio > 2 * evidence.standard_error
    knows_training = perplexity(evidence.train_loss) < _SUSPICIOUS_TRAINING_PERPLEXITY
    if evidence.ratio >= _SUSPICIOUS_RATIO and knows_training and is_sure:
        return Verdict.MEMORIZING
    return Verdict.LEARNING if evidence.ratio < _LEARNING_RATIO else Verdict.FITTING


def _parts(sounds_WHQ: Sequence[Tensor], steps_per_second: int) -> list[Tensor]:
    """Return sounds in seconds, steps or positions: the longest parts that are enough to resample."""
    seconds = [part for sound in sounds_WHQ for part in sound.split(steps_per_second)]
    steps = [part for sound in sounds_WHQ for part in sound.unbind(0)]
    positions = [position for step in steps for position in step.unbind(0)]
    found = next((parts for parts in (seconds, steps) if len(parts) >= _FEWEST_PARTS), positions)
    return found


def _resampled_means(sums_U: Tensor, counts_U: Tensor) -> Tensor:
    """Return the means of random draws of as many units as there are, some draws at a time."""
    generator, found = torch.Generator().manual_seed(0), []
    at_once = max(2, _DRAWN_AT_ONCE // len(sums_U))  # one alone is added up in another order
    for draws_R in torch.arange(_RESAMPLES).split(at_once):
        chosen_RU = torch.randint(len(sums_U), (len(draws_R), len(sums_U)), generator=generator)
        found.append(sums_U[chosen_RU].sum(1) / counts_U[chosen_RU].sum(1).clamp(min=1))
    return torch.cat(found)


def standard_error(sounds_WHQ: Sequence[Tensor], steps_per_second: int) -> float:
    """Return the standard error in nats of the mean of held-out losses (bootstrap, Efron 1979).

    Files are resampled. Fewer than three are too few: then seconds are, or steps if seconds are few, or positions if
    steps are few too; and the error is doubled, for parts of a file are not independent.
    """
    units, factor = sounds_WHQ, 1.0
    if len(units) < _FEWEST_FILES:
        units, factor = _parts(sounds_WHQ, steps_per_second), 2.0
    # As numbers: tensors of 2,000 sounds take 12 MB.
    figures = [(unit.flatten().nansum().item(), unit.isfinite().sum().item()) for unit in units]
    sums_U, counts_U = torch.tensor(figures, dtype=torch.float64).unbind(1)
    return factor * float(_resampled_means(sums_U, counts_U).std())


def memorization_limit(dataset_file_count: int) -> float:
    """Return the validation perplexity below which a prior is very predictable, or memorizing."""
    if dataset_file_count <= 20:
        return 2.0
    return 3.0 if dataset_file_count <= 100 else 5.0


def check_memorization(val_perplexity: float, codebook_size: int, dataset_file_count: int) -> tuple[bool, str]:
    """Return whether the perplexity is below the limit for the number of usable files, and a sentence, else "".

    `codebook_size` is reserved.
    """
    limit = memorization_limit(dataset_file_count)
    if not val_perplexity < limit:
        return False, ""
    return True, (
        f"Very predictable, or memorizing: validation perplexity {val_perplexity:.2f} is below {limit:.1f}, the limit "
        f"for {'1 sound' if dataset_file_count == 1 else f'{dataset_file_count} sounds'} – listen for copies."
    )


def memorization_message(verdict: Verdict, evidence: Evidence, limit_message: str) -> str:
    """Return the warning of an epoch, or "": by its verdict, or in milder words if only the limit is passed."""
    if verdict is Verdict.MEMORIZING:
        return (
            f"Training perplexity {perplexity(evidence.train_loss):.2f} against {perplexity(evidence.val_loss):.2f} on "
            f"held-out sounds, {evidence.ratio:.1f} times as much: the prior knows its sounds by heart, and what it "
            "makes may copy them."
        )
    if verdict is Verdict.SIBLINGS and limit_message:
        return (
            f"The held-out sounds are near-copies of training sounds ({evidence.agreement:.0%} of their codes), so a "
            f"validation perplexity of {perplexity(evidence.val_loss):.2f} may be memory – listen for copies."
        )
    return limit_message
