"""Copies among the takes: the audit by itself and on demand, verdicts on takes, and what the window says of both."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
import torch
from PySide6.QtCore import QSettings
from pytestqt.qtbot import QtBot

from app import words as window_words
from app.main_window import MainWindow
from app.presentation import copying, notices, take_rows, takes
from app.session import Session
from app.session.activity import Activity, Runner
from app.session.available import ActionId, available
from app.session.copying import CopyingState
from app.session.heard import hear
from app.session.state import Page, State
from app.session.takes import TakeOptions, TakesState
from app.session.tasks import copying as copying_tasks
from app.session.tasks import evidence as evidence_tasks
from app.session.tasks.copying import AuditProgress
from app.session.tasks.voices import Voices
from app.widgets.facts import model_facts, sentences
from distill_core import load_model_v2, read_summary, save_metadata, save_prior_to_model, scan, train_prior
from distill_core.audio.variants import ORIGINAL
from distill_core.audit.record import AUDIT, AuditRecord, AuditSettings, LeanedOn, audit_in
from distill_core.audit.verdict import AuditVerdict, Baseline
from distill_core.events import never
from distill_core.generation.request import GenerateRequest, Sample
from distill_core.generation.takes.folder import Take
from distill_core.generation.takes.shelf import TakeShelf
from distill_core.generation.takes.verdict import Copying, TakeVerdict
from distill_core.models.persistence import LoadedVQModel
from distill_core.models.summary import ModelSummary
from distill_core.training.data.codes import SoundEncoder
from distill_core.training.data.encoding import codes_of_silence
from distill_core.training.prior.events import Keep
from tests.app.driving import WAIT_MS, ScriptedPrompts, bring_to, session_of, settle, settle_session
from tests.varied_sounds import write_varied_sounds

SMALL = {"hidden_size": 32, "num_layers": 1, "num_heads": 2, "batch_size": 4, "variants": 0, "device": "cpu"}
SHORT = TakeOptions(seconds=0.5, seed=41, holds_seed=True)
FACTS = {"training_date": "2026-10-03", "codec_digest": "abc", "validation_files": ["sound 00.wav"], "kept_epoch": 2}
COPY = TakeVerdict(Copying.COPY, 0.96, 40, 50, 0.98, "kick_07.wav", 0.4, 2, 0.0, 0.5)
CLOSE = replace(COPY, verdict=Copying.CLOSE_RELATIVE, semitones=0)
RECORD = AuditRecord(
    AuditVerdict.COPIES,
    0.44,
    (0.34, 0.54),
    -3.2,
    0.4,
    96,
    0,
    Baseline(60, 0.62, 12.0, 0.9),
    AuditSettings(),
    (LeanedOn("snare.wav", 50, 2), LeanedOn("kick_07.wav", 46, 40)),
    "2026-11-27T04:19:24+00:00",
)


@pytest.fixture(scope="module")
def shared_known(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of ten sounds, enough for a verdict. Leave it as it is."""
    return write_varied_sounds(tmp_path_factory.mktemp("copying") / "known", 10)


