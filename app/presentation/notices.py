"""The messages and buttons of the notice line: pure, so that a table can test them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from app import words
from app.presentation import copying, making
from app.presentation.outcome import kept_when_stopped, unsaved_detail, warning_text
from app.session.available import ActionId, available
from app.session.problems import Problem
from app.session.state import State
from app.session.training import TrainingState
from app.theme import BannerKind
from distill_core.models.codec_health import POOR_CODEC, codec_health
from distill_core.training.prior.words import near_copies_words
from distill_core.training.words import unfinished_words

if TYPE_CHECKING:
    from distill_core.models.summary import ModelSummary
    from distill_core.training.prior.events import PriorEpochMetrics, PriorTrainingStartEvent
    from distill_core.training.prior.trained import TrainedPrior
    from distill_core.training.run_folder.facts import UnfinishedRun

STOP, GO_ON, SAVE, EXPLAIN, COPY, REPLACE = "stop", "goOn", "save", "explain", "copy", "replace"
CONTINUE, BEST, DISCARD, REOPEN = "continue", "useBest", "discard", "reopen"
LOOK_AGAIN = "lookAgain"
SAVE_MODEL, MOVE_MODELS = "saveModel", "moveModels"
SAVE_TEXTS = "saveTexts"
SHOW_TAKES = "showTakes"
_ONLY_TEXTS = "Your name and notes can go into it as it is now; all else in it stays, and a backup is kept."
_MEMORIZING, _MEMORIZING_SINCE = "Memorizing.", "Memorizing since epoch {0}."
_KEEP_EPOCH, _KEEP_BEFORE_IT = "Stop, Keep Epoch {0}", "Stop, Keep Epoch {0} (Before It)"
KEEP_TEXTS = {
    ActionId.KEEP_BEST: "Keep Best",
    ActionId.KEEP_LAST: "Keep Last",
    ActionId.KEEP_BEFORE_MEMORIZING: "Keep Best Before Memorizing",
}


@dataclass(frozen=True, slots=True)
class Notice:
    """A banner's message; `actions` are (id, text) pairs, `primary` is the id of the advised one.

    `can_be_closed`: a person may put it away, for nothing is lost with it.
    """

    kind: BannerKind
    title: str
    detail: str = ""
    actions: tuple[tuple[str, str], ...] = ()
    primary: str = ""
    can_be_closed: bool = False


def warning(state: State) -> Notice | None:
    """Return the warning about the running training, or about a codec before one; None without either."""
    kept, last = state.training.kept_epoch, state.training.last
    if last is None or not state.warning:
        return _of_copies(state) or (_of_poor_codec(state.open.model) if _may_train_first(state) else None)
    if state.training.hides_warning:
        return None
    if state.is_memorizing and kept is not None:
        return _of_memorizing(last, kept)
    return Notice("warning", "These sounds are easy to predict.", warning_text(last), ((EXPLAIN, "Explain"),))


def _of_copies(state: State) -> Notice | None:
    """Return the message of an audit that found copies, None without one."""
    record = copying.copies(state)
    if record is None:
        return None
    return Notice("warning", copying.copies_title(record), "", ((SHOW_TAKES, "Show"),), can_be_closed=True)


def _of_memorizing(last: PriorEpochMetrics, kept: PriorEpochMetrics) -> Notice:
    since = last.memorizing_from
    title = _MEMORIZING_SINCE.format(since) if since else _MEMORIZING
    stop = (_KEEP_BEFORE_IT if kept.epoch < since else _KEEP_EPOCH).format(kept.epoch)
    detail = f"{warning_text(last)} {kept_when_stopped(kept)}"
    return Notice("warning", title, detail, ((STOP, stop), (GO_ON, "Go On")), STOP)


def _may_train_first(state: State) -> bool:
    """Tell whether the next training is the first one since the model was opened."""
    return not state.is_training and state.training.trained is None


def _of_poor_codec(model: ModelSummary | None) -> Notice | None:
    fault = "" if model is None else codec_health(model).warning
    return Notice("warning", POOR_CODEC, fault) if fault else None


def begins_to_warn(training: TrainingState) -> bool:
    """Tell whether the last epoch gives a warning and the one before it none."""
    before, last = ("", "", *(epoch.memorization_message for epoch in training.epochs[-2:]))[-2:]
    return bool(last) and not before and not training.hides_warning


def notice(state: State) -> Notice | None:
    """Return the first of the notices; None without any."""
    return next(iter(notices_of(state)), None)


def notices_of(state: State) -> tuple[Notice, ...]:
    """Return the notices: a problem, then what is unsaved or half made, or else the next thing to do."""
    of_model = _of_model(state) if state.is_idle and not _is_of_model(state) else None
    told = tuple(filter(None, (_of_trouble(state), _of_unsaved_prior(state), of_model, _of_use(state))))
    return told or tuple(filter(None, (_of_next_step(state),)))


def _of_trouble(state: State) -> Notice | None:
    if state.problem is not None:
        return _of_problem(state, state.problem)
    if state.is_training and state.training.sameness:
        return Notice("info", "These sounds are too much alike.", state.training.sameness)
    return _of_near_copies(state.training.started) if state.is_training else None


def _of_near_copies(started: PriorTrainingStartEvent | None) -> Notice | None:
    copies = "" if started is None else near_copies_words(started)
    return Notice("info", "Nearly the same sound.", copies) if copies else None


def _of_use(state: State) -> Notice | None:
    if not state.is_idle or state.open.model is None or not state.open.is_in_use:
        return None
    return Notice("info", words.IN_USE, words.IN_USE_DETAIL, ((LOOK_AGAIN, "Look Again"),))


def _of_next_step(state: State) -> Notice | None:
    model, trained, unfinished = state.open.model, state.training.trained, state.open.unfinished
    if state.is_idle and model is not None:
        if unfinished is not None and (trained is None or trained.prior is None):
            return _of_unfinished(state, unfinished)
        if trained is None and state.making.saved_to == model.path and not model.has_prior:
            return _of_made(state, model.path)
    return _of_nothing_open(state) if state.open.is_empty else None


def refusal(state: State) -> Notice | None:
    """Return why files are not taken, or why a take was not made; it must hide nothing that could be lost."""
    sentence = state.open.model_refusal or state.open.sounds_refusal or state.takes.problem
    return Notice("error", sentence, can_be_closed=True) if sentence else None


def notice_comes_first(state: State) -> bool:
    """Tell whether the notice weighs more than the warning: a problem, and what would be lost."""
    return state.problem is not None or state.open.offered is not None or state.making.trained is not None


def _is_of_model(state: State) -> bool:
    """Tell whether the problem is that of a model without a place: its notice has the model's buttons."""
    return state.problem is not None and state.problem.is_of_place and state.making.needs_a_place


