"""What is known of copies, in words and pictures for the Copies tab: pure, so that a table can test it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Literal, TypeAlias

from app.presentation.copying import CHECK_TIP
from app.session.evidence import sound_called
from app.session.state import State
from app.times import day_words, local_moment, rough_duration
from app.widgets.copies.bars import BarLook
from app.widgets.copies.cells import SILENT, CellGrid
from app.widgets.facts.sentences import COPIES_MEAN
from app.words import counted
from distill_core.audit.record import AuditRecord, LeanedOn, audit_words
from distill_core.audit.verdict import AuditVerdict
from distill_core.generation.takes.verdict import Copying, TakeVerdict, sound_name
from distill_core.text import LONGEST_NAME, printable

if TYPE_CHECKING:
    from app.session.copying import CopyingState, ShownEvidence
    from app.session.proving import ProofState
    from distill_core.audio.dataset import AudioFile
    from distill_core.generation.takes.folder import Take

MOST_BARS = 8
_HIGH_AGREEMENT = 0.9  # below, a copy is one by its longest run

CHECK, CHECK_AGAIN, STOP, CHOOSE = "Check Now", "Check Again", "Stop", "Choose Sounds…"
NO_MODEL = "Open a model that has learned sounds to see whether what it makes are copies of them."
NO_PRIOR = "The model hasn't learned your sounds yet. Once it has, this tells whether what it makes are copies of them."
NOT_CHECKED = "Takes: not checked yet."
_TRAINING_TIP = "It can be checked once the training has ended."
_NOT_HERE = "Takes: can't tell. The sounds are not here."
_AGAIN_NEEDS_SOUNDS = "To check again, its sounds have to be open."
_CHECKING = "Checking…"
_CHECKING_SOME = "Checking: {done} of {total} sounds made and compared."
_LEANS = "How many of {0} samples lie nearest to each. A click plays the sound."
_HATCHED = "Hatched: copies of it."

ButtonDoes: TypeAlias = Literal["", "audit", "stop", "sounds"]


@dataclass(frozen=True, slots=True)
class CheckLook:
    """The audit of the model: its verdict, its grounds and when it was, its button, and its progress while it runs.

    `progress` is done of a total, which is 0 while that is unknown.
    """

    verdict: str = ""
    grounds: str = ""
    detail: str = ""
    does: ButtonDoes = ""
    button: str = ""
    tip: str = ""
    progress: tuple[int, int] | None = None
    is_enabled: bool = True


@dataclass(frozen=True, slots=True)
class BarsLook:
    """The sounds that samples lean on: a title's sentence, the bars of the first, and how many more there are."""

    sentence: str
    bars: tuple[BarLook, ...] = ()
    more: str = ""


@dataclass(frozen=True, slots=True)
class TakeLook:
    """The chosen take: its verdict in a sentence, and its grounds, if they are there.

    `grid` has the cells, `grid_words` and `legend` sentences on them, `numbers` the measures by name. `can_compare`
    says whether it can be heard beside its nearest sound.
    """

    title: str
    sentence: str
    can_compare: bool = False
    grid: CellGrid | None = None
    grid_words: str = ""
    legend: str = ""
    numbers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class ProofLook:
    """The proof that a take depends on a sound: the button with its estimate, its progress, or its finding."""

    button: str
    short: str
    tip: str
    is_enabled: bool
    is_running: bool = False
    words: str = ""
    progress: tuple[int, int] = (0, 0)
    sentence: str = ""


# Names and numbers


def shown_sound(file: str) -> str:
    """Return the name of a sound for a sentence."""
    return printable(sound_name(file) or file, LONGEST_NAME)


_STEPS = {1: "a semitone", 2: "a whole tone"}


def transposed_words(semitones: int) -> str:
    """Return a transposition as ", a whole tone higher", "" for none."""
    if not semitones:
        return ""
    size = _STEPS.get(abs(semitones), f"{abs(semitones)} semitones")
    return f", {size} {'higher' if semitones > 0 else 'lower'}"


def _moment(seconds: float) -> str:
    return f"{seconds:.1f} s"


# The model


