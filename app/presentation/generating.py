"""The row that makes takes, and the button beside Stop: pure, so that a table can test them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.presentation.controls import Button, best_tip
from app.session.available import KEEPING, ActionId, available
from app.session.state import State
from app.session.training import TrainingState
from app.session.voice import can_end, can_start, prior_settings
from app.words import shown_name
from distill_core.generation.request import PromptMode

if TYPE_CHECKING:
    from distill_core.events import JobProgress
    from distill_core.training.prior.events import Keep

GENERATE, CANCEL = "♪ Generate", "Cancel"
START_WORDS = {PromptMode.CONTINUE: "Continue", PromptMode.VARY: "Vary"}
_SAMPLE_TIP = "Make a take: new sound from what the model has learned"


@dataclass(frozen=True, slots=True)
class StartLook:
    """The field of the sound to start from: its text, whether it can be used, and its tooltip."""

    text: str
    is_enabled: bool
    tip: str


def is_cancellable(state: State) -> bool:
    """Tell whether a click on Generate cancels a take; one that nobody asked for is just replaced."""
    return state.takes.making is not None and state.takes.making.is_aloud


def generate_button(state: State) -> Button:
    """Return the look of the button that makes a take, or cancels it; it is the advised one once nothing else is."""
    if is_cancellable(state):
        return Button(CANCEL, True, False, ActionId.GENERATE)
    can = ActionId.GENERATE in available(state)
    is_next = state.is_idle and not state.training.unsaved and not _can_train_first(state)
    return Button(GENERATE, can, can and is_next, ActionId.GENERATE)


def _can_train_first(state: State) -> bool:
    return state.open.is_ready and state.training.trained is None


def generate_tip(state: State) -> str:
    """Return the tooltip of that button: what it does, or why it can't."""
    return reason(state) or _SAMPLE_TIP


def reason(state: State) -> str:
    """Return why no take can be made, in a sentence, or ""."""
    model = state.open.model
    if prior_settings(state) is not None:
        return ""
    if model is None:
        return "Takes are made by a model that has learned sounds: open one, or train one."
    if model.has_prior:
        return "A newer Distill taught this model its sounds: update Distill to hear it."
    return "This model hasn't learned your sounds yet: train it to hear it."


def has_choices(state: State) -> bool:
    """Tell whether the choices count for anything: there is a prior, or one that is being trained can be heard."""
    return not reason(state) or state.is_training


def end_tip(state: State) -> str:
    """Return the tooltip of the box for one sound: what it does, or why it can't be had."""
    if prior_settings(state) is None or can_end(state):
        return "The take ends where its first sound ends"
    return "This model has learned silence and no endings: train it again for clean ones"


def start(state: State) -> StartLook:
    """Return the look of the field of the sound to start from."""
    options = state.takes.options
    if prior_settings(state) is None:
        return StartLook("From nothing", is_enabled=False, tip=reason(state))
    if not can_start(state):
        tip = "This model makes each second by itself, so it can't start from a sound. Train it again for that."
        return StartLook("From nothing", is_enabled=False, tip=tip)
    if options.start is None:
        return StartLook("From nothing", is_enabled=True, tip="Drop a sound here to continue or to vary it")
    text = f"{START_WORDS[options.mode]}: {shown_name(options.start)}"
    return StartLook(text, is_enabled=True, tip=str(options.start))


def progress_text(progress: JobProgress) -> str:
    """Return the text of the button that cancels, with how far the take is."""
    return f"{CANCEL} · {100 * progress.done // progress.total} %" if progress.total else CANCEL


# An epoch of the curve


def kept_epochs(state: State) -> dict[int, Keep]:
    """Return the epochs whose weights are kept in memory, by number."""
    trained = state.training.trained
    return {kept.epoch: which for which, kept in trained.weights.items()} if trained is not None else {}


def can_hear(state: State, epoch: int) -> bool:
    """Tell whether an epoch of the curve can be heard; of the training under way those that it names are on disk."""
    if not state.is_training:
        return epoch in kept_epochs(state)
    named = {each.epoch for each in (state.training.best, state.training.kept_epoch) if each is not None}
    return epoch in named and ActionId.LISTEN_TO_BEST in available(state)


def keep_action(state: State, epoch: int) -> ActionId | None:
    """Return the action that puts an epoch's weights into the trained prior, None if it has them or can't."""
    which, can = kept_epochs(state).get(epoch), available(state)
    return next((action for action, keep in KEEPING.items() if keep is which and action in can), None)


def _heard_meanwhile(training: TrainingState) -> str:
    """Return which epochs can be heard while training goes on."""
    best, kept = training.best, training.kept_epoch
    if best is None:
        return "none can"
    if kept is None or kept.epoch == best.epoch:
        return f"only epoch {best.epoch} can, the best so far"
    return f"only epochs {best.epoch}, the best so far, and {kept.epoch}, which a stop keeps, can"


def not_kept_words(state: State, epoch: int) -> str:
    """Return why an epoch can't be heard."""
    if state.is_training and not state.training.is_kept:
        return best_tip(state)
    if state.is_training:
        return f"Epoch {epoch} can't be heard: while it trains, {_heard_meanwhile(state.training)}."
    return f"Epoch {epoch} is not kept: only the best, the last, and the best before memorizing are."
