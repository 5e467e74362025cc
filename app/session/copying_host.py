"""The commands on copies: the audit of a prior, and the verdicts on takes. Most of it happens by itself."""

from __future__ import annotations

from dataclasses import dataclass
from threading import Event
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, Slot

from app.session.activity import Runner, Subject
from app.session.copying import SoundingPrior
from app.session.making_host import MakingHost
from app.session.tasks import copying, voices
from app.session.tasks.generating import MadeTake
from distill_core.audit.record import AUDIT, AuditSettings, audit_in
from distill_core.generation.request import GenerateRequest
from distill_core.generation.takes.verdict import Copying

if TYPE_CHECKING:
    from app.session.jobs import Job
    from app.session.problems import Problem
    from app.session.state import State
    from app.session.takes import Making
    from app.session.task import Task
    from app.session.tasks import generating
    from distill_core.audio.dataset import AudioDataset
    from distill_core.audit.record import AuditRecord
    from distill_core.generation.takes.folder import Take


@dataclass(frozen=True, slots=True)
class _Judging:
    """A verdict under way on the take of a `number`, or the making of the judge for a `prior`."""

    job: Job
    prior: SoundingPrior | None = None
    number: int = 0


class CopyingHost(MakingHost):
    """Audits a prior after its training and on demand, and has every take judged.

    The judge of takes is made once nothing else is to be heard, and gives way to a take that is asked for. `samples`
    are those of an audit: fewer say less, and take less time.
    """

    samples = AuditSettings().samples

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._judges = copying.Judges()
        self._audit: Job | None = None
        self._audit_is_given_up = Event()
        self._not_audited: SoundingPrior | None = None  # its audit was stopped, or failed
        self._noted: AuditRecord | None = None  # the last one that was to be written into the file
        self._sounding: SoundingPrior | None = None
        self._judging: _Judging | None = None
        self._judged: set[int] = set()  # the takes that the sounding prior's judge has seen
        self._not_judged_by: SoundingPrior | None = None  # its judge could not be made
        self._making_of_run: Making | None = None
        self._of_run: set[int] = set()  # the takes of the last training, made while it was under way
        self.state_changed.connect(self._on_copying)
        self.take_made.connect(self._on_take_made)
        self.model_opened.connect(self._on_other_model)
        self.ended.connect(self._on_checked)

    # The audit

    def audit(self) -> None:
        """Check whether what the prior makes copies its sounds, in place of a check before; return at once."""
        self.stop_audit()
        model, sounds = self._require_model(), self._require_learned_sounds()
        self._audit_is_given_up = given_up = Event()  # of this audit alone
        self._become(self._state.with_copying(is_auditing=True, done=0, total=0, problem=""))
        self._audit = self.do_later(
            copying.auditing(model.path, self._voice(), sounds, self._audit_settings(), given_up.is_set)
        )

    def stop_audit(self) -> None:
        """Give up the audit under way; what was known before stays, and it does not begin again by itself."""
        if self._state.copying.is_auditing:
            self._not_audited = self._state.copying.prior
            self._give_up_audit()
            self._become(self._state.with_copying(is_auditing=False, done=0, total=0))

    def hide_copies(self) -> None:
        """Show the message on copies no more."""
        self._become(self._state.with_copying(hides_notice=True))

    def _give_up_audit(self) -> None:
        if self._audit is not None:
            self._audit_is_given_up.set()
            self._audit.stop.set()
            self._audit = None

    def _audit_settings(self) -> AuditSettings:
        request = GenerateRequest(temperature=self._state.takes.options.variety)
        return AuditSettings(self.samples, temperature=request.temperature, top_k=request.top_k, top_p=request.top_p)

    def _audit_is_due(self, state: State) -> bool:
        """Tell whether there is a prior that was trained here, or taken from an unfinished training, without a record.

        One that was saved meanwhile keeps the audit that is under way.
        """
        training, known = state.training, state.copying
        if state.is_training or training.is_choosing or not training.unsaved or known.is_auditing:
            return False
        facts = state.prior_facts
        return facts is not None and not known.needs_sounds and AUDIT not in facts and known.prior != self._not_audited

    def _note_record(self, state: State) -> None:
        """Write the record of an audit into the file that has the prior already, once nothing else is done with it."""
        record, model, prior = state.copying.record, state.open.model, state.copying.prior
        if record is None or record.lacks_sounds or not state.copying.is_new or record is self._noted:
            return
        if model is None or prior is None:
            return
        if state.training.unsaved or state.open.is_pending or self._runner(Runner.WORK).is_busy:
            return
        facts = model.prior_metadata or {}
        if (noted := audit_in(facts)) is not None and noted.date == record.date:
            return
        self._noted = record
        self.do_later(copying.noting(model, record))

    # Verdicts on takes

    def listen_to_run(self, epoch: int = 0) -> None:
        """Make a take with an epoch of the training under way, or for 0 with the one that a stop would keep."""
        super().listen_to_run(epoch)
        self._making_of_run = self._state.takes.making

    def _make(self, wanted: generating.Wanted, making: Making, voice: voices.Voice) -> None:
        self._let_be_heard()
        super()._make(wanted, making, voice)

    def _do_before_unasked(self, task: Task[Any]) -> Job:
        self._let_be_heard()
        return super()._do_before_unasked(task)

    def _let_be_heard(self) -> None:
        """Have a judge that is being made begin again later; with one that stands by, a verdict takes a moment."""
        if self._judging is not None and not self._state.copying.is_ready:
            self._judging.job.stop.set()

    def _judge_more(self, state: State) -> None:
        """Judge the next take, or make the judge, unless a take is made, or a prior is trained or audited."""
        sounds = state.open.dataset if state.is_training else state.sounds_learned_from
        if self._judging is not None or state.takes.making is not None or state.open.model is None or sounds is None:
            return
        if state.is_training:
            self._judge_take_of_run(sounds)
        elif not state.copying.needs_sounds and (state.copying.is_ready or not state.copying.is_auditing):
            self._judge_by_prior(state, sounds)

    def _judge_by_prior(self, state: State, sounds: AudioDataset) -> None:
        prior, model = state.copying.prior, self._require_model().path
        if prior is None or prior == self._not_judged_by:
            return
        if not state.copying.is_ready:
            task = copying.preparing_judge(model, self._voice(), sounds, prior, self._judges, self._voices)
            self._judging = _Judging(self.do_later(task), prior)
        elif number := self._next_take(state):
            self._judge(number, self._voice(), sounds)

    def _judge(self, number: int, voice: voices.Voice, sounds: AudioDataset) -> None:
        self._judged.add(number)
        model = self._require_model().path
        task = copying.judging(model, number, voice, sounds, self._judges, self._voices)
        self._judging = _Judging(self.do_later(task), number=number)

    def _judge_take_of_run(self, sounds: AudioDataset) -> None:
        """Judge a take of the training under way by the variants that had joined when it was made."""
        there = {take.number for take in self._state.takes.takes}
        if waiting := self._of_run & there - self._judged:
            self._become(self._state.with_copying(is_ready=False))  # there is one judge at a time
            self._judge(max(waiting), voices.of_run(), sounds)

    def _next_take(self, state: State) -> int:
        """Return the newest take of this very prior, or of its training, that has no verdict; 0 if there is none."""
        facts, of_run = state.prior_facts or {}, self._of_run if state.training.unsaved else set()
        waiting = (take for take in state.takes.takes if take.number in of_run or take.is_by(facts))
        return next((take.number for take in waiting if self._can_judge(take)), 0)

    def _can_judge(self, take: Take) -> bool:
        is_open = take.verdict is None or take.verdict.verdict is Copying.CANT_TELL
        return is_open and take.number not in self._judged

    # What happens by itself

    @Slot(object)
    def _on_copying(self, state: State) -> None:
        if state.copying.prior != self._sounding:
            self._sounding = state.copying.prior
            self._judged.clear()
            if self._judging is not None:
                self._judging.job.stop.set()
        self._judged &= {take.number for take in state.takes.takes}  # one that is brought back is judged then
        self._follow_audit(state)
        self._note_record(self._state)
        self._judge_more(self._state)

    def _follow_audit(self, state: State) -> None:
        """Give up the audit of a prior that sounds no more, or soon won't; begin one that is due."""
        is_given_up = state.is_training or state.training.is_choosing or not state.copying.is_auditing
        if self._audit is not None and is_given_up:
            self._give_up_audit()
            if state.copying.is_auditing:
                self._become(state.with_copying(is_auditing=False, done=0, total=0))
        elif self._audit_is_due(state):
            self.audit()

    @Slot(object)
    def _on_take_made(self, made: MadeTake) -> None:
        if made.number and made.making is self._making_of_run:
            self._of_run.add(made.number)
            self._judge_more(self._state)

    @Slot(object)
    def _on_other_model(self, summary: object) -> None:
        """Forget what was known of another file; a judge under way keeps the former one, which goes with it."""
        self._judges = copying.Judges()
        self._not_audited = self._not_judged_by = None
        for numbers in (self._judged, self._of_run):
            numbers.clear()

    @Slot(object, object)
    def _on_checked(self, task: Task[Any], problem: Problem | None) -> None:
        judging = self._judging
        if judging is not None and task is judging.job.task:
            self._judging = None
            if judging.job.stop.is_set():
                self._judged.discard(judging.number)
            elif judging.prior is not None and not self._state.copying.is_ready:
                self._not_judged_by = judging.prior
        if problem is not None and task.subject is Subject.AUDIT:
            self._not_audited = self._state.copying.prior
        self._on_copying(self._state)

    def _require_learned_sounds(self) -> AudioDataset:
        if self._state.sounds_learned_from is None:
            raise ValueError("an audit needs the sounds that the prior learned from")
        return self._state.sounds_learned_from
