"""The training of a prior, as a part of the state: its epochs, its result, and where that is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from distill_core.training.events import Ended

if TYPE_CHECKING:
    from distill_core.audio.dataset import AudioDataset
    from distill_core.events import SkippedFile
    from distill_core.training.events import OlderStateTaken
    from distill_core.training.prior.events import PriorEpochMetrics, PriorTrainingStartEvent
    from distill_core.training.prior.trained import TrainedPrior
    from distill_core.training.run_folder.facts import UnfinishedRun


def _numbered(epochs: Sequence[PriorEpochMetrics], number: int) -> PriorEpochMetrics | None:
    """Return the epoch of a number; None if it is not among them."""
    return next((epoch for epoch in reversed(epochs) if epoch.epoch == number), None)


@dataclass(frozen=True, slots=True)
class TrainingState:
    """The running training, or the last one.

    `trained` is its result, `unsaved` until it is in a file; `is_choosing` while other weights are put into it: the
    ones from before should not be saved then. `saved_to` is the file of the last save. `best` and `kept_epoch` are
    those of its `epochs` that the last one names: the best so far, and the one that a stop keeps. `epoch_work` is the
    work of an epoch, 0 if it is not known. `sameness` says in a sentence that its sounds are all alike, `left_out` has
    the files that it goes on without. `is_kept` says whether it is on disk too, `older_state` that it comes from an
    older state than the newest, which is damaged. `started` is the event of its start, None before that and for one
    that was recovered, `dataset` has the sounds that were open then; `sounds` are the places of its sounds, none if it
    can't go on, `sounds_left_out` the names of those that it did without; `hides_warning` says that a person goes on
    although it memorizes. `run_is_gone` says that another window, or the list, has removed what it left on disk. One
    that goes on has begun `after_epoch`, or `within_first` one; `former` is the training that is not saved yet which it
    goes on from, and which comes back unless this one has a result. `in_place_of` is one that was given up for this
    one, and that comes back unless this one begins.
    """

    trained: TrainedPrior | None = None
    unsaved: bool = False
    is_choosing: bool = False
    saved_to: Path | None = None
    total_epochs: int = 0
    epochs: tuple[PriorEpochMetrics, ...] = ()
    best: PriorEpochMetrics | None = None
    kept_epoch: PriorEpochMetrics | None = None
    epoch_work: float = 0.0
    sameness: str = ""
    left_out: tuple[SkippedFile, ...] = ()
    is_kept: bool = True
    older_state: OlderStateTaken | None = None
    started: PriorTrainingStartEvent | None = None
    dataset: AudioDataset | None = None
    sounds: tuple[Path, ...] = ()
    sounds_left_out: frozenset[str] = frozenset()
    hides_warning: bool = False
    run_is_gone: bool = False
    after_epoch: int = 0
    within_first: bool = False
    former: TrainingState | None = None
    in_place_of: TrainingState | None = None

    def may_return(self, trained: TrainedPrior) -> bool:
        """Tell whether a result is here, or comes back if this training has none."""
        here = (self, self.former, self.in_place_of)
        return any(
            part is not None and part.trained is not None and part.trained.run_id == trained.run_id for part in here
        )

    @property
    def goes_on(self) -> bool:
        """Whether it goes on with what an earlier one has left on disk."""
        return self.after_epoch > 0 or self.within_first

    @property
    def can_go_further(self) -> bool:
        """Whether training can go on from its end: that is on disk, and it did not diverge."""
        trained = self.trained
        if trained is None or not self.unsaved or not self.sounds or self.run_is_gone:
            return False
        return bool(trained.run_id) and trained.is_kept and trained.ended is not Ended.DIVERGED

    @property
    def going_on(self) -> TrainingState:
        """The training that begins where this one has ended: its epochs stay in sight until it tells them again."""
        return TrainingState(
            total_epochs=self.total_epochs,
            epochs=self.epochs,
            best=self.best,
            kept_epoch=self.kept_epoch,
            started=self.started,
            dataset=self.dataset,
            after_epoch=self.last.epoch if self.last is not None else 0,
            former=self,
        )

    def knowing_run(self, run_id: str, *, is_there: bool) -> TrainingState:
        """Return the training after a look whether the run of an id is on disk; another's tells nothing."""
        if self.trained is None or self.trained.run_id != run_id or self.run_is_gone is not is_there:
            return self
        return replace(self, run_is_gone=not is_there)

    def is_of_run(self, run: UnfinishedRun) -> bool:
        """Tell whether its result, which is not saved yet, is what a run on disk reached."""
        return self.unsaved and self.trained is not None and self.trained.run_id == run.run_id

    @property
    def last(self) -> PriorEpochMetrics | None:
        """The last epoch."""
        return self.epochs[-1] if self.epochs else None

    def with_epoch(self, epoch: PriorEpochMetrics) -> TrainingState:
        """Return the training after one more epoch."""
        epochs = (*self.epochs, epoch)
        best, kept = (_numbered(epochs, number) for number in (epoch.best_epoch, epoch.kept_epoch))
        return replace(self, epochs=epochs, best=best, kept_epoch=kept)

    def without(self, file: SkippedFile) -> TrainingState:
        """Return the training that goes on without a file."""
        by_name = {other.name: other for other in self.left_out} | {file.name: file}
        return replace(self, left_out=tuple(by_name.values()))
