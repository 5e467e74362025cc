"""The commands on making a model from the open sounds, and what follows from its end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, Slot

from app.session.activity import Runner, Subject
from app.session.estimate import making_seconds, making_speed_of
from app.session.hearing_host import HearingHost
from app.session.making import MakingState
from app.session.tasks import making, runs
from distill_core.errors import ConfigError

if TYPE_CHECKING:
    from app.session.problems import Problem
    from distill_core.audio.dataset import AudioDataset
    from distill_core.training.codec.trained import TrainedCodec
    from distill_core.training.run_folder.facts import UnfinishedRun


class MakingHost(HearingHost):
    """Makes models: one that is made is saved as a new file and opened, without a question."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.making_started.connect(self._on_making_started)
        self.making_ended.connect(self._on_making_ended)
        self.failed.connect(self._on_making_failed)

    def set_making_options(self, overrides: Mapping[str, Any]) -> None:
        """Take settings of the next model that is made; the others follow from the sounds and from its effort."""
        self._become(replace(self._state, options=replace(self._state.options, making=dict(overrides))))

    def make_model(self, *, then_prior: bool = False) -> None:
        """Make a model from the open sounds with the chosen options; on request a prior's training follows."""
        self._begin_making(then_prior=then_prior, resume=None)

    def _begin_making(self, *, then_prior: bool, resume: UnfinishedRun | None) -> None:
        dataset = self._require_sounds()
        # A prior that was given up stays until the making has started.
        state = self._state.without_saved_training().with_open(unfinished_model=None)
        begun = MakingState(is_under_way=True, then_prior=then_prior, whole_seconds=dataset.whole_seconds)
        self._become(replace(state, making=begun))
        chosen = {} if resume is not None else self._state.options.for_making(dataset)
        self.do(making.making(dataset, self.settings.models_folder(), chosen, resume))

    def _recover_model(self, run: UnfinishedRun) -> None:
        """Take the best of a making that was never finished, and save it."""
        self._become(replace(self._state, making=MakingState(is_under_way=True)))
        self.do(making.recovering(run))

    def stop(self) -> None:
        """Ask the task under way to end at its next stop point; return at once."""
        self._runner(Runner.WORK).stop()
        if self._state.is_making:
            self.forgo_prior()

    def give_up_making(self) -> None:
        """End the making under way, and keep nothing of it, on disk neither."""
        self._become(self._state.with_making(is_given_up=True))
        self.stop()

    def forgo_prior(self) -> None:
        """Train no prior after the model that is made."""
        self._become(replace(self._state, making=self._state.making.stopped()))

    def drop_model(self) -> None:
        """Give up the model that is made and in no file."""
        self._become(replace(self._state, making=MakingState()))

    def save_model(self) -> None:
        """Save the model that is made and in no file yet, and open it."""
        made = self._state.making
        if made.trained is None or made.path is None:
            raise ValueError("there is no model to save")
        self.do(making.saving_model(made.trained, made.path))

    def move_models(self, folder: Path) -> None:
        """Save models in another folder from now on; the one that could not be saved, or begun, is tried there."""
        made = self._state.making
        self.settings.set_models_folder(folder)
        if made.trained is not None and made.path is not None:
            self._become(self._state.with_making(path=folder / made.path.name))
            self.save_model()
        else:
            self.make_model(then_prior=made.then_prior)

    def take_up(self, run: UnfinishedRun) -> None:
        """Offer to go on with the making of a model that was never finished."""
        self._become(self._state.with_open(unfinished_model=run))

    def making_estimate(self) -> tuple[float, float] | None:
        """Return the least and the most seconds that making a model is likely to take; None without sounds."""
        dataset, options = self._state.open.dataset, self._state.options
        if dataset is None:
            return None
        try:
            return making_seconds(dataset, options.for_making(dataset), self.settings.making_speed())
        except ConfigError:
            return None

    @Slot(object)
    def _on_making_started(self, event: object) -> None:
        """Remember beyond a crash whether a prior's training follows."""
        made = self._state.making
        self.settings.set_model_before_prior(made.path if made.then_prior else None)

    @Slot(object)
    def _on_making_ended(self, trained: TrainedCodec) -> None:
        made = self._state.making
        if made.is_given_up:
            self._become(replace(self._state, making=MakingState()))
            self.do(runs.discarding(made.path or Path(), trained.run_id))
        elif made.trained is not None:
            self._remember_making_speed(made)
            self.save_model()
        elif trained.run_id and made.path is not None:  # stopped within its first epoch: the window offers to go on
            self.do(making.looking_for_unfinished(made.path))

    def _remember_making_speed(self, made: MakingState) -> None:
        speed = making_speed_of(made.epochs, made.whole_seconds)
        if speed is not None:
            self.settings.set_making_speed(speed)

    @Slot(object, object)
    def _on_making_failed(self, subject: Subject, problem: Problem) -> None:
        path = self._state.making.path
        if subject is Subject.MAKING and path is not None:  # the window offers its best epoch
            self.do(making.looking_for_unfinished(path))

    def _require_sounds(self) -> AudioDataset:
        if self._state.open.dataset is None:
            raise ValueError("training needs sounds")
        return self._state.open.dataset
