"""The states of what is known of copies, for tests of how the window looks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from app.session.copying import ShownEvidence, sounding_prior
from app.session.proving import ProofState
from app.session.state import State
from distill_core.audit.record import AuditRecord, AuditSettings, LeanedOn
from distill_core.audit.verdict import AuditVerdict, Baseline
from distill_core.generation.request import GenerateRequest
from distill_core.generation.takes.folder import Take
from distill_core.generation.takes.verdict import Copying, TakeVerdict

LONG = "A sentence that is far too long for one line of a window as narrow as can be, and it goes on and on. " * 3
_VERDICT = TakeVerdict(Copying.COPY, 0.98, 40, 60, 0.97, "sound 0.wav", 0.0, 2, 0.0, 0.5)


def _take() -> Take:
    facts = {"prior_date": "2026-10-03", "codec_digest": "abc", "prior_epoch": 3, "copying": _VERDICT.as_facts()}
    return Take(12, 41, 5.0, False, Path("takes/12/sound.wav"), facts, GenerateRequest(seed=41))


def _record() -> AuditRecord:
    leans_on = tuple(LeanedOn(f"{LONG[:60]} {number}.wav", 20 - number, number) for number in range(12))
    return AuditRecord(
        verdict=AuditVerdict.COPIES,
        copy_rate=0.25,
        copy_rate_interval=(0.17, 0.35),
        z=-4.0,
        confident_excess=0.1,
        compared=96,
        skipped=0,
        baseline=Baseline(40, 0.52, 21.0, 0.8),
        settings=AuditSettings(),
        leans_on=leans_on,
        date="2026-11-26T14:20:00+00:00",
    )


def copies_states(ready: State) -> dict[str, State]:
    """Return the states by name; `ready` has a model, to which a prior is added, and sounds."""
    dataset = ready.open.dataset
    assert ready.open.model is not None
    assert dataset is not None
    facts = {"training_date": "2026-10-03", "codec_digest": "abc", "validation_files": ["sound 0.wav"]}
    model = replace(
        ready.open.model,
        prior_architecture="flat",
        prior_is_readable=True,
        prior_config={"architecture": "flat", "hidden_size": 32, "num_layers": 1, "num_heads": 2},
        prior_metadata=facts,
    )
    known = ready.with_open(model=model).with_takes(takes=(_take(),), chosen=12)
    # Those that follow from the files are told as well, or the Session would take them for another prior's.
    prior = sounding_prior(model.path, facts, dataset)
    known = known.with_copying(prior=prior, is_new=True, is_ready=True)
    known = known.with_proofs(known.proofs.of_model(model.path))
    agrees_WHQ, active_WH = np.ones((30, 8, 4), bool), np.ones((30, 8), bool)
    evidence = ShownEvidence(12, _VERDICT, agrees_WHQ, active_WH, dataset.files[0])
    checked = known.with_copying(record=_record(), hides_notice=True, evidence=evidence)
    return {
        "no sounds for its takes": known.with_open(dataset=None, scanned=None),
        "checking for copies": known.with_copying(is_auditing=True, done=3, total=96),
        "copies": checked,
        "copies, and said so": checked.with_copying(hides_notice=False),
        "no check": checked.with_copying(problem=LONG),
        "proving": checked.with_proofs(checked.proofs.having(ProofState(12, is_running=True, done=1, total=9))),
        "proven": checked.with_proofs(checked.proofs.having(ProofState(12, sentence=LONG, depends=True))),
    }
