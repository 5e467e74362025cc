"""The Session: every command of the window, whose contents follow from the Session's signals."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, QTimer, Slot

from app.session.activity import Activity, Runner, Subject
from app.session.available import ActionId, available
from app.session.comparing_host import ComparingHost
from app.session.estimate import speed_of, training_seconds
from app.session.remembered import remembered
from app.session.state import Page
from app.session.tasks import beside, models, plugin, remembering, runs, saving, sounds, training, upkeep, writing
from app.session.training import TrainingState
from distill_core.errors import DatasetError
from distill_core.training.prior.continuation import Continuation

if TYPE_CHECKING:
    from app.session.problems import Problem
    from app.session.state import State
    from app.session.task import Task
    from distill_core.audio.dataset import AudioDataset
    from distill_core.models.summary import ModelSummary
    from distill_core.training.prior.config import PriorConfig
    from distill_core.training.prior.events import Keep
    from distill_core.training.prior.trained import TrainedPrior
    from distill_core.training.settings import Effort


_LOOK_AGAIN_MS = 3000


class Session(ComparingHost):
    """Opens, trains and saves; its `settings` are conveniences that outlive the window."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._is_given_up = Event()
        self._given_up_prior: tuple[Path, TrainedPrior] | None = None  # with its model, until an act takes its place
        self.device_known.connect(self._on_engine)
        self.model_opened.connect(self._load_library)
        self.model_changed.connect(self._remember_model)
        self.training_ended.connect(self._on_trained)
        self.training_given_up.connect(self._on_given_up)
        self.model_made.connect(self._on_model_made)
        self.failed.connect(self._on_failed)
        self.training_started.connect(self._discard_given_up)
        self.making_started.connect(self._discard_given_up)
        self.ended.connect(self._on_ended)
        self._until_look = QTimer(self)  # runs while another window trains the open model
        self._until_look.setSingleShot(True)
        self._until_look.setInterval(_LOOK_AGAIN_MS)
        self._until_look.timeout.connect(self.look_for_use)
        self.state_changed.connect(self._look_again_later)
        self.state_changed.connect(self._remember_session)
        self._remembered = self._state.open

    # Opening

    def load_engine(self) -> None:
        """Import the engine behind the window, then what a first take needs."""
        self.do_later(upkeep.loading_engine())

    @Slot(str)
    def _on_engine(self, device: str) -> None:
        self.do_later(upkeep.loading_networks())

    @Slot(object)
    def _load_library(self, model: ModelSummary) -> None:
        from distill_core.models.architectures import library_of

        if (library := library_of(model.vqvae_config)) is not None:
            self.do_later(upkeep.loading_library(library))

    def open_model(self, path: Path) -> None:
        """Read a model file's facts, after the tasks under way."""
        self._become(self._state.without_refusals().with_open(pending_model=path))
        self.do_later(models.opening(path))

    def open_dataset(self, *sources: Path, left_out: Collection[str] = ()) -> None:
        """Scan folders of sounds and single ones, after the tasks under way; leave out those of some names."""
        self._become(self._state.without_refusals().with_open(pending_sounds=sources))
        self.do_later(sounds.scanning(sources, left_out))

    def leave_out(self, names: Collection[str]) -> None:
        """Have the next training do without some of the open sounds; if none would be left, say so."""
        self.set_left_out(self._state.open.left_out.union(names))

    def take_back(self, names: Collection[str]) -> None:
        """Have the next training learn again from sounds that were left out."""
        self.set_left_out(self._state.open.left_out.difference(names))

    def set_left_out(self, names: frozenset[str]) -> None:
        """Have the next training do without these of the open sounds and no others."""
        scanned = self._state.open.scanned
        if scanned is None or names == self._state.open.left_out:
            return
        try:
            self._become(self._state.with_sounds(scanned, names))
        except DatasetError as error:
            self.refuse(sounds=f"{error.message} {error.hint}")
        else:
            self.dataset_changed.emit(self._state.open.dataset)

    def refuse(self, *, model: str = "", sounds: str = "") -> None:
        """Show why files are not taken, in place of the refusals before."""
        # Cleared first, so that the same refusal is read out again.
        self._become(self._state.with_open(model_refusal="", sounds_refusal=""))
        self._become(self._state.with_open(model_refusal=model, sounds_refusal=sounds))

    def dismiss_refusals(self) -> None:
        """Show no longer why files are not taken, or why a take was not made."""
        self._become(self._state.without_refusals())

    def show_page(self, page: Page) -> None:
        """Put a page on the stage."""
        self._become(replace(self._state, page=page))

    def look_for_sessions(self) -> None:
        """Look which files of the remembered sessions have moved."""
        self.do_later(remembering.looking_for(self.settings.sessions()))

    # Training

    def set_options(self, overrides: Mapping[str, Any], is_valid: bool) -> None:
        """Take the settings of the next training."""
        options = replace(self._state.options, overrides=dict(overrides), is_valid=is_valid)
        self._become(replace(self._state, options=options))

    def train(self) -> None:
        """Train a prior on the open sounds with the chosen options."""
        self._begin_training(TrainingState(), self._state.options.overrides)

    def resume(self) -> None:
        """Go on with the unfinished training that is offered, on the open sounds.

        Raises:
            ValueError: there is none.
        """
        opened = self._state.open
        if opened.unfinished_model is not None:
            run = opened.unfinished_model
            self._begin_making(then_prior=run.model == self.settings.model_before_prior(), resume=run)
        elif opened.unfinished is not None:
            run = opened.unfinished
            before = TrainingState(after_epoch=run.epoch, within_first=not run.has_best)
            self._begin_training(before, {}, Continuation(run.run_id))
        else:
            raise ValueError("there is no unfinished training")

    def train_further(self) -> None:
        """Go on from the end of the last training, with the time limit and the patience that are chosen now."""
        _, trained = self._require_trained()
        going_on = training.further_than(trained, self._state.options.config)
        self._begin_training(self._state.training.going_on, {}, going_on)

    def _begin_training(
        self, before: TrainingState, overrides: Mapping[str, Any], going_on: Continuation | None = None
    ) -> None:
        model, dataset = self._require_ready()
        self._is_given_up = Event()  # of this training alone
        present = self._state.training
        if present.unsaved and before.former is None:
            before = replace(before, in_place_of=present)
        begun = replace(before, sounds=dataset.sources, sounds_left_out=dataset.left_out)
        self._become(replace(self._state, training=begun).with_open(unfinished=None))
        self.do(training.training(model.path, dataset, overrides, going_on, self._is_given_up.is_set))

    def cancel_training(self) -> None:
        """Give up the training under way with all that it has learned, on disk too; return at once."""
        if self._state.is_making:
            self.give_up_making()
            return
        self._is_given_up.set()
        self.stop()

    def hide_warning(self) -> None:
        """Warn no more of the training under way: the person goes on with it."""
        self._become(self._state.with_training(hides_warning=True))

    def estimate_seconds(self) -> float | None:
        """Return the likely duration of training in seconds, at the last one's speed; None if that is not known."""
        config = self._state.options.config
        return None if config is None else self._seconds_of(config)

    def estimate_efforts(self) -> dict[Effort, float]:
        """Return the likely duration of training with each effort in seconds; without those that are not known."""
        seconds = {effort: self._seconds_of(config) for effort, config in self._state.options.efforts.items()}
        return {effort: known for effort, known in seconds.items() if known is not None}

    def _seconds_of(self, config: PriorConfig) -> float | None:
        opened, speed = self._state.open, self.settings.training_speed()
        if speed is None or opened.model is None or opened.dataset is None:
            return None
        return training_seconds(opened.model, opened.dataset, config, speed)

    def stop(self) -> None:
        """Ask the task under way to end at its next stop point; return at once."""
        super().stop()
        if self._state.is_training:
            self._become(self._state.doing(Runner.WORK, Activity.STOPPING))

    def keep(self, which: Keep) -> None:
        """Give the trained prior other weights of its training, such as those of its last epoch."""
        _, trained = self._require_trained()
        self._become(self._state.with_training(is_choosing=True))
        self.do(training.keeping(trained, which))

    def give_up_prior(self) -> None:
        """Let the unsaved prior go, on disk too, once an act has taken its place; if none does, it stays as it is."""
        trained, model = self._state.training.trained, self._state.open.model
        if trained is not None and trained.run_id and model is not None:
            self._given_up_prior = model.path, trained

    @Slot()
    def _discard_given_up(self) -> None:
        """Remove what the prior that was given up has left, if it is gone."""
        if self._given_up_prior is not None:
            model, trained = self._given_up_prior
            if not self._state.training.may_return(trained):
                self._given_up_prior = None
                self.do_later(runs.discarding(model, trained.run_id))

    @Slot(object, object)
    def _on_ended(self, task: Task[Any], problem: Problem | None) -> None:
        self._discard_given_up()
        if task.runner is Runner.WORK and not self._runner(Runner.WORK).is_busy:
            self._given_up_prior = None  # nothing has taken its place

    def discard_prior(self) -> None:
        """Give up the unsaved prior, on disk too."""
        trained, model = self._state.training.trained, self._state.open.model
        self._is_take_owed = False  # it would be another prior's
        self._become(self._state.without_training())
        if trained is not None and trained.run_id and model is not None:
            self.do_later(runs.discarding(model.path, trained.run_id))

    # Unfinished trainings

    def use_best(self) -> None:
        """Take the best of the unfinished training that is offered: a prior, to be saved, or a model, which is."""
        if (run := self._state.open.unfinished_model) is not None:
            self._recover_model(run)
        else:
            self.do(training.recovering(self._require_model().path))

    def discard_unfinished(self) -> None:
        """Remove the unfinished training that is offered."""
        opened = self._state.open
        if opened.unfinished_model is not None:
            self._become(self._state.with_open(unfinished_model=None))
            self.do(runs.discarding(opened.unfinished_model.model, opened.unfinished_model.run_id))
        elif opened.unfinished is not None:
            self._become(self._state.without_cut_off_training().with_open(unfinished=None))
            self.do(runs.discarding(self._require_model().path, opened.unfinished.run_id))

    @Slot()
    def look_for_use(self) -> None:
        """Look whether another window still trains the open model, and what it has left of an unsaved training.

        While this window trains it, a look would find that training, and might tell of it once it has ended.
        """
        if self._state.open.model is not None and not self._state.is_training:
            trained = self._state.training.trained
            run_id = "" if trained is None else trained.run_id
            self.do_later(runs.looking_for_use(self._state.open.model.path, run_id))

    def look_after_absence(self) -> None:
        """Look whether what the unsaved training goes on from is there still: another window may have removed it."""
        if self._state.training.can_go_further:
            self.look_for_use()

    def list_runs(self) -> None:
        """List the unfinished trainings of all models."""
        self.do(runs.listing())

    def discard_run(self, listed_id: str) -> None:
        """Remove one of the listed trainings."""
        self.do(runs.discarding_listed(listed_id))

    # Saving

    def save_prior(self, output: Path | None = None, *, though_changed: bool = False) -> None:
        """Save the trained prior into the model or a copy, `though_changed` even if another program wrote the model."""
        model, trained = self._require_trained()
        self.do(saving.saving(model, trained, output, though_changed=though_changed))

    def name_model(self, changes: Mapping[str, str], *, though_changed: bool = False) -> None:
        """Save another name, other notes or both into the open model; the keys are those of its metadata.

        With `though_changed` also if another program has changed the file, all else of which stays.
        """
        self.do(saving.naming(self._require_model(), changes, though_changed=though_changed))

    def write(self, target: Path, what: str, content: Callable[[], bytes]) -> None:
        """Write a file for other programs, in the place of one that is there, and say that `what` is saved."""
        model = self._state.open.model
        self.do_later(writing.writing(target, what, content, None if model is None else model.path))

    def compare_curve(self, path: Path) -> None:
        """Read another model, and show its curve beside."""
        self.do_later(beside.reading_beside(path, self._require_model().path))

    def end_comparison(self) -> None:
        """Show the open model's curve alone."""
        self._become(replace(self._state, beside=None))

    def export_plugin(self, target: Path) -> None:
        """Write the open model, as it was saved, for Neutone Gen, in the place of a file that is there."""
        self.do_later(plugin.exporting_plugin(self._require_model().path, target))

    def reread_model(self) -> None:
        """Read the open model's facts from disk again."""
        self.do(models.rereading(self._require_model()))

    def find_previous(self) -> None:
        """Read the facts of the version before the open model's last save."""
        self.do(models.finding_previous(self._require_model().path))

    def restore_previous(self) -> None:
        """Exchange the open model with the version before it."""
        self.do(models.restoring(self._require_model().path))

    def clear_cache(self) -> None:
        """Remove the codes kept on disk."""
        self.do(upkeep.clearing_cache())

    # Requirements and consequences

    def _require_ready(self) -> tuple[ModelSummary, AudioDataset]:
        return self._require_model(), self._require_sounds()

    @Slot(object, object)
    def _on_failed(self, subject: Subject, problem: Problem) -> None:
        if subject is Subject.TRAINING:  # the window offers its best epoch
            model, trained = self._require_model().path, self._state.training.trained
            if trained is not None:  # it went on from that one
                self.do_later(training.looking_at_run_of(model, trained))
            self.do(training.looking_for_unfinished(model))

    @Slot(str)
    def _on_given_up(self, run_id: str) -> None:
        """Remove what a training given up at its very end has left ("": it went on), and look for one from before."""
        model = self._require_model().path
        self.do_later(runs.discarding(model, run_id))
        self.do(training.looking_for_unfinished(model))

    @Slot(object)
    def _look_again_later(self, state: State) -> None:
        if state.open.is_in_use and not self._until_look.isActive():
            self._until_look.start()

    @Slot(object)
    def _on_model_made(self, path: Path) -> None:
        """Train the prior that was asked for together with the model."""
        if self._state.making.then_prior and ActionId.TRAIN in available(self._state):
            self.train()

    @Slot(object)
    def _remember_model(self, summary: ModelSummary) -> None:
        if self._state.open.real_path is not None:
            self.settings.add_recent_model(self._state.open.real_path)

    @Slot(object)
    def _remember_session(self, state: State) -> None:
        """Remember what is open together, once nothing is being opened any more."""
        opened = state.open
        is_known = opened.model is self._remembered.model and opened.dataset is self._remembered.dataset
        if opened.is_pending or is_known:
            return
        self._remembered = opened
        if (session := remembered(opened, datetime.now().astimezone().isoformat(timespec="seconds"))) is not None:
            self.settings.add_session(session)

    @Slot(object)
    def _on_trained(self, trained: TrainedPrior) -> None:
        self._remember_speed(trained)
        if trained.prior is None:  # an unfinished training from before is still there
            self.do(training.looking_for_unfinished(self._require_model().path))

    def _remember_speed(self, trained: TrainedPrior) -> None:
        speed = speed_of(trained.history, self._state.training.epoch_work)
        if speed is not None:
            self.settings.set_training_speed(speed)
