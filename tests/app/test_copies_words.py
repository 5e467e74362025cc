"""The Copies tab in words: each state of what is known, as a person reads it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.presentation import copies as words
from app.session.copying import ShownEvidence
from app.session.estimate import proof_seconds
from app.session.proving import ProofsState, ProofState
from app.session.state import State
from app.session.takes import TakesState
from app.widgets.copies.cells import SILENT, CellGrid
from distill_core import read_summary, scan
from distill_core.audit.record import AuditRecord, AuditSettings, LeanedOn
from distill_core.audit.verdict import AuditVerdict, Baseline
from distill_core.generation.request import GenerateRequest
from distill_core.generation.takes.folder import Take
from distill_core.generation.takes.verdict import Copying, TakeVerdict

NOW = datetime(2026, 11, 26, 14, 30, tzinfo=UTC)
PRIOR = {"training_date": "2026-10-03", "codec_digest": "abc", "kept_epoch": 4, "best_epoch": 4}
CONFIG = {"architecture": "flat", "hidden_size": 32, "num_layers": 1, "num_heads": 2, "max_epochs": 6}
COPY = TakeVerdict(Copying.COPY, 0.98, 40, 60, 0.97, "sound 0.wav", 0.0, 2, 0.0, 0.5)


def _take(number: int = 12, verdict: TakeVerdict | None = None, date: str = "2026-10-03") -> Take:
    facts: dict[str, Any] = {"prior_date": date, "codec_digest": "abc", "ends": [], "prompt_steps": 0}
    if verdict is not None:
        facts["copying"] = verdict.as_facts()
    return Take(number, 41, 5.0, False, Path(f"takes/{number}/sound.wav"), facts, GenerateRequest(seed=41))


def _record(verdict: AuditVerdict = AuditVerdict.COPIES, **changes: Any) -> AuditRecord:
    leans_on = (LeanedOn("sound 0.wav", 60, 24), LeanedOn("drums/sound 1.flac", 30, 0), LeanedOn("gone.wav", 6, 0))
    record = AuditRecord(
        verdict,
        0.25,
        (0.17, 0.35),
        -4.0,
        0.1,
        96,
        0,
        Baseline(40, 0.52, 21.0, 0.8),
        AuditSettings(),
        leans_on,
        "2026-11-26T14:20:00+00:00",
    )
    return replace(record, **changes)


def _evidence(number: int = 12, verdict: TakeVerdict = COPY, file: object = None) -> ShownEvidence:
    agrees_WHQ = np.array([[[True, True], [True, False]], [[False, False], [True, True]]])
    active_WH = np.array([[True, True], [True, False]])
    return ShownEvidence(number, verdict, agrees_WHQ, active_WH, file)  # type: ignore[arg-type]


@pytest.fixture
def known(shared_tiny_model: Path, shared_sounds_folder: Path) -> State:
    """A model with a prior, its sounds, and a take of it that is chosen."""
    model = read_summary(shared_tiny_model)
    model = replace(model, prior_architecture="flat", prior_is_readable=True, prior_config=CONFIG, prior_metadata=PRIOR)
    takes = TakesState(takes=(_take(),), chosen=12)
    return State(takes=takes).with_open(model=model, dataset=(sounds := scan(shared_sounds_folder)), scanned=sounds)


def _knowing(state: State, **changes: Any) -> State:
    return replace(state, copying=replace(state.copying, **changes))


# The model


def test_without_a_model_or_a_prior_it_says_what_this_is_for(known: State) -> None:
    assert words.check_look(State(), NOW) == words.CheckLook(grounds=words.NO_MODEL)
    model = replace(known.open.model, prior_architecture="")  # type: ignore[type-var]
    assert words.check_look(known.with_open(model=model), NOW) == words.CheckLook(grounds=words.NO_PRIOR)
    assert words.bars_look(State()) is None
    assert words.take_look(State()) is None


def test_what_was_never_checked_can_be(known: State) -> None:
    look = words.check_look(known, NOW)
    assert (look.verdict, look.does, look.button) == (words.NOT_CHECKED, "audit", "Check Now")


def test_without_its_sounds_it_cannot_tell(known: State) -> None:
    state = _knowing(known, needs_sounds=True)
    look = words.check_look(state, NOW)
    assert (look.verdict, look.does, look.button) == (
        "Takes: can't tell. The sounds are not here.",
        "sounds",
        "Choose Sounds…",
    )
    look = words.check_look(_knowing(state, record=_record()), NOW)
    assert look.verdict == "Takes: copies."  # it was told when they were there
    assert look.detail == "Checked today, 14:20. To check again, its sounds have to be open."
    assert look.does == "sounds"


@pytest.mark.parametrize(
    ("record", "verdict", "grounds", "detail"),
    [
        (
            _record(),
            "Takes: copies.",
            "25% of 96 samples are copies (17% to 35%), of sound 0.wav.",
            "Checked today, 14:20.",
        ),
        (
            _record(AuditVerdict.NEW, copy_rate=0.0, copy_rate_interval=(0.0, 0.04), missing=2),
            "Takes: new.",
            "0% of 96 samples are copies (0% to 4%). What it makes has no more in common with one of your sounds than "
            "these have with one another.",
            "Checked today, 14:20. 2 sounds that it learned from were not here.",
        ),
        (
            _record(AuditVerdict.CLOSE_RELATIVES, copy_rate=0.0, copy_rate_interval=(0.0, 0.04)),
            "Takes: close relatives of your sounds.",
            "0% of 96 samples are copies (0% to 4%). Some of what it makes is nearer to one of your sounds than they "
            "are to each other.",
            "Checked today, 14:20.",
        ),
        (
            _record(AuditVerdict.CANT_TELL, reason="2 sounds are too few to compare with: it takes 3.", date="?"),
            "Takes: can't tell.",
            "2 sounds are too few to compare with: it takes 3.",
            "",
        ),
    ],
)
def test_a_check_says_its_verdict_its_grounds_and_when_it_was(
    known: State, record: AuditRecord, verdict: str, grounds: str, detail: str
) -> None:
    look = words.check_look(_knowing(known, record=record), NOW)
    assert (look.verdict, look.grounds, look.detail) == (verdict, grounds, detail)
    assert (look.does, look.button, look.progress) == ("audit", "Check Again", None)


def test_a_check_under_way_says_how_far_it_is_and_can_be_stopped(known: State) -> None:
    look = words.check_look(_knowing(known, is_auditing=True), NOW)
    assert (look.verdict, look.does, look.progress) == ("Checking…", "stop", (0, 0))
    look = words.check_look(_knowing(known, is_auditing=True, done=24, total=96, record=_record()), NOW)
    assert look.verdict == "Checking: 24 of 96 sounds made and compared."
    assert look.grounds.startswith("Before: copies. 25%")
    assert look.progress == (24, 96)


# The sounds that it leans on


def test_the_bars_are_the_samples_nearest_to_each_sound(known: State) -> None:
    look = words.bars_look(_knowing(known, record=_record()))
    assert look is not None
    assert [(bar.name, bar.words) for bar in look.bars] == [
        ("sound 0.wav", "60 · 24 copied"),
        ("sound 1.flac", "30"),
        ("gone.wav", "6"),
    ]
    assert {bar.most for bar in look.bars} == {60}
    assert [bar.can_play for bar in look.bars] == [True, False, False]
    assert look.more == ""


def test_of_many_sounds_the_first_are_shown_and_the_others_counted(known: State) -> None:
    many = tuple(LeanedOn(f"{number}.wav", 20 - number, number % 2) for number in range(12))
    look = words.bars_look(_knowing(known, record=_record(leans_on=many)))
    assert look is not None
    assert len(look.bars) == 8
    assert look.more == "and 4 more, nearest to 42, 2 of them copied"


def test_a_sound_that_plays_is_marked(known: State) -> None:
    assert known.open.scanned is not None
    file = known.open.scanned.files[0]
    look = words.bars_look(_knowing(known, record=_record(leans_on=(LeanedOn(file.digest, 3, 0),))), file)
    assert look is not None
    assert look.bars[0].is_playing
    assert look.bars[0].name == f"sound {file.digest[:8]}"  # an anonymous training's record names none


# The take


@pytest.mark.parametrize(
    ("verdict", "sentence"),
    [
        (COPY, "Take 12 is a copy of sound 0.wav, a whole tone higher, from 0.0 s: 98% of its codes agree."),
        (
            replace(COPY, semitones=-1, begin_s=1.2, file="drums/kick.wav"),
            "From 1.2 s on, take 12 is a copy of kick.wav, a semitone lower, from 0.0 s: 98% of its codes agree.",
        ),
        (
            replace(COPY, agreement=0.6, run=30, semitones=0),
            "Take 12 is a copy of sound 0.wav, from 0.0 s: 60% of its codes agree, 30 in a row.",
        ),
        (
            replace(COPY, verdict=Copying.CLOSE_RELATIVE, agreement=0.7, run=3, semitones=0, time_s=0.55),
            "Take 12 is a close relative of sound 0.wav, from 0.6 s: 70% of its codes agree.",
        ),
        (
            replace(COPY, verdict=Copying.NEW, agreement=0.3, run=2, semitones=0),
            "Take 12 is new. The nearest is sound 0.wav, from 0.0 s: 30% of its codes agree.",
        ),
        (
            TakeVerdict(Copying.CANT_TELL, reason="The take is nearly silent."),
            "Can't tell of take 12. The take is nearly silent.",
        ),
    ],
)
def test_a_verdict_on_a_take_is_a_sentence(known: State, verdict: TakeVerdict, sentence: str) -> None:
    look = words.take_look(known.with_takes(takes=(_take(12, verdict),)))
    assert look is not None
    assert (look.title, look.sentence) == ("Take 12", sentence)
    assert look.grid is None
    assert not look.can_compare


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"takes": (), "chosen": 0}, words.NO_TAKES),
        ({"chosen": 0}, words.NONE_CHOSEN),
        ({"takes": (_take(12, date="2025-01-01"),)}, "Take 12 was made by an earlier training: can't tell."),
        ({"takes": (_take(12),)}, "Take 12 is not compared yet."),
    ],
)
def test_a_take_that_is_not_compared_says_why(known: State, changes: dict[str, Any], sentence: str) -> None:
    state = known.with_takes(**changes)
    look = words.take_look(state)
    assert look is not None
    assert look.sentence == sentence
    assert words.proof_look(state, None) is None


def test_a_take_waits_for_its_judge_or_for_the_sounds(known: State) -> None:
    looks = [words.take_look(_knowing(known, **changes)) for changes in ({"is_ready": True}, {"needs_sounds": True})]
    assert [look.sentence for look in looks if look is not None] == [
        "Take 12 is being compared…",
        "Can't tell of take 12: the sounds are not here.",
    ]


def test_the_grounds_are_cells_and_numbers(known: State) -> None:
    look = words.take_look(_knowing(known, evidence=_evidence(file="a file"), record=_record()))
    assert look is not None
    assert look.grid is not None
    assert look.can_compare
    assert look.grid == CellGrid(((2, 1), (0, SILENT)), levels=2, step_s=0.25)
    assert look.grid_words == "Of 3 cells that are heard, all levels agree in 1, and none in 1."
    assert look.grid.words(0, 1) == "1 of 2 levels agree, 0.00 s, band 2 of 2"
    assert look.grid.words(1, 1) == "silent, 0.25 s, band 2 of 2"
    assert dict(look.numbers) == {
        "Codes that agree (AGR)": "98%; your sounds among each other: up to 52%",
        "First level alone": "67%",
        "Longest run (LVM)": "40 of 60 codes; your sounds among each other: up to 21",
        "Sounds alike (MEL)": "0.97; your sounds among each other: up to 0.80",
    }


def test_the_grounds_of_another_take_are_not_shown(known: State) -> None:
    look = words.take_look(_knowing(known, evidence=_evidence(number=11)))
    assert look is not None
    assert look.grid is None


# The proof


def test_a_proof_is_offered_with_what_it_takes(known: State) -> None:
    state = known.with_takes(takes=(_take(12, COPY),))
    look = words.proof_look(state, 250.0)
    assert look is not None
    assert (look.button, look.is_enabled, look.words) == (
        "Does It Depend on sound 0.wav?",
        True,
        "It takes about 4 minutes.",
    )
    assert words.proof_look(state, None).words == words.NINE_TIMES  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("verdict", "unsaved", "obstacle"),
    [
        (COPY, True, "Save what was learned first: the proof begins at the model's file."),
        (replace(COPY, file="gone.wav"), False, "The sound is not open, so the model can't learn without it."),
    ],
)
def test_a_proof_that_cannot_be_says_why(known: State, verdict: TakeVerdict, unsaved: bool, obstacle: str) -> None:
    look = words.proof_look(known.with_takes(takes=(_take(12, verdict),)).with_training(unsaved=unsaved), 250.0)
    assert look is not None
    assert (look.is_enabled, look.words) == (False, obstacle)


def test_a_proof_under_way_has_progress_and_its_finding_stays_with_the_take(known: State) -> None:
    state = known.with_takes(takes=(_take(13, COPY), _take(12, COPY)))
    running = ProofsState().having(ProofState(12, is_running=True)).at(12, 30, 120)
    look = words.proof_look(state.with_proofs(running), 250.0)
    assert look is not None
    assert (look.is_running, look.progress, look.words) == (True, (30, 120), "Learning again without it: 25% done.")
    other = words.proof_look(state.with_proofs(running).with_takes(chosen=13), 250.0)
    assert other is not None
    assert (other.is_running, other.words) == (True, "For take 12: learning again without it: 25% done.")
    done = running.having(ProofState(12, sentence="This take depends on it.", depends=True)).at(12, 60, 120)
    done = done.having(ProofState(13, is_running=True)).without_running("It diverged.")
    assert words.proof_look(state.with_proofs(done), 9.0).sentence == "This take depends on it."  # type: ignore[union-attr]
    assert done.of_take(13) == ProofState(13, sentence="It diverged.")
    assert ProofsState().without_running("nothing ran") == ProofsState()
    assert running.without_running() == ProofsState()
    assert running.of_model(Path("another.distill")).proofs == ()


@pytest.mark.parametrize("takes", [(), (_take(12, COPY, date="2026-01-01"),), (_take(13),)])
def test_a_proof_under_way_can_be_cancelled_whatever_became_of_its_take(known: State, takes: tuple[Take, ...]) -> None:
    running = ProofsState().having(ProofState(12, is_running=True))
    look = words.proof_look(known.with_takes(takes=takes).with_proofs(running), None)
    assert look is not None
    assert look.is_running


def test_a_proof_takes_nine_trainings_of_the_models_own_length(known: State) -> None:
    model, dataset = known.open.model, known.open.dataset
    assert model is not None
    assert dataset is not None
    once = proof_seconds(model, dataset, 1e6)
    longer = proof_seconds(replace(model, prior_metadata=PRIOR | {"kept_epoch": 8}), dataset, 1e6)
    assert once is not None
    assert longer == pytest.approx(2 * once)
    assert proof_seconds(replace(model, prior_config=CONFIG | {"num_heads": 7}), dataset, 1e6) is None
