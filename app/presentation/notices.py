"""What the two banners of a training say, and which buttons they have: pure, so that a table can test it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from app import outcome, words
from app.session.problems import Problem
from app.session.state import ActionId, Activity, State, available
from app.theme import BannerKind

if TYPE_CHECKING:
    from distill_core.models.summary import ModelSummary
    from distill_core.training.prior.trained import TrainedPrior
    from distill_core.training.run_folder.facts import UnfinishedRun

STOP, SAVE, EXPLAIN, COPY, REPLACE = "stop", "save", "explain", "copy", "replace"
CONTINUE, BEST, DISCARD, REOPEN = "continue", "useBest", "discard", "reopen"
DEMO, COPY_COMMAND = "demo", "copyCommand"
KEEP_TEXTS = {
    ActionId.KEEP_BEST: "Keep Best",
    ActionId.KEEP_LAST: "Keep Last",
    ActionId.KEEP_BEFORE_MEMORIZING: "Keep Best Before Memorizing",
}


@dataclass(frozen=True, slots=True)
class Notice:
    """A banner's message; `actions` are (id, text) pairs, `primary` is the one that is advised."""

    kind: BannerKind
    title: str
    detail: str = ""
    actions: tuple[tuple[str, str], ...] = ()
    primary: str = ""


def warning(state: State) -> Notice | None:
    """Return what to warn of while training goes on."""
    if state.is_memorizing and state.kept_epoch is not None:
        return Notice(
            "warning",
            "The prior is memorizing your sounds.",
            f"{state.warning} {outcome.kept_when_stopped(state.kept_epoch)}",
            ((STOP, f"Stop, Keep Epoch {state.kept_epoch.epoch}"), (EXPLAIN, "Explain")),
            STOP,
        )
    if state.warning:
        title = "The prior finds these sounds easy to predict."
        return Notice("warning", title, state.warning, ((EXPLAIN, "Explain"),))
    return None


def notice(state: State, problem: Problem | None) -> Notice | None:
    """Return what stands above the curve: a problem, or else what is left to do."""
    if problem is not None:
        return _of_problem(state, problem)
    if state.is_training and state.sameness:
        return Notice("info", "These sounds are too much alike.", state.sameness)
    if state.activity is Activity.NONE and state.model is not None:
        if state.unsaved and state.trained is not None:
            return _of_unsaved(state, state.model, state.trained)
        if state.unfinished is not None and state.trained is None:
            return _of_unfinished(state, state.model, state.unfinished)
    return _of_nothing_open(state) if state.is_empty else None


def _of_problem(state: State, problem: Problem) -> Notice:
    actions = [(COPY, "Save a Copy…")] if state.unsaved else []
    if state.unsaved and problem.may_replace:
        actions.append((REPLACE, "Replace, Keep a Backup"))
    return Notice("error", problem.message, problem.hint, tuple(actions), COPY)


def _of_unsaved(state: State, model: ModelSummary, trained: TrainedPrior) -> Notice:
    older = state.older_state.sentence if state.older_state is not None else ""
    can_keep = available(state) & KEEP_TEXTS.keys()
    keep = tuple((action.value, text) for action, text in KEEP_TEXTS.items() if action in can_keep)
    return Notice(
        "info",
        "Prior trained – not saved yet.",
        f"{older} {outcome.unsaved_detail(trained)}".strip(),
        ((SAVE, f"Save into {words.shown_name(model.path)}"), *keep),
        SAVE,
    )


def _of_unfinished(state: State, model: ModelSummary, run: UnfinishedRun) -> Notice:
    title, detail = words.unfinished_words(run)
    detail = f"{detail} {words.taking_place_words(run, model.path)}"
    actions = [(CONTINUE, "Continue")] if ActionId.CONTINUE in available(state) else []
    actions += [(BEST, "Use Best"), (DISCARD, "Discard")]
    return Notice("info", title, detail, tuple(actions), actions[0][0])


def _of_nothing_open(state: State) -> Notice:
    if not state.recoverable:
        actions = ((DEMO, "Try the Demo"), (COPY_COMMAND, "Copy Command"))
        return Notice("info", "No model yet?", words.NO_MODEL_DETAIL, actions, DEMO)
    run = state.recoverable[0]
    title, _ = words.unfinished_words(run)
    return Notice("info", title, "", ((REOPEN, f"Open {words.shown_name(run.model)}"),), REOPEN)
