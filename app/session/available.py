"""The actions of the window, and those that are available now: one pure function."""

from __future__ import annotations

from enum import StrEnum

from app.session.activity import Activity
from app.session.appearance import AppearanceChoice
from app.session.state import State
from app.session.training import TrainingState
from app.session.voice import prior_settings
from distill_core.training.prior.events import Keep


class ActionId(StrEnum):
    """The actions of the window; the values name their objects in Qt."""

    OPEN_MODEL = "openModelAction"
    CHOOSE_SOUNDS = "chooseSoundsAction"
    TRY_DEMO = "tryDemoAction"
    MAKE_MODEL = "makeModelAction"
    MAKE_BOTH = "makeModelAndPriorAction"
    TRAIN = "trainAction"
    STOP = "stopAction"
    CANCEL_TRAINING = "cancelTrainingAction"
    TRAIN_FURTHER = "trainFurtherAction"
    SAVE_PRIOR = "savePriorAction"
    SAVE_COPY = "saveCopyAction"
    RESTORE = "restoreAction"
    EDIT_MODEL = "editModelAction"
    EXPORT_PLUGIN = "exportPluginAction"
    CONTINUE = "continueAction"
    USE_BEST = "useBestAction"
    DISCARD = "discardAction"
    KEEP_BEST = "keepBestAction"
    KEEP_LAST = "keepLastAction"
    KEEP_BEFORE_MEMORIZING = "keepBeforeMemorizingAction"
    SHOW_IN_FOLDER = "showInFolderAction"
    EXPORT_PICTURE = "exportPictureAction"
    EXPORT_TABLE = "exportTableAction"
    CURVE_BY_TIME = "curveByTimeAction"
    CURVE_LOGARITHMIC = "curveLogarithmicAction"
    COMPARE_CURVE = "compareCurveAction"
    END_COMPARISON = "endComparisonAction"
    LEAVE_OUT = "leaveOutAction"
    UNFINISHED_RUNS = "unfinishedRunsAction"
    GENERATE = "generateAction"
    LISTEN_TO_BEST = "listenToBestAction"
    SAVE_TAKE = "saveTakeAction"
    SAVE_ALL_TAKES = "saveAllTakesAction"
    WITH_SIDECAR = "withSidecarAction"
    DELETE_TAKE = "deleteTakeAction"
    BRING_TAKE_BACK = "bringTakeBackAction"
    CHECK_COPIES = "checkCopiesAction"
    STOP_CHECKING = "stopCheckingAction"
    ALL_TAKES = "allTakesAction"
    SHOW_SOUNDS = "showSoundsAction"
    SHOW_LEARNING = "showLearningAction"
    SHOW_TAKES = "showTakesAction"
    OPTIONS = "optionsAction"
    INSPECT = "inspectAction"
    COPIES = "copiesAction"
    CLOSE = "closeAction"
    QUIT = "quitAction"
    PLAY = "playAction"
    LOOP = "loopAction"
    FLIP = "flipAction"
    FLIP_SIDE = "flipSideAction"
    CLEAR_CACHE = "clearCacheAction"
    REGISTER = "registerAction"
    EXPLAIN_PERPLEXITY = "explainPerplexityAction"
    OPEN_LOGS = "openLogsAction"
    APPEARANCE_SYSTEM = "appearanceSystemAction"
    APPEARANCE_LIGHT = "appearanceLightAction"
    APPEARANCE_DARK = "appearanceDarkAction"
    ABOUT = "aboutAction"


ALWAYS = frozenset(
    {
        ActionId.ALL_TAKES,
        ActionId.WITH_SIDECAR,
        ActionId.SHOW_SOUNDS,
        ActionId.SHOW_LEARNING,
        ActionId.SHOW_TAKES,
        ActionId.OPTIONS,
        ActionId.INSPECT,
        ActionId.COPIES,
        ActionId.CURVE_BY_TIME,
        ActionId.CURVE_LOGARITHMIC,
        ActionId.PLAY,
        ActionId.LOOP,
        ActionId.FLIP,
        ActionId.FLIP_SIDE,
        ActionId.CLOSE,
        ActionId.QUIT,
        ActionId.EXPLAIN_PERPLEXITY,
        ActionId.OPEN_LOGS,
        ActionId.APPEARANCE_SYSTEM,
        ActionId.APPEARANCE_LIGHT,
        ActionId.APPEARANCE_DARK,
        ActionId.ABOUT,
    }
)
_OPENING_ACTIVITIES = frozenset(
    {Activity.NONE, Activity.STARTING, Activity.OPENING, Activity.SCANNING, Activity.CLEARING, Activity.WORKING}
)
APPEARANCES = {
    ActionId.APPEARANCE_SYSTEM: AppearanceChoice.SYSTEM,
    ActionId.APPEARANCE_LIGHT: AppearanceChoice.LIGHT,
    ActionId.APPEARANCE_DARK: AppearanceChoice.DARK,
}
KEEPING = {
    ActionId.KEEP_BEST: Keep.BEST,
    ActionId.KEEP_LAST: Keep.LAST,
    ActionId.KEEP_BEFORE_MEMORIZING: Keep.BEFORE_MEMORIZING,
}


