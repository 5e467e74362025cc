"""The result of a prior's training: the weights that are kept, and the others to choose from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from distill_core.models.prior import Prior
from distill_core.models.summary import ModelSummary, unigram_of
from distill_core.training.events import Ended
from distill_core.training.loop import KeptWeights
from distill_core.training.prior.events import KEPT_WORDS, FilePrior, Keep, PriorEpochMetrics
from distill_core.training.prior.facts import kept_facts
from distill_core.training.prior.kept import there_or_best

_ROUNDING = 1.001  # what another batching may change when the same prior is measured again


@dataclass(frozen=True, slots=True)
class TrainedPrior:
    """The result of a prior's training.

    `prior` has the weights that are kept and is on the CPU, or is None if training ended before the first validation;
    `config` and `metadata` are plain dicts exactly as the file holds them; `history` has one entry for each epoch;
    `ended` is the ending. `run_id` names the run in the run folder, "" without one; `is_kept`: the run has this prior.
    `weights` has the weights to choose from, `temperatures` what was fitted for each; `file_prior` is the prior that a
    save replaces.
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
    temperatures: Mapping[Keep, float] = field(default_factory=dict)

    @classmethod
    def none(cls, ended: Ended, run_id: str = "") -> TrainedPrior:
        """Return the empty result of a training that ended before its first epoch had; `run_id` if it can go on."""
        return cls(None, {}, {}, (), ended, run_id)

    @property
    def stopped_early(self) -> bool:
        """Whether its caller stopped the training."""
        return self.ended is Ended.STOPPED

    @property
    def kept(self) -> PriorEpochMetrics | None:
        """The epoch whose weights are kept."""
        epoch = self.metadata.get("kept_epoch")
        return next((metrics for metrics in self.history if metrics.epoch == epoch), None)

    @property
    def looser_to_closer(self) -> tuple[tuple[Keep, PriorEpochMetrics], ...]:
        """The epochs to choose from: the later one has learned longer, and comes closer to its sounds."""
        by_epoch = {metrics.epoch: metrics for metrics in self.history}
        found = [(which, by_epoch[kept.epoch]) for which, kept in self.weights.items()]
        return tuple(sorted(found, key=lambda each: each[1].epoch))

    def keeping(self, which: Keep) -> TrainedPrior:
        """Return the same result with other weights kept; the best ones if there are no such weights."""
        if self.prior is None:
            return self
        kept = there_or_best(self.weights, which)
        chosen = self.weights[kept]
        prior = type(self.prior).from_state(self.config, self.prior.codebook_size, dict(chosen.state))
        metrics = next(metrics for metrics in self.history if metrics.epoch == chosen.epoch)
        facts = kept_facts(metrics, kept, self.temperatures.get(kept))
        return replace(self, prior=prior, metadata=self.metadata | facts)

    @property
    def is_no_better_than_guessing(self) -> bool:
        """Whether guessing each code by its frequency is as good as the prior that is kept."""
        unigram = unigram_of(self.metadata)
        return unigram is not None and bool(self.metadata["final_perplexity"] >= unigram)

    def measured_in(self, file: ModelSummary) -> FilePrior | None:
        """Return the measure of the prior in a file as it is now, None without a prior."""
        if not file.has_prior:
            return None
        is_the_same = self.file_prior is not None and self.file_prior.sha256 == file.stamp.sha256
        return self.file_prior if is_the_same else FilePrior(None, decides=False)

    def objection(self, file: ModelSummary) -> str:
        """Return why this prior should not replace the one in a file unasked, in a sentence, or ""."""
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
        """The epoch that is kept, in words."""
        return f"epoch {self.metadata['kept_epoch']}, {KEPT_WORDS[Keep(self.metadata['kept'])]}"
