"""The weights of a prior's training that can be kept, those that a stop keeps, and the epoch from which it memorizes.

Nothing else judges these: the events name their numbers, which window and plot read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from distill_core.training.loop import KeptWeights, Weights
from distill_core.training.prior.events import Keep, PriorEpochMetrics, Verdict

# The best epoch, or the best before the prior began to memorize, if that came first.
KEPT_UNASKED = Keep.BEFORE_MEMORIZING


def memorizing_since(history: Sequence[PriorEpochMetrics], epoch: int, verdict: str) -> int:
    """Return the first epoch with the verdict that it memorizes, `epoch` or one of those before; 0 if none has it."""
    before = history[-1].memorizing_from if history else 0
    return before or (epoch if verdict == Verdict.MEMORIZING else 0)


def there_or_best(weights: Mapping[Keep, KeptWeights], which: Keep) -> Keep:
    """Return the choice that is kept if `which` is asked for: the best if there are no such weights."""
    return which if which in weights else Keep.BEST


@dataclass(frozen=True, slots=True)
class Kept:
    """The best weights, the last, and the best before the first epoch with the verdict that it memorizes."""

    best: KeptWeights = field(default_factory=KeptWeights)
    last: KeptWeights = field(default_factory=KeptWeights)
    before_memorizing: KeptWeights = field(default_factory=KeptWeights)

    def keep(self, state: Weights, val_loss: float, epoch: int, *, has_memorized: bool) -> None:
        """Keep the weights of an epoch as the last, and as the others if they are better."""
        self.best.keep_if_better(state, val_loss, epoch)
        self.last.keep(state, val_loss, epoch)
        if not has_memorized:
            self.before_memorizing.keep_if_better(state, val_loss, epoch)

    @property
    def choices(self) -> dict[Keep, KeptWeights]:
        """The weights to choose from: the best, and those of other epochs."""
        found = {Keep.LAST: self.last, Keep.BEFORE_MEMORIZING: self.before_memorizing}
        others = {which: each for which, each in found.items() if each.epoch not in (0, self.best.epoch)}
        return {Keep.BEST: self.best, **others}

    @property
    def unasked(self) -> KeptWeights:
        """The weights that a stop keeps, unless someone asks for others."""
        return self.choices[there_or_best(self.choices, KEPT_UNASKED)]


def naming_kept(history: Iterable[PriorEpochMetrics]) -> list[PriorEpochMetrics]:
    """Return epochs, each with the one that a stop would have kept then, and with the first that memorizes."""
    kept = Kept()
    named: list[PriorEpochMetrics] = []
    for metrics in history:
        since = memorizing_since(named, metrics.epoch, metrics.verdict)
        kept.keep({}, metrics.val_loss, metrics.epoch, has_memorized=since > 0)
        named.append(replace(metrics, kept_epoch=kept.unasked.epoch, memorizing_from=since))
    return named