def check_look(state: State, now: datetime) -> CheckLook:
    """Return the look of the model's audit."""
    if state.open.model is None:
        return CheckLook(grounds=NO_MODEL)
    if state.prior_facts is None:
        return CheckLook(grounds=NO_PRIOR)
    if state.copying.is_auditing:
        return _checking(state.copying)
    look = _idle(state.copying, now)
    return replace(look, is_enabled=False, tip=_TRAINING_TIP) if state.is_training else look


def _idle(copying: CopyingState, now: datetime) -> CheckLook:
    if copying.record is not None:
        return _checked(copying.record, now, needs_sounds=copying.needs_sounds)
    if copying.needs_sounds:
        return CheckLook(_NOT_HERE, does="sounds", button=CHOOSE)
    return CheckLook(NOT_CHECKED, does="audit", button=CHECK, tip=CHECK_TIP)


def _checking(copying: CopyingState) -> CheckLook:
    progress = (copying.done, copying.total)
    words = _CHECKING_SOME.format(done=copying.done, total=copying.total) if copying.total else _CHECKING
    before = "" if copying.record is None else f"Before: {audit_words(copying.record).removeprefix('Takes: ')}"
    return CheckLook(words, before, does="stop", button=STOP, progress=progress)


def _checked(record: AuditRecord, now: datetime, *, needs_sounds: bool) -> CheckLook:
    verdict, _, grounds = audit_words(record).partition(". ")
    moment = day_words(local_moment(record.date), now)
    sentences = [f"Checked {moment}." if moment else "", _missing_words(record.missing)]
    means = "" if record.verdict is AuditVerdict.COPIES else COPIES_MEAN[record.verdict]  # the grounds name them
    look = CheckLook(f"{verdict.rstrip('.')}.", f"{grounds} {means}".strip(), " ".join(filter(None, sentences)))
    if needs_sounds:
        return replace(look, detail=f"{look.detail} {_AGAIN_NEEDS_SOUNDS}".strip(), does="sounds", button=CHOOSE)
    return replace(look, does="audit", button=CHECK_AGAIN, tip=CHECK_TIP)


def _missing_words(missing: int) -> str:
    if not missing:
        return ""
    return f"{counted(missing, 'sound')} that it learned from {'was' if missing == 1 else 'were'} not here."


# The sounds that it leans on


def bars_look(state: State, playing: AudioFile | None = None) -> BarsLook | None:
    """Return the chart of the sounds that samples lean on, None without an audit that found some."""
    record = state.copying.record
    if record is None or not record.leans_on or state.prior_facts is None:
        return None
    shown, more = record.leans_on[:MOST_BARS], record.leans_on[MOST_BARS:]
    most = max(each.samples for each in shown)
    hatched = f" {_HATCHED}" if any(each.copies for each in shown) else ""
    sentence = f"{_LEANS.format(record.compared)}{hatched}"
    return BarsLook(sentence, tuple(_bar(state, each, most, playing) for each in shown), _more_words(more))


def _bar(state: State, leaned: LeanedOn, most: int, playing: AudioFile | None) -> BarLook:
    file = sound_called(state.sounds_learned_from, leaned.file)
    copies = f" · {leaned.copies} copied" if leaned.copies else ""
    tip = "Click to hear it." if file is not None else "This sound is not open, so it can't be heard."
    is_playing = file is not None and file == playing
    return BarLook(
        leaned.file,
        shown_sound(leaned.file),
        leaned.samples,
        leaned.copies,
        most,
        f"{leaned.samples}{copies}",
        tip,
        file is not None,
        is_playing,
    )


def _more_words(more: tuple[LeanedOn, ...]) -> str:
    if not more:
        return ""
    copies = sum(each.copies for each in more)
    copied = f", {copies} of them copied" if copies else ""
    return f"and {len(more)} more, nearest to {sum(each.samples for each in more)}{copied}"


# The chosen take

NO_TAKES = "There are no takes yet. Generate makes one."
NONE_CHOSEN = "Choose a take to see what it has in common with your sounds."
_BY_EARLIER = "Take {0} was made by an earlier training: can't tell."
_NEEDS_SOUNDS = "Can't tell of take {0}: the sounds are not here."
_COMPARING = "Take {0} is being compared…"
_NOT_COMPARED = "Take {0} is not compared yet."
_LEGEND = "The fuller its colour, the more of a cell's {0} agree with {1} there. Gaps are silent."


