"""The kept epochs of a training side by side, looser to closer: the take of each from one seed, and its verdict."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path

from distill_core.audio.dataset import AudioDataset
from distill_core.audit.learned import identity_of
from distill_core.audit.record import AUDIT
from distill_core.audit.take import TakeJudge, take_judge
from distill_core.audit.verdict import NOT_HERE
from distill_core.device import using_training_threads
from distill_core.events import OnEvent, ShouldStop, ignore, never, stop_point
from distill_core.generation.generate import generate
from distill_core.generation.plan import require_prior
from distill_core.generation.request import GenerateRequest, Sample
from distill_core.generation.takes.verdict import Copying, TakeVerdict
from distill_core.models.persistence import LoadedVQModel, load_model_v2
from distill_core.training.prior.events import Keep, PriorEpochMetrics
from distill_core.training.prior.trained import TrainedPrior


@dataclass(frozen=True, slots=True)
class KeptEpoch:
    """A kept epoch of a training: the choice that it is, its numbers, its take, and the verdict on that."""

    keep: Keep
    metrics: PriorEpochMetrics
    take: Sample
    verdict: TakeVerdict


def with_epoch(loaded: LoadedVQModel, trained: TrainedPrior, which: Keep) -> LoadedVQModel:
    """Return a model with a kept epoch of a training as its prior, but without an audit: that may be of another one."""
    kept = trained.keeping(which)
    metadata = {name: fact for name, fact in kept.metadata.items() if name != AUDIT}
    return replace(loaded, prior=kept.prior, prior_config=kept.config, prior_metadata=metadata)


@dataclass
class _Judges:
    """The judge of takes, kept for the next epoch if that had learned from the same variants: it reads all sounds."""

    dataset: AudioDataset | None
    use_cache: bool
    _key: object = None
    _judge: TakeJudge | None = None

    def of(self, epoch: LoadedVQModel, on_event: OnEvent, should_stop: ShouldStop) -> TakeJudge | None:
        if self.dataset is None:
            return None
        key = identity_of(epoch, require_prior(epoch), self.dataset)
        if key != self._key:
            self._judge, self._key = None, key  # two at once may be too much for the memory
            self._judge = take_judge(
                epoch, self.dataset, on_event=on_event, should_stop=should_stop, use_cache=self.use_cache
            )
        return self._judge


def verdict_of(judge: TakeJudge | None, take: Sample) -> TakeVerdict:
    """Return the verdict on a take; without a judge, for want of the sounds, nobody can tell."""
    if judge is None:
        return TakeVerdict(Copying.CANT_TELL, reason=NOT_HERE)
    return judge.verdict_on(take.codes_WHQ, take.ends, take.prompt_steps)


def compare_kept(
    trained: TrainedPrior,
    model_path: str | Path,
    dataset: AudioDataset | None,
    request: GenerateRequest,
    *,
    only: Collection[Keep] = (),
    on_event: OnEvent = ignore,
    should_stop: ShouldStop = never,
    use_cache: bool = True,
) -> tuple[KeptEpoch, ...]:
    """Make the same take with each kept epoch of a training, and judge it; the loosest epoch comes first.

    `model_path` is the model that was trained for, `dataset` has the sounds that were learned. `only` names some of the
    epochs, none for all. Each one is told as a `KeptEpoch` as soon as it is judged. Nothing is written but codes into
    the user's cache.

    Raises:
        ConfigError: a setting that this prior cannot fulfil; names the field.
        ModelFileError: the model cannot be opened, or makes no sound.
        Stopped: `should_stop()` turned true.
    """
    loaded, judges, compared = load_model_v2(model_path), _Judges(dataset, use_cache), list[KeptEpoch]()
    for which, metrics in trained.looser_to_closer:
        if only and which not in only:
            continue
        epoch = with_epoch(loaded, trained, which)
        take = generate(epoch, request, on_event=on_event, should_stop=should_stop)
        stop_point(should_stop)
        with using_training_threads():
            verdict = verdict_of(judges.of(epoch, on_event, should_stop), take)
        compared.append(KeptEpoch(which, metrics, take, verdict))
        on_event(compared[-1])
    return tuple(compared)
