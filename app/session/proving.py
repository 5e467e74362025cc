"""The proofs that takes depend on a sound, as a part of the state: the one under way, and what was found."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path


@dataclass(frozen=True, slots=True)
class ProofState:
    """The proof for a take of a number, under way or done.

    `done` of `total` optimizer steps are taken; `total` is 0 while that is unknown. `sentence` is the finding, or why
    there is none; `depends` is None until it is known.
    """

    number: int
    is_running: bool = False
    done: int = 0
    total: int = 0
    sentence: str = ""
    depends: bool | None = None


@dataclass(frozen=True, slots=True)
class ProofsState:
    """The proofs for the takes of a model, the last one first; they stay while the model is open."""

    model: Path | None = None
    proofs: tuple[ProofState, ...] = ()

    @property
    def running(self) -> ProofState | None:
        """The proof under way."""
        return next((proof for proof in self.proofs if proof.is_running), None)

    def of_take(self, number: int) -> ProofState | None:
        """Return the proof for a take, under way or done; None if it was never asked for."""
        return next((proof for proof in self.proofs if proof.number == number), None)

    def of_model(self, model: Path | None) -> ProofsState:
        """Return the proofs for a model's takes: these, or none yet for another one."""
        return self if model == self.model else ProofsState(model)

    def having(self, proof: ProofState) -> ProofsState:
        """Return the proofs with one in place of a former one for the same take."""
        others = (other for other in self.proofs if other.number != proof.number)
        return replace(self, proofs=(proof, *others))

    def at(self, number: int, done: int, total: int) -> ProofsState:
        """Return the proofs after progress of one; of one that is not under way nothing is told any more."""
        running = self.running
        if running is None or running.number != number:
            return self
        return self.having(replace(running, done=done, total=total))

    def without_running(self, problem: str = "") -> ProofsState:
        """Return the proofs without the one under way; a problem stands in place of its finding."""
        if self.running is not None and problem:
            return self.having(ProofState(self.running.number, sentence=problem))
        return replace(self, proofs=tuple(proof for proof in self.proofs if not proof.is_running))
