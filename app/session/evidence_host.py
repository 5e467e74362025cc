"""The commands on the grounds of a take's verdict: seeing them, hearing them, and proving what it depends on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, Slot

from app.session.copying_host import CopyingHost
from app.session.estimate import proof_seconds
from app.session.evidence import sound_called
from app.session.proving import ProofState
from app.session.tasks import evidence

if TYPE_CHECKING:
    from app.session.jobs import Job
    from app.session.problems import Problem
    from app.session.state import State
    from app.session.task import Task
    from distill_core.generation.takes.folder import Take
    from distill_core.generation.takes.verdict import TakeVerdict


class EvidenceHost(CopyingHost):
    """Finds the evidence of the take that is looked at, has it heard, and proves."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._shown_number = 0  # of the take whose evidence is looked at
        self._evidence_for, self._evidence_by = 0, self._state.copying.prior  # a take's number, and its prior
        self._finding: Job | None = None
        self._hearing_evidence: Job | None = None
        self._proving: Job | None = None
        self.state_changed.connect(self._find_evidence)
        self.ended.connect(self._on_task_ended)
        self.model_opened.connect(self._on_another_model)

    # Seeing

    def show_evidence(self, number: int) -> None:
        """Find the evidence of a take's verdict, and that of no other: once no take is under way; 0 is none."""
        self._shown_number = number
        self._find_evidence(self._state)

    @Slot(object)
    def _find_evidence(self, state: State) -> None:
        """Find what is looked at, unless it would delay a take; what waits gives way to one."""
        if state.copying.prior != self._evidence_by:
            self._evidence_by, self._evidence_for = state.copying.prior, 0
        take, sounds, model = state.takes.numbered(self._shown_number), state.sounds_learned_from, state.open.model
        if state.takes.making is not None:
            self._put_evidence_off()
        elif take is None or sounds is None or model is None or not state.copying.is_ready:
            return
        elif take.number != self._evidence_for:
            self._put_evidence_off()
            self._evidence_for, prior = take.number, state.copying.prior
            task = evidence.finding(model.path, take, self._voice(), sounds, prior, self._judges, self._voices)
            self._finding = self.do_later(task)

    def _put_evidence_off(self) -> None:
        if self._finding is not None:
            self._finding.stop.set()
            self._finding, self._evidence_for = None, 0

    @Slot(object, object)
    def _on_task_ended(self, task: Task[Any], problem: Problem | None) -> None:
        if self._finding is not None and task is self._finding.task:
            self._finding = None
        if self._proving is not None and task is self._proving.task:
            self._proving = None

    # Hearing

    def hear_evidence(self, take: Take, verdict: TakeVerdict, words: str) -> None:
        """Read the part of a take and its nearest moment, which `words` name, for the player."""
        file = sound_called(self._state.sounds_learned_from, verdict.file)
        if file is None:
            return
        if self._hearing_evidence is not None:
            self._hearing_evidence.stop.set()
        self._outline_later()
        task = evidence.hearing(self._require_model().path, take, verdict, file, words)
        self._hearing_evidence = self.do_later(task)

    # Proving

    def prove_take(self, number: int, verdict: TakeVerdict) -> None:
        """Train again to prove that a take depends on its nearest sound, beside everything else."""
        take, sounds = self._state.takes.numbered(number), self._state.sounds_learned_from
        file = sound_called(sounds, verdict.file)
        if take is None or file is None or sounds is None:
            return
        self.stop_proof()
        self._become(self._state.with_proofs(self._state.proofs.having(ProofState(number, is_running=True))))
        self._proving = self.do_later(evidence.proving(self._require_model().path, take, file, sounds))

    def stop_proof(self) -> None:
        """Give up the proof under way; nothing of it is kept."""
        if self._proving is not None:
            self._proving.stop.set()
            self._proving = None
            self._become(self._state.with_proofs(self._state.proofs.without_running()))

    @Slot(object)
    def _on_another_model(self, summary: object) -> None:
        self.stop_proof()

    def proof_estimate(self) -> float | None:
        """Return the likely duration of a proof in seconds, at the last training's speed; None if that is unknown."""
        model, sounds, speed = self._state.open.model, self._state.sounds_learned_from, self.settings.training_speed()
        if model is None or sounds is None or speed is None:
            return None
        return proof_seconds(model, sounds, speed)
