"""The events of audits and proofs. This module imports no torch."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ProofProgress:
    """The progress of a proof in optimizer steps: training k of `trainings` is under way, without the sound `without`.

    `without` is "" while all sounds are learned from.
    """

    done: int
    total: int
    training: int
    trainings: int
    without: str
