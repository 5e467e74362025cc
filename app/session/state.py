"""The state of the window: plain values in four parts, and the activity of each runner."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.session.activity import TRAINING_ACTIVITIES, Activity, Runner, Subject
from app.session.comparing import ComparingState
from app.session.copying import CopyingState
from app.session.making import MakingState
from app.session.options import Options
from app.session.proving import ProofsState
from app.session.takes import TakesState
from app.session.training import TrainingState
from distill_core.models.sounds_list import SOUNDS
from distill_core.training.prior.events import Verdict

if TYPE_CHECKING:
    from app.session.beside import BesideModel
    from app.session.problems import Problem
    from distill_core.audio.dataset import AudioDataset
    from distill_core.models.summary import ModelSummary
    from distill_core.training.prior.events import PriorEpochMetrics
    from distill_core.training.run_folder.facts import UnfinishedRun


class Page(StrEnum):
    """The pages of the stage, one for each chip."""

    SOUNDS = "sounds"
    LEARNING = "learning"
    TAKES = "takes"


@dataclass(frozen=True, slots=True)
class SaveObstacle:
    """Why nothing can be saved into the model, in words; for a read-only one, saving asks for a copy at once."""

    text: str
    is_read_only: bool


@dataclass(frozen=True, slots=True)
class OpenFiles:
    """The model and the sounds that are open or being opened.

    `real_path` is the model's file with links followed; `obstacle` says why nothing can be saved into it;
    `has_previous` says whether there is a version before its last save; `may_replace` says whether a save was refused
    because another program changed it. `unfinished` is a training into the model that was never saved, `recoverable`
    are all that there are, the newest first. `unfinished_model` is the making of a model that is offered to be gone on
    with. `is_in_use` says whether another window, or the terminal, trains the model now. `pending_model` and
    `pending_sounds` are being opened. The refusals say why something else is not open, in a sentence. `scanned` has all
    sounds that were found; `dataset`, which a training learns from, has them without those whose names are in
    `left_out`.
    """

    model: ModelSummary | None = None
    real_path: Path | None = None
    dataset: AudioDataset | None = None
    scanned: AudioDataset | None = None
    left_out: frozenset[str] = frozenset()
    obstacle: SaveObstacle | None = None
    has_previous: bool = False
    may_replace: bool = False
    unfinished: UnfinishedRun | None = None
    unfinished_model: UnfinishedRun | None = None
    recoverable: tuple[UnfinishedRun, ...] = ()
    is_in_use: bool = False
    pending_model: Path | None = None
    pending_sounds: tuple[Path, ...] = ()
    model_refusal: str = ""
    sounds_refusal: str = ""

    @property
    def sources(self) -> tuple[Path, ...]:
        """The folders and files that the open sounds come from."""
        return () if self.dataset is None else self.dataset.sources

    @property
    def is_pending(self) -> bool:
        """Whether something is being opened."""
        return self.pending_model is not None or bool(self.pending_sounds)

    @property
    def is_empty(self) -> bool:
        """Whether nothing is open and nothing is being opened."""
        return self.model is None and self.dataset is None and not self.is_pending

    @property
    def offered(self) -> UnfinishedRun | None:
        """The unfinished training that can be gone on with, used or discarded: of a model, else of its prior."""
        return self.unfinished_model or self.unfinished

    @property
    def is_ready(self) -> bool:
        """Whether training has the files it needs."""
        return self.model is not None and self.dataset is not None


@dataclass(frozen=True, slots=True)
class State:
    """The whole state; the contents of the window follow from it.

    `training` is that of a prior, `making` that of a model, `copying` what is known of copies among the takes, `proofs`
    what they are proven to depend on, `comparing` its kept epochs side by side, `beside` a model whose curve is shown
    beside. `work`, `listen` and `check` are the activities of three runners; `problem` is the last failure, unless it
    is shown elsewhere. `page` is the page on the stage.
    """

    open: OpenFiles = field(default_factory=OpenFiles)
    training: TrainingState = field(default_factory=TrainingState)
    making: MakingState = field(default_factory=MakingState)
    options: Options = field(default_factory=Options)
    takes: TakesState = field(default_factory=TakesState)
    copying: CopyingState = field(default_factory=CopyingState)
    proofs: ProofsState = field(default_factory=ProofsState)
    comparing: ComparingState = field(default_factory=ComparingState)
    beside: BesideModel | None = None
    work: Activity = Activity.NONE
    listen: Activity = Activity.NONE
    check: Activity = Activity.NONE
    problem: Problem | None = None
    page: Page = Page.SOUNDS

    def with_open(self, **changes: Any) -> State:
        """Return the state with changes in `open`."""
        return replace(self, open=replace(self.open, **changes))

    def offering(self, run: UnfinishedRun | None) -> State:
        """Return the state with the unfinished training into its model; that of its unsaved prior is none."""
        is_own = run is not None and self.training.is_of_run(run)
        return self.with_open(unfinished=None if is_own else run)

    def with_sounds(self, scanned: AudioDataset, left_out: frozenset[str]) -> State:
        """Return the state with sounds, some of them left out; a saved training makes room for the next one.

        Raises:
            DatasetError: no sound would be left.
        """
        names = left_out.intersection(file.name for file in scanned.files)
        state = self.without_saved_training().with_training(left_out=())
        return state.with_open(dataset=scanned.without(names), scanned=scanned, left_out=names, sounds_refusal="")

    def without_refusals(self) -> State:
        """Return the state without the reasons why files were not taken, or a take was not made."""
        return self.with_open(model_refusal="", sounds_refusal="").with_takes(problem="")

    def without_problem(self) -> State:
        """Return the state without the last problem, unless it may be that of what is not saved yet."""
        return self if self.has_unsaved else replace(self, problem=None)

    def with_training(self, **changes: Any) -> State:
        """Return the state with changes in `training`."""
        return replace(self, training=replace(self.training, **changes))

    def with_making(self, **changes: Any) -> State:
        """Return the state with changes in `making`."""
        return replace(self, making=replace(self.making, **changes))

    def with_takes(self, **changes: Any) -> State:
        """Return the state with changes in `takes`."""
        return replace(self, takes=replace(self.takes, **changes))

    def with_copying(self, **changes: Any) -> State:
        """Return the state with changes in `copying`."""
        return replace(self, copying=replace(self.copying, **changes))

    def with_proofs(self, proofs: ProofsState) -> State:
        """Return the state with other proofs."""
        return replace(self, proofs=proofs)

    def with_takes_state(self, takes: TakesState) -> State:
        """Return the state with other takes."""
        return replace(self, takes=takes)

    def without_training(self) -> State:
        """Return the state without the last training."""
        return replace(self, training=TrainingState())

    def without_going_on(self) -> State:
        """Return the state with the training that the last one went on from, or was to replace; unchanged without."""
        former = self.training.former or self.training.in_place_of
        return self if former is None else replace(self, training=former)

    def without_saved_training(self) -> State:
        """Return the state without the last training, unless its result is to be saved: that stays."""
        return self if self.training.unsaved else self.without_training()

    def without_cut_off_training(self) -> State:
        """Return the state without the epochs of a training that failed, whose run is discarded."""
        return self if self.training.trained is not None or self.is_training else self.without_training()

    def with_epoch(self, epoch: PriorEpochMetrics) -> State:
        """Return the state after one more epoch of the training."""
        return replace(self, training=self.training.with_epoch(epoch))

    def following(self, before: State) -> State:
        """Return the state with the options and the page that follow from its files and its training."""
        state = self.without_refusals() if before._locks_files and not self._locks_files else self
        return replace(state, page=self._page_after(before))._with_options_after(before)._with_copying_after(before)

    @property
    def _locks_files(self) -> bool:
        """Whether neither model nor sounds can be changed; what was refused for that is true no longer after it."""
        return self.is_training or self.work is Activity.SAVING

    def _page_after(self, before: State) -> Page:
        """Return the page of the news: a training, a model with a prior, or sounds; none of them turns no page."""
        if self.is_training and not before.is_training:
            return Page.LEARNING
        if self.open.model is not None and before.open.real_path != self.open.real_path:
            if self.open.model.path == self.making.saved_to != before.making.saved_to:
                return self.page  # it was made here: its curve stays in sight
            return Page.TAKES if self.open.model.has_prior else self._page_to_begin()
        are_asked_for = self.open.pending_sounds and self.open.pending_sounds != before.open.pending_sounds
        are_others = self.open.dataset is not before.open.dataset
        # Once those asked for are there, a model with takes may be open.
        return self._page_to_begin() if are_asked_for or (are_others and not before.open.pending_sounds) else self.page

    def _page_to_begin(self) -> Page:
        return Page.SOUNDS

    def _with_options_after(self, before: State) -> State:
        now, then = self.open, before.open
        if now.model is then.model and now.dataset is then.dataset and self.options is before.options:
            return self
        return replace(self, options=self.options.following(now.model, now.dataset))

    @property
    def prior_facts(self) -> Mapping[str, Any] | None:
        """The facts of the prior that sounds, as a file holds them: of the unsaved one, else of the model's.

        None without one that can be read.
        """
        trained, model = self.training.trained, self.open.model
        if model is None:
            return None
        if self.training.unsaved and trained is not None and trained.prior is not None:
            return trained.metadata
        return model.prior_metadata or {} if model.has_prior and model.prior_is_readable else None

    @property
    def sounds_learned_from(self) -> AudioDataset | None:
        """The open sounds among which are those that the prior learned from: also those which the next one won't.

        An older file does not list them; what was left out is taken for what it had not.
        """
        # The list itself is not read: this is asked for after every change, and there may be 100,000 sounds.
        are_listed = self.open.scanned is not None and bool((self.prior_facts or {}).get(SOUNDS))
        return self.open.scanned if are_listed else self.open.dataset

    def _with_copying_after(self, before: State) -> State:
        """Return the state with what is known of copies; that of another prior, or beside other sounds, goes."""
        now, then = (
            (each.open.model, each.open.dataset, each.open.scanned, each.training.trained, each.training.unsaved)
            for each in (self, before)
        )
        if all(one is other for one, other in zip(now, then, strict=True)):
            return self
        path = None if self.open.model is None else self.open.model.path
        known = self.copying.beside(path, self.prior_facts, self.sounds_learned_from)
        return replace(self, copying=known, proofs=self.proofs.of_model(path))

    def doing(self, runner: Runner, activity: Activity) -> State:
        """Return the state with a runner at an activity; a new try forgets the last problem, and what was refused."""
        match runner:
            case Runner.WORK:
                state = replace(self, work=activity)
            case Runner.LISTEN:
                state = replace(self, listen=activity)
            case Runner.CHECK:
                return replace(self, check=activity)
            case Runner.SHELF:
                return self
        is_new_try = activity in (Activity.PREPARING, Activity.SAVING)
        return replace(state.without_refusals(), problem=None) if is_new_try else state

    def done_with(self, subject: Subject) -> State:
        """Return the state once no task of this subject runs or waits."""
        match subject:
            case Subject.MODEL:
                return self.with_open(pending_model=None)
            case Subject.SOUNDS:
                return self.with_open(pending_sounds=())
            case Subject.TRAINING:
                return self.without_going_on()
            case Subject.MAKING:
                return self.with_making(is_under_way=False)
            case Subject.WEIGHTS:
                return self.with_training(is_choosing=False)
            case Subject.TAKE:
                return self.with_takes(making=None)
            case Subject.EPOCHS:
                return replace(self, comparing=replace(self.comparing, making=frozenset()))
            case Subject.AUDIT:
                return self.with_copying(is_auditing=False, done=0, total=0)
        return self

    def with_problem(self, subject: Subject, problem: Problem) -> State:
        """Return the state after a failure; cards, player and shelf show their own; only models have other places."""
        if problem.is_of_place and subject not in (Subject.MAKING, Subject.SAVING_MODEL):
            problem = replace(problem, is_of_place=False)
        match subject:
            case Subject.MODEL:
                return self.with_open(model_refusal=problem.sentence)
            case Subject.SOUNDS:
                return self.with_open(sounds_refusal=problem.sentence)
            case Subject.HEARING:
                return self
            case Subject.SAVING:
                return replace(self.with_open(may_replace=problem.may_replace), problem=problem)
            case Subject.NAMING:  # the offer to replace the file is that of a prior
                return replace(self, problem=replace(problem, may_replace=False, may_rename=problem.may_replace))
            case Subject.TAKE | Subject.EPOCHS | Subject.SHELF:
                return self.with_takes(problem=problem.sentence)
            case Subject.PROVING:
                return self.with_proofs(self.proofs.without_running(problem.sentence))
            case Subject.AUDIT | Subject.NOTING | Subject.JUDGING:
                return self.with_copying(problem=problem.sentence)
        return replace(self, problem=problem)

    @property
    def has_unsaved(self) -> bool:
        """Whether a prior or a model is not saved yet, also one that a training goes on from."""
        former = self.training.former
        has_prior = self.training.unsaved or (former is not None and former.unsaved)
        return has_prior or self.making.trained is not None

    @property
    def is_idle(self) -> bool:
        """Whether the work runner does nothing."""
        return self.work is Activity.NONE

    @property
    def is_training(self) -> bool:
        """Whether a training is under way, of a model or a prior, its preparation and its stopping included."""
        return self.work in TRAINING_ACTIVITIES

    @property
    def is_making(self) -> bool:
        """Whether the training under way is that of a model, and not of a prior."""
        return self.is_training and self.making.is_under_way

    @property
    def warning(self) -> str:
        """The warning of the running training's last epoch, in a sentence, or ""."""
        last = self.training.last
        return last.memorization_message if last is not None and self.work is Activity.TRAINING else ""

    @property
    def is_memorizing(self) -> bool:
        """Whether the verdict on the running training's last epoch is that it memorizes."""
        last = self.training.last
        return bool(self.warning and last is not None and last.verdict == Verdict.MEMORIZING)

    @property
    def objection(self) -> str:
        """Why the trained prior should not replace the file's unasked, in a sentence; "" if it may or need not."""
        model, trained = self.open.model, self.training.trained
        if model is None or not model.has_prior or trained is None:
            return ""
        return trained.objection(model)