def _of_problem(state: State, problem: Problem) -> Notice:
    if problem.may_rename:
        actions = ((SAVE_TEXTS, "Save Name and Notes"),)
        return Notice("error", problem.message, _ONLY_TEXTS, actions, SAVE_TEXTS)
    if _is_of_model(state):
        again = ((SAVE_MODEL, "Save Again"),) if state.making.trained is not None else ()
        return Notice("error", problem.message, problem.hint, ((MOVE_MODELS, "Choose a Folder…"), *again), MOVE_MODELS)
    others = [(COPY, "Save a Copy…")] if state.training.unsaved else []
    if state.training.unsaved and problem.may_replace:
        others.append((REPLACE, "Replace, Keep a Backup"))
    return Notice("error", problem.message, problem.hint, tuple(others), COPY)


def _of_unsaved_prior(state: State) -> Notice | None:
    """Return the notice on a prior that is not saved, whatever else there is to tell; None without one."""
    model, trained = state.open.model, state.training.trained
    is_told = state.is_idle or state.training.is_choosing
    if not is_told or not state.training.unsaved or model is None or trained is None:
        return None
    return _of_unsaved(state, model, trained)


def _of_unsaved(state: State, model: ModelSummary, trained: TrainedPrior) -> Notice:
    older = state.training.older_state.sentence if state.training.older_state is not None else ""
    can_keep = available(state) & KEEP_TEXTS.keys()
    keep = tuple((action.value, text) for action, text in KEEP_TEXTS.items() if action in can_keep)
    return Notice(
        "info",
        "Trained – not saved yet.",
        f"{older} {unsaved_detail(trained, model)}".strip(),
        ((SAVE, f"Save into {words.shown_name(model.path)}"), *keep),
        SAVE,
    )


def _of_model(state: State) -> Notice | None:
    """Return the notice on a model that is made and not saved, or only half made; None without one."""
    if state.making.trained is not None:
        actions = ((SAVE_MODEL, "Save It"), (MOVE_MODELS, "Choose a Folder…"))
        return Notice("info", making.UNSAVED_TITLE, making.unsaved_detail(state.making), actions, SAVE_MODEL)
    run = state.open.unfinished_model
    if run is None:
        return None
    go_on = ((CONTINUE, "Continue"),) if run.can_go_on else ()
    actions = (*go_on, *_best_of(run), (DISCARD, "Discard…"))
    return Notice("info", making.unfinished_title(run), making.unfinished_detail(run), actions, actions[0][0])


def _best_of(run: UnfinishedRun) -> tuple[tuple[str, str], ...]:
    return ((BEST, "Use Best"),) if run.has_best else ()


def _of_made(state: State, path: Path) -> Notice:
    detail = making.made_detail(state.making, path)
    return Notice("info", making.made_title(path), detail)


def _of_unfinished(state: State, run: UnfinishedRun) -> Notice:
    detail = f"{words.unfinished_detail(run)} {words.taking_place_words(run, state.open.real_path)}"
    actions = [(CONTINUE, "Continue")] if ActionId.CONTINUE in available(state) else []
    actions += [*_best_of(run), (DISCARD, "Discard…")]
    return Notice("info", unfinished_words(run), detail, tuple(actions), actions[0][0])


def _of_nothing_open(state: State) -> Notice | None:
    if not state.open.recoverable:
        return None
    run = state.open.recoverable[0]
    return Notice("info", unfinished_words(run), "", ((REOPEN, f"Open {words.shown_name(run.model)}"),), REOPEN)
