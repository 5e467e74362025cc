"""Audits of real trainings: copies grow with overfitting, and the best epoch copies no more than the last.

Each set has 20 sounds, and two priors: one with automatic settings, which is innocent, and one that learns them by
heart, without dropout, patience or variants, whose epochs 10, 50 and 200 are audited. The control is a judge without a
baseline: to him a sound that agrees more than usual is a copy, so he accuses the innocent.
"""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch

from distill_core import load_model_v2, save_prior_to_model, scan, train_prior
from distill_core.audio.dataset import AudioDataset
from distill_core.audit.audit import MemorizationAudit, audit
from distill_core.audit.verdict import AuditVerdict
from distill_core.training.codec.train import train_codec
from distill_core.training.prior.events import Keep
from tests.soak.result import Result
from tests.varied_sounds import write_varied_sounds

NAME = "audits of overfitting"
_COUNT, _EPOCHS = 20, (10, 50, 200)
_BY_HEART = {"dropout": 0.0, "token_dropout": 0.0, "patience": 0, "variants": 0}
_MORE_THAN_USUAL = 0.3  # agreement, the naive judge's limit


@dataclass
class _Tally:
    """The findings so far; `accused` counts samples of innocent priors that the naive judge takes for copies."""

    rates: list[str] = field(default_factory=list)
    accused: int = 0
    violations: list[str] = field(default_factory=list)

    def expect(self, holds: bool, what: str) -> None:
        """Note what does not hold."""
        if not holds:
            self.violations.append(what)


def _audited(model: Path, dataset: AudioDataset, which: Keep, settings: dict[str, Any]) -> MemorizationAudit:
    trained = train_prior(model, dataset, settings)
    return _audit_of(model, dataset, trained.keeping(which))


def _audit_of(model: Path, dataset: AudioDataset, trained: Any) -> MemorizationAudit:
    saved = save_prior_to_model(
        model, trained.prior, trained.config, trained.metadata, output=model.with_name("audited.distill")
    )
    return audit(load_model_v2(saved), dataset)


def _take_set(folder: Path, seed: int, tally: _Tally) -> None:
    dataset = scan(write_varied_sounds(folder / f"sounds {seed}", _COUNT, first_seed=_COUNT * seed))
    model = train_codec(dataset, {"max_epochs": 4}).save(folder / f"{seed}.distill")
    innocent = _audited(model, dataset, Keep.BEST, {"seed": seed})
    tally.expect(innocent.verdict is not AuditVerdict.COPIES, f"Set {seed}: an innocent prior was said to copy")
    tally.accused += sum(sample.agreement > _MORE_THAN_USUAL for sample in innocent.samples)
    audits = [_audited(model, dataset, Keep.LAST, _BY_HEART | {"seed": seed, "max_epochs": each}) for each in _EPOCHS]
    for before, after in pairwise(audits):
        tally.expect(
            after.copy_rate_interval[1] >= before.copy_rate,
            f"Set {seed}: the copy rate fell from {before.copy_rate:.2f} to {after.copy_rate:.2f}",
        )
    tally.expect(audits[-1].verdict is AuditVerdict.COPIES, f"Set {seed}: known by heart, and {audits[-1].verdict}")
    trained = train_prior(model, dataset, _BY_HEART | {"seed": seed, "max_epochs": _EPOCHS[-1]})
    best = _audit_of(model, dataset, trained.keeping(Keep.BEST))
    tally.expect(best.copy_rate <= audits[-1].copy_rate, f"Set {seed}: the best epoch copies more than the last")
    rates = " ".join(f"{each.copy_rate:.2f}" for each in (innocent, best, *audits))
    tally.rates.append(f"{seed}: {rates}")


def audits(wanted: int, until: float) -> Result:
    """Train and audit until `wanted` sets are done, or until a time of the monotonic clock."""
    started, tally, done = time.monotonic(), _Tally(), 0
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory(prefix="distill-soak-audits-") as folder:
        for seed in range(wanted):
            if time.monotonic() > until:
                break
            _take_set(Path(folder), seed, tally)
            done += 1
    facts = ["Copy rates by set (innocent, best, epochs 10, 50, 200): " + "; ".join(tally.rates) + "."]
    return Result(NAME, wanted, done, tally.violations, tally.accused > 0, None, time.monotonic() - started, facts)
