"""Counterfactual proofs on real trainings: a planted copy of a sound depends on that sound, and never on another.

The sounds are the demo's, with the demo's codec and a prior that is trained on them with automatic settings. An
innocent suspect is of another instrument: a sound truly helps to learn its siblings. The control takes away the spread:
then a take that is less likely without the suspect than without another sound is a finding.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from torch import Tensor

from distill_core import load_model_v2, save_prior_to_model, scan, train_prior
from distill_core.audio.dataset import AudioDataset, AudioFile
from distill_core.audit.learned import read_learned
from distill_core.audit.proof import Proof, leaned_on, prove
from distill_core.events import ignore, never
from tests.soak.result import Result

NAME = "counterfactual proofs"
_DEMO = Path(__file__).parents[2] / "resources" / "demo"


@dataclass(frozen=True, slots=True)
class _Subject:
    """A model with a prior, and the sounds that it learned from, with their codes `[W, H, Q]`."""

    model: Path
    dataset: AudioDataset
    files: tuple[AudioFile, ...]
    codes: tuple[Tensor, ...]

    def planted(self) -> Iterator[tuple[int, int]]:
        """Yield pairs without end: a sound whose copy is the take, and the suspect; itself and another one in turn."""
        for number in count():
            own = number % len(self.files)
            others = [
                other for other, file in enumerate(self.files) if _instrument(file) != _instrument(self.files[own])
            ]
            yield own, own
            yield own, others[number % len(others)]


def _instrument(file: AudioFile) -> str:
    return file.name.partition("_")[0]


@dataclass
class _Tally:
    """The findings so far; `beside` counts innocents that would be guilty without a spread."""

    found: int = 0
    innocent: int = 0
    beside: int = 0
    seconds: float = 0.0
    violations: list[str] = field(default_factory=list)

    def take(self, proof: Proof, *, is_planted: bool) -> None:
        """Count a proof, and note a wrong finding."""
        self.seconds += proof.seconds
        self.found += is_planted and proof.depends
        self.innocent += not is_planted
        self.beside += not is_planted and proof.excess > 0
        if proof.depends != is_planted:
            self.violations.append(f"{'Planted' if is_planted else 'Innocent'}: {proof.sentence}")


def _subject(folder: Path) -> _Subject:
    model, dataset = Path(shutil.copy(_DEMO / "demo.distill", folder / "demo.distill")), scan(_DEMO / "sounds")
    trained = train_prior(model, dataset)
    assert trained.prior is not None
    save_prior_to_model(model, trained.prior, trained.config, trained.metadata)
    loaded = load_model_v2(model)
    assert loaded.prior is not None
    learned = read_learned(loaded, loaded.prior, dataset, ignore, never)
    assert learned is not None
    return _Subject(model, dataset, learned.files, tuple(sound.sound_WHQ for sound in learned.train))


def _nearest_is_missed(subject: _Subject) -> list[str]:
    loaded = load_model_v2(subject.model)
    pairs = zip(subject.files, subject.codes, strict=True)
    nearest = [(file, leaned_on(loaded, subject.dataset, codes_WHQ)) for file, codes_WHQ in pairs]
    return [
        f"A copy of {file.name} leans on {found and found.name}" for file, found in nearest if found not in (file, None)
    ]


def proofs(wanted: int, until: float) -> Result:
    """Prove until `wanted` proofs are done, or until a time of the monotonic clock."""
    started, tally, done = time.monotonic(), _Tally(), 0
    with tempfile.TemporaryDirectory(prefix="distill-soak-proofs-") as folder:
        subject = _subject(Path(folder))
        tally.violations += _nearest_is_missed(subject)
        for own, suspected in subject.planted():
            if done == wanted or time.monotonic() > until:
                break
            proof = prove(subject.model, subject.dataset, subject.codes[own], subject.files[suspected])
            tally.take(proof, is_planted=own == suspected)
            done += 1
    facts = [
        f"{tally.found} of {done - tally.innocent} planted copies depended on their sound.",
        f"Without the spread, {tally.beside} of {tally.innocent} innocent sounds would have been found.",
        f"A proof took {tally.seconds / max(1, done):.0f} s.",
    ]
    return Result(NAME, wanted, done, tally.violations, tally.beside > 0, None, time.monotonic() - started, facts)
