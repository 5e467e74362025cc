"""What the window knows, and what may be done about it: plain values and one pure function."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum, StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from distill_core.training.prior.events import Keep, Verdict

if TYPE_CHECKING:
    from distill_core.audio.dataset import AudioDataset
    from distill_core.models.summary import ModelSummary
    from distill_core.training.events import OlderStateTaken
    from distill_core.training.prior.events import PriorEpochMetrics
    from distill_core.training.prior.trained import TrainedPrior
    from distill_core.training.run_folder.facts import UnfinishedRun


class Activity(Enum):
    """What the work thread does."""

    NONE = "none"
    STARTING = "starting"
    OPENING = "opening"
    SCANNING = "scanning"
    PREPARING = "preparing"
    TRAINING = "training"
    STOPPING = "stopping"
    SAVING = "saving"


class ActionId(StrEnum):
    """Everything a person can ask for."""

    OPEN_MODEL = "openModelAction"
    CHOOSE_SOUNDS = "chooseSoundsAction"
    TRY_DEMO = "tryDemoAction"
    TRAIN = "trainAction"
    STOP = "stopAction"
    SAVE_PRIOR = "savePriorAction"
    SAVE_COPY = "saveCopyAction"
    RESTORE = "restoreAction"
    CONTINUE = "continueAction"
    USE_BEST = "useBestAction"
    DISCARD = "discardAction"
    KEEP_BEST = "keepBestAction"
    KEEP_LAST = "keepLastAction"
    KEEP_BEFORE_MEMORIZING = "keepBeforeMemorizingAction"
    SHOW_IN_FOLDER = "showInFolderAction"
    UNFINISHED_RUNS = "unfinishedRunsAction"
    OPTIONS = "optionsAction"
    INSPECT = "inspectAction"
    CLOSE = "closeAction"
    QUIT = "quitAction"
    CLEAR_CACHE = "clearCacheAction"
    REGISTER = "registerAction"
    EXPLAIN_PERPLEXITY = "explainPerplexityAction"
    OPEN_LOGS = "openLogsAction"
    ABOUT = "aboutAction"


ALWAYS = frozenset(
    {
        ActionId.OPTIONS,
        ActionId.INSPECT,
        ActionId.CLOSE,
        ActionId.QUIT,
        ActionId.REGISTER,
        ActionId.EXPLAIN_PERPLEXITY,
        ActionId.OPEN_LOGS,
        ActionId.ABOUT,
    }
)
TRAINING_ACTIVITIES = frozenset({Activity.PREPARING, Activity.TRAINING, Activity.STOPPING})
_OPENING_ACTIVITIES = frozenset({Activity.NONE, Activity.STARTING, Activity.OPENING, Activity.SCANNING})
KEEPING = {
    ActionId.KEEP_BEST: Keep.BEST,
    ActionId.KEEP_LAST: Keep.LAST,
    ActionId.KEEP_BEFORE_MEMORIZING: Keep.BEFORE_MEMORIZING,
}


@dataclass(frozen=True, slots=True)
class SaveObstacle:
    """Why nothing can be saved into the model, in words; where it is read-only, a copy is asked for at once."""

    text: str
    is_read_only: bool


@dataclass(frozen=True, slots=True)
class State:
    """Everything the window shows depends on this.

    `obstacle` is what keeps anything from being saved into the model; `has_previous` says whether there is a version
    before its last save; `may_replace` says whether a save was refused because another program changed it.
    `is_kept` says whether the running training is on disk too; `older_state` that it comes from an older state than the
    newest, which is damaged; `sameness` says in a sentence where its sounds are all one.
    `unfinished` is a training into the model that was never saved, `recoverable` are those of all models, the
    newest first.
    `pending_model` and `pending_sounds` are being opened; `trained` is the last result, `unsaved` until it is in a
    file; `saved_to` is the file of the last save. The epochs belong to the running or last training:
    `before_memorizing` is the best of those before one `has_memorized`.
    """

    activity: Activity = Activity.NONE
    model: ModelSummary | None = None
    dataset: AudioDataset | None = None
    obstacle: SaveObstacle | None = None
    has_previous: bool = False
    may_replace: bool = False
    is_kept: bool = True
    older_state: OlderStateTaken | None = None
    unfinished: UnfinishedRun | None = None
    recoverable: tuple[UnfinishedRun, ...] = ()
    pending_model: Path | None = None
    pending_sounds: tuple[Path, ...] = ()
    trained: TrainedPrior | None = None
    unsaved: bool = False
    saved_to: Path | None = None
    last_epoch: PriorEpochMetrics | None = None
    best_epoch: PriorEpochMetrics | None = None
    before_memorizing: PriorEpochMetrics | None = None
    has_memorized: bool = False
    sameness: str = ""

    def without_training(self) -> State:
        """Return the state with nothing left of the last training."""
        fresh = replace(self, trained=None, unsaved=False, saved_to=None, older_state=None, sameness="")
        return replace(fresh, last_epoch=None, best_epoch=None, before_memorizing=None, has_memorized=False)

    def with_epoch(self, epoch: PriorEpochMetrics) -> State:
        """Return the state after one more epoch of the training."""
        is_best = self.best_epoch is None or epoch.val_loss < self.best_epoch.val_loss
        best = epoch if is_best else self.best_epoch
        has_memorized = self.has_memorized or epoch.verdict == Verdict.MEMORIZING
        before = self.before_memorizing if has_memorized else best
        return replace(self, last_epoch=epoch, best_epoch=best, before_memorizing=before, has_memorized=has_memorized)

    @property
    def is_idle(self) -> bool:
        """Whether nothing is under way."""
        return self.activity is Activity.NONE

    @property
    def is_training(self) -> bool:
        """Whether a training is under way, its preparation and its stopping included."""
        return self.activity in TRAINING_ACTIVITIES

    @property
    def warning(self) -> str:
        """What the running training's last epoch gives reason to warn of, in a sentence, or ""."""
        epoch = self.last_epoch
        return epoch.memorization_message if epoch is not None and self.activity is Activity.TRAINING else ""

    @property
    def is_memorizing(self) -> bool:
        """Whether the verdict on the running training's last epoch is that it memorizes."""
        return bool(self.warning and self.last_epoch and self.last_epoch.verdict == Verdict.MEMORIZING)

    @property
    def kept_epoch(self) -> PriorEpochMetrics | None:
        """The epoch that a stop keeps: the best, or where training began to memorize, the best before that."""
        return self.before_memorizing or self.best_epoch

    @property
    def objection(self) -> str:
        """Why the trained prior should not replace the file's unasked, in a sentence, or "" also where it has none."""
        if self.model is None or not self.model.has_prior or self.trained is None:
            return ""
        return self.trained.objection(self.model)

    @property
    def keepable(self) -> tuple[ActionId, ...]:
        """What may be asked for: the weights of the unsaved training that are not the ones kept now."""
        if self.trained is None or not self.unsaved:
            return ()
        kept = self.trained.metadata.get("kept")
        return tuple(action for action, which in KEEPING.items() if which in self.trained.weights and which != kept)

    @property
    def is_empty(self) -> bool:
        """Whether nothing is open and nothing is being opened."""
        return self.model is None and self.dataset is None and not self.pending_model and not self.pending_sounds

    @property
    def is_ready(self) -> bool:
        """Whether there is all that training needs."""
        return self.model is not None and self.dataset is not None


