"""What is known of copies among the takes: the audit of the prior, the judge of single takes, and their evidence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from distill_core.audit.record import audit_in
from distill_core.generation.settings import is_whole
from distill_core.generation.takes.facts import marks_of_prior
from distill_core.models.sounds_list import SOUNDS, learned_sounds

if TYPE_CHECKING:
    import numpy as np

    from distill_core.audio.dataset import AudioDataset, AudioFile
    from distill_core.audit.record import AuditRecord
    from distill_core.generation.takes.verdict import TakeVerdict


@dataclass(frozen=True, slots=True, eq=False)
class ShownEvidence:
    """The grounds of the verdict on a take of a number; see `TakeEvidence`. `file` is None where the sound is gone."""

    number: int
    verdict: TakeVerdict
    agrees_WHQ: np.ndarray[tuple[int, int, int], np.dtype[np.bool_]]
    active_WH: np.ndarray[tuple[int, int], np.dtype[np.bool_]]
    file: AudioFile | None = None


@dataclass(frozen=True, slots=True)
class SoundingPrior:
    """What tells a prior that sounds, and the sounds that are open beside it, from others: its marks and its epoch."""

    model: Path
    marks: tuple[str, str]
    epoch: int
    sounds: tuple[str, ...]


def _epoch_of(facts: Mapping[str, Any]) -> int:
    epoch = facts.get("kept_epoch")
    return epoch if isinstance(epoch, int) and is_whole(epoch, 1) else 0


def sounding_prior(model: Path, facts: Mapping[str, Any], sounds: AudioDataset | None) -> SoundingPrior:
    """Return what tells a prior of these facts from others."""
    digests = () if sounds is None else tuple(file.digest for file in sounds.files)
    return SoundingPrior(model, marks_of_prior(facts), _epoch_of(facts), digests)


_last_learned: list[tuple[object, frozenset[str]]] = []  # a file's list, and the digests in it


def _learned_digests(facts: Mapping[str, Any]) -> frozenset[str]:
    """Return the digests of the listed sounds that were not held out; to check a list of 20,000 takes .1 s."""
    listed = facts.get(SOUNDS)
    if not _last_learned or _last_learned[0][0] is not listed:
        digests = frozenset(sound.digest for sound in learned_sounds(facts) if not sound.held_out)
        _last_learned[:] = [(listed, digests)]
    return _last_learned[0][1]


def has_its_sounds(facts: Mapping[str, Any], sounds: AudioDataset | None) -> bool:
    """Tell whether sounds are there that a prior of these facts learned from.

    An older file lists none: then those that it kept aside have to be there, by their names.
    """
    if sounds is None:
        return False
    if learned := _learned_digests(facts):
        return any(file.digest in learned for file in sounds.files)
    names = facts.get("validation_files")
    return isinstance(names, list) and bool(names) and {file.name for file in sounds.files}.issuperset(map(str, names))


@dataclass(frozen=True, slots=True)
class CopyingState:
    """Whether takes are copies of the sounds that their prior learned from, as far as that is known.

    `prior` is the one that sounds: the trained one that is not saved, else the file's. `record` is that of its audit,
    which `is_new` if it was made here; `hides_notice` says that a person has put the message on it away. `done` of
    `total` samples are checked while `is_auditing`; `total` is 0 while that is unknown. `is_ready` says that a judge of
    single takes stands by, `needs_sounds` that there is a prior, but none of the sounds that it learned from.
    `evidence` is that of the take that is looked at. `problem` says in a sentence what failed last.
    """

    prior: SoundingPrior | None = None
    record: AuditRecord | None = None
    is_new: bool = False
    hides_notice: bool = False
    is_auditing: bool = False
    done: int = 0
    total: int = 0
    is_ready: bool = False
    needs_sounds: bool = False
    evidence: ShownEvidence | None = None
    problem: str = ""

    def beside(self, model: Path | None, facts: Mapping[str, Any] | None, sounds: AudioDataset | None) -> CopyingState:
        """Return what is known beside the prior that sounds now, of these facts, None without one, and its sounds."""
        if model is None or facts is None:
            return CopyingState()
        prior, needs = sounding_prior(model, facts, sounds), not has_its_sounds(facts, sounds)
        known = self if prior == self.prior else CopyingState(prior)
        return replace(known, record=known.record if known.is_new else audit_in(facts), needs_sounds=needs)

    def with_record(self, record: AuditRecord) -> CopyingState:
        """Return what is known after an audit."""
        return replace(self, record=record, is_new=True, hides_notice=False, is_auditing=False, done=0, total=0)
