"""What is known of copies among the takes, in words: pure, so that a table can test them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.session.state import State
from distill_core.audit.record import VERDICT_WORDS
from distill_core.audit.verdict import AuditVerdict
from distill_core.generation.takes.verdict import Copying, TakeVerdict, sound_name, sound_stem
from distill_core.training.prior.events import verdict_words

if TYPE_CHECKING:
    from distill_core.audit.record import AuditRecord
    from distill_core.generation.takes.folder import Take

CHECK_TIP = (
    "Make 96 sounds with the chosen variety, and compare each with the sounds that the model learned from; "
    "nothing waits for it"
)
NO_SOUNDS = "Whether takes are copies: can't tell, the sounds are not here."
CHOOSE_SOUNDS = "Choose Sounds…"
_CANT_TELL, _SOON = "can't tell", "soon"
_SOUNDS_NOT_HERE = "The sounds that the model learned from are not here."
_BY_ANOTHER = "Made by a training that is not open: it can't be compared."
_IS_COMPARED_SOON = "It is compared with the sounds that the model learned from."
_MOST_SHOWN = 24


@dataclass(frozen=True, slots=True)
class CopyWords:
    """The verdict on a take: in a few words, in sentences, and its place in an order from a copy to a new one."""

    text: str
    tip: str
    order: float
    is_copy: bool = False


def sound_words(file: str) -> str:
    """Return the name of a known sound without its ending, short enough for a column."""
    stem = sound_stem(file)
    return stem if len(stem) <= _MOST_SHOWN else f"{stem[: _MOST_SHOWN - 1]}…"


def semitone_words(semitones: int) -> str:
    """Return a transposition: "+2 semitones", "" for none."""
    if not semitones:
        return ""
    return f"{'+' if semitones > 0 else '−'}{abs(semitones)} semitone{'' if abs(semitones) == 1 else 's'}"


def _numbers(verdict: TakeVerdict) -> str:
    shift = semitone_words(verdict.semitones)
    where = f"{sound_name(verdict.file)}{shift and f' ({shift})'} from {verdict.time_s:.2f} s on"
    return (
        f"Of {verdict.active:,} codes that can be heard, {verdict.agreement:.0%} are those of {where}; "
        f"{verdict.run:,} in a row. Likeness of the sound: {verdict.likeness:.2f} of 1."
    )


def told(verdict: TakeVerdict) -> CopyWords:
    """Return a verdict on a take in words."""
    shift = semitone_words(verdict.semitones)
    name = f"{sound_words(verdict.file)}{shift and f' ({shift})'}"
    match verdict.verdict:
        case Copying.COPY:
            return CopyWords(f"copy of {name}", f"A copy. {_numbers(verdict)}", 3 + verdict.agreement, is_copy=True)
        case Copying.CLOSE_RELATIVE:
            tip = f"Nearer to a known sound than these are to one another. {_numbers(verdict)}"
            return CopyWords(f"close to {name}", tip, 2 + verdict.agreement)
        case Copying.NEW:
            tip = f"No nearer to a known sound than these are to one another. {_numbers(verdict)}"
            return CopyWords("new", tip, 1 + verdict.agreement)
    return CopyWords(_CANT_TELL, f"Can't tell. {verdict.reason}".strip(), 0.5)


def take_words(take: Take, state: State) -> CopyWords:
    """Return the verdict on a take; without one, why there is none."""
    if take.verdict is not None:
        return told(take.verdict)
    facts = state.prior_facts
    if facts is None or not take.is_by(facts):
        return CopyWords("", _BY_ANOTHER, 0.0)
    if state.copying.needs_sounds:
        return CopyWords(_CANT_TELL, f"Can't tell. {_SOUNDS_NOT_HERE}", 0.5)
    if state.copying.problem:
        return CopyWords(_CANT_TELL, f"Can't tell. {state.copying.problem}", 0.5)
    return CopyWords(_SOON, _IS_COMPARED_SOON, 0.0)


def copy_of(take: Take) -> str:
    """Return what a take is a copy of: "copy of kick_07", "" for one that is none."""
    if take.verdict is None or take.verdict.verdict is not Copying.COPY:
        return ""
    return told(take.verdict).text


def learning_line(state: State) -> str:
    """Return the verdict on how the prior learned: of the last epoch while it trains, then of the one that is kept."""
    last = state.training.last
    if state.is_training and not state.is_making:
        return _learning(last.verdict if last is not None else "")
    return _learning((state.prior_facts or {}).get("verdict"))


def _learning(verdict: object) -> str:
    words, _, _ = verdict_words(verdict).partition(" – ")  # what follows says what it means
    return f"Training: {words}" if words else ""


def takes_line(state: State) -> str:
    """Return the verdict on what the prior makes, or how far the check is; "" without a prior, and while it trains."""
    known = state.copying
    if known.prior is None or state.is_training:
        return ""
    if known.is_auditing:
        return f"Takes: checking {known.done} of {known.total}" if known.total else "Takes: checking…"
    if known.record is not None:
        return f"Takes: {VERDICT_WORDS[known.record.verdict]}"
    if known.needs_sounds:
        return "Takes: can't tell, the sounds are not here"
    return f"Takes: can't tell. {known.problem}" if known.problem else "Takes: not checked yet"


def copies_title(record: AuditRecord) -> str:
    """Return the message on a prior that copies: in how many samples, and which sound most."""
    most = max(record.leans_on, key=lambda each: each.copies, default=None)
    often = "" if most is None or not most.copies else f", most often of {sound_name(most.file)}"
    return f"What it makes copies your sounds: {record.copy_rate:.0%} of its samples{often}."


def copies(state: State) -> AuditRecord | None:
    """Return the record of an audit here that found copies, until a person has put the message on it away."""
    known = state.copying
    is_told = known.is_new and not known.hides_notice and not state.is_training
    found = known.record if is_told else None
    return found if found is not None and found.verdict is AuditVerdict.COPIES else None


def needs_sounds_line(state: State) -> str:
    """Return the line below the takes where one of them can't be told of without the sounds, else ""."""
    untold = any(take.verdict is None or take.verdict.verdict is Copying.CANT_TELL for take in state.takes.takes)
    return NO_SOUNDS if state.copying.needs_sounds and untold else ""