@pytest.fixture(scope="module")
def shared_model(shared_tiny_model: Path, shared_known: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small model with a prior that learned from these sounds. Leave it as it is."""
    trained = train_prior(shared_tiny_model, shared_known, {**SMALL, "max_epochs": 1})
    output = tmp_path_factory.mktemp("copying") / "drums.distill"
    return save_prior_to_model(shared_tiny_model, trained.prior, trained.config, trained.metadata, output=output)


@pytest.fixture
def model(shared_model: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(shared_model, tmp_path / "drums.distill"))


@pytest.fixture
def window(qtbot: QtBot, tmp_path: Path) -> Iterator[MainWindow]:
    QSettings.setPath(QSettings.Format.IniFormat, QSettings.Scope.UserScope, str(tmp_path / "settings"))
    session = Session()
    session.set_take_options(SHORT)
    window = MainWindow(session, ScriptedPrompts())
    window.options.form.set_overrides({**SMALL, "max_epochs": 2})
    window.show()
    qtbot.waitExposed(window)
    yield window
    window._may_close = True
    window.close()
    window.deleteLater()
    session.deleteLater()


def _put_copy_on_shelf(model: Path, known: Path) -> str:
    """Put a take on a model's shelf that is a training sound, code by code; return that sound's name."""
    loaded = load_model_v2(model)
    kept_aside = loaded.prior_metadata["validation_files"]
    file = next(file for file in scan(known).files if file.name not in kept_aside)
    encoder = SoundEncoder(loaded, "rows", None, codes_of_silence(loaded, "rows", never))
    codes_WHQ = encoder.codes_of(file, ORIGINAL, never).sound_WHQ
    waveform_T = torch.cat([*loaded.model.audio_of([codes_WHQ])])
    sample = Sample(waveform_T, 48_000, codes_WHQ, GenerateRequest(seed=7))
    TakeShelf(model).add(sample, loaded.prior_metadata)
    return file.name


# In words


def _take(verdict: TakeVerdict | None = None, **facts: object) -> Take:
    told = {} if verdict is None else {"copying": verdict.as_facts()}
    marks = {"prior_date": "2026-10-03", "codec_digest": "abc", **facts}
    return Take(12, 41, 5.0, False, Path("takes/12/sound.wav"), marks | told, GenerateRequest(seed=41))


@pytest.fixture
def opened(shared_model: Path) -> State:
    """A state with a model whose prior is by these facts, and without its sounds."""
    summary = replace(read_summary(shared_model), prior_metadata=dict(FACTS))
    return State().with_open(model=summary).following(State())


@pytest.mark.parametrize(
    ("verdict", "text", "beginning"),
    [
        (COPY, "copy of kick_07 (+2 semitones)", "A copy. Of 50 codes that can be heard, 96% are those of kick_07.wav"),
        (replace(COPY, semitones=-1), "copy of kick_07 (−1 semitone)", "A copy. "),
        (CLOSE, "close to kick_07", "Nearer to a known sound than these are to one another. Of 50 codes"),
        (replace(CLOSE, file="0f" * 16), "close to sound 0f0f0f0f", "Nearer"),
        (replace(CLOSE, verdict=Copying.NEW), "new", "No nearer to a known sound"),
        (TakeVerdict(Copying.CANT_TELL, reason="The take is nearly silent."), "can't tell", "Can't tell. The take is"),
    ],
)
def test_a_verdict_on_a_take_in_words(opened: State, verdict: TakeVerdict, text: str, beginning: str) -> None:
    told = copying.take_words(_take(verdict), opened)
    assert told.text == text
    assert told.tip.startswith(beginning)


def test_the_tip_has_the_numbers(opened: State) -> None:
    tip = copying.take_words(_take(COPY), opened).tip
    assert tip.endswith("(+2 semitones) from 0.40 s on; 40 in a row. Likeness of the sound: 0.98 of 1.")


def test_a_take_without_a_verdict_says_why(opened: State) -> None:
    assert copying.take_words(_take(), opened).text == "can't tell"
    assert "are not here" in copying.take_words(_take(), opened).tip
    assert copying.take_words(_take(), opened.with_copying(needs_sounds=False)).text == "soon"
    failed = opened.with_copying(needs_sounds=False, problem="The disk is full.")
    assert copying.take_words(_take(), failed).tip == "Can't tell. The disk is full."
    other = copying.take_words(_take(prior_date="2025-01-01"), opened)
    assert (other.text, other.tip) == ("", "Made by a training that is not open: it can't be compared.")


def test_copies_come_first_where_rows_are_sorted_by_it(opened: State) -> None:
    ordered = [COPY, CLOSE, replace(CLOSE, verdict=Copying.NEW), TakeVerdict(Copying.CANT_TELL), None]
    state = opened.with_takes_state(TakesState(takes=tuple(map(_take, ordered))))
    rows = take_rows.rows(state, datetime(2026, 11, 26, tzinfo=UTC))
    (column,) = (column for column in take_rows.COLUMNS if column.title == "Copy?")
    assert [*sorted(rows, key=column.order)] == [*rows]
    assert column.text(rows[0]) == "copy of kick_07 (+2 semitones)"


def test_a_clip_is_marked_as_a_copy_in_words_too() -> None:
    look = takes.clip_look(_take(COPY))
    assert look.copy_of == "copy of kick_07 (+2 semitones)"
    assert "seed 41 · 5 s · copy of kick_07" in look.tip
    assert takes.clip_look(_take(CLOSE)).copy_of == takes.clip_look(_take()).copy_of == ""


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({}, "Takes: can't tell, the sounds are not here"),
        ({"needs_sounds": False}, "Takes: not checked yet"),
        ({"is_auditing": True}, "Takes: checking…"),
        ({"is_auditing": True, "done": 40, "total": 96, "record": RECORD}, "Takes: checking 40 of 96"),
        ({"record": RECORD}, "Takes: copies"),
        ({"record": replace(RECORD, verdict=AuditVerdict.CLOSE_RELATIVES)}, "Takes: close relatives"),
        ({"needs_sounds": False, "problem": "The disk is full."}, "Takes: can't tell. The disk is full."),
    ],
)
def test_the_line_on_takes(opened: State, changes: dict[str, object], line: str) -> None:
    assert copying.takes_line(opened.with_copying(**changes)) == line


def test_the_line_on_learning_is_that_of_the_last_epoch_then_of_the_file(opened: State, an_epoch: object) -> None:
    assert copying.learning_line(opened) == ""
    saved = replace(opened.open.model, prior_metadata={**FACTS, "verdict": "fitting"})
    assert copying.learning_line(opened.with_open(model=saved)) == "Training: fitting"
    training = replace(opened, work=Activity.TRAINING).with_epoch(an_epoch(1, 9.0, "memorizing"))
    assert copying.learning_line(training) == "Training: memorizing"
    assert copying.takes_line(training) == ""


def test_an_audit_that_finds_copies_is_told_once_and_can_be_put_away(opened: State) -> None:
    found = replace(opened, copying=opened.copying.with_record(RECORD))
    told = notices.warning(found)
    assert told.title == "What it makes copies your sounds: 44% of its samples, most often of kick_07.wav."
    assert [text for _, text in told.actions] == ["Show"]
    assert told.can_be_closed
    assert notices.warning(found.with_copying(hides_notice=True)) is None
    assert notices.warning(opened.with_copying(record=RECORD)) is None  # the file's: it was told when it was found
    harmless = replace(RECORD, verdict=AuditVerdict.NEW)
    assert notices.warning(replace(opened, copying=opened.copying.with_record(harmless))) is None


def _with_record(summary: ModelSummary, record: AuditRecord) -> ModelSummary:
    return replace(summary, prior_metadata={**FACTS, "final_perplexity": 4.2, "measure": 2, AUDIT: record.as_facts()})


def test_chip_and_inspect_say_it(opened: State) -> None:
    summary = _with_record(opened.open.model, RECORD)
    assert window_words.knows_line(summary) == "Copies your sounds (4.2 of 16)"
    assert window_words.knows_in_short(summary) == "Copies them"
    told = sentences.in_sentences(summary)
    place = told.index("Takes: copies. 44% of 96 samples are copies (34% to 54%), of kick_07.wav, snare.wav.")
    assert told[place + 1].startswith("What it makes repeats your sounds, or passages of them. Checked on 27 Nov 2026")
    rows = dict(row for _, section in model_facts.describe(summary) for row in section)
    assert rows["Copies"] == "44.0% of 96 samples, 95 %: 34.0% to 54.0%"
    assert rows["Agreement (AGR)"] == "a copy from 90% on"
    assert rows["Longest run (LVM)"] == "a copy from 12 on, and half its codes"
    assert rows["Likeness (MEL)"] == "a copy from 0.90 on"
    assert (rows["Data-copying (Z)"], rows["Sure of what it learned (CH)"]) == ("-3.20", "+0.400")
    assert rows["Samples"] == "96 from seed 0 on, temperature 1, top-p 0.95"


def test_a_model_whose_takes_are_new_says_how_well_it_knows_its_sounds(opened: State) -> None:
    summary = _with_record(opened.open.model, replace(RECORD, verdict=AuditVerdict.NEW))
    assert "Copies" not in window_words.knows_line(summary)


# The state


def test_what_is_known_goes_with_its_prior_and_its_sounds(opened: State, shared_known: Path) -> None:
    dataset = scan(shared_known)
    with_sounds = opened.with_open(dataset=dataset, scanned=dataset).following(opened)
    assert (opened.copying.needs_sounds, with_sounds.copying.needs_sounds) == (True, False)
    known = replace(with_sounds, copying=with_sounds.copying.with_record(RECORD)).with_copying(is_ready=True)
    saved = _with_record(opened.open.model, RECORD)
    same = known.with_open(model=saved).following(known)
    assert same.copying.is_ready
    assert same.copying.record is RECORD
    later = known.with_open(model=replace(saved, prior_metadata={**FACTS, "kept_epoch": 3})).following(known)
    assert (later.copying.record, later.copying.is_ready) == (None, False)
    fewer = known.with_open(scanned=dataset.without({"sound 03.wav"}), dataset=dataset.without({"sound 03.wav"}))
    assert not fewer.following(known).copying.is_ready
    assert known.with_open(model=None).following(known).copying == CopyingState()


def test_an_older_file_needs_the_sounds_that_it_kept_aside_by_their_names(opened: State, shared_known: Path) -> None:
    dataset = scan(shared_known).without({"sound 00.wav"})
    assert opened.with_open(dataset=dataset, scanned=dataset).following(opened).copying.needs_sounds


def test_a_newer_file_needs_one_of_the_sounds_that_it_lists(opened: State, shared_known: Path) -> None:
    dataset = scan(shared_known)
    learned, kept_aside = dataset.files[:2]
    listed = [
        {"digest": file.digest, "duration_s": file.duration_s, "held_out": file is kept_aside, "name": file.name}
        for file in (learned, kept_aside)
    ]
    state = opened.with_open(model=replace(opened.open.model, prior_metadata={**FACTS, "sounds": listed}))
    for name, needs in [(learned.name, True), (kept_aside.name, False)]:
        others = state.with_open(scanned=dataset.without({name}), dataset=dataset.without({name}))
        assert others.following(opened).copying.needs_sounds is needs
    left_out = state.with_open(scanned=dataset, dataset=dataset.without({learned.name})).following(opened)
    assert not left_out.copying.needs_sounds  # the next training does without it; this prior had it
    assert left_out.sounds_learned_from is dataset


def test_when_copies_can_be_looked_for(opened: State) -> None:
    actions = {ActionId.CHECK_COPIES, ActionId.STOP_CHECKING}
    ready = opened.with_copying(needs_sounds=False)
    assert not available(opened) & actions
    assert available(ready) & actions == {ActionId.CHECK_COPIES}
    assert available(ready.with_copying(is_auditing=True)) & actions == {ActionId.STOP_CHECKING}
    assert not available(replace(ready, work=Activity.TRAINING)) & actions
    assert not available(State()) & actions


def test_the_progress_of_an_audit_that_was_stopped_is_not_heard(opened: State) -> None:
    event = AuditProgress(40, 96)
    assert hear(opened, event, Runner.CHECK) == (opened, [])
    checking = opened.with_copying(is_auditing=True)
    state, news = hear(checking, event, Runner.CHECK)
    assert (state.copying.done, state.copying.total, news) == (40, 96, [])
    assert state.doing(Runner.CHECK, Activity.WORKING).is_idle


# In the window


def test_a_training_is_audited_by_itself_saved_with_its_record_and_opened_again(
    qtbot: QtBot, window: MainWindow, tiny_model: Path, shared_known: Path
) -> None:
    session = session_of(window)
    window.commands.open_model(tiny_model)
    window.commands.open_sounds(shared_known)
    settle(qtbot, window)
    window.commands.train()
    with qtbot.waitSignal(session.audited, timeout=4 * WAIT_MS):
        pass
    record = session.state.copying.record
    assert record.settings == AuditSettings(session.samples, temperature=1.0)
    assert record.compared + record.skipped == session.samples
    settle(qtbot, window)
    assert audit_in(session.state.training.trained.metadata).date == record.date
    assert window.learning.takes_line.text() == f"Takes: {copying.VERDICT_WORDS[record.verdict]}"
    assert window.learning.learning_line.text().startswith("Training: ")
    lines = (window.learning.learning_line, window.learning.takes_line)
    assert all(line.geometry().bottom() < window.learning.height() for line in lines)
    assert lines[0].geometry().bottom() < lines[1].geometry().top()
    (take,) = session.state.takes.takes
    assert take.verdict.file in {file.name for file in scan(shared_known).files}
    assert TakeShelf(tiny_model).takes()[0].verdict == take.verdict
    window.commands.saving.save()
    settle(qtbot, window)
    assert audit_in(read_summary(tiny_model).prior_metadata).date == record.date
    window.commands.open_model(tiny_model)
    settle(qtbot, window)
    assert session.state.copying.record.date == record.date
    assert not session.state.copying.is_new
    assert "Takes: " in window.inspect.view.as_text()


def test_each_new_take_gets_its_verdict_and_a_copy_is_told(
    qtbot: QtBot, window: MainWindow, model: Path, shared_known: Path
) -> None:
    session = session_of(window)
    name = _put_copy_on_shelf(model, shared_known)
    window.commands.open_model(model)
    window.commands.open_sounds(shared_known)
    settle(qtbot, window)
    assert session.state.copying.is_ready
    (copy,) = session.state.takes.takes
    assert (copy.verdict.verdict, copy.verdict.file, copy.verdict.agreement) == (Copying.COPY, name, 1.0)
    session.show_page(Page.TAKES)
    clip = window.takes.clips[copy.number]
    assert f"copy of {Path(name).stem}" in clip.accessibleName()
    assert f"copy of {Path(name).stem}" in clip.toolTip()
    session.generate()
    settle(qtbot, window)
    made = session.state.takes.takes[0]
    assert made.number == 2
    assert made.verdict is not None
    assert window.takes_page.table.rows.row_at(0).copying.text
    picture = clip.grab().toImage()
    session.delete_take(2)
    clip.show_look(replace(clip.look, copy_of=""))
    assert clip.grab().toImage() != picture


def test_a_take_that_is_deleted_while_it_is_judged_is_no_failure_and_is_judged_once_it_is_back(
    qtbot: QtBot, window: MainWindow, model: Path, shared_known: Path
) -> None:
    session = session_of(window)
    _put_copy_on_shelf(model, shared_known)
    window.commands.open_model(model)
    settle(qtbot, window)
    window.commands.open_sounds(shared_known)
    qtbot.waitUntil(lambda: session.state.copying.is_ready and session._judging is not None, timeout=WAIT_MS)
    session.choose_take(1)
    window.commands.trigger(ActionId.DELETE_TAKE)
    settle(qtbot, window)
    assert session.state.copying.problem == ""
    window.commands.trigger(ActionId.BRING_TAKE_BACK)
    settle(qtbot, window)
    assert session.state.takes.takes[0].verdict is not None


@pytest.mark.parametrize("task_of", ["judging", "finding"])
def test_a_take_that_goes_while_its_prior_is_read_is_no_failure(model: Path, shared_known: Path, task_of: str) -> None:
    _put_copy_on_shelf(model, shared_known)
    (take,), sounds, judges, voices = TakeShelf(model).takes(), scan(shared_known), copying_tasks.Judges(), Voices()

    def voice(voices: Voices, path: Path) -> LoadedVQModel:
        loaded = voices.of_file(path)
        TakeShelf(path).delete(take.number)
        return loaded

    if task_of == "judging":
        task = copying_tasks.judging(model, take.number, voice, sounds, judges, voices)
    else:
        task = evidence_tasks.finding(model, take, voice, sounds, None, judges, voices)
    assert task.run(lambda event: None, never) is None


def test_without_the_sounds_nobody_can_tell_until_they_are_chosen(
    qtbot: QtBot, window: MainWindow, model: Path, shared_known: Path
) -> None:
    session, page = session_of(window), window.takes_page
    window.commands.open_model(model)
    settle(qtbot, window)
    assert session.state.copying.needs_sounds
    assert page.need.text() == "Whether takes are copies: can't tell, the sounds are not here."
    assert page.choose_button.isVisible()
    assert page.table.rows.row_at(0).copying.text == "can't tell"
    assert session.state.takes.takes[0].verdict is None
    window.commands._prompts.paths["folder"] = shared_known
    page.choose_button.click()
    settle(qtbot, window)
    assert not page.choose_button.isVisible()
    assert session.state.takes.takes[0].verdict is not None


def test_where_every_take_is_told_of_no_line_says_that_nothing_can_be(opened: State) -> None:
    lacking = opened.with_copying(needs_sounds=True)
    told, untold = _take(COPY), _take(TakeVerdict(Copying.CANT_TELL, reason="The sounds are not here."))
    assert copying.needs_sounds_line(lacking.with_takes(takes=(told,))) == ""
    assert copying.needs_sounds_line(lacking.with_takes(takes=(told, untold))) == copying.NO_SOUNDS
    assert copying.needs_sounds_line(lacking.with_takes(takes=(_take(),))) == copying.NO_SOUNDS


def test_sounds_of_another_training_tell_nothing(
    qtbot: QtBot, window: MainWindow, model: Path, shared_sounds_folder: Path
) -> None:
    window.commands.open_model(model)
    window.commands.open_sounds(shared_sounds_folder)
    settle(qtbot, window)
    assert session_of(window).state.copying.needs_sounds
    assert ActionId.CHECK_COPIES not in available(session_of(window).state)


def test_a_check_on_demand_is_noted_in_the_file_which_keeps_all_else(
    qtbot: QtBot, session: Session, model: Path, shared_known: Path
) -> None:
    session.set_take_options(replace(SHORT, variety=0.8))
    session.open_model(model)
    session.open_dataset(shared_known)
    settle_session(qtbot, session)
    before = session.state.open.model
    assert session.state.copying.record is None  # nothing was trained here
    session.audit()
    settle_session(qtbot, session)
    after = read_summary(model)
    assert audit_in(after.prior_metadata).settings.temperature == 0.8
    assert {key: value for key, value in after.prior_metadata.items() if key != AUDIT} == before.prior_metadata
    assert session.state.open.model == after
    assert session.state.copying.is_ready
    assert session.state.problem is None


def test_a_file_that_cannot_be_written_is_a_line_and_no_failure(
    qtbot: QtBot, session: Session, model: Path, shared_known: Path
) -> None:
    session.open_model(model)
    session.open_dataset(shared_known)
    settle_session(qtbot, session)
    said: list[str] = []
    session.said.connect(said.append)
    save_metadata(model, {"name": "Another program's"})
    content = model.read_bytes()
    session.audit()
    settle_session(qtbot, session)
    assert len(said) == 1
    assert said[0].startswith("The check for copies is not noted in the model.")
    assert session.state.copying.record is not None
    assert session.state.problem is None
    assert model.read_bytes() == content


def test_a_check_is_stopped_at_once_and_changes_nothing(
    qtbot: QtBot, session: Session, model: Path, shared_known: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Session, "samples", 500)
    session.open_model(model)
    session.open_dataset(shared_known)
    settle_session(qtbot, session)
    content = model.read_bytes()
    session.audit()
    qtbot.waitUntil(lambda: session.state.copying.done > 0, timeout=WAIT_MS)
    assert session.state.is_idle
    session.stop_audit()
    assert (session.state.copying.is_auditing, session.state.copying.done) == (False, 0)
    settle_session(qtbot, session)
    assert session.state.copying.record is None
    assert model.read_bytes() == content


def test_a_training_stops_the_check_of_the_one_before_and_has_its_own(
    qtbot: QtBot, session: Session, tiny_model: Path, shared_known: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Session, "samples", 500)
    session.open_model(tiny_model)
    session.open_dataset(shared_known)
    settle_session(qtbot, session)
    session.set_options({**SMALL, "max_epochs": 2}, is_valid=True)
    session.train()
    qtbot.waitUntil(lambda: session.state.copying.is_auditing, timeout=WAIT_MS)
    first = session.state.training.trained
    session.train()
    assert not session.state.copying.is_auditing
    monkeypatch.setattr(Session, "samples", 8)
    settle_session(qtbot, session)
    assert session.state.training.trained.run_id != first.run_id
    assert session.state.copying.record.settings.samples == 8
    assert AUDIT not in first.metadata


def test_other_weights_are_audited_anew_and_what_was_stopped_is_not(
    qtbot: QtBot, session: Session, tiny_model: Path, shared_known: Path
) -> None:
    session.open_model(tiny_model)
    session.open_dataset(shared_known)
    settle_session(qtbot, session)
    session.set_options({**SMALL, "max_epochs": 6, "learning_rate": 0.05, "patience": 0}, is_valid=True)
    session.train()
    settle_session(qtbot, session)
    trained, first = session.state.training.trained, session.state.copying.record
    other = next(which for which in Keep if trained.weights[which].epoch != trained.metadata["kept_epoch"])
    session.keep(other)
    settle_session(qtbot, session)
    again = session.state.copying.record
    assert again.date != first.date
    assert audit_in(session.state.training.trained.metadata).date == again.date


def test_a_save_in_the_middle_of_a_check_gets_its_record_later(
    qtbot: QtBot, session: Session, tiny_model: Path, shared_known: Path
) -> None:
    session.open_model(tiny_model)
    session.open_dataset(shared_known)
    settle_session(qtbot, session)
    session.set_options({**SMALL, "max_epochs": 2}, is_valid=True)
    session.train()
    qtbot.waitUntil(lambda: session.state.copying.is_auditing, timeout=WAIT_MS)
    session.save_prior()
    settle_session(qtbot, session)
    assert not session.state.training.unsaved
    record = session.state.copying.record
    assert audit_in(read_summary(tiny_model).prior_metadata).date == record.date
    assert session.state.open.model.stamp == read_summary(tiny_model).stamp


def test_a_prior_that_was_taken_from_an_unfinished_training_is_audited(
    qtbot: QtBot, session: Session, tiny_model: Path, shared_known: Path
) -> None:
    from distill_core.training.kinds import prior_runs

    train_prior(tiny_model, shared_known, {**SMALL, "max_epochs": 1}, run_folder=prior_runs(tiny_model))
    session.open_model(tiny_model)
    session.open_dataset(shared_known)
    settle_session(qtbot, session)
    session.use_best()
    settle_session(qtbot, session)
    assert session.state.training.unsaved
    assert audit_in(session.state.training.trained.metadata) is not None


def test_a_take_of_the_training_under_way_gets_its_verdict(
    qtbot: QtBot, session: Session, tiny_model: Path, shared_known: Path
) -> None:
    session.set_take_options(SHORT)
    session.open_model(tiny_model)
    session.open_dataset(shared_known)
    settle_session(qtbot, session)
    session.set_options({**SMALL, "max_epochs": 100_000, "patience": 0}, is_valid=True)
    session.train()
    qtbot.waitUntil(lambda: session.state.training.best is not None, timeout=WAIT_MS)
    session.listen_to_run()
    qtbot.waitUntil(lambda: any(take.verdict is not None for take in session.state.takes.takes), timeout=4 * WAIT_MS)
    assert session.state.is_training
    session.cancel_training()
    settle_session(qtbot, session)


def test_the_notice_is_put_away_by_a_click_and_shows_the_takes(qtbot: QtBot, window: MainWindow, model: Path) -> None:
    session = session_of(window)
    window.commands.open_model(model)
    settle(qtbot, window)
    session.show_page(Page.LEARNING)
    found = replace(session.state, copying=session.state.copying.with_record(RECORD))
    bring_to(qtbot, session, found.with_copying(record=RECORD, is_new=True))
    banner = window.notices.memorization_banner
    assert banner.title().startswith("What it makes copies your sounds: 44%")
    banner.button(notices.SHOW_TAKES).click()
    assert session.state.page is Page.TAKES
    banner.close_button.click()
    assert not banner.isVisible()
