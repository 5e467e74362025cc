"""The commands on copies: the audit of a prior, and the verdicts on takes that come by themselves."""

from __future__ import annotations

from dataclasses import replace
from threading import Event
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject

from app.session.making_host import MakingHost
from app.session.tasks import copying
from distill_core.audit.record import AuditSettings
from distill_core.generation.request import GenerateRequest

if TYPE_CHECKING:
    from app.session.jobs import Job
    from app.session.state import State
    from app.session.task import Taken
    from distill_core.audit.record import AuditRecord


class CopyingHost(MakingHost):
    """Audits the prior that sounds, and has every take judged."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._judges = copying.Judges()
        self._audit: Job | None = None
        self._audit_is_given_up = Event()

    def audit(self) -> None:
        """Check whether what the prior makes copies its sounds, beside everything else, in place of a check before."""
        self.stop_audit()
        model, dataset = self._require_model(), self._require_sounds()
        self._audit_is_given_up = Event()  # of this audit alone
        self._become(self._state.with_copying(is_auditing=True, done=0, total=0, problem=""))
        self._audit = self.do_later(
            copying.auditing(
                model.path, self._voice(), dataset, self._audit_settings(), _take_record, self._audit_is_given_up.is_set
            )
        )

    def stop_audit(self) -> None:
        """Give up the audit under way; what was known before stays."""
        if self._audit is not None:
            self._audit_is_given_up.set()
            self._audit.stop.set()
            self._audit = None
        self._become(self._state.with_copying(is_auditing=False, done=0, total=0))

    def _audit_settings(self) -> AuditSettings:
        request = GenerateRequest(temperature=self._state.takes.options.variety)
        return AuditSettings(temperature=request.temperature, top_k=request.top_k, top_p=request.top_p)


def _take_record(state: State, record: AuditRecord) -> Taken:
    return replace(state, copying=replace(state.copying, record=record, is_auditing=False)), []