def is_by_present(state: State, take: Take) -> bool:
    """Tell whether a take was made by the prior that sounds now: only such a one can be compared."""
    return take.is_by(state.prior_facts or {})


def evidence_of(state: State, take: Take) -> ShownEvidence | None:
    """Return the grounds of the verdict on a take, None before they are there."""
    evidence = state.copying.evidence
    return evidence if evidence is not None and evidence.number == take.number else None


def verdict_of(state: State, take: Take) -> TakeVerdict | None:
    """Return the verdict on a take, from its evidence or from the shelf."""
    evidence = evidence_of(state, take)
    return take.verdict if evidence is None else evidence.verdict


def verdict_sentence(number: int, verdict: TakeVerdict) -> str:
    """Return the verdict on a take, its nearest sound, and what they have in common."""
    take = f"take {number}"
    if verdict.verdict is Copying.CANT_TELL:
        return f"Can't tell of {take}. {verdict.reason}".strip()
    sound = nearest_words(verdict)
    place = f"From {_moment(verdict.begin_s)} on, {take}" if verdict.begin_s >= 0.05 else f"Take {number}"
    match verdict.verdict:
        case Copying.COPY:
            return f"{place} is a copy of {sound}: {_common_words(verdict)}."
        case Copying.CLOSE_RELATIVE:
            return f"{place} is a close relative of {sound}: {_common_words(verdict)}."
    return f"Take {number} is new. The nearest is {sound}: {_common_words(verdict)}."


def nearest_words(verdict: TakeVerdict) -> str:
    """Return the moment that a take is nearest to: "kick_07.wav, a whole tone higher, from 0.3 s"."""
    return f"{shown_sound(verdict.file)}{transposed_words(verdict.semitones)}, from {_moment(verdict.time_s)}"


def _common_words(verdict: TakeVerdict) -> str:
    is_by_run = verdict.agreement < _HIGH_AGREEMENT and verdict.run >= verdict.active / 2
    in_a_row = f", {verdict.run} in a row" if is_by_run else ""
    return f"{verdict.agreement:.0%} of its codes agree{in_a_row}"


def take_look(state: State) -> TakeLook | None:
    """Return the look of the chosen take, None while there is nothing that could make one."""
    take = state.takes.chosen_take
    if state.prior_facts is None:
        return None
    if take is None:
        return TakeLook("Take", NONE_CHOSEN if state.takes.takes else NO_TAKES)
    title, verdict, evidence = f"Take {take.number}", verdict_of(state, take), evidence_of(state, take)
    if not is_by_present(state, take):
        by_earlier = _BY_EARLIER.format(take.number)
        return TakeLook(title, by_earlier if verdict is None else verdict_sentence(take.number, verdict))
    if verdict is None:
        return TakeLook(title, _waiting_words(state).format(take.number))
    sentence = verdict_sentence(take.number, verdict)
    if evidence is None or verdict.verdict is Copying.CANT_TELL:
        return TakeLook(title, sentence)
    return _with_grounds(title, sentence, evidence, state.copying.record)


def _waiting_words(state: State) -> str:
    copying = state.copying
    if copying.needs_sounds:
        return _NEEDS_SOUNDS
    return _COMPARING if copying.is_ready else _NOT_COMPARED


def _with_grounds(title: str, sentence: str, evidence: ShownEvidence, record: AuditRecord | None) -> TakeLook:
    grid = grid_of(evidence)
    name = shown_sound(evidence.verdict.file)
    return TakeLook(
        title,
        sentence,
        evidence.file is not None,
        grid,
        grid_words(grid),
        _LEGEND.format(counted(grid.levels, "level"), name),
        _numbers(evidence, record),
    )


def grid_of(evidence: ShownEvidence) -> CellGrid:
    """Return the cells of a take beside its nearest passage."""
    counts_WH = evidence.agrees_WHQ.sum(-1)
    counts_WH[~evidence.active_WH] = SILENT
    steps, _, levels = evidence.agrees_WHQ.shape
    verdict = evidence.verdict
    cells = tuple(tuple(int(count) for count in counts_H) for counts_H in counts_WH)
    return CellGrid(cells, levels, verdict.part_s / max(1, steps), verdict.begin_s)