def available(state: State) -> frozenset[ActionId]:
    """Return what may be done now; menus, buttons and drops all read this."""
    actions = set(ALWAYS)
    if state.activity in _OPENING_ACTIVITIES:
        actions |= {ActionId.OPEN_MODEL, ActionId.CHOOSE_SOUNDS, ActionId.TRY_DEMO}
    if state.activity in (Activity.PREPARING, Activity.TRAINING) or state.pending_sounds:
        actions.add(ActionId.STOP)
    if state.activity is Activity.NONE:
        actions.add(ActionId.CLEAR_CACHE)
    is_pending = state.pending_model is not None or bool(state.pending_sounds)
    if state.activity is Activity.NONE and state.is_ready and not is_pending:
        actions.add(ActionId.TRAIN)
    if state.activity in _OPENING_ACTIVITIES and state.pending_model is None:  # saving waits for a scan
        if state.unsaved:
            actions.add(ActionId.SAVE_PRIOR)
        if state.trained is not None and state.trained.prior is not None:
            actions.add(ActionId.SAVE_COPY)
    if state.activity is Activity.NONE and state.has_previous and not is_pending:
        actions.add(ActionId.RESTORE)
    if state.activity is Activity.NONE and state.unfinished is not None and not is_pending:
        actions |= {ActionId.USE_BEST, ActionId.DISCARD}
        if state.unfinished.can_go_on:
            actions.add(ActionId.CONTINUE)
    if state.activity is Activity.NONE and not is_pending:
        actions.update(state.keepable)
        actions.add(ActionId.UNFINISHED_RUNS)
    if state.model is not None:
        actions.add(ActionId.SHOW_IN_FOLDER)
    return frozenset(actions)
