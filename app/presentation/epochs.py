"""The kept epochs of a training, looser to closer: pure, so that a table can test what their cards say."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING

from app.presentation.copying import told
from app.session.state import State
from app.widgets.epochs.look import EpochLook, EpochsLook
from distill_core.audit.verdict import NOT_HERE
from distill_core.generation.takes.verdict import Copying
from distill_core.training.prior.events import KEPT_WORDS, Keep, Verdict, verdict_words

if TYPE_CHECKING:
    from app.session.comparing import ComparingState, EpochTake
    from app.session.slots import Playable
    from distill_core.generation.takes.verdict import TakeVerdict
    from distill_core.training.prior.events import PriorEpochMetrics

COMPARE, COMPARING, ANOTHER_SEED = "Compare", "Comparing…", "Another Seed"
KEEP, KEPT, IN_FILE = "Keep This", "✓ Kept", "✓ In the File"
_KEEP_IN_SHORT, _KEPT_IN_SHORT = "Keep", "✓"
_TIP = "Make the same take, seed {0}, with each epoch that is kept, and tell whether it is a copy"
_ANOTHER_TIP = "These are takes of seed {0}. Make those of another one, with the length and variety chosen below"
_NAMES = {Keep.BEST: "Best", Keep.LAST: "Last", Keep.BEFORE_MEMORIZING: "Before memorizing"}
_LEARNING = {
    Verdict.LEARNING: "Training: learning",
    Verdict.FITTING: "Training: fitting",
    Verdict.MEMORIZING: "Training: memorizing",
    Verdict.SIBLINGS: "Training: can't tell",
    Verdict.CANT_TELL: "Training: can't tell",
}
_MAKING, _JUDGING = "making its take…", "comparing…"
_CANT_TELL = "can't tell · the sounds are not here"


def look_of(state: State) -> EpochsLook | None:
    """Return the look of the row; None unless a training has ended that keeps more than one epoch."""
    trained = state.training.trained
    if state.is_training or trained is None or trained.prior is None or len(trained.weights) < 2:
        return None
    cards = (_card(state, which, metrics) for which, metrics in trained.looser_to_closer)
    return EpochsLook(tuple(cards), *_button(state))


def all_are_made(state: State) -> bool:
    """Tell whether the takes of all kept epochs are made."""
    trained, comparing = state.training.trained, _comparing(state)
    return trained is not None and comparing is not None and trained.weights.keys() == comparing.takes.keys()


def _comparing(state: State) -> ComparingState | None:
    """Return the comparison of these epochs, None if they are not compared yet."""
    return state.comparing if state.comparing.is_of(state.training.trained) else None


def take_of(state: State, which: Keep) -> EpochTake | None:
    """Return the take of a kept epoch, None if it is not made."""
    comparing = _comparing(state)
    return None if comparing is None else comparing.takes.get(which)


def playing_of(state: State, playable: Playable | None) -> Keep | None:
    """Return the kept epoch whose take this is, None if it is another sound."""
    comparing = _comparing(state)
    takes = {} if comparing is None else comparing.takes
    return next((which for which, take in takes.items() if take.playable.is_same(playable)), None)


def _button(state: State) -> tuple[str, str]:
    """Return the words on the button that compares, and its tooltip."""
    comparing = _comparing(state)
    if comparing is None:
        return COMPARE, _TIP.format(state.takes.options.seed)
    if all_are_made(state):
        return ANOTHER_SEED, _ANOTHER_TIP.format(comparing.options.seed)
    return (COMPARING if comparing.making else COMPARE), _TIP.format(comparing.options.seed)


def _card(state: State, which: Keep, metrics: PriorEpochMetrics) -> EpochLook:
    training, take = state.training, take_of(state, which)
    is_kept = training.trained is not None and training.trained.metadata.get("kept") == which
    kept = KEPT if training.unsaved else IN_FILE
    return EpochLook(
        which,
        _titles(which, metrics),
        f"epoch {metrics.epoch}, {KEPT_WORDS[which]}",
        _line(state, which, metrics),
        _tip(metrics, None if take is None else take.verdict),
        is_copy=take is not None and take.verdict is not None and take.verdict.verdict is Copying.COPY,
        keep=kept if is_kept else KEEP,
        short=_KEPT_IN_SHORT if is_kept else _KEEP_IN_SHORT,
        keep_tip=_keep_tip(metrics.epoch, is_kept=is_kept, is_unsaved=training.unsaved),
        is_kept=is_kept,
        can_keep=training.unsaved,
    )


def _keep_tip(epoch: int, *, is_kept: bool, is_unsaved: bool) -> str:
    if is_unsaved:
        return f"Epoch {epoch} goes into the file" if is_kept else f"Have epoch {epoch} go into the file"
    return f"Epoch {epoch} is in the file" if is_kept else "Another epoch is in the file: train again to choose anew"


def _titles(which: Keep, metrics: PriorEpochMetrics) -> tuple[str, ...]:
    name, epoch, reached = _NAMES[which], metrics.epoch, f"{metrics.val_perplexity:.1f}"
    return (
        f"{name} · epoch {epoch} · perplexity {reached}",
        f"{name} · epoch {epoch} · {reached}",
        f"{name} · epoch {epoch}",
        f"Epoch {epoch} · {reached}",
        f"Epoch {epoch}",
    )


def _line(state: State, which: Keep, metrics: PriorEpochMetrics) -> str:
    """Return what is known of an epoch's take; before it is asked for, what the epoch learned."""
    comparing, take = _comparing(state), take_of(state, which)
    if comparing is not None and which in comparing.making:
        return _MAKING
    if take is None:
        return _LEARNING[Verdict(metrics.verdict)] if metrics.verdict in [*Verdict] else ""
    if take.verdict is None:
        return _JUDGING
    return _CANT_TELL if take.verdict.reason == NOT_HERE else told(take.verdict).text


def _tip(metrics: PriorEpochMetrics, verdict: TakeVerdict | None) -> str:
    known = metrics.known_perplexity
    sentences = [
        f"Perplexity {metrics.val_perplexity:.2f} on the sounds kept aside"
        + (f", {known:.2f} on those it learned from." if isfinite(known) else "."),
        f"Training: {words}." if (words := verdict_words(metrics.verdict)) else "",
        "" if verdict is None else f"Its take: {told(verdict).tip}",
    ]
    return " ".join(filter(None, sentences))