def grid_words(grid: CellGrid) -> str:
    """Return all cells in a sentence."""
    heard = [count for counts in grid.agreeing for count in counts if count != SILENT]
    whole, none = heard.count(grid.levels), heard.count(0)
    return f"Of {counted(len(heard), 'cell')} that are heard, all levels agree in {whole}, and none in {none}."


def _numbers(evidence: ShownEvidence, record: AuditRecord | None) -> tuple[tuple[str, str], ...]:
    """Return the measures by name, each beside what the sounds have in common with one another."""
    verdict, active_WH = evidence.verdict, evidence.active_WH
    first = float(evidence.agrees_WHQ[..., 0][active_WH].mean()) if active_WH.any() else 0.0
    usual = record.baseline if record is not None and record.baseline.points else None
    agreement, run, likeness = (
        ("", "", "")
        if usual is None
        else (
            _among(f"{usual.agreement:.0%}"),
            _among(f"{usual.run:.0f}"),
            _among(f"{usual.likeness:.2f}"),
        )
    )
    return (
        ("Codes that agree (AGR)", f"{verdict.agreement:.0%}{agreement}"),
        ("First level alone", f"{first:.0%}"),
        ("Longest run (LVM)", f"{verdict.run} of {verdict.active} codes{run}"),
        ("Sounds alike (MEL)", f"{round(verdict.likeness, 2) + 0.0:.2f}{likeness}"),
    )


def _among(usual: str) -> str:
    return f"; your sounds among each other: up to {usual}"


# The proof

_ASK, _ASK_SHORT = "Does It Depend on {0}?", "Does It Depend on It?"
_PROOF_TIP = (
    "Learns your sounds again three times over: with all of them, without this one, and without another one. "
    "A take that depends on it becomes much less likely without it."
)
NINE_TIMES = "It learns nine times again, each as long as the model did."
_LONGEST_ON_BUTTON = 24
_SAVE_FIRST = "Save what was learned first: the proof begins at the model's file."
_NAMES_NO_SOUND = "The sound is not open, so the model can't learn without it."
_PROVING, _PROVING_SOME = "Learning again…", "Learning again without it: {0:.0%} done."


def _on_button(name: str) -> str:
    if len(name) <= _LONGEST_ON_BUTTON:
        return name
    half = _LONGEST_ON_BUTTON // 2
    return f"{name[:half]}…{name[-half + 1 :]}"


def proof_look(state: State, estimate_s: float | None) -> ProofLook | None:
    """Return the look of the proof under way, else that for the chosen take; None if nothing can be asked."""
    running, take = state.proofs.running, state.takes.chosen_take
    if running is not None:
        return _proving(running, take)
    verdict = None if take is None else verdict_of(state, take)
    if take is None or verdict is None or verdict.verdict is Copying.CANT_TELL or not is_by_present(state, take):
        return None
    proof, name = state.proofs.of_take(take.number), shown_sound(verdict.file)
    obstacle = _obstacle(state, verdict)
    return ProofLook(
        _ASK.format(_on_button(name)),
        _ASK_SHORT,
        _PROOF_TIP,
        not obstacle,
        words=obstacle or (NINE_TIMES if estimate_s is None else f"It takes {rough_duration(estimate_s)}."),
        sentence="" if proof is None else proof.sentence,
    )


def _proving(proof: ProofState, chosen: Take | None) -> ProofLook:
    """Return the look of a proof under way: it can be cancelled from each take, also once its own is gone."""
    words = _PROVING_SOME.format(proof.done / proof.total) if proof.total else _PROVING
    if chosen is None or chosen.number != proof.number:
        words = f"For take {proof.number}: {words[0].lower()}{words[1:]}"
    return ProofLook("", "", "", is_enabled=True, is_running=True, words=words, progress=(proof.done, proof.total))


def _obstacle(state: State, verdict: TakeVerdict) -> str:
    if state.training.unsaved:
        return _SAVE_FIRST
    return _NAMES_NO_SOUND if sound_called(state.sounds_learned_from, verdict.file) is None else ""
