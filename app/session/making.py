"""The making of a model from sounds, as a part of the state: its epochs, its result, and where that is."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from distill_core.training.codec.events import CodecEpochMetrics, CodecTrainingStartEvent
    from distill_core.training.codec.trained import TrainedCodec
    from distill_core.training.events import Ended, OlderStateTaken


@dataclass(frozen=True, slots=True)
class MakingState:
    """The making under way, or the last one.

    `path` is the file that it is to be saved as, None until that is chosen. `then_prior` says whether a prior's
    training follows, `is_prior_left_out` that a stop took that away, `is_given_up` that nothing of it is to be kept.
    `patience` is the number of epochs without a better one that ends it, `time_limit_s` the seconds after which it
    ends, 0 for none; they count from the `epochs_before`, those before it went on. `mean_frame_error` is the error of
    each sound's average alone, 0 until it is known; `whole_seconds` is the work of an epoch. `trained` is the result
    until it is in a file, `ended` how it came about, `saved_to` its file. `is_kept` and `older_state` are those of a
    prior's training.
    """

    is_under_way: bool = False
    path: Path | None = None
    then_prior: bool = False
    is_prior_left_out: bool = False
    is_given_up: bool = False
    total_epochs: int = 0
    patience: int = 0
    time_limit_s: float = 0.0
    epochs_before: int = 0
    epochs: tuple[CodecEpochMetrics, ...] = ()
    mean_frame_error: float = 0.0
    whole_seconds: int = 0
    trained: TrainedCodec | None = None
    ended: Ended | None = None
    saved_to: Path | None = None
    is_kept: bool = True
    older_state: OlderStateTaken | None = None

    @property
    def last(self) -> CodecEpochMetrics | None:
        """The last epoch."""
        return self.epochs[-1] if self.epochs else None

    @property
    def best(self) -> CodecEpochMetrics | None:
        """The best epoch so far, which a stop keeps."""
        number = 0 if self.last is None else self.last.best_epoch
        return next((epoch for epoch in reversed(self.epochs) if epoch.epoch == number), None)

    @property
    def needs_a_place(self) -> bool:
        """Whether it was begun, or has ended with a model, and is in no file."""
        is_begun = self.whole_seconds > 0 and self.path is None
        return self.trained is not None or is_begun

    @property
    def is_lost_if_left(self) -> bool:
        """Whether its model is neither in a file nor kept on disk."""
        return self.trained is not None and not (self.trained.run_id and self.trained.is_kept)

    def started(self, event: CodecTrainingStartEvent) -> MakingState:
        """Return the making whose training begins, or goes on after the epochs before."""
        return replace(
            self,
            total_epochs=event.total_epochs,
            patience=event.config.patience,
            time_limit_s=60 * event.config.time_limit_min,
            epochs_before=len(event.history),
            mean_frame_error=event.mean_frame_l1,
            epochs=event.history,
        )

    def with_epoch(self, epoch: CodecEpochMetrics) -> MakingState:
        """Return the making after one more epoch."""
        return replace(self, epochs=(*self.epochs, epoch))

    def stopped(self) -> MakingState:
        """Return the making that a person stopped: one stop ends the prior's training too that was to follow."""
        return replace(self, then_prior=False, is_prior_left_out=self.is_prior_left_out or self.then_prior)