def _keepable(training: TrainingState) -> set[ActionId]:
    """Return the actions that keep other weights of the unsaved training than those kept now."""
    if training.trained is None or not training.unsaved:
        return set()
    trained, kept = training.trained, training.trained.metadata.get("kept")
    return {action for action, which in KEEPING.items() if which in trained.weights and which != kept}


def _when_idle(state: State) -> set[ActionId]:
    """Return the actions that need an idle window, in which nothing is being opened."""
    actions = _keepable(state.training) | {ActionId.UNFINISHED_RUNS}
    can_train = state.open.model is not None and state.options.is_valid and not state.open.is_in_use
    if can_train and state.open.is_ready:
        actions.add(ActionId.TRAIN)
    if can_train and state.training.can_go_further:
        actions.add(ActionId.TRAIN_FURTHER)
    if state.open.has_previous:
        actions.add(ActionId.RESTORE)
    if state.open.model is not None and state.open.obstacle is None and not state.training.is_choosing:
        actions.add(ActionId.EDIT_MODEL)
    if state.open.offered is not None:
        actions.add(ActionId.DISCARD)
        if state.open.offered.has_best:
            actions.add(ActionId.USE_BEST)
        if state.open.offered.can_go_on:
            actions.add(ActionId.CONTINUE)
    return actions | _making(state)


def _making(state: State) -> set[ActionId]:
    """Return the actions that make a model; with one open they make another."""
    if state.open.dataset is None:
        return set()
    return {ActionId.MAKE_MODEL, ActionId.MAKE_BOTH} if state.options.is_valid else {ActionId.MAKE_MODEL}


def _with_takes(state: State) -> set[ActionId]:
    """Return the actions on takes, which wait for no other task."""
    actions = set()
    if prior_settings(state) is not None:
        actions.add(ActionId.GENERATE)
    if state.is_training and state.training.best is not None and state.training.is_kept:
        actions.add(ActionId.LISTEN_TO_BEST)
    if state.takes.takes:
        actions.add(ActionId.SAVE_ALL_TAKES)
    if state.takes.chosen_take is not None:
        actions |= {ActionId.SAVE_TAKE, ActionId.DELETE_TAKE}
    if state.takes.deleted:
        actions.add(ActionId.BRING_TAKE_BACK)
    return actions | _checking(state)


def _checking(state: State) -> set[ActionId]:
    """Return the action that checks the prior for copies, or the one that ends that."""
    if state.copying.is_auditing:
        return {ActionId.STOP_CHECKING}
    has_all = state.copying.prior is not None and not state.copying.needs_sounds
    return {ActionId.CHECK_COPIES} if has_all and not state.is_training else set()


def _with_curve(state: State) -> set[ActionId]:
    """Return the actions on the curve, which wait for no task."""
    actions = {ActionId.END_COMPARISON} if state.beside is not None else set()
    model = state.open.model
    if model is not None and (state.training.epochs or model.has_prior):
        actions |= {ActionId.EXPORT_PICTURE, ActionId.EXPORT_TABLE, ActionId.COMPARE_CURVE}
    return actions


def available(state: State) -> frozenset[ActionId]:
    """Return the actions that are available now; menus, buttons and drops all read this."""
    actions = {*ALWAYS, *_with_takes(state), *_with_curve(state)}
    can_open = state.work in _OPENING_ACTIVITIES
    if can_open:
        actions |= {ActionId.OPEN_MODEL, ActionId.CHOOSE_SOUNDS, ActionId.TRY_DEMO}
        if state.open.scanned is not None and not state.open.pending_sounds:
            actions.add(ActionId.LEAVE_OUT)
    if state.work in (Activity.PREPARING, Activity.TRAINING) or state.open.pending_sounds:
        actions.add(ActionId.STOP)
    if state.work in (Activity.PREPARING, Activity.TRAINING):
        actions.add(ActionId.CANCEL_TRAINING)
    if state.is_idle:
        actions |= {ActionId.CLEAR_CACHE, ActionId.REGISTER}
        if not state.open.is_pending:
            actions |= _when_idle(state)
    can_save = state.open.pending_model is None and not state.training.is_choosing
    if can_open and can_save:  # a save waits for the scan under way
        if state.training.unsaved:
            actions.add(ActionId.SAVE_PRIOR)
        if state.training.trained is not None and state.training.trained.prior is not None:
            actions.add(ActionId.SAVE_COPY)
    if state.open.model is not None:
        actions.add(ActionId.SHOW_IN_FOLDER)
        if state.open.model.has_prior and state.open.model.prior_is_readable:
            actions.add(ActionId.EXPORT_PLUGIN)
    return frozenset(actions)
