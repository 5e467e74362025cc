"""The result of prior training: the weights that are kept, the others to choose from, and whether to save them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from distill_core.models.architectures import Prior
from distill_core.models.summary import ModelSummary, unigram_of
from distill_core.training.events import Ended
from distill_core.training.loop import KeptWeights
from distill_core.training.prior.events import KEPT_WORDS, FilePrior, Keep, PriorEpochMetrics
from distill_core.training.prior.facts import kept_facts

_ROUNDING = 1.001  # what another batching may change when the same prior is measured again


@dataclass(frozen=True, slots=True)
class TrainedPrior:
    """The result of training.

    `prior` has the weights that are kept and is on the CPU, or is None when training stopped before the first
    validation; `config` and `metadata` are plain dicts exactly as the file holds them; `history` has one entry an
    epoch; `ended` says how it ended. `run_id` names the run in the run folder, "" where nothing of it was written;
    `is_kept` says whether this prior is there. `weights` has what there is to choose from; `file_prior` is what a save
    would replace.
    """

    prior: Prior | None
    config: dict[str, Any]
    metadata: dict[str, Any]
    history: tuple[PriorEpochMetrics, ...]
    ended: Ended
    run_id: str = ""
    is_kept: bool = False
    weights: Mapping[Keep, KeptWeights] = field(default_factory=dict)
    file_prior: FilePrior | None = None

    @classmethod
    def none(cls, ended: Ended) -> TrainedPrior:
        """Return the result of a training that ended before its first epoch had."""
        return cls(None, {}, {}, (), ended)

    @property
    def stopped_early(self) -> bool:
        """Whether it was stopped by whoever started it."""
        return self.ended is Ended.STOPPED

    @property
    def kept(self) -> PriorEpochMetrics | None:
        """The epoch whose weights are kept."""
        epoch = self.metadata.get("kept_epoch")
        return next((metrics for metrics in self.history if metrics.epoch == epoch), None)

    def keeping(self, which: Keep) -> TrainedPrior:
        """Return the same training with other weights kept; the best ones where there are no such others."""
        if self.prior is None:
            return self
        kept = which if which in self.weights else Keep.BEST
        chosen = self.weights[kept]
        prior = type(self.prior).from_state(self.config, self.prior.codebook_size, dict(chosen.state))
        metrics = next(metrics for metrics in self.history if metrics.epoch == chosen.epoch)
        return replace(self, prior=prior, metadata=self.metadata | kept_facts(metrics, kept))

    @property
    def is_no_better_than_guessing(self) -> bool:
        """Whether guessing each code by its frequency is as good as the prior that is kept."""
        unigram = unigram_of(self.metadata)
        return unigram is not None and bool(self.metadata["final_perplexity"] >= unigram)

    def measured_in(self, file: ModelSummary) -> FilePrior | None:
        """Return what is known of the prior that a file holds now, None where it holds none."""
        if not file.has_prior:
            return None
        is_the_same = self.file_prior is not None and self.file_prior.sha256 == file.stamp.sha256
        return self.file_prior if is_the_same else FilePrior(None, decides=False)

    def objection(self, file: ModelSummary) -> str:
        """Return why this prior should not replace the one that a file holds now unasked, in a sentence, or ""."""
        before = self.measured_in(file)
        if self.prior is None or before is None:
            return ""
        reached = self.metadata["final_perplexity"]
        if self.is_no_better_than_guessing:
            return f"The new prior is {self._compared_with_guessing()}, and the file has a prior already."
        if before.decides and before.perplexity is not None and reached > before.perplexity * _ROUNDING:
            return (
                f"The new prior is worse than the one in the file: perplexity {reached:.2f} against "
                f"{before.perplexity:.2f} on the same held-out sounds."
            )
        return ""

    def guessing_note(self) -> str:
        """Return the sentence of a prior that is no better than guessing, or ""."""
        if self.prior is None or not self.is_no_better_than_guessing:
            return ""
        return f"The prior is {self._compared_with_guessing()}."

    def _compared_with_guessing(self) -> str:
        reached, unigram = self.metadata["final_perplexity"], unigram_of(self.metadata)
        return f"no better than guessing by frequency (perplexity {reached:,.2f} against {unigram:,.2f})"

    @property
    def kept_words(self) -> str:
        """Which epoch is kept, for people."""
        return f"epoch {self.metadata['kept_epoch']}, {KEPT_WORDS[Keep(self.metadata['kept'])]}"


def choices(best: KeptWeights, last: KeptWeights, before_memorizing: KeptWeights) -> dict[Keep, KeptWeights]:
    """Return the weights to choose from: the best, and the others where they are of another epoch."""
    found = {Keep.BEST: best, Keep.LAST: last, Keep.BEFORE_MEMORIZING: before_memorizing}
    return {
        which: each for which, each in found.items() if each.state and (which is Keep.BEST or each.epoch != best.epoch)
    }
