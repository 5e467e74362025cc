"""The row below the pages: the looks of its buttons, and the contents of its bar."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.presentation import making
from app.session.activity import Activity
from app.session.available import ActionId, available
from app.session.state import State
from app.words import IN_USE, IN_USE_DETAIL

if TYPE_CHECKING:
    from distill_core.training.events import StepMetrics

# The cards have their own, and the rest is short.
_WITHOUT_BAR = (Activity.NONE, Activity.OPENING, Activity.SCANNING, Activity.CLEARING, Activity.WORKING)
_WITH_NUMBERS = (Activity.TRAINING, Activity.STOPPING)
_TELL_PROGRESS = (Activity.PREPARING, Activity.SCANNING, Activity.TRAINING)  # training prepares variants


STOP = "Stop"
LISTEN_TO_BEST, BEST_IN_SHORT = "♪ Listen to Best So Far", "♪ Best"
BEST_TIP = "Make a take with the best epoch so far; training goes on"
CANCEL, CANCEL_IN_SHORT = "Cancel Without Keeping…", "Cancel…"
CANCEL_TIP = "Throw the training under way away, with all that it has learned"
FURTHER = "Train Further"
FURTHER_TIP = (
    "Go on from where the training ended, with its sounds and settings, and the time limit and patience of Options; "
    "if it had ended by itself, patience counts anew, and there are more epochs"
)


@dataclass(frozen=True, slots=True)
class Button:
    """A button's text, whether it can be pressed, whether it is the advised one, its action, and its tooltip.

    `short` says the same where there is no room for the text.
    """

    text: str
    is_enabled: bool
    is_primary: bool
    action: ActionId
    tip: str = ""
    short: str = ""


def footer(state: State, making_s: tuple[float, float] | None = None) -> tuple[Button, ...]:
    """Return the looks of the buttons below the pages, up to three; the first one trains, stops, or makes a model.

    `making_s` are the least and the most seconds that making a model is likely to take.
    """
    first = train_button(state)
    if can_make_first(state):
        return _making_buttons(state, making_s)
    can_cancel = ActionId.CANCEL_TRAINING in available(state)
    cancel = Button(CANCEL, can_cancel, False, ActionId.CANCEL_TRAINING, CANCEL_TIP, CANCEL_IN_SHORT)
    if state.is_making:
        return first, cancel
    if state.is_training:
        return first, best_button(state), cancel
    if ActionId.TRAIN_FURTHER in available(state):
        return first, Button(FURTHER, True, False, ActionId.TRAIN_FURTHER, FURTHER_TIP)
    if state.training.saved_to is not None and state.is_idle:
        return first, Button("Show in Folder", True, False, ActionId.SHOW_IN_FOLDER)
    return (first,)


def can_make_first(state: State) -> bool:
    """Tell whether a model is what is missing: there are sounds, and none is open or being made."""
    return state.open.dataset is not None and state.open.model is None and not state.is_training


def _making_buttons(state: State, making_s: tuple[float, float] | None) -> tuple[Button, ...]:
    actions, text = available(state), making.make_text(making_s)
    can_make, can_both = ActionId.MAKE_MODEL in actions, ActionId.MAKE_BOTH in actions
    waits = state.making.trained is not None or state.open.unfinished_model is not None  # for what its notice offers
    return (
        Button(text, can_make, can_make and not waits, ActionId.MAKE_MODEL, making.MAKE_TIP, making.MAKE_IN_SHORT),
        Button(making.MAKE_BOTH, can_both, False, ActionId.MAKE_BOTH, making.MAKE_BOTH_TIP, making.BOTH_IN_SHORT),
        Button("Open a Model…", ActionId.OPEN_MODEL in actions, False, ActionId.OPEN_MODEL, short=making.OPEN_IN_SHORT),
    )


def train_button(state: State) -> Button:
    """Return the look of the button that trains, and stops the training."""
    actions = available(state)
    stops = ActionId.STOP in actions and state.is_training
    is_first = state.open.is_ready and not state.is_training and not _has_learned(state)
    action = ActionId.STOP if state.is_training else ActionId.TRAIN
    text, short = _text(state, stops), STOP * (stops and state.is_memorizing)
    return Button(text, stops or ActionId.TRAIN in actions, is_first, action, why_not_train(state), short)


def best_button(state: State) -> Button:
    """Return the look of the button that has the best epoch heard while it trains."""
    can = ActionId.LISTEN_TO_BEST in available(state)
    return Button(LISTEN_TO_BEST, can, False, ActionId.LISTEN_TO_BEST, best_tip(state), BEST_IN_SHORT)


def why_not_train(state: State) -> str:
    """Return why the model cannot be trained although all files are open, in a sentence; "" without such a reason."""
    return f"{IN_USE} {IN_USE_DETAIL}" if state.open.is_in_use and not state.is_training else ""


def _has_learned(state: State) -> bool:
    trained = state.training.trained
    return trained is not None and trained.prior is not None


def _text(state: State, stops: bool) -> str:
    if state.work is Activity.STOPPING:
        return "Stopping…"
    if not stops:
        return "Train Again" if _has_learned(state) else "Train"
    kept = state.training.kept_epoch if state.is_memorizing else None
    return STOP if kept is None else f"Stop and Keep Epoch {kept.epoch}"


def best_tip(state: State) -> str:
    """Return the tooltip of the button beside Stop: what it does, or why it can't."""
    if not state.training.is_kept:
        return (
            "This training can't be kept on disk, where its best epoch would be heard from. It can be heard after it."
        )
    if state.training.best is None:
        return "The first epoch is still under way."
    return BEST_TIP


def has_bar(state: State) -> bool:
    """Tell whether the bar is shown."""
    return state.work not in _WITHOUT_BAR


def bar_has_no_numbers(state: State) -> bool:
    """Tell whether the bar shows only that something is under way."""
    return not state.is_idle and state.work not in _WITH_NUMBERS


def bar_counts_progress(state: State) -> bool:
    """Tell whether the bar follows the preparation, and not the training."""
    return state.work in (Activity.PREPARING, Activity.SCANNING)


def tells_progress(state: State) -> bool:
    """Tell whether the sentence follows the preparation."""
    return state.work in _TELL_PROGRESS


def share_done(state: State, step: StepMetrics) -> float:
    """Return the share of the training that is done after an optimizer step, from 0 to 1."""
    total = state.making.total_epochs if state.is_making else state.training.total_epochs
    return ((step.epoch - 1) + step.step / step.total_steps) / max(1, total)
