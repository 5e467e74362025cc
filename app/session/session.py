"""The one state and every command; what the window shows follows from its signals."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, Signal, Slot

from app.session import results, work
from app.session.estimate import epoch_work, likely_config, training_seconds
from app.session.jobs import Job, JobOutcome, JobRunner
from app.session.problems import problem_from
from app.session.settings import Settings
from app.session.state import Activity, State
from distill_core.events import JobProgress, SkippedFile, Stopped
from distill_core.training.events import OlderStateTaken, RolledBack, RunNotKept
from distill_core.training.prior.events import PriorEpochMetrics, PriorStepMetrics, PriorTrainingStartEvent

if TYPE_CHECKING:
    from distill_core.audio.dataset import AudioDataset
    from distill_core.models.summary import ModelSummary
    from distill_core.training.prior.events import Keep
    from distill_core.training.prior.trained import TrainedPrior

_ACTIVITY_OF_JOB = {
    "engine": Activity.STARTING,
    "model": Activity.OPENING,
    "sounds": Activity.SCANNING,
    "training": Activity.PREPARING,
    "saving": Activity.SAVING,
    "previous": Activity.OPENING,
    "restoring": Activity.SAVING,
    "recovering": Activity.OPENING,
    "discarding": Activity.OPENING,
    "listing": Activity.OPENING,
}


class Session(QObject):
    """Opens, trains and saves on one work thread; holds the state.

    Signals: `state_changed(State)` after every change; `model_changed(ModelSummary | None)`,
    `dataset_changed(AudioDataset | None)`; `progress(JobProgress)`; `training_started(PriorTrainingStartEvent)`,
    `step_finished(PriorStepMetrics)`, `epoch_finished(PriorEpochMetrics)`, `training_ended(TrainedPrior)`;
    `saved(Path)`, `backed_up(Path)`; `previous_found(ModelSummary)` of the version before,
    `restored(Path)`; `run_not_kept(RunNotKept)`; `rolled_back(RolledBack)`; `older_state_taken(OlderStateTaken)`;
    `runs_listed(tuple of ListedRun)`; `device_known(str)`; `failed(job name, Problem)`; `file_skipped(SkippedFile)`.
    """

    state_changed = Signal(object)
    model_changed = Signal(object)
    dataset_changed = Signal(object)
    progress = Signal(object)
    training_started = Signal(object)
    step_finished = Signal(object)
    epoch_finished = Signal(object)
    training_ended = Signal(object)
    saved = Signal(object)
    backed_up = Signal(object)
    previous_found = Signal(object)
    restored = Signal(object)
    run_not_kept = Signal(object)
    rolled_back = Signal(object)
    older_state_taken = Signal(object)
    runs_listed = Signal(object)
    device_known = Signal(str)
    failed = Signal(str, object)
    file_skipped = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.settings = Settings()
        self._state = State()
        self._epoch_work = 0.0
        self._runner = JobRunner(self)
        self._runner.started.connect(self._on_job_started)
        self._runner.reported.connect(self._on_event)
        self._runner.ended.connect(self._on_job_ended)

    @property
    def state(self) -> State:
        """What is the case now."""
        return self._state

    def load_engine(self) -> None:
        """Import the engine behind the window."""
        self._runner.submit("engine", work.load_engine)

    def open_model(self, path: Path) -> None:
        """Read a model file's facts; a job under way is waited for."""
        self._set(pending_model=path)
        self._runner.submit("model", work.opening(path))

    def open_dataset(self, *sources: Path) -> None:
        """Scan folders of sounds and single ones; a job under way is waited for."""
        self._set(pending_sounds=sources)
        self._runner.submit("sounds", work.scanning(sources))

    def train(self, overrides: dict[str, Any]) -> None:
        """Train a prior on the open sounds; `overrides` replace single settings.

        Raises:
            ConfigError: a setting that cannot be.
        """
        model, dataset = self._require_ready()
        self._epoch_work = epoch_work(model, dataset, likely_config(model, dataset, overrides))
        self._begin_training(work.training(model.path, dataset, overrides))

    def resume(self) -> None:
        """Go on with the open model's unfinished training on the open sounds."""
        model, dataset = self._require_ready()
        self._epoch_work = 0.0  # its settings are known only on the work thread
        self._begin_training(work.training(model.path, dataset, {}, resume=True))

    def _begin_training(self, function: work.Work) -> None:
        self._state = self._state.without_training()
        self._set(unfinished=None, is_kept=True)
        self._submit_now("training", function)

    def use_best(self) -> None:
        """Take the best prior of the open model's unfinished training, to be saved."""
        self._submit_now("recovering", work.recovering(self._require_model().path))

    def discard_unfinished(self) -> None:
        """Remove the open model's unfinished training."""
        unfinished = self._state.unfinished
        if unfinished is not None:
            self._set(unfinished=None)
            self._submit_now("discarding", work.discarding(self._require_model().path, unfinished.run_id))

    def list_runs(self) -> None:
        """Look for the unfinished trainings of all models."""
        self._submit_now("listing", work.listing)

    def discard_run(self, listed_id: str) -> None:
        """Remove one of the trainings that were listed."""
        self._submit_now("discarding", work.discarding_listed(listed_id))

    def estimate_seconds(self, overrides: dict[str, Any]) -> float | None:
        """Return how long training may take at the last training's speed; None while there was none here."""
        speed, state = self.settings.training_speed(), self._state
        if speed is None or state.model is None or state.dataset is None:
            return None
        return training_seconds(state.model, state.dataset, overrides, speed)

    def stop(self) -> None:
        """Ask the work under way to end at its next step; returns at once."""
        self._runner.stop()
        if self._state.is_training:
            self._set(activity=Activity.STOPPING)

    def save_prior(self, output: Path | None = None, *, though_changed: bool = False) -> None:
        """Save the trained prior into the open model file, or into a copy; `though_changed` by another program."""
        model, trained = self._require_trained()
        self._submit_now("saving", work.saving(model, trained, output, though_changed=though_changed))

    def find_previous(self) -> None:
        """Read the facts of the version before the open model's last save."""
        self._submit_now("previous", work.finding_previous(self._require_model().path))

    def restore_previous(self) -> None:
        """Let the open model and the version before it change places."""
        self._submit_now("restoring", work.restoring(self._require_model().path))

    def keep(self, which: Keep) -> None:
        """Let the trained prior have other weights: those of the training's best epoch, of its last, or others."""
        _, trained = self._require_trained()
        self._set(trained=trained.keeping(which))

    def discard_prior(self) -> None:
        """Give the unsaved prior up, also what is kept of it on disk."""
        trained, model = self._state.trained, self._state.model
        self._set(trained=None, unsaved=False)
        if trained is not None and trained.run_id and model is not None:
            self._runner.submit("discarding", work.discarding(model.path, trained.run_id))

    @property
    def has_ended(self) -> bool:
        """Whether the work thread is over."""
        return not self._runner.is_alive

    def close(self, wait_ms: int) -> bool:
        """End the work thread, also when idle; False if it did not end in time."""
        return self._runner.close(wait_ms)

    def _submit_now(self, name: str, function: work.Work) -> None:
        self._runner.submit(name, function)
        self._set(activity=_ACTIVITY_OF_JOB[name])  # at once: a second click must find the button gone

    def _require_ready(self) -> tuple[ModelSummary, AudioDataset]:
        if self._state.model is None or self._state.dataset is None:
            raise ValueError("training needs a model and sounds")
        return self._state.model, self._state.dataset

    def _require_model(self) -> ModelSummary:
        if self._state.model is None:
            raise ValueError("no model is open")
        return self._state.model

    def _require_trained(self) -> tuple[ModelSummary, TrainedPrior]:
        if self._state.model is None or self._state.trained is None:
            raise ValueError("there is no trained prior")
        return self._state.model, self._state.trained

    def _set(self, **changes: Any) -> None:
        self._state = replace(self._state, **changes)
        self.state_changed.emit(self._state)

    @Slot(object)
    def _on_job_started(self, job: Job) -> None:
        is_stopping = job.name == "training" and job.stop.is_set()
        self._set(activity=Activity.STOPPING if is_stopping else _ACTIVITY_OF_JOB[job.name])

    @Slot(object)
    def _on_event(self, event: object) -> None:
        match event:
            case JobProgress():
                self.progress.emit(event)
            case SkippedFile():
                self.file_skipped.emit(event)
            case PriorTrainingStartEvent():
                self._on_training_start(event)
            case RunNotKept():
                self._set(is_kept=False)
                self.run_not_kept.emit(event)
            case RolledBack():
                self.rolled_back.emit(event)
            case OlderStateTaken():
                self._set(older_state=event)
                self.older_state_taken.emit(event)
            case work.SaveChecked():
                self._set(obstacle=event.obstacle)
            case PriorStepMetrics():
                self.step_finished.emit(event)
            case PriorEpochMetrics():
                self._on_epoch(event)

    def _on_training_start(self, event: PriorTrainingStartEvent) -> None:
        activity = self._state.activity
        self._set(activity=Activity.TRAINING if activity is Activity.PREPARING else activity, sameness=event.sameness)
        self.training_started.emit(event)
        for epoch in event.history:  # of a training that goes on
            self._on_epoch(epoch)

    def _on_epoch(self, epoch: PriorEpochMetrics) -> None:
        self._state = self._state.with_epoch(epoch)
        self._set()
        self.epoch_finished.emit(epoch)

    @Slot(object)
    def _on_job_ended(self, outcome: JobOutcome) -> None:
        name = outcome.job.name
        if not self._runner.is_busy:
            self._state = replace(self._state, activity=Activity.NONE)
        if name == "model" and not self._runner.has(name):
            self._state = replace(self._state, pending_model=None)
        if name == "sounds" and not self._runner.has(name):
            self._state = replace(self._state, pending_sounds=())
        if outcome.error is None:
            self._take_result(name, outcome.result)
        elif not isinstance(outcome.error, Stopped):
            problem = problem_from(outcome.error, outcome.details)
            self._set(may_replace=problem.may_replace) if name == "saving" else self._set()
            if name == "training":
                self._look_for_unfinished()
            self.failed.emit(name, problem)
        else:
            self._set()

    def _look_for_unfinished(self) -> None:
        """Offer what a training that failed had reached."""
        from distill_core.training.run_folder.folder import RunFolder

        self._set(unfinished=RunFolder.of(self._require_model().path).unfinished())

    def _remember_speed(self, trained: TrainedPrior) -> None:
        seconds = [epoch.epoch_time_s for epoch in trained.history]
        if seconds and self._epoch_work:
            self.settings.set_training_speed(self._epoch_work * len(seconds) / max(sum(seconds), 1e-3))

    def _take_result(self, name: str, result: Any) -> None:
        if name == "model":
            self.settings.add_recent_model(result.summary.path.resolve())
        if name == "training":
            self._remember_speed(result)
        self._state, news = results.take(self._state, name, result)
        self._set()
        for signal, value in news:
            getattr(self, signal).emit(value)
