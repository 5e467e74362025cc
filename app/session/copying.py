"""What is known of copies among the takes: the audit of the prior, the judge of single takes, and their evidence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

    from distill_core.audio.dataset import AudioFile
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
class ProofState:
    """The proof that a take depends on a sound, under way or done: `depends` is None until that is known."""

    number: int
    is_running: bool = False
    done: int = 0
    total: int = 0
    sentence: str = ""
    depends: bool | None = None


@dataclass(frozen=True, slots=True)
class CopyingState:
    """Whether takes are copies of the sounds that their prior learned from, as far as that is known.

    `record` is that of the audit of the prior in memory: of the trained one that is not saved, else of the file's.
    `done` of `total` samples are checked while `is_auditing`; `total` is 0 while that is unknown. `is_ready` says that
    a judge of single takes stands by, `needs_sounds` that there is a prior, but none of the sounds that it learned
    from. `evidence` and `proof` are those of the chosen take. `problem` says in a sentence what failed last.
    """

    record: AuditRecord | None = None
    is_auditing: bool = False
    done: int = 0
    total: int = 0
    is_ready: bool = False
    needs_sounds: bool = False
    evidence: ShownEvidence | None = None
    proof: ProofState | None = None
    problem: str = ""
